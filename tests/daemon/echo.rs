//! Every byte comes back once and in order, however it was cut and however many talk at once.

use rustix::process::Signal;

use crate::client::{Talk, converse, exchange};
use crate::rig::{ECHO, Echo, Rig};

const MIB: u64 = 1024 * 1024;

#[test]
fn megabytes_in_odd_pieces_come_back_exactly() {
    let rig = Rig::echo(ECHO);
    exchange(&rig.connect(), 1, 16 * MIB, 0);
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains(&format!("served 1 connections, {} bytes in, {} out", 16 * MIB, 16 * MIB)), "{log}");
}

#[test]
fn a_thousand_clients_of_several_workers_each_get_their_own_bytes() {
    let rig = Rig::echo(Echo { workers: 3, memory: "Blocks = 16384", socket: "Connections = 1100", ..ECHO });
    let talks = rig.connect_many(1_000).into_iter().zip(1..);
    converse(talks.map(|(stream, seed)| Talk::new(stream, seed, 40_000 + 37 * seed)).collect());
    let log = rig.stop(Signal::QUIT);
    let served = log.lines().filter_map(|line| line.split_once(": served ")?.1.split(' ').next()?.parse::<u32>().ok());
    assert_eq!(served.sum::<u32>(), 1_000, "{log}");
}

#[test]
fn clients_that_do_not_read_for_a_while_lose_nothing() {
    let rig = Rig::echo(Echo { memory: "Blocks = 1024", ..ECHO });
    std::thread::scope(|scope| {
        for (stream, seed) in rig.connect_many(8).into_iter().zip(1..) {
            scope.spawn(move || exchange(&stream, seed, 2 * MIB + seed, 200));
        }
    });
    rig.stop(Signal::QUIT);
}

//! Millions of messages, each received and answered by itself, and then the server's own count of allocations.
//!
//! In a debug build one allocation after the seal would have ended the worker; the figure that counts is that of a
//! release build, which only counts it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use rustix::process::Signal;

use crate::client::pattern;
use crate::full;
use crate::rig::{ECHO, Echo, Rig};
use crate::server::{exists, send, wait_until};

const CONNECTIONS: u64 = 64;
const MESSAGE_BYTES: usize = 64;
/// So many times during the run each connection is closed and another opened, and the log renamed.
const CHANGES: u64 = 10;

#[test]
fn ten_million_messages_are_answered_without_one_allocation() {
    let messages: u64 = if full() { 10_000_000 } else { 100_000 };
    let rounds = messages / CONNECTIONS;
    let rig = Rig::echo(Echo { socket: "Connections = 128", ..ECHO });
    let began = Instant::now();
    let mut streams = Vec::new();
    for round in 0..rounds {
        if round.is_multiple_of(rounds.div_ceil(CHANGES)) {
            streams = rig.connect_many(CONNECTIONS as usize);
            rename_log(&rig, round);
        }
        exchange(&mut streams, round);
    }
    let took = began.elapsed();
    let status = rig.server.run(&["-c", "tg.conf", "-s", "status", "--json"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("\"allocations_after_seal\":0,"), "{status}");
    drop(streams);
    let log = rig.stop(Signal::QUIT);
    let told = log.lines().find_map(|line| line.split_once("served ")).expect("the count at the worker's end").1;
    eprintln!("{} messages in {took:.1?}: {told}", rounds * CONNECTIONS);
    let (connections, bytes) = (CHANGES * CONNECTIONS, rounds * CONNECTIONS * MESSAGE_BYTES as u64);
    assert_eq!(
        told,
        format!("{connections} connections, {bytes} bytes in, {bytes} out; allocations after the seal: 0")
    );
}

/// One message on each connection, and its echo from each.
fn exchange(streams: &mut [TcpStream], round: u64) {
    let message = |at: usize| pattern(at as u64, round, MESSAGE_BYTES);
    for (at, stream) in streams.iter_mut().enumerate() {
        stream.write_all(message(at)).unwrap();
    }
    let mut answer = [0; MESSAGE_BYTES];
    for (at, stream) in streams.iter_mut().enumerate() {
        stream.read_exact(&mut answer).unwrap();
        assert!(answer == *message(at), "other bytes came back in round {round}");
    }
}

fn rename_log(rig: &Rig, round: u64) {
    let log = rig.server.directory.join("tg.log");
    fs::rename(&log, rig.server.directory.join(format!("old.{round}"))).unwrap();
    send(rig.server.pid(), Signal::USR1);
    wait_until("the new log", || exists(&log));
}

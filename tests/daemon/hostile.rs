//! Peers that reset, scan, sit and come by the thousand: everyone else is served, and nothing stays behind.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;
use rustix::process::Signal;

use crate::client::{Random, exchange, pattern, try_say};
use crate::proc::{descriptors, resident_kib};
use crate::rig::{ECHO, Echo, Rig, connect};
use crate::server::wait_until;

const CLIENTS: u64 = 4;

/// Closes with a reset instead of an end.
fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

fn resets_at_a_random_moment(address: SocketAddr, seed: u64) {
    let mut random = Random(seed);
    let Ok(mut stream) = connect(address) else { return };
    for _ in 0..random.below(6) {
        // Whatever goes wrong here is what this client is for.
        let _ = stream.write_all(pattern(seed, 0, random.below(60_000) as usize));
        if random.below(2) == 0 {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
            let _ = stream.read(&mut [0; 4_096]);
        }
        thread::sleep(Duration::from_micros(random.below(3_000)));
    }
    reset(stream);
}

#[test]
fn resets_at_random_moments_and_port_scans_harm_nobody() {
    let rig = Rig::echo(ECHO);
    let address = rig.address();
    let normal = rig.connect();
    try_say(&normal, b"first").unwrap();
    let before = descriptors(rig.worker());
    thread::scope(|scope| {
        for client in 1..=CLIENTS {
            scope.spawn(move || {
                (0..200 / CLIENTS).for_each(|n| resets_at_a_random_moment(address, client * 1_000 + n));
            });
        }
        scope.spawn(|| (0..1_000).for_each(|_| drop(connect(address))));
        scope.spawn(|| (0..500).for_each(|_| connect(address).map(reset).unwrap_or_default()));
        exchange(&normal, 1, 2 << 20, 20);
    });
    // The normal client ended too.
    wait_until("all to be gone", || descriptors(rig.worker()) == before - 1);
    exchange(&rig.connect(), 2, 1 << 20, 0);
    rig.stop(Signal::QUIT);
}

#[test]
fn a_thousand_idle_connections_do_not_keep_a_normal_client_from_its_bytes() {
    let rig = Rig::echo(Echo { workers: 2, socket: "Connections = 1100", ..ECHO });
    let idle = rig.connect_many(1_000);
    exchange(&rig.connect(), 1, 4 << 20, 0);
    drop(idle);
    rig.stop(Signal::QUIT);
}

#[test]
fn twenty_thousand_short_connections_leave_no_descriptor_and_no_memory_behind() {
    let rig = Rig::echo(ECHO);
    let address = rig.address();
    let before = descriptors(rig.worker());
    short_connections(address, 2_000);
    let memory = resident_kib(rig.worker());
    short_connections(address, 18_000);
    wait_until("all to be gone", || descriptors(rig.worker()) == before);
    let grown = resident_kib(rig.worker()).saturating_sub(memory);
    assert!(grown <= 64, "18,000 connections left {grown} KiB");
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains("served 20000 connections"), "{log}");
}

/// Most end in a reset by us, so that the machine does not run out of local ports.
fn short_connections(address: SocketAddr, count: u64) {
    thread::scope(|scope| {
        for client in 1..=CLIENTS {
            scope.spawn(move || {
                for n in 0..count / CLIENTS {
                    let stream = connect(address).unwrap();
                    try_say(&stream, pattern(client, n, 200)).unwrap();
                    if n % 8 > 0 {
                        reset(stream);
                    }
                }
            });
        }
    });
}

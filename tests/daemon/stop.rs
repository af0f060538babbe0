//! The end of a server: TERM is quick, QUIT is careful, both leave nothing behind.

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{hear_all, hear_end, is_over, pattern, say, send_without_reading, try_say};
use crate::proc::unacknowledged;
use crate::rig::{ECHO, Echo, Rig, connect};
use crate::server::{is_gone, send, wait_until};

#[test]
fn a_signal_under_load_ends_the_server_with_code_zero_and_frees_the_port() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut rig = Rig::echo(Echo { workers: 2, process: "OpenFiles = 4096\nDrainTimeout = 5", ..ECHO });
        let (stop, answered, address) = (AtomicBool::new(false), AtomicU32::new(0), rig.address());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        let Ok(stream) = connect(address) else { continue };
                        while try_say(&stream, &[7; 3_000]).is_ok() && !stop.load(Relaxed) {
                            answered.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
            wait_until("load", || answered.load(Relaxed) > 200);
            let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                send(rig.server.pid(), signal);
                rig.ended()
            }));
            stop.store(true, Relaxed);
            assert!(held.unwrap().ends_with("#master: stopped\n"));
        });
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{signal:?}");
    }
}

#[test]
fn a_drain_answers_every_byte_it_was_sent_and_closes_the_idle_at_once() {
    let mut rig = Rig::echo(Echo { process: "OpenFiles = 4096\nDrainTimeout = 60", ..ECHO });
    let idle = rig.connect_many(20);
    idle.iter().for_each(|stream| say(stream, b"here"));
    let mut busy: Vec<(TcpStream, u64)> = Vec::new();
    for seed in 1..=30 {
        // The longer answers do not fit into the kernels' buffers: blocks and unread input hold the rest.
        busy.push((rig.connect_narrow(), 1_000 + 9_000 * seed));
    }
    for (stream, total) in &busy {
        let mut sent = 0;
        while sent < *total {
            sent += (&*stream).write(pattern(*total, sent, (*total - sent).min(60_000) as usize)).unwrap() as u64;
        }
    }
    // Only what the server's kernel has acknowledged was accepted.
    wait_until("the bytes to arrive", || busy.iter().all(|(stream, _)| unacknowledged(stream) == 0));
    let began = Instant::now();
    send(rig.server.pid(), Signal::QUIT);
    idle.iter().for_each(hear_end);
    drop(idle);
    for (stream, total) in &busy {
        hear_all(stream, *total, *total, 3);
    }
    drop(busy);
    rig.ended();
    assert!(began.elapsed() < Duration::from_secs(55), "it waited for its deadline with nothing left to wait for");
}

#[test]
fn a_drain_serves_those_still_in_the_backlog_or_refuses_them_but_never_hangs_them() {
    let mut rig = Rig::echo(Echo { socket: "Connections = 2", ..ECHO });
    let inside = rig.connect_many(2);
    inside.iter().for_each(|stream| say(stream, b"in"));
    let waiting = rig.connect_many(10);
    send(rig.server.pid(), Signal::QUIT);
    inside.iter().for_each(hear_end);
    drop(inside);
    rig.ended();
    assert!(waiting.iter().all(is_over));
}

#[test]
fn a_drain_is_bounded_when_a_client_never_reads() {
    let mut rig = Rig::echo(Echo { process: "OpenFiles = 4096\nDrainTimeout = 2", ..ECHO });
    let stream = rig.connect_narrow();
    send_without_reading(&stream).unwrap();
    let began = Instant::now();
    send(rig.server.pid(), Signal::QUIT);
    rig.ended();
    assert!(began.elapsed() >= Duration::from_millis(1_900), "the client was not given its time");
    assert!(is_over(&stream));
}

#[test]
fn a_draining_server_refuses_newcomers_and_leaves_its_port_to_the_next() {
    let mut rig = Rig::echo(Echo { workers: 2, process: "OpenFiles = 4096\nDrainTimeout = 60", ..ECHO });
    let stays = rig.connect_narrow();
    send_without_reading(&stays).unwrap();
    let address = rig.address();
    send(rig.server.pid(), Signal::QUIT);
    let refused = || matches!(TcpStream::connect(address), Err(error) if error.kind() == ErrorKind::ConnectionRefused);
    wait_until("the refusal", refused);
    assert!(!rig.workers.iter().all(|worker| is_gone(*worker)), "someone is still served");
    let next = TcpListener::bind(address).expect("the port is free for another server");
    drop((next, stays));
    rig.ended();
}

#[test]
fn a_stop_does_not_wait_for_a_client_that_never_reads() {
    let rig = Rig::echo(Echo { process: "OpenFiles = 4096\nDrainTimeout = 600", ..ECHO });
    let stream = rig.connect_narrow();
    send_without_reading(&stream).unwrap();
    rig.stop(Signal::TERM);
    assert!(is_over(&stream));
}

#[test]
fn a_second_signal_cuts_a_drain_short() {
    let rig = Rig::echo(Echo { process: "OpenFiles = 4096\nDrainTimeout = 600", ..ECHO });
    let stream = rig.connect_narrow();
    send_without_reading(&stream).unwrap();
    send(rig.server.pid(), Signal::QUIT);
    wait_until("the drain", || rig.log().contains("asked to drain"));
    rig.stop(Signal::TERM);
}

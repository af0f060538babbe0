//! A client that ends its own direction still gets everything (RFC 862), and then the end.

use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::client::{exchange, hear_all, hear_end, send_all};
use crate::rig::{ECHO, Rig, connect};
use crate::server::free_port;

#[test]
fn every_byte_comes_back_after_the_client_ended_its_direction_and_then_the_end() {
    let rig = Rig::echo(ECHO);
    for total in [0, 1, 4_096, 100_000] {
        // All of it fits into the kernels' buffers: the end is sent before the first byte is read.
        let stream = rig.connect();
        send_all(&stream, total, total);
        hear_all(&stream, total, total, 0);
    }
    rig.stop(Signal::QUIT);
}

#[test]
fn eight_megabytes_to_a_slow_reader_come_back_whole() {
    let rig = Rig::echo(ECHO);
    // A small window, and a reader that starts late: blocks fill and the server stops reading until it can send.
    let stream = rig.connect_narrow();
    thread::scope(|scope| {
        scope.spawn(|| send_all(&stream, 3, 8 << 20));
        thread::sleep(Duration::from_millis(300));
        hear_all(&stream, 3, 8 << 20, 300);
    });
    exchange(&rig.connect(), 4, 100_000, 0);
    rig.stop(Signal::QUIT);
}

#[test]
fn discard_answers_nothing_and_ends_when_the_client_does() {
    let rig = Rig::start(1, "", |server| format!("[Socket]\nService = discard\nListenPort = {}\n", server.port));
    let stream = rig.connect();
    send_all(&stream, 5, 4 << 20);
    hear_end(&stream);
    let idle = rig.connect();
    idle.shutdown(Shutdown::Write).unwrap();
    hear_end(&idle);
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains(&format!("served 2 connections, {} bytes in, 0 out", 4 << 20)), "{log}");
}

#[test]
fn an_end_with_nothing_before_it_is_answered_on_every_listener() {
    let port = free_port();
    let rig = Rig::start(2, "", |server| {
        format!("[Socket]\nListenPort = {}\n[Socket two]\nService = discard\nListenPort = {port}\n", server.port)
    });
    for address in [rig.address(), ([127, 0, 0, 1], port).into()] {
        for stream in (0..20).map(|_| connect(address).unwrap()) {
            stream.shutdown(Shutdown::Write).unwrap();
            hear_end(&stream);
        }
    }
    rig.stop(Signal::QUIT);
}

//! Everything at once, against one worker on small limits.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;
use rustix::process::Signal;

use crate::client::{Random, exchange, hear_end, is_over, pattern, say, send_all, send_without_reading};
use crate::rig::{Rig, connect};
use crate::server::{free_port, wait_until};

/// The ports of one server with every kind of listener.
struct Ports {
    discard: SocketAddr,
    crowded: SocketAddr,
    hasty: SocketAddr,
}

fn start(process: &str) -> (Rig, Ports) {
    let [discard, crowded, hasty] = [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
    let rig = Rig::start(1, process, |server| {
        let (discard, crowded, hasty) = (discard.port(), crowded.port(), hasty.port());
        format!(
            "[Memory]\nBlocks = 16\n\
             [Socket]\nListenPort = {}\n\
             [Socket discard]\nService = discard\nListenPort = {discard}\n\
             [Socket crowded]\nConnections = 2\nListenPort = {crowded}\n\
             [Socket hasty]\nIdleTimeout = 1\nWriteTimeout = 1\nListenPort = {hasty}\n\
             [Socket local]\nListenAddress = unix:tg.sock\n",
            server.port
        )
    });
    (rig, Ports { discard, crowded, hasty })
}

/// Every byte of it ordinary.
fn ordinary(rig: &Rig, ports: &Ports) {
    exchange(&rig.connect(), 1, 2 << 20, 0);
    rig.connect_many(200).iter().for_each(|stream| say(stream, b"hello"));
    let sink = connect(ports.discard).unwrap();
    send_all(&sink, 2, 1 << 20);
    hear_end(&sink);
    let mut local = UnixStream::connect(rig.server.directory.join("tg.sock")).unwrap();
    local.write_all(pattern(3, 0, 20_000)).unwrap();
    local.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    local.read_to_end(&mut answer).unwrap();
    assert!(answer == pattern(3, 0, 20_000));
}

fn reset_at_random(address: SocketAddr, seed: u64) {
    let mut random = Random(seed);
    let mut stream = connect(address).unwrap();
    // Whatever goes wrong here is what this client is for.
    let _ = stream.write_all(pattern(seed, 0, random.below(60_000) as usize));
    thread::sleep(Duration::from_micros(random.below(2_000)));
    let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
}

/// More connections than there are slots, coming and going.
fn crowd(address: SocketAddr) {
    let streams: Vec<TcpStream> = (0..12).map(|_| connect(address).unwrap()).collect();
    streams.into_iter().for_each(|stream| say(&stream, b"my turn"));
}

/// Those that sit still, and those that do not read: each is closed for it.
fn wait_out(address: SocketAddr) {
    let idle: Vec<TcpStream> = (0..10).map(|_| connect(address).unwrap()).collect();
    let stuck = connect(address).unwrap();
    sockopt::set_socket_recv_buffer_size(&stuck, 64 * 1024).unwrap();
    let _ = send_without_reading(&stuck);
    idle.iter().for_each(hear_end);
    wait_until("the close of one that does not read", || {
        (&stuck).write(&[0; 1]).is_err_and(|error| !crate::client::is_not_yet(&error))
    });
}

/// More that do not read than there are blocks.
fn exhaust_blocks(rig: &Rig) {
    let held: Vec<TcpStream> = (0..20).map(|_| rig.connect_narrow()).collect();
    thread::scope(|scope| {
        for stream in &held {
            scope.spawn(move || send_without_reading(stream));
        }
    });
    wait_until("the line about it", || rig.log().contains("[Memory] Blocks"));
}

#[test]
fn a_worker_allocates_nothing_whatever_its_peers_do() {
    let (mut rig, ports) = start("");
    let worker = rig.worker();
    thread::scope(|scope| {
        scope.spawn(|| ordinary(&rig, &ports));
        scope.spawn(|| (1..200).for_each(|seed| reset_at_random(rig.address(), seed)));
        scope.spawn(|| (0..500).for_each(|_| drop(connect(ports.discard))));
        scope.spawn(|| crowd(ports.crowded));
        scope.spawn(|| wait_out(ports.hasty));
        exhaust_blocks(&rig);
    });
    assert!(rig.log().contains("all 2 connections taken"), "{}", rig.log());
    assert_eq!(rig.server.workers(1), [worker], "the worker died");
    let last = rig.connect();
    say(&last, b"still here");
    says_none(&rig.stop(Signal::QUIT));
    assert!(is_over(&last));
}

#[test]
fn a_worker_without_descriptors_allocates_nothing_to_say_so() {
    let (mut rig, ports) = start("");
    let worker = rig.worker();
    rig.limit_files(worker, 48);
    // Fewer in all than the backlogs hold: a worker that falls behind must not make the clients wait for each other.
    for _ in 0..8 {
        let mut crowd: Vec<TcpStream> =
            (0..80).map(|n| connect([rig.address(), ports.hasty][n % 2]).unwrap()).collect();
        crowd.iter_mut().for_each(|stream| stream.write_all(b"hello?").unwrap());
        crowd.truncate(40);
    }
    wait_until("the line about it", || rig.log().contains("EMFILE"));
    wait_until("room", || {
        let stream = rig.connect();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        (&stream).write_all(b"x").is_ok() && (&stream).read(&mut [0; 1]).is_ok()
    });
    assert_eq!(rig.server.workers(1), [worker], "the worker died");
    says_none(&rig.stop(Signal::TERM));
}

fn says_none(log: &str) {
    let ends: Vec<&str> = log.lines().filter(|line| line.contains("allocations after the seal: ")).collect();
    assert!(ends.len() == 1 && ends[0].ends_with(": 0"), "{log}");
}

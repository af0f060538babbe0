//! Hostile clients cost what the configuration says and no more: their slots come back in time, others are served.
//!
//! Echo takes every byte at once, so what ends a dribbling client here is `IdleTimeout`: silence for longer than it.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::Signal;

use crate::bystanders::{BYSTANDERS, Bystanders, Visits};
use crate::client::{is_over, say, send_without_reading, try_say};
use crate::full;
use crate::proc::descriptors;
use crate::rig::{ECHO, Echo, Rig};
use crate::server::wait_until;

const HOSTILE: usize = 48;
/// On top of the configured time, for a busy machine.
const GRACE: Duration = Duration::from_secs(1);

/// A server with room for the well-behaved clients, who are there, and for so many others.
fn serve(others: usize, socket: &str, visits: Visits) -> (Rig, Bystanders) {
    let socket = format!("Connections = {}\n{socket}", BYSTANDERS + others);
    let rig = Rig::echo(Echo { socket: &socket, ..ECHO });
    let address = rig.address();
    let bystanders = Bystanders::start(visits, move || crate::rig::connect(address).unwrap());
    (rig, bystanders)
}

/// A client from another address than everybody else.
fn stranger(address: SocketAddr) -> TcpStream {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&fd, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, 66), 0))).unwrap();
    connect(&fd, &address).unwrap();
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(GRACE)).unwrap();
    stream
}

/// Whether all slots are back but those of well-behaved clients, of whom some may be between two connections; and
/// whether as many newcomers are served as there were hostile clients.
fn slots_come_back(rig: &Rig, before: usize) {
    wait_until("the slots", || descriptors(rig.worker()) <= before + BYSTANDERS / 2);
    let newcomers = rig.connect_many(HOSTILE);
    newcomers.iter().for_each(|stream| say(stream, b"we want in"));
}

#[test]
fn clients_that_dribble_slower_than_the_idle_timeout_lose_their_slots_in_time() {
    // A byte each four seconds, or all of it in less time.
    let (every, idle) = if full() { (4_000, 3_000) } else { (1_400, 1_000) };
    let (every, idle) = (Duration::from_millis(every), Duration::from_millis(idle));
    let (rig, bystanders) = serve(HOSTILE, &format!("IdleTimeout = {}ms", idle.as_millis()), Visits::Half);
    let before = descriptors(rig.worker());
    let mut dribbling = rig.connect_many(HOSTILE);
    dribbling.iter().for_each(|stream| say(stream, b"d"));
    let began = Instant::now();
    slots_come_back(&rig, before);
    let waited = began.elapsed();
    assert!(waited > idle / 2 && waited < idle + GRACE, "{waited:?}");
    thread::sleep(every.saturating_sub(waited));
    dribbling.iter_mut().for_each(|stream| drop(stream.write(b"r")));
    assert!(dribbling.iter().all(is_over));
    bystanders.end();
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains(&format!("idle_timeout {HOSTILE}")), "{log}");
}

#[test]
fn clients_that_never_read_lose_their_slots_after_the_write_timeout() {
    let (rig, bystanders) = serve(HOSTILE, "WriteTimeout = 2s", Visits::Half);
    let before = descriptors(rig.worker());
    let stuck: Vec<TcpStream> = (0..HOSTILE).map(|_| rig.connect_narrow()).collect();
    let last = thread::scope(|scope| {
        let sending: Vec<_> = stuck.iter().map(|stream| scope.spawn(|| fill(stream))).collect();
        sending.into_iter().map(|sending| sending.join().unwrap()).max().unwrap()
    });
    slots_come_back(&rig, before);
    let waited = last.elapsed();
    assert!(waited < Duration::from_secs(2) + GRACE, "{waited:?}");
    assert!(stuck.iter().all(is_over));
    bystanders.end();
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains("write_timeout "), "{log}");
}

#[test]
fn a_user_timeout_shorter_than_the_write_timeout_holds_for_clients_that_never_read_too() {
    let (rig, bystanders) = serve(HOSTILE, "WriteTimeout = 10m\nUserTimeout = 2s", Visits::Never);
    let before = descriptors(rig.worker());
    let stuck = rig.connect_narrow();
    let last = fill(&stuck);
    wait_until("the slot", || descriptors(rig.worker()) == before);
    let waited = last.elapsed();
    assert!(waited < Duration::from_secs(2) + GRACE, "{waited:?}");
    bystanders.end();
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains("reset 1"), "{log}");
}

/// Sends until nothing more is taken; when the last byte was.
fn fill(stream: &TcpStream) -> Instant {
    // It waits a second to be sure. A server that closes it meanwhile is early, not late.
    let _ = send_without_reading(stream);
    Instant::now() - Duration::from_secs(1)
}

#[test]
fn a_flood_from_one_address_gets_its_share_and_nobody_else_less() {
    const SHARE: usize = 32;
    let (rig, bystanders) = serve(2 * HOSTILE, &format!("PerClient = {SHARE}"), Visits::Half);
    let address = rig.address();
    let before = descriptors(rig.worker());
    let mut kept = Vec::new();
    let began = Instant::now();
    let mut refused = 0;
    while began.elapsed() < Duration::from_secs(if full() { 30 } else { 1 }) {
        let stream = stranger(address);
        match try_say(&stream, b"flood") {
            Ok(()) => kept.push(stream),
            Err(_) => refused += 1,
        }
        assert!(kept.len() <= SHARE, "one address holds {} connections", kept.len());
    }
    assert_eq!(kept.len(), SHARE);
    assert!(refused > 100, "no flood: {refused} refused");
    drop(kept);
    // Its share is free again at once, for others or for itself.
    wait_until("the share", || try_say(&stranger(address), b"again").is_ok());
    bystanders.end();
    wait_until("all to leave", || descriptors(rig.worker()) < before);
    rig.stop(Signal::QUIT);
}

#[test]
fn a_flood_past_the_accept_rate_waits_outside_and_those_inside_are_served() {
    const RATE: usize = 50;
    const CROWD: usize = 400;
    let (rig, bystanders) = serve(CROWD, &format!("AcceptRate = {RATE}"), Visits::Never);
    let address = rig.address();
    let began = Instant::now();
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| stranger(address)).collect();
    let lasted = Duration::from_secs(2);
    thread::sleep(lasted.saturating_sub(began.elapsed()));
    bystanders.end();
    let took = began.elapsed();
    let log = rig.stop(Signal::TERM);
    drop(crowd);
    let (_, told) = log.split_once("accepted ").expect("a count");
    let accepted: u128 = told.split(' ').next().unwrap().parse().unwrap();
    // One second's worth may come in a burst.
    let most = BYSTANDERS as u128 + RATE as u128 * (2 + took.as_millis() / 1_000);
    assert!(accepted <= most && accepted > BYSTANDERS as u128 + RATE as u128, "{accepted} in {took:?}: {log}");
}

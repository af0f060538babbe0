//! A worker that dies takes its own connections with it and nothing else.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;

use rustix::process::Signal;

use crate::client::{is_over, say, try_say};
use crate::proc::servers_of;
use crate::rig::{ECHO, Echo, Rig, connect};
use crate::server::{is_gone, send, wait_until};

const CLIENTS: u32 = 4;

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    answered: AtomicU32,
    refused: AtomicU32,
    broken: AtomicU32,
}

impl Tally {
    fn count(&self, outcome: io::Result<()>) {
        let counter = match outcome {
            Ok(()) => &self.answered,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => &self.refused,
            Err(_) => &self.broken,
        };
        counter.fetch_add(1, Relaxed);
    }
}

#[test]
fn the_port_never_refuses_while_workers_are_killed_and_replaced() {
    let mut rig = Rig::echo(Echo { workers: 3, process: "OpenFiles = 4096\nRespawnLimit = 100", ..ECHO });
    let (tally, address) = (Tally::default(), rig.address());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !tally.stop.load(Relaxed) {
                    tally.count(connect(address).and_then(|stream| try_say(&stream, &[b'x'; 700])));
                }
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kill_each_worker(&mut rig, &tally)));
        tally.stop.store(true, Relaxed);
        result.unwrap();
    });
    assert_eq!(tally.refused.load(Relaxed), 0);
    let (answered, broken) = (tally.answered.load(Relaxed), tally.broken.load(Relaxed));
    assert!(answered > 300, "{answered}");
    assert!(broken <= 3 * CLIENTS, "more broke than the killed workers can have had in hand: {broken}");
    let log = rig.stop(Signal::TERM);
    assert_eq!(log.matches("killed by signal 9").count(), 3, "{log}");
}

fn kill_each_worker(rig: &mut Rig, tally: &Tally) {
    for worker in rig.workers.clone() {
        answers(tally, 100);
        send(worker, Signal::KILL);
        wait_until("the death", || is_gone(worker));
        let workers = rig.server.workers(3);
        assert!(!workers.contains(&worker));
        rig.workers = workers;
    }
    answers(tally, 100);
}

/// Waits until so many more were answered.
fn answers(tally: &Tally, more: u32) {
    let before = tally.answered.load(Relaxed);
    wait_until("answers", || tally.answered.load(Relaxed) >= before + more);
}

#[test]
fn connections_of_other_workers_do_not_notice_a_death() {
    let mut rig = Rig::echo(Echo { workers: 2, ..ECHO });
    let mut streams = Vec::new();
    // With one worker asleep the other takes whoever comes.
    for (awake, asleep) in [(0, 1), (1, 0)] {
        send(rig.workers[asleep], Signal::STOP);
        for stream in rig.connect_many(10) {
            say(&stream, b"mine");
            streams.push(stream);
        }
        assert!(
            servers_of(&streams, &rig.workers)[streams.len() - 10..].iter().all(|p| *p == Some(rig.workers[awake]))
        );
        send(rig.workers[asleep], Signal::CONT);
    }
    let victim = rig.workers[0];
    send(victim, Signal::KILL);
    wait_until("the death", || is_gone(victim));
    let (lost, kept) = streams.split_at(10);
    assert!(lost.iter().all(is_over));
    kept.iter().for_each(|stream| say(stream, b"still here"));
    rig.workers = rig.server.workers(2);
    rig.connect_many(50).iter().for_each(|stream| say(stream, b"and new ones"));
    kept.iter().for_each(|stream| say(stream, b"still here"));
    rig.stop(Signal::QUIT);
}

#[test]
fn clients_that_came_while_every_worker_was_dead_are_served_by_the_next() {
    let mut rig = Rig::echo(ECHO);
    let worker = rig.worker();
    send(worker, Signal::STOP);
    let waiting = rig.connect_many(50);
    send(worker, Signal::KILL);
    wait_until("the death", || is_gone(worker));
    waiting.iter().for_each(|stream| say(stream, b"patient"));
    rig.workers = rig.server.workers(1);
    rig.stop(Signal::QUIT);
}

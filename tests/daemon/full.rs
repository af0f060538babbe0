//! Out of connections, or out of descriptors: newcomers wait, the worker sleeps, and service resumes at once.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{hear, is_not_yet, say, send_without_reading};
use crate::proc::cpu;
use crate::rig::{ECHO, Echo, Rig};

const WATCHED: Duration = Duration::from_secs(10);
const GREETING: &[u8] = b"is there room";

#[test]
fn a_full_pool_lets_newcomers_wait_sleeps_and_resumes_within_a_second() {
    let rig = Rig::echo(Echo { socket: "Connections = 8", ..ECHO });
    let log = waits_sleeps_and_resumes(rig, 8);
    let told = log.lines().filter(|line| line.contains("all 8 connections taken")).count();
    assert!((1..=3).contains(&told), "told {told} times: {log}");
}

#[test]
fn without_descriptors_newcomers_wait_the_worker_sleeps_and_resumes_within_a_second() {
    let rig = Rig::echo(Echo { socket: "Connections = 200", ..ECHO });
    rig.limit_files(rig.worker(), 64);
    let log = waits_sleeps_and_resumes(rig, 64 - 20);
    let told = log.lines().filter(|line| line.contains("EMFILE") || line.contains("descriptors")).count();
    assert!((1..=6).contains(&told), "told {told} times: {log}");
}

/// One process is woken for each connection. It may be the one that cannot take it.
#[test]
fn a_worker_without_descriptors_passes_newcomers_on_to_one_that_has_some() {
    let rig = Rig::echo(Echo { workers: 2, ..ECHO });
    for worker in &rig.workers {
        // The limit is on numbers: below the first that is free there is none.
        let free = (0..).find(|number| fs::symlink_metadata(format!("/proc/{worker}/fd/{number}")).is_err()).unwrap();
        let old = rig.limit_files(*worker, free);
        for _ in 0..5 {
            say(&rig.connect(), b"who takes me");
        }
        rig.limit_files(*worker, old);
    }
    let log = rig.stop(Signal::QUIT);
    assert!(log.contains("EMFILE"), "nobody was short of descriptors: {log}");
}

/// With at least `inside_min` connections the server is full: whoever comes then waits, costs nothing, and is served
/// as soon as someone leaves. The log.
fn waits_sleeps_and_resumes(rig: Rig, inside_min: usize) -> String {
    let (mut inside, mut waiting) = (Vec::new(), Vec::new());
    for mut stream in rig.connect_many(inside_min + 40) {
        stream.write_all(GREETING).unwrap();
        if has_answer(&stream, if waiting.is_empty() { 2_000 } else { 1 }) {
            hear(&stream, GREETING);
            inside.push(stream);
        } else {
            waiting.push(stream);
        }
    }
    assert!(inside.len() >= inside_min && waiting.len() >= 10, "{} in, {} waiting", inside.len(), waiting.len());
    let before = cpu(rig.worker());
    thread::sleep(WATCHED);
    let used = cpu(rig.worker()) - before;
    assert!(used < WATCHED / 100, "{used:?} of processor time while there was nothing to do");
    assert!(!waiting.iter().any(|stream| has_answer(stream, 1)), "nobody left, and someone got in");
    inside.iter().for_each(|stream| say(stream, b"still served"));

    // The machine may be busy with other things just now: the best of several tells what the server does.
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        drop(inside.pop());
        let left = Instant::now();
        let next = waiting.remove(0);
        hear(&next, GREETING);
        fastest = fastest.min(left.elapsed());
        say(&next, b"thank you");
        inside.insert(0, next);
    }
    assert!(fastest < Duration::from_secs(1), "a place was free for {fastest:?} before it was given");
    drop(inside);
    // Each makes room for the next as it leaves.
    waiting.into_iter().for_each(|stream| hear(&stream, GREETING));
    rig.connect_many(5).iter().for_each(|stream| say(stream, b"as before"));
    rig.stop(Signal::QUIT)
}

fn has_answer(stream: &TcpStream, wait_ms: u64) -> bool {
    let patience = stream.read_timeout().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(wait_ms))).unwrap();
    let answer = stream.peek(&mut [0; 1]);
    stream.set_read_timeout(patience).unwrap();
    match answer {
        Ok(n) => n > 0,
        Err(error) if is_not_yet(&error) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_idle_server_uses_no_processor_time_at_all() {
    let rig = Rig::echo(ECHO);
    let held = rig.connect_many(100);
    held.iter().for_each(|stream| say(stream, b"here"));
    let pids = [rig.server.pid(), rig.worker()];
    let before: Duration = pids.map(cpu).iter().sum();
    thread::sleep(Duration::from_secs(3));
    let used = pids.map(cpu).iter().sum::<Duration>() - before;
    assert!(used < Duration::from_millis(5), "{used:?}");
    rig.stop(Signal::QUIT);
}

#[test]
fn a_server_out_of_blocks_closes_who_holds_them_longest_and_serves_on() {
    let rig = Rig::echo(Echo { memory: "Blocks = 16", ..ECHO });
    let held: Vec<TcpStream> = (0..20).map(|_| rig.connect_narrow()).collect();
    thread::scope(|scope| {
        for stream in &held {
            // Those that are closed for it may see that while they send.
            scope.spawn(move || send_without_reading(stream).unwrap_or_default());
        }
        for _ in 0..50 {
            say(&rig.connect(), &[1; 5_000]);
        }
    });
    say(&rig.connect(), &[1; 30_000]);
    let log = rig.stop(Signal::TERM);
    assert!(log.contains("[Memory] Blocks"), "{log}");
}

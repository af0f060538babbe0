//! Deadlines close those they are for, and nobody else.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{exchange, hear_end, is_over, say, send_without_reading};
use crate::proc::descriptors;
use crate::rig::{ECHO, Echo, Rig};
use crate::server::wait_until;

#[test]
fn an_idle_connection_is_closed_after_its_time_and_a_talking_one_is_not() {
    let rig = Rig::echo(Echo { socket: "IdleTimeout = 2", ..ECHO });
    let (talking, over) = (rig.connect(), AtomicBool::new(false));
    thread::scope(|scope| {
        let talker = scope.spawn(|| {
            let mut exchanges = 0;
            while !over.load(Relaxed) {
                say(&talking, b"I am here");
                exchanges += 1;
                thread::sleep(Duration::from_millis(100));
            }
            exchanges
        });
        let began = Instant::now();
        let silent = rig.connect_many(20);
        let once = rig.connect_many(20);
        once.iter().for_each(|stream| say(stream, b"only once"));
        silent.iter().chain(&once).for_each(hear_end);
        let lasted = began.elapsed();
        // It outlives the limit by as much again.
        thread::sleep(Duration::from_secs(2));
        over.store(true, Relaxed);
        assert!(lasted >= Duration::from_millis(1_900), "closed after {lasted:?}");
        assert!(talker.join().unwrap() > 5);
    });
    say(&talking, b"and still am");
    rig.stop(Signal::QUIT);
}

#[test]
fn a_client_that_never_reads_is_closed_and_a_silent_one_that_owes_nothing_is_not() {
    let rig = Rig::echo(Echo { socket: "WriteTimeout = 1\nIdleTimeout = 600", ..ECHO });
    let silent = rig.connect();
    say(&silent, b"here");
    let before = descriptors(rig.worker());
    let stuck = rig.connect_narrow();
    wait_until("the connection", || descriptors(rig.worker()) == before + 1);
    // On a busy machine the close may come while it still sends.
    let _ = send_without_reading(&stuck);
    wait_until("the close", || descriptors(rig.worker()) == before);
    assert!(is_over(&stuck));
    say(&silent, b"undisturbed");
    rig.stop(Signal::QUIT);
}

#[test]
fn a_slow_reader_that_makes_progress_outlives_the_write_timeout() {
    let rig = Rig::echo(Echo { socket: "WriteTimeout = 2\nIdleTimeout = 2", ..ECHO });
    let stream = rig.connect_narrow();
    let began = Instant::now();
    // 600 rests of five milliseconds and more: longer than either limit.
    exchange(&stream, 9, 16 << 20, 600);
    assert!(began.elapsed() > Duration::from_secs(3));
    rig.stop(Signal::QUIT);
}

//! The clock on the wall is set while connections are open: none is closed, none is kept too long.
//!
//! The server runs under libfaketime, which stands between a program and libc. `.ci/run clock` builds it so that it
//! asks libc for the time; this target is left out of the ordinary run, and fails on an ordinary build.

#[allow(dead_code, reason = "shared with the tests of endurance")]
#[path = "../endurance/bystanders.rs"]
mod bystanders;
#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/proc.rs"]
mod proc;
#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/rig.rs"]
mod rig;
#[allow(dead_code, reason = "shared with the tests of the process model")]
#[path = "../process/server.rs"]
mod server;

use std::ffi::OsString;
use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use bystanders::{Bystanders, Visits};
use client::{is_not_yet, is_over, say};
use rig::{Rig, connect};
use rustix::process::Signal;
use server::{Server, is_gone, send, wait_until};

const IDLE: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(1);

/// Which clocks are set.
#[derive(Clone, Copy)]
enum Clocks {
    /// That of the time of day. The other never jumps on a real machine.
    Wall,
    Both,
}

/// A server whose clocks a test can set.
struct Clocked {
    rig: Rig,
}

impl Clocked {
    fn start(clocks: Clocks) -> Self {
        let rig = Rig::start(2, "RespawnLimit = 1", |server| {
            set(server, "+0");
            let file = server.directory.join("clock").display().to_string();
            // The library writes into its first program's environment, and where that was moved no title can be
            // shown. So that is not the server but the second `env`.
            let words = [
                "env",
                "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1",
                "FAKETIME_NO_CACHE=1",
                &format!("FAKETIME_TIMESTAMP_FILE={file}"),
                match clocks {
                    Clocks::Wall => "FAKETIME_DONT_FAKE_MONOTONIC=1",
                    Clocks::Both => "FAKETIME_DONT_FAKE_MONOTONIC=0",
                },
                "env",
            ];
            server.through = words.map(OsString::from).into();
            let port = server.port;
            format!("[Socket]\nListenAddress = 127.0.0.1\nListenPort = {port}\nIdleTimeout = {}s\n", IDLE.as_secs())
        });
        Self { rig }
    }

    /// Sets the clocks to the true time and this, and sees in the log that the server has taken it.
    fn set(&self, shift: &str) {
        let dates = self.dates();
        set(&self.rig.server, shift);
        send(self.rig.server.pid(), Signal::USR1);
        wait_until("lines", || self.dates().len() > dates.len() + 2);
        assert_ne!(self.dates().last(), dates.last(), "the clock was not set: is this build one that asks libc?");
    }

    /// The dates of all lines of the log.
    fn dates(&self) -> Vec<String> {
        self.rig.log().lines().map(|line| line[..10].to_string()).collect()
    }

    fn stop(mut self) -> String {
        send(self.rig.server.pid(), Signal::QUIT);
        self.rig.ended()
    }

    fn bystanders(&self) -> Bystanders {
        let address = self.rig.address();
        Bystanders::start(Visits::Half, move || connect(address).unwrap())
    }

    /// Silent connections, and what happens meanwhile: closed when their time is up, and not before.
    fn silence(&self, meanwhile: impl FnOnce()) {
        let began = Instant::now();
        let silent = self.rig.connect_many(32);
        silent.iter().for_each(|stream| say(stream, b"and no more"));
        let spoke = Instant::now();
        thread::sleep(IDLE / 3);
        meanwhile();
        thread::sleep(IDLE.saturating_sub(began.elapsed() + Duration::from_millis(400)));
        assert!(silent.iter().all(is_open) || began.elapsed() >= IDLE, "closed too early");
        assert!(silent.iter().all(is_over));
        let lasted = spoke.elapsed();
        assert!(lasted < IDLE + GRACE, "kept for {lasted:?}");
    }
}

impl Drop for Clocked {
    fn drop(&mut self) {
        // What the library leaves behind where its first program did not end but became another.
        let pid = self.rig.server.last_pid;
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = fs::remove_file(format!("/dev/shm/{name}{pid}"));
        }
    }
}

fn set(server: &Server, shift: &str) {
    // As a whole: a clock that is read while it is written would be a wrong one.
    let (new, file) = (server.directory.join("clock.new"), server.directory.join("clock"));
    fs::write(&new, format!("{shift}\n")).unwrap();
    fs::rename(new, file).unwrap();
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let open = stream.peek(&mut [0; 1]).is_err_and(|error| is_not_yet(&error));
    stream.set_nonblocking(false).unwrap();
    open
}

#[test]
fn a_year_forward_and_a_day_back_close_no_connection_and_keep_none_too_long() {
    let clocked = Clocked::start(Clocks::Wall);
    let bystanders = clocked.bystanders();
    clocked.silence(|| clocked.set("+365d"));
    clocked.silence(|| clocked.set("-1d"));
    bystanders.end();
    // Neither does it hold up what waits for a time: a reload's drain, and the end.
    let old = clocked.rig.workers.clone();
    send(clocked.rig.server.pid(), Signal::HUP);
    clocked.set("+365d");
    wait_until("the old workers to leave", || old.iter().all(|worker| is_gone(*worker)));
    let log = clocked.stop();
    assert!(!log.contains("killed"), "{log}");
}

#[test]
fn a_monotonic_clock_that_jumps_closes_what_is_due_by_it_and_nothing_worse() {
    let clocked = Clocked::start(Clocks::Both);
    let silent = clocked.rig.connect_many(32);
    silent.iter().for_each(|stream| say(stream, b"and no more"));
    clocked.set("+1d");
    let began = Instant::now();
    assert!(silent.iter().all(is_over));
    assert!(began.elapsed() < IDLE / 2, "not due at once");
    let bystanders = clocked.bystanders();
    clocked.silence(|| {});
    let before: Duration = clocked.rig.workers.iter().map(|worker| proc::cpu(*worker)).sum();
    thread::sleep(GRACE);
    let spent = clocked.rig.workers.iter().map(|worker| proc::cpu(*worker)).sum::<Duration>() - before;
    assert!(spent < GRACE / 2, "the workers spin: {spent:?} in a second");
    bystanders.end();
    clocked.stop();
}

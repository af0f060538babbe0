//! Which connections a killed worker held, known exactly.
//!
//! A worker is stopped before it is killed. What it holds then can no longer change: its sockets are in its table of
//! descriptors, and the kernel's table of connections says which client's port is at the other end of each. Only
//! those clients may be broken off, each once.

use std::collections::HashSet;
use std::fs;
use std::sync::Mutex;
use std::time::Instant;

use rustix::process::Signal;

use crate::server::{is_gone, send, stat, wait_until};

#[derive(Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// The client's port of a connection that was broken off, and when.
    open: Vec<(u16, Instant)>,
    /// All there ever were.
    count: usize,
}

impl Ledger {
    /// Kills a worker; the connections it held are entered before they break.
    pub fn kill(&self, worker: i32, port: u16) {
        send(worker, Signal::STOP);
        wait_until("the worker to stand still", || matches!(stat(worker), Some(('T', ..))));
        let held = held_by(worker, port);
        let mut entries = self.0.lock().unwrap();
        entries.count += held.len();
        let now = Instant::now();
        entries.open.extend(held.into_iter().map(|port| (port, now)));
        drop(entries);
        send(worker, Signal::KILL);
        wait_until("the death", || is_gone(worker));
    }

    /// Whether a connection from this port, asked for at that time, was one of them. Each entry excuses one.
    pub fn excuses(&self, port: u16, asked_at: Instant) -> bool {
        let mut entries = self.0.lock().unwrap();
        let found = entries.open.iter().position(|(of, at)| *of == port && *at > asked_at);
        found.map(|at| entries.open.swap_remove(at)).is_some()
    }

    pub fn condemned(&self) -> usize {
        self.0.lock().unwrap().count
    }
}

/// The clients' ports of the connections that a process holds.
fn held_by(pid: i32, listening: u16) -> HashSet<u16> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let sockets: HashSet<String> = links
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_string()))
        .collect();
    let mut ports = HashSet::new();
    // The table may pass over a line while others come and go: three looks see all.
    for _ in 0..3 {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        ports.extend(table.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = |at: usize| u16::from_str_radix(fields[at].rsplit_once(':')?.1, 16).ok();
            (port(1)? == listening && sockets.contains(fields[9])).then(|| port(2))?
        }));
    }
    // The listener's own line has no client.
    ports.remove(&0);
    ports
}

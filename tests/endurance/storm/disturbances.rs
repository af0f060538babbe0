//! What happens to the server: one row for each kind, how often, and what is done. Each ends when it can be seen that
//! it has taken place.

use std::fs;
use std::sync::Arc;

use rustix::process::Signal;

use super::ledger::Ledger;
use crate::client::Random;
use crate::server::{Server, children, exists, is_gone, send, title, wait_until};

pub const WORKERS: usize = 2;

pub struct Row {
    pub name: &'static str,
    /// How often in the full storm.
    pub times: usize,
    pub act: fn(&mut Site),
}

pub const ROWS: &[Row] = &[
    Row { name: "reload", times: 100, act: reload },
    Row { name: "kill -9 of a worker", times: 50, act: kill },
    Row { name: "log renamed and reopened", times: 20, act: reopen },
    Row { name: "upgrade", times: 20, act: upgrade },
];

/// What was done, for the books.
#[derive(Debug, Default)]
pub struct Happened {
    pub reloads: usize,
    pub kills: usize,
    pub reopens: usize,
    pub upgrades: usize,
    /// Workers that left in order: all that began, but those that were killed.
    pub ended: usize,
}

/// A server in the storm.
pub struct Site {
    pub server: Server,
    pub happened: Happened,
    ledger: Arc<Ledger>,
    random: Random,
}

impl Drop for Site {
    fn drop(&mut self) {
        // Also those that are no children of the first process.
        self.family().into_iter().for_each(|pid| send(pid, Signal::KILL));
    }
}

impl Site {
    pub fn start(ledger: Arc<Ledger>) -> Self {
        let server = Server::with("");
        server.write_conf(&format!(
            "[Process]\nPidFile = tg.pid\nWorkers = {WORKERS}\nRespawnLimit = 1000\n[Log]\nFile = tg.log\nLevel = info\n\
             [Socket]\nListenAddress = 127.0.0.1\nListenPort = {}\n",
            server.port
        ));
        let mut server = server.start();
        server.workers(WORKERS);
        Self { server, happened: Happened { ended: WORKERS, ..Happened::default() }, ledger, random: Random(1) }
    }

    pub fn master(&self) -> i32 {
        self.server.pid_file().expect("a pid file")
    }

    /// All processes of the server: those that run in its directory.
    pub fn family(&self) -> Vec<i32> {
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let directory = &self.server.directory;
        let here = |pid: &i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == *directory);
        pids.filter(|pid| here(pid) && !is_gone(*pid)).collect()
    }

    /// The workers that serve and have not been told to leave.
    fn staff(&self) -> Vec<i32> {
        let mut workers = children(self.master());
        workers.retain(|worker| title(*worker) == "tidegate: worker process");
        workers
    }

    fn wait_for_staff(&self, what: &str, is_staff: impl Fn(&i32) -> bool) {
        wait_until(what, || {
            let staff = self.staff();
            staff.len() == WORKERS && staff.iter().all(&is_staff)
        });
    }
}

/// New workers serve; the old ones leave while the storm goes on.
pub fn reload(site: &mut Site) {
    let old = children(site.master());
    send(site.master(), Signal::HUP);
    site.wait_for_staff("new workers", |worker| !old.contains(worker));
    site.happened.reloads += 1;
    site.happened.ended += WORKERS;
}

fn kill(site: &mut Site) {
    let staff = site.staff();
    let victim = staff[site.random.below(staff.len() as u64) as usize];
    site.ledger.kill(victim, site.server.port);
    site.wait_for_staff("another worker", |worker| *worker != victim);
    site.happened.kills += 1;
}

fn reopen(site: &mut Site) {
    let log = site.server.directory.join("tg.log");
    fs::rename(&log, site.server.directory.join(format!("old.{}", site.happened.reopens))).unwrap();
    send(site.master(), Signal::USR1);
    wait_until("the new log", || exists(&log));
    site.happened.reopens += 1;
}

/// Another program in this one's place; the old one has left when this returns, or the next would be refused.
fn upgrade(site: &mut Site) {
    let old = site.master();
    send(old, Signal::USR2);
    wait_until("another master", || site.server.pid_file().is_some_and(|pid| pid != old));
    site.wait_for_staff("its workers", |_| true);
    wait_until("the old master to leave", || is_gone(old));
    site.happened.upgrades += 1;
    site.happened.ended += WORKERS;
}

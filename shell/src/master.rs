//! The master process: one place to sleep, and the supervisor's orders carried out with fork and kill.
//!
//! It owns the settings in force. A worker takes its copy along with the fork, so a reload frees the old ones here.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal as Kill, kill_process};
use tidegate_core::limits::{PROCESSES_MAX, WORKERS_MAX};
use tidegate_core::master::{End, Order, Phase, Plan, Request, Supervisor, Tell};
use tidegate_core::status::Facts;

use crate::board::Board;
use crate::cli::Options;
use crate::control::ControlSocket;
use crate::exit::{self, Failure};
use crate::log::{self, Severity, report};
use crate::os::confine;
use crate::os::exec::Origin;
use crate::os::process::{self, Ended, Fork};
use crate::os::signal::{Signal, Signals};
use crate::os::{clock, title};
use crate::privilege;
use crate::settings::Settings;
use crate::start::{self, Held};
use crate::status::View;
use crate::worker::{self, Role};

mod reload;
mod upgrade;

use upgrade::Successor;

pub struct Master<'a> {
    held: &'a mut Held,
    /// What the command line asked for: a reload reads the configuration by it again.
    options: &'a Options,
    /// How this server was started: an upgrade starts the next one by it.
    origin: &'a Origin,
    /// The server that this one replaces.
    predecessor: Option<Pid>,
    successor: Option<Successor>,
    settings: Settings,
    conf_name: String,
    /// `None` only in a worker, which opens its own.
    signals: Option<Signals>,
    supervisor: Supervisor,
    /// Where the first workers say that they serve.
    told: Option<OwnedFd>,
    pids: [Option<Pid>; PROCESSES_MAX],
    /// What all processes count, and what is told of this one.
    board: Board,
    facts: Facts,
    /// What the title tells, and what it last told.
    state: State,
    shown: Option<State>,
}

/// What an operator should see in a list of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    reload_failed: bool,
    upgrade_failed: bool,
    upgrading: bool,
    replaced_by: Option<i32>,
    parked: bool,
    leavers: usize,
}

fn plan(settings: &Settings) -> Plan {
    let process = &settings.process;
    Plan { workers: process.workers, drain_ms: process.drain_ms, respawn_limit: process.respawn_limit }
}

impl<'a> Master<'a> {
    pub fn new(
        options: &'a Options,
        origin: &'a Origin,
        settings: Settings,
        conf_name: String,
        held: &'a mut Held,
        signals: Signals,
        board: Board,
    ) -> Self {
        let supervisor = Supervisor::new(plan(&settings));
        let pids = [None; PROCESSES_MAX];
        let state = State::default();
        let facts = Facts { started_ms: clock::now_ms(), pid: start::own_pid(), ..Facts::default() };
        Self {
            predecessor: held.predecessor,
            held,
            options,
            origin,
            successor: None,
            settings,
            conf_name,
            signals: Some(signals),
            supervisor,
            told: None,
            pids,
            board,
            facts,
            state,
            shown: None,
        }
    }

    /// Starts the workers and waits until each serves or has died; false if not one serves.
    pub fn start(&mut self) -> bool {
        self.show_title();
        let (ready, told) = match rustix::pipe::pipe_with(PipeFlags::CLOEXEC) {
            Ok(ends) => ends,
            Err(errno) => {
                report(Severity::Crit, Some(errno), format_args!("cannot open a pipe to the workers"));
                return false;
            }
        };
        self.told = Some(told);
        self.supervisor.on_start(clock::now_ms());
        let ended = self.obey().is_some();
        // From here on the workers alone can write; when the last one that did not is dead, reading ends.
        self.told = None;
        let mut serving = 0;
        while !ended && serving < usize::from(self.settings.process.workers) {
            match rustix::io::read(&ready, &mut [0; WORKERS_MAX]) {
                Ok(0) => break,
                Ok(n) => serving += n,
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        serving > 0
    }

    /// Takes from a server that is replaced what two cannot have at once.
    pub fn take_over(&mut self) -> Result<(), Failure> {
        self.held.take_over(&self.settings)
    }

    /// Tells whoever started the server that it serves.
    pub fn tell_started(&mut self, greet: bool) {
        self.held.tell_started(&self.settings, &self.conf_name, greet);
    }

    /// Sleeps in one place and acts in one order: first a successor that serves, so that a stop no longer means it;
    /// then operators, so that a worker that left because of the same key press is no crash; then the dead; then time;
    /// then whatever follows.
    pub fn run(&mut self) -> u8 {
        loop {
            let now_ms = clock::now_ms();
            self.hear(now_ms);
            while let Some(signal) = self.signals.as_ref().and_then(Signals::read) {
                self.on_signal(signal, now_ms);
            }
            while let Some((pid, ended)) = process::reap() {
                self.on_dead(pid, ended, now_ms);
            }
            self.supervisor.on_time(now_ms);
            log::tend();
            if let Some(end) = self.obey() {
                return self.leave(end);
            }
            self.show_title();
            self.tell_facts();
            if let Some(control) = &mut self.held.control {
                let view = View { board: self.board, settings: &self.settings, conf_name: &self.conf_name };
                control.serve(now_ms, &view);
            }
            let control = self.held.control.as_ref();
            let asked_ms = control.and_then(ControlSocket::next_deadline);
            let until_ms = [self.supervisor.next_deadline(), log::settle(now_ms), asked_ms].into_iter().flatten().min();
            if let Some(signals) = &self.signals {
                signals.wait(&self.watched(), until_ms.map(|at_ms| at_ms.saturating_sub(clock::now_ms())));
            }
        }
    }

    /// What ends the sleep beside signals.
    fn watched(&self) -> Vec<BorrowedFd<'_>> {
        let control = self.held.control.iter().map(AsFd::as_fd);
        let successor = self.successor.iter().filter_map(Successor::watched);
        control.chain(successor).chain(log::bell()).collect()
    }

    fn on_signal(&mut self, signal: Signal, now_ms: u64) {
        if signal != Signal::Child {
            log::heed();
        }
        match signal {
            Signal::Term | Signal::Int => {
                report(Severity::Notice, None, format_args!("asked to stop"));
                self.held.listeners.close();
                self.supervisor.on_request(Request::Term, now_ms);
            }
            Signal::Quit => {
                report(Severity::Notice, None, format_args!("asked to drain and stop"));
                self.held.listeners.close();
                self.supervisor.on_request(Request::Quit, now_ms);
            }
            Signal::Usr1 => {
                log::reopen();
                for pid in self.pids.iter().flatten() {
                    let _ = kill_process(*pid, Kill::USR1);
                }
            }
            Signal::Hup if self.supervisor.upgrading() => self.resume(now_ms),
            Signal::Hup => self.reload(now_ms),
            Signal::Usr2 => self.upgrade(now_ms),
            Signal::Winch => {
                report(Severity::Notice, None, format_args!("asked to drain the workers and serve nobody until a HUP"));
                self.supervisor.on_request(Request::Park, now_ms);
            }
            // Its news is the dead, which are collected on every wake-up.
            Signal::Child => {}
        }
    }

    fn on_dead(&mut self, pid: Pid, ended: Ended, now_ms: u64) {
        if self.is_successors_end(pid, ended, now_ms) {
            return;
        }
        let Some(slot) = self.pids.iter().position(|known| *known == Some(pid)) else { return };
        self.pids[slot] = None;
        let why = match ended {
            Ended::Killed(confine::SIGNAL) => ": it asked for what [Process] Confine does not allow",
            _ => "",
        };
        let pid = pid.as_raw_nonzero();
        // Two call sites: the log counts each apart, so that many orderly ends never crowd out one that was not.
        match ended {
            Ended::Exited(exit::OK) => {
                report(Severity::Notice, None, format_args!("worker {slot}, process {pid}, {ended}"))
            }
            _ => report(Severity::Alert, None, format_args!("worker {slot}, process {pid}, {ended}{why}")),
        }
        self.board.leave(slot as u16);
        self.supervisor.on_died(slot as u16, now_ms);
    }

    /// Carries out every order there is.
    fn obey(&mut self) -> Option<End> {
        while let Some(order) = self.supervisor.next_order() {
            match order {
                Order::Spawn { slot } => self.spawn(slot),
                Order::Signal { slot, tell } => self.tell(slot, tell),
                Order::KillSuccessor => self.kill_successor(),
                Order::Exit(end) => return Some(end),
            }
        }
        None
    }

    fn spawn(&mut self, slot: u16) {
        let parent = rustix::process::getpid();
        self.board.enter(slot);
        match process::fork() {
            Ok(Fork::Parent(pid)) => self.pids[usize::from(slot)] = Some(pid),
            Ok(Fork::Child) => process::exit_now(self.become_worker(slot, parent)),
            Err(errno) => {
                report(Severity::Alert, Some(errno), format_args!("fork of worker {slot} failed"));
                self.board.leave(slot);
                self.supervisor.on_died(slot, clock::now_ms());
            }
        }
    }

    fn become_worker(&mut self, slot: u16, parent: Pid) -> u8 {
        log::become_role(log::Role::Worker);
        if let Err(failure) = privilege::lower(&self.settings) {
            report(Severity::Crit, None, format_args!("{}; it does not serve", failure.text));
            return failure.code;
        }
        if !process::die_with_parent(parent) {
            return exit::OK;
        }
        self.signals = None;
        self.successor = None;
        let settings: &'static Settings = Box::leak(Box::new(mem::take(&mut self.settings)));
        let conf_name = mem::take(&mut self.conf_name).leak();
        let view = View { board: self.board, settings, conf_name };
        let given = self.held.become_given(self.told.take(), view);
        title::set("tidegate: worker process");
        title::name(c"tidegate-worker");
        let code = worker::run(settings, given, Role::Worker { slot });
        log::finish();
        code
    }

    fn tell(&mut self, slot: u16, tell: Tell) {
        let signal = match tell {
            Tell::Quit => Kill::QUIT,
            Tell::Term => Kill::TERM,
            Tell::Kill => Kill::KILL,
        };
        let Some(pid) = self.pids.get(usize::from(slot)).copied().flatten() else { return };
        if tell == Tell::Kill {
            report(Severity::Warn, None, format_args!("worker {slot} did not leave when it was told to: killed"));
        }
        // Gone already is no failure: its end is about to be collected.
        if let Err(errno) = kill_process(pid, signal) {
            report(Severity::Alert, Some(errno), format_args!("cannot signal worker {slot}"));
        }
    }

    /// Puts on the board at once what cannot be read off the supervisor.
    fn count(&mut self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts);
        self.board.tell(self.facts);
    }

    /// Puts on the board what changed of what only this process knows.
    fn tell_facts(&mut self) {
        let facts = Facts {
            respawns: self.supervisor.respawns(),
            workers_live: self.supervisor.live() as u32,
            workers_wanted: self.settings.process.workers.into(),
            draining: self.state.leavers as u32,
            reload_failed: self.state.reload_failed,
            upgrading: self.state.upgrading,
            upgrade_failed: self.state.upgrade_failed,
            parked: self.state.parked,
            ..self.facts
        };
        if facts != self.facts {
            self.facts = facts;
            self.board.tell(facts);
        }
    }

    fn show_title(&mut self) {
        self.state.leavers = self.supervisor.leavers();
        self.state.upgrading = self.supervisor.upgrading();
        self.state.parked = self.supervisor.phase() == Phase::Parked;
        if self.shown == Some(self.state) {
            return;
        }
        self.shown = Some(self.state);
        let State { reload_failed, upgrade_failed, upgrading, replaced_by, parked, leavers } = self.state;
        let notes = [
            reload_failed.then(|| "last reload failed".to_string()),
            upgrade_failed.then(|| "last upgrade failed".to_string()),
            upgrading.then(|| "upgrading".to_string()),
            replaced_by.map(|pid| format!("replaced by process {pid}")),
            parked.then(|| "no workers until a HUP".to_string()),
            (leavers > 0).then(|| format!("{leavers} draining")),
        ];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        let conf_name = &self.conf_name;
        match notes.is_empty() {
            true => title::set(&format!("tidegate: master process {conf_name}")),
            false => title::set(&format!("tidegate: master process {conf_name} ({})", notes.join(", "))),
        }
    }

    fn leave(&self, end: End) -> u8 {
        match end {
            End::Asked => exit::OK,
            End::CrashLoop => {
                let limit = self.settings.process.respawn_limit;
                report(
                    Severity::Emerg,
                    None,
                    format_args!("giving up: workers died {limit} times within a minute ([Process] RespawnLimit)"),
                );
                exit::SOFTWARE
            }
        }
    }
}

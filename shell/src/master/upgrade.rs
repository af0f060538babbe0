//! An upgrade: the program that lies in our place now is started as a child on our sockets, and has this server's
//! place once it says that it serves. Until then this one goes on as if nothing were, and whatever becomes of the new
//! one changes nothing but the log and the title.
//!
//! The new program reads and judges its own configuration, which may have keys that this one does not know. During an
//! upgrade the configuration here is fixed: a HUP only brings parked workers back, as in nginx. Asked to stop, both
//! stop. From its word on the new one is the server, and its end is the server's.

use std::os::fd::BorrowedFd;

use rustix::process::{Pid, Signal as Kill, getpid, kill_process};
use tidegate_core::master::Phase;

use super::Master;
use super::reload::refused;
use crate::exit::{self, Failure};
use crate::handover::{self, Handover};
use crate::log::{self, Severity, report};
use crate::os::file::PidFile;
use crate::os::process::Ended;
use crate::os::trim;
use crate::price::{Machine, Price};
use crate::ready::{self, Ear};

/// The server that was started to replace this one.
pub(super) struct Successor {
    pid: Pid,
    ear: Ear,
    /// In the place of ours, and locked for both until the successor serves.
    pid_file: Option<PidFile>,
    /// It was killed for its silence.
    late: bool,
    /// It has this server's place.
    serves: bool,
}

impl Successor {
    pub(super) fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.ear.watched()
    }
}

impl Master<'_> {
    /// Starts the successor, unless one is on its way already.
    pub(super) fn upgrade(&mut self, now_ms: u64) {
        if self.supervisor.upgrading() {
            self.count(|facts| facts.upgrades_failed = facts.upgrades_failed.wrapping_add(1));
            return report(Severity::Warn, None, format_args!("an upgrade is under way; asked for another, ignored"));
        }
        report(Severity::Notice, None, format_args!("asked to upgrade"));
        match self.start_successor(now_ms) {
            Ok(pid) => report(
                Severity::Notice,
                None,
                format_args!("{} starts as process {pid}; this server goes on until it serves", self.program()),
            ),
            Err(failure) => {
                log::report_lines(Severity::Error, &failure.text);
                self.upgrade_failed(format_args!("it was not started"));
            }
        }
    }

    fn start_successor(&mut self, now_ms: u64) -> Result<i32, Failure> {
        self.supervisor.may_upgrade().map_err(refused)?;
        if let Some(pid) = self.predecessor.filter(|pid| handover::is_there(Some(*pid))) {
            let text = format!("the server before this one, process {}, still drains", pid.as_raw_nonzero());
            return Err(Failure::new(exit::UNAVAILABLE, text));
        }
        if getpid() == Pid::INIT {
            let text = "process 1 cannot be replaced: when it ends all others are killed; restart the container";
            return Err(Failure::new(exit::UNAVAILABLE, text));
        }
        let failed = |what: &'static str| move |errno| Failure::of_errno(exit::OS, what, errno);
        let (ear, ready) = ready::pipe().map_err(failed("cannot open a pipe to the new program"))?;
        let mut pid_file = match &mut self.held.pid_file {
            Some(held) => Some(held.step_aside().map_err(failed("cannot set the pid file aside ([Process] PidFile)"))?),
            None => None,
        };
        let handover = Handover {
            ready: &ready,
            pid_file: pid_file.as_ref(),
            listeners: &self.held.listeners,
            leaving_bytes: self.full_bytes(),
        };
        let (value, fds) = handover.write();
        match self.origin.start(handover::VARIABLE, &value, &fds) {
            Ok(pid) => {
                // Asked above; nothing has happened since.
                let _ = self.supervisor.on_upgrade(self.settings.process.upgrade_ms, now_ms);
                self.successor = Some(Successor { pid, ear, pid_file, late: false, serves: false });
                Ok(pid.as_raw_pid())
            }
            Err(errno) => {
                self.take_name_back(pid_file.take());
                Err(Failure::of_errno(exit::OS, format_args!("cannot run {}", self.program()), errno))
            }
        }
    }

    /// All that this server may need until it has left.
    fn full_bytes(&self) -> u64 {
        let workers = self.supervisor.live() as u64;
        Price { workers, ..Price::of(&self.settings, &Machine::here()) }.full_bytes()
    }

    /// Hears whether the successor serves.
    pub(super) fn hear(&mut self, now_ms: u64) {
        let Some(successor) = self.successor.as_mut().filter(|successor| !successor.serves) else { return };
        // A pipe that cannot be read stays silent, and that has a bound.
        let _ = successor.ear.listen();
        if !successor.ear.is_good() || !self.supervisor.on_successor_serves(now_ms) {
            return;
        }
        successor.serves = true;
        let pid = successor.pid.as_raw_pid();
        if let Some(pid_file) = successor.pid_file.take() {
            pid_file.leave_to_successor();
        }
        self.held.listeners.leave();
        if let Some(control) = self.held.control.take() {
            control.remove();
        }
        self.state.replaced_by = Some(pid);
        report(Severity::Notice, None, format_args!("process {pid} serves and replaces this server, which drains"));
    }

    pub(super) fn kill_successor(&mut self) {
        let late = matches!(self.supervisor.phase(), Phase::Serving | Phase::Parked);
        if let Some(successor) = &mut self.successor {
            successor.late = late;
            let _ = kill_process(successor.pid, Kill::KILL);
        }
    }

    /// Whether it was the successor that ended; if so, what follows from it.
    pub(super) fn is_successors_end(&mut self, pid: Pid, ended: Ended, now_ms: u64) -> bool {
        let Some(mut successor) = self.successor.take_if(|successor| successor.pid == pid) else { return false };
        let pid = pid.as_raw_nonzero();
        if successor.serves {
            let severity = if ended == Ended::Exited(exit::OK) { Severity::Notice } else { Severity::Alert };
            report(severity, None, format_args!("process {pid}, which replaced this server, {ended}"));
            return true;
        }
        let _ = successor.ear.listen();
        self.supervisor.on_successor_died(now_ms);
        self.take_name_back(successor.pid_file.take());
        self.held.listeners.reclaim();
        if let Some(failure) = successor.ear.failure() {
            log::report_lines(Severity::Error, &failure.text);
        }
        if successor.late {
            let bound_ms = self.settings.process.upgrade_ms;
            self.upgrade_failed(format_args!(
                "process {pid} did not serve within {bound_ms} ms ([Process] UpgradeTimeout) and was killed"
            ));
        } else {
            self.upgrade_failed(format_args!("process {pid} {ended}"));
        }
        true
    }

    fn upgrade_failed(&mut self, how: std::fmt::Arguments<'_>) {
        self.state.upgrade_failed = true;
        self.count(|facts| facts.upgrades_failed = facts.upgrades_failed.wrapping_add(1));
        report(Severity::Error, None, format_args!("upgrade failed: {how}; this server goes on as it was"));
        if !cfg!(debug_assertions) {
            trim::start_pages();
        }
    }

    fn take_name_back(&mut self, fresh: Option<PidFile>) {
        let (Some(held), Some(fresh)) = (&mut self.held.pid_file, fresh) else { return };
        if let Err(errno) = held.come_back(fresh) {
            report(
                Severity::Error,
                Some(errno),
                format_args!("cannot take the pid file's name back ([Process] PidFile)"),
            );
        }
    }

    /// A HUP during an upgrade.
    pub(super) fn resume(&mut self, now_ms: u64) {
        if self.supervisor.phase() != Phase::Parked {
            self.count(|facts| facts.reloads_refused = facts.reloads_refused.wrapping_add(1));
            let text =
                "an upgrade is under way; asked to reload, ignored: the new server reads the configuration anyway";
            return report(Severity::Warn, None, format_args!("{text}"));
        }
        match self.supervisor.on_resume(now_ms).map_err(refused) {
            Ok(()) => report(
                Severity::Notice,
                None,
                format_args!("an upgrade is under way; the workers are back as they were, no configuration is read"),
            ),
            Err(failure) => report(Severity::Error, None, format_args!("{}", failure.text)),
        }
    }

    fn program(&self) -> impl std::fmt::Display {
        self.origin.program.display()
    }
}

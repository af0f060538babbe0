//! A reload: everything that can fail is done beside what serves, then all of it is put into force at once.
//!
//! `Daemon`, `PidFile`, `ControlSocket` and `Workers = 0` are what the process became when it started; a file that changes them is
//! taken all the same, without that change, and the log says so.

use tidegate_core::master::Refusal;

use super::{Master, plan};
use crate::board;
use crate::conf::{self, Loaded};
use crate::exit::{self, Failure};
use crate::listeners::Changed;
use crate::log::{self, Severity, report};
use crate::os::trim;
use crate::price::{self, Machine, Price};
use crate::privilege;
use crate::services;
use crate::settings::Settings;
use crate::start;

impl Master<'_> {
    /// Reads the configuration again; a bad one changes nothing but the title, and its problems are all in the log.
    pub(super) fn reload(&mut self, now_ms: u64) {
        report(Severity::Notice, None, format_args!("asked to reload"));
        let outcome = self.replace(now_ms);
        self.state.reload_failed = outcome.is_err();
        match outcome {
            Ok(Changed { kept, opened, closed }) => {
                report(
                    Severity::Notice,
                    None,
                    format_args!(
                        "reloaded {}; listeners: {kept} kept, {opened} opened, {closed} closed",
                        self.conf_name
                    ),
                );
                privilege::tell(&self.settings);
            }
            Err(failure) => {
                self.count(|facts| facts.reloads_refused = facts.reloads_refused.wrapping_add(1));
                log::report_lines(Severity::Error, &failure.text);
                report(Severity::Error, None, format_args!("reload failed; the old configuration stays in force"));
            }
        }
        if !cfg!(debug_assertions) {
            trim::start_pages();
        }
    }

    fn replace(&mut self, now_ms: u64) -> Result<Changed, Failure> {
        self.supervisor.may_reload().map_err(refused)?;
        let Loaded { mut settings, name, .. } = conf::load(self.options)?;
        self.keep_fixed(&mut settings);
        let machine = Machine::here();
        let price = price::check(&settings, &machine, &name)?;
        price::check_free(&settings, &price)?;
        price::check_descriptors(&settings, &name)?;
        services::check(&settings, &name)?;
        // Until the old workers have left, both are there.
        let leaving = Price::of(&self.settings, &machine).workers_full_bytes(self.supervisor.live() as u64);
        price::check_reload(&settings, &price, leaving, &name)?;
        privilege::check(&settings)?;
        let target = start::open_log(&settings);
        log::may_write_to(&target).map_err(|errno| start::log_failure(&settings, errno))?;
        let staged = self.held.listeners.stage(&settings.sockets)?;
        self.supervisor.on_reload(plan(&settings), now_ms).map_err(refused)?;
        // From here on nothing fails.
        log::write_to(target);
        log::set_level(settings.log.level);
        start::limit_open_files(&settings);
        self.board.rename(&board::moved(&self.settings.sockets, &settings.sockets));
        self.count(|facts| facts.reloads = facts.reloads.wrapping_add(1));
        self.held.filter = privilege::filter(&settings);
        self.settings = settings;
        Ok(self.held.listeners.change(staged))
    }

    /// Puts back what a running server cannot change.
    fn keep_fixed(&self, settings: &mut Settings) {
        let (new, now) = (&mut settings.process, &self.settings.process);
        let kept = |key: &str| {
            report(Severity::Warn, None, format_args!("[Process] {key} changes only by a restart; it stays as it was"));
        };
        if new.daemon != now.daemon {
            kept("Daemon");
            new.daemon = now.daemon;
        }
        if new.pid_file != now.pid_file {
            kept("PidFile");
            new.pid_file.clone_from(&now.pid_file);
        }
        if new.control != now.control {
            // One that is made from the pid file's path stays with that.
            if new.control.iter().chain(&now.control).any(|control| control.written) {
                kept("ControlSocket");
            }
            new.control.clone_from(&now.control);
        }
        if new.workers == 0 {
            kept("Workers = 0");
            new.workers = now.workers;
        }
    }
}

pub(super) fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::NotServing => Failure::new(exit::UNAVAILABLE, "the server is stopping"),
        Refusal::Upgrading => Failure::new(exit::UNAVAILABLE, "an upgrade is under way"),
        Refusal::Leavers(leavers) => Failure::new(
            exit::UNAVAILABLE,
            format!(
                "{leavers} workers would drain at once, and {} may; try again when some have left, or set a shorter \
                 [Process] DrainTimeout",
                tidegate_core::limits::WORKERS_MAX
            ),
        ),
    }
}

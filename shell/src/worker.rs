//! One worker: waits for its signals and leaves when asked.

use std::os::fd::OwnedFd;

use crate::exit;
use crate::log::{Severity, report};
use crate::os::signal::{self, Signal, Signals};
use crate::settings::Settings;

/// What the process that runs a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A child of a master.
    Worker { slot: u16 },
    /// The whole server, without a master (`Workers = 0`): the operator's signals come here.
    Alone,
}

impl Role {
    /// The signals this process reads.
    pub const fn signals(self) -> &'static [Signal] {
        match self {
            Role::Worker { .. } => signal::WORKER,
            Role::Alone => signal::MASTER,
        }
    }
}

/// Serves until told to stop; the process's exit code.
pub fn run(_settings: &Settings, _listeners: &[OwnedFd], role: Role) -> u8 {
    let signals = match Signals::open(role.signals()) {
        Ok(signals) => signals,
        Err(errno) => {
            report(Severity::Crit, Some(errno), format_args!("signalfd failed"));
            return exit::OS;
        }
    };
    loop {
        signals.wait(None);
        while let Some(signal) = signals.read() {
            if matches!(signal, Signal::Term | Signal::Int | Signal::Quit) {
                return exit::OK;
            }
        }
    }
}

//! `-s` and what it reaches: signals for the holder of the configuration's pid file, and the control socket, on which
//! the running server says how it is.

mod ask;
mod outcome;
mod server;

use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Signal, kill_process};
use tidegate_core::status::Form;

use crate::exit::{self, Failure};
use crate::os::file::PidFile;

pub use ask::status;
pub use outcome::carry_out;
pub use server::ControlSocket;

/// The word for each form of the report. A client writes one, with a line end behind it or the end of its direction,
/// and is sent the report and the end.
const WORDS: [(&str, Form); 2] = [("status", Form::Text), ("status json", Form::Json)];

/// What `-s` can ask of a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Stop,
    Quit,
    Reload,
    Reopen,
    Upgrade,
}

impl Request {
    const ALL: [(&'static str, Self, Signal); 5] = [
        ("stop", Request::Stop, Signal::TERM),
        ("quit", Request::Quit, Signal::QUIT),
        ("reload", Request::Reload, Signal::HUP),
        ("reopen", Request::Reopen, Signal::USR1),
        ("upgrade", Request::Upgrade, Signal::USR2),
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, ..)| *known == name).map(|(_, request, _)| *request)
    }

    fn signal(self) -> Signal {
        Self::ALL.iter().find(|(_, request, _)| *request == self).map_or(Signal::QUIT, |(.., signal)| *signal)
    }
}

/// Sends the request to whoever holds this pid file. A file nobody holds is never trusted.
fn signal(pid_file: Option<&Path>, request: Request) -> Result<(), Failure> {
    let Some(path) = pid_file else {
        return Err(Failure::new(
            exit::CONFIG,
            "the configuration has no [Process] PidFile, so the server cannot be found; set one, or use kill",
        ));
    };
    let shown = path.display();
    let pid = match PidFile::holder(path) {
        Ok(Some(Some(pid))) => pid,
        Ok(Some(None)) => {
            return Err(Failure::new(exit::UNAVAILABLE, format!("{shown}: the server is still starting; try again")));
        }
        Ok(None) => return Err(Failure::new(exit::UNAVAILABLE, format!("{shown}: no server is running"))),
        Err(errno) => return Err(Failure::of_errno(exit::OS, shown, errno)),
    };
    match kill_process(pid, request.signal()) {
        Ok(()) => Ok(()),
        Err(Errno::SRCH) => Err(Failure::new(exit::UNAVAILABLE, format!("{shown}: the server has just left"))),
        Err(errno) => {
            let number = pid.as_raw_nonzero();
            Err(Failure::of_errno(exit::OS, format_args!("cannot signal process {number}"), errno))
        }
    }
}

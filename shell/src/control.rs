//! The other side of `-s`: finds the running server by its configuration's pid file and signals it.

use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Signal, kill_process};
use tidegate_core::master::Request;

use crate::exit::{self, Failure};
use crate::os::file::PidFile;

/// Sends the request to whoever holds this pid file. A file nobody holds is never trusted.
pub fn signal(pid_file: Option<&Path>, request: Request) -> Result<(), Failure> {
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
    let signal = match request {
        Request::Term => Signal::TERM,
        Request::Quit => Signal::QUIT,
    };
    match kill_process(pid, signal) {
        Ok(()) => Ok(()),
        Err(Errno::SRCH) => Err(Failure::new(exit::UNAVAILABLE, format!("{shown}: the server has just left"))),
        Err(errno) => {
            let number = pid.as_raw_nonzero();
            Err(Failure::of_errno(exit::OS, format_args!("cannot signal process {number}"), errno))
        }
    }
}

//! Becoming a daemon, with a parent that stays until the child says how the start went.

use std::os::fd::OwnedFd;

use rustix::io::{self, Errno};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::exit::{self, Failure};
use crate::os::process::{self, Fork};

/// Which side of the split this is.
pub enum Started {
    /// The process the operator started: it leaves with this code.
    Parent(u8),
    /// The daemon, in its own session, its descriptors 0 to 2 null.
    Daemon(Ready),
}

/// The daemon's word to its parent. Dropped unspoken, it counts as a failure.
pub struct Ready(OwnedFd);

impl Ready {
    pub fn good(self) {
        let _ = io::write(&self.0, &[exit::OK]);
    }

    /// The parent prints the sentence: only it has a terminal.
    pub fn failed(self, failure: &Failure) {
        let mut word = vec![failure.code];
        word.extend_from_slice(failure.text.as_bytes());
        let _ = io::write(&self.0, &word);
    }
}

/// Forks the daemon off; in the parent waits for its word.
pub fn split() -> Result<Started, Failure> {
    let failed = |errno| Failure::of_errno(exit::OS, "cannot become a daemon", errno);
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    match process::fork().map_err(failed)? {
        Fork::Parent(_) => {
            drop(writer);
            hear(&reader).map(Started::Parent)
        }
        Fork::Child => {
            drop(reader);
            let ready = Ready(writer);
            match process::detach().and_then(|()| process::null_stdio()) {
                Ok(()) => Ok(Started::Daemon(ready)),
                Err(errno) => {
                    ready.failed(&failed(errno));
                    process::exit_now(exit::OS)
                }
            }
        }
    }
}

fn hear(reader: &OwnedFd) -> Result<u8, Failure> {
    let mut word = Vec::new();
    let mut part = [0; 512];
    while word.first() != Some(&exit::OK) {
        match io::read(reader, &mut part) {
            Ok(0) => break,
            Ok(count) => word.extend_from_slice(&part[..count]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::of_errno(exit::OS, "cannot hear from the daemon", errno)),
        }
    }
    match word.split_first() {
        Some((&exit::OK, _)) => Ok(exit::OK),
        Some((&code, text)) => Err(Failure::new(code, String::from_utf8_lossy(text))),
        None => Err(Failure::new(exit::OS, "the daemon died while starting")),
    }
}

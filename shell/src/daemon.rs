//! Becoming a daemon, with a parent that stays until the child says how the start went.

use crate::exit::{self, Failure};
use crate::os::process::{self, Fork};
use crate::ready::{self, Ready};

/// Which side of the split this is.
pub enum Started {
    /// The process the operator started: it leaves with this code.
    Parent(u8),
    /// The daemon, in its own session, its descriptors 0 to 2 null. Only the parent has a terminal for a sentence.
    Daemon(Ready),
}

/// Forks the daemon off; in the parent waits for its word.
pub fn split() -> Result<Started, Failure> {
    let failed = |errno| Failure::of_errno(exit::OS, "cannot become a daemon", errno);
    let (mut ear, ready) = ready::pipe().map_err(failed)?;
    match process::fork().map_err(failed)? {
        Fork::Parent(_) => {
            drop(ready);
            ear.wait().map_err(|errno| Failure::of_errno(exit::OS, "cannot hear from the daemon", errno))?;
            match ear.failure() {
                None if ear.is_good() => Ok(Started::Parent(exit::OK)),
                None => Err(Failure::new(exit::OS, "the daemon died while starting")),
                Some(failure) => Err(failure),
            }
        }
        Fork::Child => {
            drop(ear);
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

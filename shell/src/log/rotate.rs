//! Turning a log over: the full file becomes `FILE.1`, in the place of the one before, and a new one begins.
//!
//! Only the keeper does it. A worker, which may not be allowed to, rings a bell that the keeper hears where it waits
//! for everything else. The old file is locked meanwhile, so that two servers (an upgrade) do not both rename it.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::io::{self, Errno};

use super::tally::{self, What};
use crate::os::bell::Bell;
use crate::os::logfile::{self, Owner};

static BELL: OnceLock<Bell> = OnceLock::new();

/// Hangs the bell. Before the first fork; without it nobody is asked.
pub fn hang_bell() -> io::Result<()> {
    if BELL.get().is_none() {
        let _ = BELL.set(Bell::new()?);
    }
    Ok(())
}

pub fn bell() -> Option<&'static Bell> {
    BELL.get()
}

/// Asks the keeper to turn the log over.
pub fn ask() {
    if let Some(bell) = bell() {
        bell.ring();
    }
}

/// What became of a file at its mark.
pub enum Turned {
    /// It is the old one now; this is the new one.
    Anew(OwnedFd),
    /// It could not be renamed, and is empty.
    Emptied(Errno),
    /// It is to be written on: in another's hands right now, or nothing could be done.
    Kept,
}

/// What a log is called.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// By the configuration, perhaps through links.
    pub name: &'a CStr,
    /// Where that led: only this is renamed, so that a link stays one.
    pub real: &'a CStr,
    /// Once it is full.
    pub old: &'a CStr,
}

/// Renames the file and opens its name anew.
pub fn turn_over(file: BorrowedFd<'_>, names: Names<'_>, owner: Option<Owner>) -> Turned {
    let Names { name, real, old } = names;
    if !logfile::claim(file) {
        return Turned::Kept;
    }
    let turned = match move_aside(file, real, old) {
        Ok(()) => logfile::open_like(name, file, owner).map_or(Turned::Kept, Turned::Anew),
        Err(errno) => logfile::empty(file).map_or(Turned::Kept, |()| Turned::Emptied(errno)),
    };
    logfile::release(file);
    if !matches!(turned, Turned::Kept) {
        tally::add(What::Rotations);
    }
    turned
}

fn move_aside(file: BorrowedFd<'_>, real: &CStr, old: &CStr) -> io::Result<()> {
    match logfile::look_at(real) {
        Ok(_) if logfile::is_named(file, real) => logfile::rename(real, old),
        // The name leads elsewhere by now than it did; what is there is not ours to rename.
        Ok(_) => Err(Errno::LOOP),
        // By hand, already: only the new one is missing.
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

//! What the log has done and left undone, over all processes of the server.
//!
//! Until [`share`] it counts for this process alone.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::io;

use crate::os::shared;

/// Lines that were not written one by one, and why; and the files moved aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Could not be written: a full disk, a bound of the log, nobody there to take them.
    pub lost: usize,
    /// Over the lines of a second.
    pub left_out: usize,
    /// The same as the line before.
    pub repeated: usize,
    /// Times that the file was renamed, or emptied where it could not be.
    pub rotations: usize,
}

/// What is counted: a word each.
#[derive(Clone, Copy)]
pub enum What {
    Lost,
    LeftOut,
    Repeated,
    Rotations,
    /// No count: the word of the [`Budget`](super::budget::Budget).
    Spent,
}

const WORDS: usize = What::Spent as usize + 1;

static OWN: [AtomicUsize; WORDS] = [const { AtomicUsize::new(0) }; WORDS];
static SHARED: OnceLock<&[AtomicUsize; WORDS]> = OnceLock::new();

/// Counts together with every process forked from now on.
pub fn share() -> io::Result<()> {
    if SHARED.get().is_none() {
        let words = shared::words()?;
        for (word, own) in words.iter().zip(&OWN) {
            word.store(own.load(Relaxed), Relaxed);
        }
        let _ = SHARED.set(words);
    }
    Ok(())
}

pub fn add(what: What, count: u64) {
    word(what).fetch_add(usize::try_from(count).unwrap_or(usize::MAX), Relaxed);
}

pub fn word(what: What) -> &'static AtomicUsize {
    &SHARED.get().copied().unwrap_or(&OWN)[what as usize]
}

pub fn counts() -> Counts {
    let of = |what| word(what).load(Relaxed);
    Counts {
        lost: of(What::Lost),
        left_out: of(What::LeftOut),
        repeated: of(What::Repeated),
        rotations: of(What::Rotations),
    }
}

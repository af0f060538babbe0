//! What this process's log has done and left undone.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

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

/// What is counted.
#[derive(Clone, Copy)]
pub enum What {
    Lost,
    LeftOut,
    Repeated,
    Rotations,
}

const WORDS: usize = What::Rotations as usize + 1;

static COUNTS: [AtomicUsize; WORDS] = [const { AtomicUsize::new(0) }; WORDS];

pub fn add(what: What) {
    COUNTS[what as usize].fetch_add(1, Relaxed);
}

/// Forgets what the parent counted.
pub fn clear() {
    COUNTS.iter().for_each(|count| count.store(0, Relaxed));
}

pub fn counts() -> Counts {
    let of = |what: What| COUNTS[what as usize].load(Relaxed);
    Counts {
        lost: of(What::Lost),
        left_out: of(What::LeftOut),
        repeated: of(What::Repeated),
        rotations: of(What::Rotations),
    }
}

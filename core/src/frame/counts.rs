//! What the frame service was sent and what it did about it, counted: a part of [`Stats`](crate::stats::Stats).

use core::cell::Cell;

use crate::tally::sum;

crate::tally::named_enum! {
    /// What is counted; the order is that of the statistics frame, so new ones stand at the end.
    Counter {
        /// Frames whose length and CRC were right.
        Frames = "frames",
        /// Answers written, errors and those nobody asked for included.
        Answers = "frame_answers",
        /// Frames of a code that nobody answers.
        UnknownCode = "frame_unknown_codes",
        /// Frames refused because too many waited for an answer (`MaxUnanswered`).
        Busy = "frame_busy",
        /// Connections closed for a length that cannot be (`MaxFrame`).
        Length = "frame_bad_lengths",
        /// Connections closed for a CRC that is not the body's.
        Crc = "frame_bad_crcs",
        /// Connections closed for more than `FloodCount` frames in a `FloodInterval`.
        Flood = "frame_floods",
        /// Connections that ended within a frame.
        Cut = "frame_cut",
        /// Answers that did not fit into an empty outbox: blocks are too small.
        NoRoom = "frame_no_room",
    }
}

/// All counters of one frame service. They wrap after 2^64.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Counts([Cell<u64>; Counter::COUNT]);

impl Counts {
    pub const fn new() -> Self {
        Self([const { Cell::new(0) }; Counter::COUNT])
    }

    pub fn of(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).map_or(0, Cell::get)
    }

    /// Adds what another counted.
    pub(crate) fn absorb(&self, other: &Self) {
        sum(&self.0, &other.0);
    }

    #[inline]
    pub(crate) fn count(&self, counter: Counter) {
        if let Some(count) = self.0.get(counter as usize) {
            count.set(count.get().wrapping_add(1));
        }
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::new()
    }
}

//! What the processes of one server count, in one place that outlives each of them.
//!
//! Each worker writes its own cell, straight from the dispatcher. The master writes the head: who is there, facts only
//! it knows, and the sum of those who left. It moves the counts of a dead worker into that sum, so they never go back;
//! and when a reload moves listeners, it notes under which number each is known now. Any process may read the whole.

use core::cell::Cell;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;

use rustix::io;
use tidegate_core::limits::{LISTENERS_MAX, PROCESSES_MAX};
use tidegate_core::stats::{LISTENER_GONE, Stats};
use tidegate_core::status::Facts;

use crate::os::shared::{Shared, snapshot};
use crate::settings::Socket;

/// Looks before what was seen is told although the master changed it meanwhile, which it does at deaths and reloads.
const LOOKS_MAX: usize = 8;
const WORD_BITS: usize = u64::BITS as usize;

/// Under which number each listener of a worker is known now.
pub type Known = [u8; LISTENERS_MAX];

/// The master's cell.
#[repr(C)]
pub struct Head {
    /// Odd while the master changes something.
    changes: AtomicU32,
    _unused: u32,
    facts: Cell<Facts>,
    /// A bit for each place with a worker.
    taken: [Cell<u64>; PROCESSES_MAX / WORD_BITS],
    /// The sum of all who left.
    departed: Stats,
}

/// A worker's cell.
#[repr(C)]
pub struct Place {
    /// The master's to write.
    known: Cell<Known>,
    pub stats: Stats,
}

#[derive(Clone, Copy)]
pub struct Board(Shared);

impl Board {
    /// Before the first fork.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Shared::new(1 + PROCESSES_MAX)?))
    }

    // What the master does.

    /// A worker of the configuration in force is about to live here.
    pub fn enter(&self, place: u16) {
        self.change(|head| {
            self.place(place).known.set(core::array::from_fn(|at| at as u8));
            if let Some((word, bit)) = bit(head, place) {
                word.set(word.get() | bit);
            }
        });
    }

    /// The worker that lived here is gone: its counts are kept, its place is free.
    pub fn leave(&self, place: u16) {
        self.change(|head| {
            let Some((word, bit)) = bit(head, place).filter(|(word, bit)| word.get() & bit != 0) else { return };
            let gone = self.place(place);
            head.departed.absorb(&snapshot(&gone.stats), &gone.known.get(), true);
            self.0.clear(1 + usize::from(place));
            word.set(word.get() & !bit);
        });
    }

    /// A reload: listener `n` is from now on known as `moved[n]`.
    pub fn rename(&self, moved: &Known) {
        self.change(|head| {
            for place in places(head) {
                let known = &self.place(place).known;
                let again = |name: u8| moved.get(usize::from(name)).map_or(LISTENER_GONE as u8, |name| *name);
                known.set(known.get().map(again));
            }
            head.departed.rename(moved);
        });
    }

    pub fn tell(&self, facts: Facts) {
        self.change(|head| head.facts.set(facts));
    }

    // What everybody does.

    /// The counts of the worker of this place, for it to write.
    pub fn stats(&self, place: u16) -> &'static Stats {
        &self.place(place).stats
    }

    /// The facts, and the counts of all processes there are and were.
    pub fn read(&self) -> (Facts, Stats) {
        let head = self.head();
        let mut looks = 0;
        loop {
            let before = head.changes.load(SeqCst);
            let total = snapshot(&head.departed);
            for place in places(head) {
                let place = self.place(place);
                total.absorb(&snapshot(&place.stats), &place.known.get(), false);
            }
            let facts = head.facts.get();
            looks += 1;
            if looks == LOOKS_MAX || before.is_multiple_of(2) && head.changes.load(SeqCst) == before {
                return (facts, total);
            }
        }
    }

    fn head(&self) -> &'static Head {
        self.0.cell(0)
    }

    fn place(&self, place: u16) -> &'static Place {
        self.0.cell(1 + usize::from(place))
    }

    fn change(&self, act: impl FnOnce(&'static Head)) {
        let head = self.head();
        head.changes.fetch_add(1, SeqCst);
        act(head);
        head.changes.fetch_add(1, SeqCst);
    }
}

/// Under which number each socket of the old configuration is in the new one: sections are the same by their label.
pub fn moved(old: &[Socket], new: &[Socket]) -> Known {
    core::array::from_fn(|at| {
        let label = old.get(at).map(|socket| &socket.name);
        let now = new.iter().position(|socket| Some(&socket.name) == label);
        now.unwrap_or(LISTENER_GONE) as u8
    })
}

fn bit(head: &Head, place: u16) -> Option<(&Cell<u64>, u64)> {
    let place = usize::from(place);
    Some((head.taken.get(place / WORD_BITS)?, 1 << (place % WORD_BITS)))
}

/// The places with a worker. Others must not be looked at: that would cost them a page.
fn places(head: &Head) -> impl Iterator<Item = u16> {
    (0..PROCESSES_MAX as u16).filter(|place| bit(head, *place).is_some_and(|(word, bit)| word.get() & bit != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::status::Facts;

    fn socket(name: &str) -> Socket {
        Socket { name: name.into(), ..Socket::default() }
    }

    #[test]
    fn counts_outlive_their_worker_and_what_it_held_does_not() {
        let board = Board::new().unwrap();
        board.tell(Facts { pid: 7, ..Facts::default() });
        for round in 1..=3_u64 {
            board.enter(5);
            board.stats(5).log_left_out.set(10);
            assert_eq!(board.read().1.log_left_out.get(), 10 * round);
            board.leave(5);
            board.leave(5);
            assert_eq!(board.read().1.log_left_out.get(), 10 * round);
            assert_eq!(board.stats(5).log_left_out.get(), 0, "the next begins afresh");
        }
        assert_eq!(board.read().0.pid, 7);
    }

    #[test]
    fn a_section_is_the_same_by_its_label_wherever_it_stands() {
        let old = [socket("a"), socket(""), socket("b")];
        let known = moved(&old, &[socket("b"), socket("c"), socket("a")]);
        assert_eq!(known[..4], [2, LISTENER_GONE as u8, 0, LISTENER_GONE as u8]);
    }

    #[test]
    fn what_left_before_and_what_lives_through_a_reload_are_known_by_their_new_numbers() {
        let board = Board::new().unwrap();
        board.enter(0);
        let known = || board.place(0).known.get();
        let there = moved(&[socket("a"), socket("b")], &[socket("b"), socket("a")]);
        board.rename(&there);
        assert_eq!(known()[..2], [1, 0]);
        board.rename(&there);
        assert_eq!(known()[..2], [0, 1]);
        board.rename(&moved(&[socket("a"), socket("b")], &[socket("b")]));
        assert_eq!(known()[..2], [LISTENER_GONE as u8, 0]);
        board.rename(&moved(&[socket("b")], &[socket("b"), socket("a")]));
        assert_eq!(known()[..2], [LISTENER_GONE as u8, 0], "a section that comes again is a new one");
    }
}

//! Who has been silent for longest: asked when a full listener makes room (`WhenFull = oldest`).
//!
//! Kept as lazily as deadlines are, and in the same heap: a connection's place is by an activity of the past, and only
//! when it comes to the front is it asked for its latest. So a message costs nothing here, taking and closing a
//! connection O(log n), and making room a bounded number of looks. Who is found is the one, unless more than
//! [`LOOKS_MAX`] have to be looked at; then it is the most silent of those.

use crate::limits::LOOKS_MAX;
use crate::timer::{NEVER, Timers};

/// The connections of one listener, whose slots begin at `base`.
pub(crate) struct Elders<'m> {
    base: usize,
    heap: Timers<'m>,
}

impl<'m> Elders<'m> {
    /// Over lent memory, as long as the listener has slots, all zero.
    pub fn new(base: usize, cells: &'m mut [u64], places: &'m mut [u32]) -> Self {
        Self { base, heap: Timers::new(cells, places) }
    }

    #[cold]
    pub fn enter(&mut self, slot: usize, now_ms: u64) {
        self.heap.arm(slot.wrapping_sub(self.base), now_ms);
    }

    #[cold]
    pub fn leave(&mut self, slot: usize) {
        self.heap.forget(slot.wrapping_sub(self.base));
    }

    /// The slot that has been silent for longest; `active_ms` says since when a slot is.
    pub fn longest(&mut self, active_ms: impl Fn(usize) -> u64) -> Option<usize> {
        let mut found = None;
        for _ in 0..LOOKS_MAX {
            let known_ms = self.heap.next();
            let Some(at) = self.heap.fire(NEVER) else { break };
            let slot = at.wrapping_add(self.base);
            let since_ms = active_ms(slot);
            self.heap.arm(at, since_ms);
            if found.is_none_or(|(best_ms, _)| since_ms < best_ms) {
                found = Some((since_ms, slot));
            }
            // All others were active then or later.
            if since_ms <= known_ms {
                break;
            }
        }
        found.map(|(_, slot)| slot)
    }

    #[cfg(debug_assertions)]
    pub fn check(&self, slot: usize, active_ms: u64) {
        let known_ms = self.heap.armed(slot - self.base);
        assert!(known_ms.is_some_and(|known_ms| known_ms <= active_ms), "slot {slot}: known as active at {known_ms:?}");
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;

    /// Against a plain list: the victim is one of the most silent, and a listener of more than a look is served too.
    #[test]
    fn the_most_silent_is_found_as_a_plain_list_would_find_it() {
        let mut dice = 3_u64;
        for slots in [1, 2, 7, 50] {
            let (mut cells, mut places) = (vec![0; slots], vec![0; slots]);
            let mut elders = Elders::new(100, &mut cells, &mut places);
            let mut active: vec::Vec<Option<u64>> = vec![None; slots];
            for now_ms in 0..5_000 {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let at = (dice >> 33) as usize % slots;
                match (dice % 8, active[at]) {
                    (0, Some(_)) => {
                        elders.leave(100 + at);
                        active[at] = None;
                    }
                    (1..4, None) => {
                        elders.enter(100 + at, now_ms);
                        active[at] = Some(now_ms);
                    }
                    (4.., Some(_)) => active[at] = Some(now_ms),
                    _ => {
                        let found = elders.longest(|slot| active[slot - 100].unwrap());
                        let since = found.and_then(|slot| active[slot - 100]);
                        assert_eq!(since, active.iter().copied().flatten().min());
                    }
                }
            }
        }
    }

    #[test]
    fn where_all_were_busy_the_looks_are_bounded_and_still_find_someone() {
        let slots = 10 * LOOKS_MAX;
        let (mut cells, mut places) = (vec![0; slots], vec![0; slots]);
        let mut elders = Elders::new(0, &mut cells, &mut places);
        (0..slots).for_each(|slot| elders.enter(slot, 0));
        let looks = core::cell::Cell::new(0);
        let active = |slot: usize| {
            looks.set(looks.get() + 1);
            1 + slot as u64
        };
        assert_eq!((elders.longest(active), looks.get()), (Some(0), LOOKS_MAX));
    }
}

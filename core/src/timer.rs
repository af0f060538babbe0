//! Deadlines: an index heap that is moved as seldom as possible.
//!
//! Each cell of a four-ary heap is one word: the time in the upper 44 bits, the slot in the lower 20; a second slice
//! says where each slot's cell stands. A deadline that moves later (every message of a busy connection moves its
//! idle deadline) changes nothing here: the cell stays armed for the earlier time, and when that comes the owner
//! says what the deadline is by now. So a busy connection costs one heap move per time-out, not one per message.
//! 12 bytes a slot; arming earlier, firing and forgetting are O(log n); the next time is O(1) and may be early,
//! never late.

use crate::limits::CONNECTIONS_MAX;

/// "Never": a time no clock reaches.
pub const NEVER: u64 = u64::MAX;

const SLOT_BITS: u32 = CONNECTIONS_MAX.trailing_zeros();
const TIME_MAX: u64 = (1 << (64 - SLOT_BITS)) - 1;
const FANOUT: usize = 4;

const _: () = assert!(CONNECTIONS_MAX.is_power_of_two());
// Milliseconds since boot: 44 bits are 557 years.
const _: () = assert!(TIME_MAX / (1000 * 60 * 60 * 24 * 366) > 500);

/// Deadlines of the slots, over lent memory: `cells` and `places` as long as there are slots, all zero at first.
pub struct Timers<'m> {
    cells: &'m mut [u64],
    /// Where a slot's cell stands, plus one; 0 is "not armed".
    places: &'m mut [u32],
    len: usize,
}

const fn pack(at_ms: u64, slot: u32) -> u64 {
    (if at_ms < TIME_MAX { at_ms } else { TIME_MAX }) << SLOT_BITS | slot as u64
}

const fn time_of(cell: u64) -> u64 {
    cell >> SLOT_BITS
}

const fn slot_of(cell: u64) -> usize {
    (cell & (CONNECTIONS_MAX as u64 - 1)) as usize
}

impl<'m> Timers<'m> {
    pub fn new(cells: &'m mut [u64], places: &'m mut [u32]) -> Self {
        Self { cells, places, len: 0 }
    }

    /// Makes sure the slot fires at `at_ms` or before. Cheap when it is armed for an earlier time already.
    #[inline]
    pub fn arm(&mut self, slot: usize, at_ms: u64) {
        if at_ms == NEVER {
            return;
        }
        let cell = pack(at_ms, slot as u32);
        match self.place(slot) {
            Some(place) => {
                if self.cells.get(place).is_some_and(|armed| cell < *armed) {
                    self.rise(place, cell);
                }
            }
            None => self.insert(slot, cell),
        }
    }

    /// Takes the slot out of the heap.
    pub fn forget(&mut self, slot: usize) {
        let Some(place) = self.place(slot) else { return };
        if let Some(place) = self.places.get_mut(slot) {
            *place = 0;
        }
        self.len = self.len.saturating_sub(1);
        let Some(last) = self.cells.get(self.len).copied() else { return };
        if place < self.len {
            self.sink(place, last);
            // What sank not at all may have to rise: it came from another branch.
            if self.cells.get(place) == Some(&last) {
                self.rise(place, last);
            }
        }
    }

    /// The slot whose armed time has come. The caller answers with [`Timers::arm`] (its deadline is later by now)
    /// or leaves it: either way it is out of the heap.
    pub fn fire(&mut self, now_ms: u64) -> Option<usize> {
        let first = *self.cells.get(..self.len)?.first()?;
        if time_of(first) > now_ms {
            return None;
        }
        self.forget(slot_of(first));
        Some(slot_of(first))
    }

    /// The earliest armed time: [`NEVER`] if there is none.
    pub fn next(&self) -> u64 {
        match self.cells.first() {
            Some(first) if self.len > 0 => time_of(*first),
            _ => NEVER,
        }
    }

    /// The time a slot is armed for.
    pub fn armed(&self, slot: usize) -> Option<u64> {
        Some(time_of(*self.cells.get(self.place(slot)?)?))
    }

    /// Walks the heap: order, and both directions of the index.
    #[cfg(debug_assertions)]
    pub fn check(&self) {
        for (place, cell) in self.cells[..self.len].iter().enumerate() {
            assert_eq!(self.places[slot_of(*cell)] as usize, place + 1, "a cell and its slot disagree");
            assert!(place == 0 || self.cells[(place - 1) / FANOUT] <= *cell, "the heap is out of order");
        }
        assert_eq!(self.places.iter().filter(|p| **p != 0).count(), self.len, "a slot points nowhere");
    }

    fn place(&self, slot: usize) -> Option<usize> {
        self.places.get(slot).and_then(|place| place.checked_sub(1)).map(|place| place as usize)
    }

    #[cold]
    fn insert(&mut self, slot: usize, cell: u64) {
        if self.len < self.cells.len() && slot < self.places.len() {
            let place = self.len;
            self.len = self.len.wrapping_add(1);
            self.rise(place, cell);
        }
    }

    fn put(&mut self, place: usize, cell: u64) {
        if let (Some(at), Some(back)) = (self.cells.get_mut(place), self.places.get_mut(slot_of(cell))) {
            *at = cell;
            *back = (place as u32).wrapping_add(1);
        }
    }

    fn rise(&mut self, mut place: usize, cell: u64) {
        while place > 0 {
            let parent = (place - 1) / FANOUT;
            match self.cells.get(parent).copied() {
                Some(above) if above > cell => self.put(place, above),
                _ => break,
            }
            place = parent;
        }
        self.put(place, cell);
    }

    fn sink(&mut self, mut place: usize, cell: u64) {
        loop {
            let first = place.wrapping_mul(FANOUT).wrapping_add(1);
            let children = self.cells.get(first..first.wrapping_add(FANOUT).min(self.len)).unwrap_or(&[]);
            let Some((at, least)) = children.iter().enumerate().min_by_key(|(_, child)| **child) else { break };
            if *least >= cell {
                break;
            }
            let (least, next) = (*least, first.wrapping_add(at));
            self.put(place, least);
            place = next;
        }
        self.put(place, cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a plain list: 200,000 seeded operations on 50 slots.
    #[test]
    fn the_heap_fires_what_a_plain_list_would_and_never_late() {
        let (mut cells, mut places) = ([0; 50], [0; 50]);
        let mut timers = Timers::new(&mut cells, &mut places);
        let mut plain = [NEVER; 50];
        let (mut seed, mut now) = (1u64, 0);
        for _ in 0..200_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let slot = (seed >> 20) as usize % 50;
            match seed % 5 {
                0 | 1 => {
                    plain[slot] = now + (seed >> 40) % 100;
                    timers.arm(slot, plain[slot]);
                }
                2 => {
                    plain[slot] = NEVER;
                    timers.forget(slot);
                }
                _ => {
                    now += seed % 7;
                    while let Some(slot) = timers.fire(now) {
                        if plain[slot] > now {
                            timers.arm(slot, plain[slot]);
                        } else {
                            plain[slot] = NEVER;
                        }
                    }
                    assert!(plain.iter().all(|at| *at > now), "late");
                }
            }
            assert!(timers.next() <= *plain.iter().min().unwrap());
            timers.check();
        }
    }

    #[test]
    fn a_later_deadline_leaves_the_heap_alone_and_an_earlier_one_moves_it() {
        let (mut cells, mut places) = ([0; 2], [0; 2]);
        let mut timers = Timers::new(&mut cells, &mut places);
        timers.arm(1, 100);
        timers.arm(1, 200);
        assert_eq!(timers.armed(1), Some(100));
        timers.arm(1, 50);
        assert_eq!((timers.armed(1), timers.next()), (Some(50), 50));
        timers.arm(0, NEVER);
        assert_eq!(timers.armed(0), None);
    }

    #[test]
    fn times_beyond_the_cell_are_clamped_and_foreign_slots_ignored() {
        let (mut cells, mut places) = ([0; 1], [0; 1]);
        let mut timers = Timers::new(&mut cells, &mut places);
        timers.arm(0, NEVER - 1);
        timers.arm(7, 1);
        timers.forget(7);
        assert_eq!(timers.next(), TIME_MAX);
        assert_eq!(timers.fire(TIME_MAX - 1), None);
        timers.check();
    }
}

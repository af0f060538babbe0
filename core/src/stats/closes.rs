//! The last closes: who left, why, and after how long. What an operator asks first when a client complains.

use core::cell::Cell;

use super::Reason;
use crate::net::{PackedPeer, Peer};

/// Closes that are remembered.
pub const CLOSES_KEPT: usize = 16;

/// One close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Monotonic milliseconds.
    pub at_ms: u64,
    /// How long the connection lived.
    pub life_ms: u64,
    pub listener: u8,
    pub reason: Reason,
    pub peer: Peer,
}

/// A close as it is kept: numbers of which every value is allowed.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Kept {
    at_ms: u64,
    life_ms: u64,
    peer: PackedPeer,
    listener: u8,
    /// The reason's number plus one; 0 is an empty place.
    reason: u8,
    _unused: [u8; 6],
}

/// All zero is empty.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Closes {
    kept: [Cell<Kept>; CLOSES_KEPT],
    /// Where the next one goes.
    next: Cell<u32>,
    _unused: u32,
}

impl Closes {
    pub const fn new() -> Self {
        const EMPTY: Kept =
            Kept { at_ms: 0, life_ms: 0, peer: PackedPeer::UNIX, listener: 0, reason: 0, _unused: [0; 6] };
        Self { kept: [const { Cell::new(EMPTY) }; CLOSES_KEPT], next: Cell::new(0), _unused: 0 }
    }

    /// Remembers one that happened just now, in place of the oldest.
    pub fn push(&self, at_ms: u64, life_ms: u64, listener: u8, reason: Reason, peer: PackedPeer) {
        let next = self.next.get();
        if let Some(place) = self.kept.get(next as usize % CLOSES_KEPT) {
            place.set(Kept { at_ms, life_ms, peer, listener, reason: (reason as u8).wrapping_add(1), _unused: [0; 6] });
        }
        self.next.set(next.wrapping_add(1) % CLOSES_KEPT as u32);
    }

    /// Takes what is newer than what is here; `known` says under which number a listener of the other is known here.
    pub fn absorb(&self, other: &Self, known: impl Fn(u8) -> u8) {
        for kept in other.kept.iter().map(Cell::get).filter(|kept| kept.reason != 0) {
            let age = |place: &&Cell<Kept>| (place.get().reason != 0, place.get().at_ms);
            let Some(oldest) = self.kept.iter().min_by_key(age) else { continue };
            if oldest.get().reason == 0 || oldest.get().at_ms < kept.at_ms {
                oldest.set(Kept { listener: known(kept.listener), ..kept });
            }
        }
    }

    pub fn rename(&self, known: impl Fn(u8) -> u8) {
        for place in &self.kept {
            let kept = place.get();
            place.set(Kept { listener: known(kept.listener), ..kept });
        }
    }

    /// The `n`th newest, from 0.
    pub fn newest(&self, n: usize) -> Option<Close> {
        let at =
            |place: usize| self.kept.get(place).map_or((false, 0), |kept| (kept.get().reason != 0, kept.get().at_ms));
        // Each place's rank: how many are newer, or as new and before it.
        let place = (0..CLOSES_KEPT).find(|place| {
            let newer = |other: &usize| at(*other) > at(*place) || at(*other) == at(*place) && other < place;
            (0..CLOSES_KEPT).filter(newer).count() == n
        })?;
        let kept = self.kept.get(place)?.get();
        let reason = *Reason::ALL.get((kept.reason as usize).checked_sub(1)?)?;
        let Kept { at_ms, life_ms, peer, listener, .. } = kept;
        Some(Close { at_ms, life_ms, listener, reason, peer: peer.unpack() })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn all(closes: &Closes) -> Vec<u64> {
        (0..CLOSES_KEPT + 1).map_while(|n| closes.newest(n)).map(|close| close.at_ms).collect()
    }

    #[test]
    fn the_newest_are_kept_and_come_newest_first() {
        let closes = Closes::default();
        assert_eq!(closes.newest(0), None);
        for at_ms in 0..40 {
            closes.push(at_ms, 5, 3, Reason::Reset, PackedPeer::UNIX);
            let expected: Vec<u64> = (0..=at_ms).rev().take(CLOSES_KEPT).collect();
            assert_eq!(all(&closes), expected);
        }
        let last = Close { at_ms: 39, life_ms: 5, listener: 3, reason: Reason::Reset, peer: Peer::Unix };
        assert_eq!(closes.newest(0), Some(last));
    }

    #[test]
    fn of_two_the_newest_of_both_remain_under_the_listeners_they_are_known_by_here() {
        let (one, other) = (Closes::default(), Closes::default());
        (0..16).for_each(|n| one.push(2 * n, 0, 1, Reason::Ended, PackedPeer::UNIX));
        (0..16).for_each(|n| other.push(2 * n + 1, 0, 1, Reason::Ended, PackedPeer::UNIX));
        one.absorb(&other, |listener| listener + 7);
        assert_eq!(all(&one), (16..32).rev().collect::<Vec<u64>>());
        assert_eq!([0, 1].map(|n| one.newest(n).unwrap().listener), [8, 1]);
    }
}

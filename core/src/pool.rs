//! The connection pool: which slots are taken, by which generation, and who was woken.
//!
//! Apart from the connections themselves, so that the context a service holds can check and wake tokens without
//! carrying the world's connection type. It is the one place where a generation is compared (invariant 1).
//!
//! **Shares.** Each listener takes slots from its own share of the pool, so that no listener can starve another.
//! **Free order.** Last in, first out: the slot used last is warm in the cache, and a slot that was never needed is
//! never touched, so its memory costs nothing. **Wrap.** A slot's generation is odd while taken and grows by two a
//! use: a token can only name a later connection after 2^31 uses of its slot, 59 hours of 10,000 connections a
//! second all falling on one slot. The dispatcher keeps no token across wake-ups; a service that keeps one longer
//! than that must tie it to more than the token.

use heapless::Vec;

use crate::event::Token;
use crate::limits::{CONNECTIONS_MAX, LISTENERS_MAX};

/// What the pool keeps for one slot: 12 bytes, and all zero is a fresh, free slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    generation: u32,
    /// Free: the next free slot. Taken: the next woken slot. A link is the slot plus one; 0 is none.
    next: u32,
    /// Taken and woken: the woken slot before this one.
    prev: u32,
}

/// One listener's part of the pool.
#[derive(Clone, Copy, Debug)]
struct Share {
    base: u32,
    capacity: u32,
    /// Slots below this offset have been taken at least once.
    fresh: u32,
    free: u32,
    taken: u32,
}

/// Names a share; given by [`Pool::add_share`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareId(u8);

/// A fixed-capacity pool over lent marks. Take, check and release are O(1).
pub struct Pool<'m> {
    marks: &'m mut [Mark],
    shares: Vec<Share, LISTENERS_MAX>,
    woken_first: u32,
    woken_last: u32,
}

impl<'m> Pool<'m> {
    /// A pool over `marks`, whose length is the capacity of all shares together. The marks must be
    /// [`Mark::default`] (or all zero bytes); they are not touched before they are needed.
    pub fn new(marks: &'m mut [Mark]) -> Self {
        Self { marks, shares: Vec::new(), woken_first: 0, woken_last: 0 }
    }

    /// Sets `capacity` slots aside. `None` when the marks or the number of shares run out.
    pub fn add_share(&mut self, capacity: u32) -> Option<ShareId> {
        let base = self.shares.last().map_or(0, |s| s.base.saturating_add(s.capacity));
        let end = base.checked_add(capacity)?;
        if end as usize > self.marks.len() || end > CONNECTIONS_MAX {
            return None;
        }
        let id = ShareId(self.shares.len() as u8);
        self.shares.push(Share { base, capacity, fresh: 0, free: 0, taken: 0 }).ok()?;
        Some(id)
    }

    /// Takes a slot of the share. `None` when it is full.
    pub fn take(&mut self, share: ShareId) -> Option<Token> {
        let share = self.shares.get_mut(share.0 as usize)?;
        let slot = match share.free.checked_sub(1) {
            Some(slot) => slot,
            None if share.fresh < share.capacity => share.base.wrapping_add(share.fresh),
            None => return None,
        };
        let mark = self.marks.get_mut(slot as usize)?;
        if share.free != 0 {
            share.free = mark.next;
        } else {
            share.fresh = share.fresh.wrapping_add(1);
        }
        share.taken = share.taken.wrapping_add(1);
        *mark = Mark { generation: mark.generation.wrapping_add(1), next: 0, prev: 0 };
        Some(Token { slot, generation: mark.generation })
    }

    /// The slot a token names, if the connection it was given for still lives.
    pub fn slot(&self, token: Token) -> Option<usize> {
        let mark = self.marks.get(token.slot as usize)?;
        (mark.generation == token.generation && token.generation & 1 == 1).then_some(token.slot as usize)
    }

    /// Returns a slot to its share. `false`, and no change, for a token that names nobody.
    pub fn release(&mut self, token: Token) -> bool {
        if self.slot(token).is_none() {
            return false;
        }
        self.forget_wake(token.slot);
        let Some(share) =
            self.shares.iter_mut().find(|s| token.slot.checked_sub(s.base).is_some_and(|at| at < s.capacity))
        else {
            return false;
        };
        let Some(mark) = self.marks.get_mut(token.slot as usize) else { return false };
        *mark = Mark { generation: mark.generation.wrapping_add(1), next: share.free, prev: 0 };
        share.free = token.slot.wrapping_add(1);
        share.taken = share.taken.wrapping_sub(1);
        true
    }

    /// Puts a connection on the list of the woken; waking twice is waking once. `false` if it is gone.
    pub fn wake(&mut self, token: Token) -> bool {
        if self.slot(token).is_none() {
            return false;
        }
        if !self.is_woken(token.slot) {
            let link = token.slot.wrapping_add(1);
            let last = core::mem::replace(&mut self.woken_last, link);
            match self.linked(last) {
                Some(before) => before.next = link,
                None => self.woken_first = link,
            }
            if let Some(mark) = self.marks.get_mut(token.slot as usize) {
                mark.prev = last;
            }
        }
        true
    }

    /// Takes the one that was woken first off the list.
    pub fn next_woken(&mut self) -> Option<Token> {
        let slot = self.woken_first.checked_sub(1)?;
        self.forget_wake(slot);
        self.token(slot as usize)
    }

    pub fn any_woken(&self) -> bool {
        self.woken_first != 0
    }

    /// The token of a taken slot.
    pub fn token(&self, slot: usize) -> Option<Token> {
        let mark = self.marks.get(slot)?;
        (mark.generation & 1 == 1).then_some(Token { slot: slot as u32, generation: mark.generation })
    }

    pub fn taken(&self, share: ShareId) -> u32 {
        self.shares.get(share.0 as usize).map_or(0, |s| s.taken)
    }

    pub fn free(&self, share: ShareId) -> u32 {
        self.shares.get(share.0 as usize).map_or(0, |s| s.capacity.wrapping_sub(s.taken))
    }

    /// The first slot of a share.
    pub fn base(&self, share: ShareId) -> usize {
        self.shares.get(share.0 as usize).map_or(0, |s| s.base as usize)
    }

    /// Slots taken in all shares.
    pub fn taken_in_all(&self) -> u32 {
        self.shares.iter().fold(0, |sum, s| sum.wrapping_add(s.taken))
    }

    /// One past the highest slot that any share may use.
    pub fn end(&self) -> usize {
        self.shares.last().map_or(0, |s| s.base.saturating_add(s.capacity)) as usize
    }

    /// Walks everything: taken plus free is capacity in each share, free lists hold free slots once, the woken list
    /// holds taken slots once (invariant 2).
    #[cfg(debug_assertions)]
    pub fn check(&self) {
        for share in &self.shares {
            let range = share.base as usize..(share.base + share.capacity) as usize;
            let taken = self.marks[range].iter().filter(|m| m.generation & 1 == 1).count() as u32;
            assert_eq!(taken, share.taken, "taken slots");
            let (mut at, mut free) = (share.free, 0);
            while at != 0 {
                let mark = self.marks[at as usize - 1];
                assert_eq!(mark.generation & 1, 0, "a taken slot is on the free list");
                (at, free) = (mark.next, free + 1);
                assert!(free <= share.capacity, "the free list is a ring");
            }
            assert_eq!(taken + free + (share.capacity - share.fresh), share.capacity, "taken + free = capacity");
        }
        let (mut at, mut before, mut woken) = (self.woken_first, 0, 0);
        while at != 0 {
            let mark = self.marks[at as usize - 1];
            assert!(mark.generation & 1 == 1 && mark.prev == before, "a broken woken list");
            (before, at, woken) = (at, mark.next, woken + 1);
            assert!(woken <= self.marks.len(), "the woken list is a ring");
        }
        assert_eq!(before, self.woken_last, "the woken list's end");
    }

    fn linked(&mut self, link: u32) -> Option<&mut Mark> {
        self.marks.get_mut(link.checked_sub(1)? as usize)
    }

    fn is_woken(&self, slot: u32) -> bool {
        self.woken_first == slot.wrapping_add(1) || self.marks.get(slot as usize).is_some_and(|m| m.prev != 0)
    }

    fn forget_wake(&mut self, slot: u32) {
        if !self.is_woken(slot) {
            return;
        }
        let Some(mark) = self.marks.get_mut(slot as usize) else { return };
        let (prev, next) = (mark.prev, mark.next);
        (mark.prev, mark.next) = (0, 0);
        match self.linked(prev) {
            Some(before) => before.next = next,
            None => self.woken_first = next,
        }
        match self.linked(next) {
            Some(after) => after.prev = prev,
            None => self.woken_last = prev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_share_answers_none_and_spares_the_others() {
        let mut marks = [Mark::default(); 5];
        let mut pool = Pool::new(&mut marks);
        let (a, b) = (pool.add_share(2).unwrap(), pool.add_share(3).unwrap());
        assert!(pool.add_share(1).is_none());
        assert!(pool.take(a).is_some() && pool.take(a).is_some());
        assert_eq!(pool.take(a), None);
        assert_eq!((pool.taken(a), pool.free(a), pool.taken(b), pool.free(b)), (2, 0, 0, 3));
        assert!(pool.take(b).is_some());
        pool.check();
    }

    #[test]
    fn a_token_of_a_released_slot_reaches_nobody() {
        let mut marks = [Mark::default(); 1];
        let mut pool = Pool::new(&mut marks);
        let share = pool.add_share(1).unwrap();
        let old = pool.take(share).unwrap();
        assert_eq!(pool.slot(old), Some(0));
        assert!(pool.release(old));
        assert!(!pool.release(old) && !pool.wake(old) && pool.slot(old).is_none());
        let new = pool.take(share).unwrap();
        assert_ne!(new, old);
        assert!(!pool.release(old) && pool.slot(new) == Some(0));
        pool.check();
    }

    #[test]
    fn the_slot_released_last_is_taken_first() {
        let mut marks = [Mark::default(); 8];
        let mut pool = Pool::new(&mut marks);
        let share = pool.add_share(8).unwrap();
        let tokens: [Token; 3] = core::array::from_fn(|_| pool.take(share).unwrap());
        pool.release(tokens[0]);
        pool.release(tokens[2]);
        assert_eq!(pool.take(share).unwrap().slot, tokens[2].slot);
        assert_eq!(pool.take(share).unwrap().slot, tokens[0].slot);
        assert_eq!(pool.take(share).unwrap().slot, 3, "only now is a fresh slot touched");
    }

    #[test]
    fn the_generation_wraps_after_two_to_the_31_uses_of_a_slot() {
        let mut marks = [Mark { generation: u32::MAX - 1, next: 0, prev: 0 }];
        let mut pool = Pool::new(&mut marks);
        let share = pool.add_share(1).unwrap();
        let last = pool.take(share).unwrap();
        assert_eq!(last.generation, u32::MAX);
        pool.release(last);
        let first = pool.take(share).unwrap();
        assert_eq!(first.generation, 1, "odd again: never a listener's 0 nor the world's 2");
        assert_eq!(pool.slot(last), None);
        pool.check();
    }

    #[test]
    fn the_woken_come_once_and_in_order_and_the_released_not_at_all() {
        let mut marks = [Mark::default(); 4];
        let mut pool = Pool::new(&mut marks);
        let share = pool.add_share(4).unwrap();
        let t: [Token; 4] = core::array::from_fn(|_| pool.take(share).unwrap());
        for i in [2, 0, 2, 3, 1, 0] {
            assert!(pool.wake(t[i]));
            pool.check();
        }
        pool.release(t[3]);
        pool.release(t[2]);
        pool.check();
        assert_eq!([pool.next_woken(), pool.next_woken(), pool.next_woken()], [Some(t[0]), Some(t[1]), None]);
        assert!(!pool.any_woken());
        pool.check();
    }

    #[test]
    fn foreign_words_reach_nobody() {
        let mut marks = [Mark::default(); 2];
        let mut pool = Pool::new(&mut marks);
        let share = pool.add_share(2).unwrap();
        pool.take(share).unwrap();
        for bits in [0, 1, u64::MAX, 1 << 32 | 1, 2 << 32, 3 << 32, 1 << 32 | 77] {
            assert_eq!(pool.slot(Token::from_bits(bits)), None, "{bits:x}");
        }
    }
}

//! Fields that were read a moment ago: clients send the same ones again and again, and equal bytes mean equal facts.
//!
//! A few blocks of fields, from the first field to the empty line. What is kept is what reading the block found out,
//! so a hit changes nothing but the time it takes. Blocks with credentials are never kept: how long a comparison
//! takes must not tell anyone about another's.

use super::head::Facts;
use crate::blocks::copy;

/// Kinds of clients at the same time.
const PLACES: usize = 4;

/// The longest block that is kept.
const BLOCK_BYTES: usize = 512;

#[derive(Clone, Copy)]
struct Place {
    len: usize,
    facts: Facts,
    bytes: [u8; BLOCK_BYTES],
}

pub struct Recent {
    places: [Place; PLACES],
    /// Where the last one was found or kept: looked at first.
    last: usize,
}

impl Recent {
    pub const fn new() -> Self {
        Self { places: [Place { len: 0, facts: Facts::NEW, bytes: [0; BLOCK_BYTES] }; PLACES], last: 0 }
    }

    /// The length and the facts of the block that `input` begins with, if it is one of these.
    #[inline]
    pub(super) fn find(&mut self, input: &[u8]) -> Option<(usize, Facts)> {
        for step in 0..PLACES {
            let at = self.last.wrapping_add(step) % PLACES;
            let place = self.places.get(at)?;
            if place.len > 0 && input.get(..place.len) == place.bytes.get(..place.len) {
                self.last = at;
                return Some((place.len, place.facts));
            }
        }
        None
    }

    /// Keeps a block in the place of the one that was looked at last in vain.
    #[cold]
    pub(super) fn keep(&mut self, block: &[u8], facts: Facts) {
        self.last = self.last.wrapping_add(PLACES - 1) % PLACES;
        let Some(place) = self.places.get_mut(self.last) else { return };
        if let Some(into) = place.bytes.get_mut(..block.len()) {
            copy(into, block);
            (place.len, place.facts) = (block.len(), facts);
        }
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self::new()
    }
}

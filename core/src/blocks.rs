//! Bounded buffers: blocks of one size, lent to connections with unfinished input or unsent output.
//!
//! A connection at rest holds none. What it holds is a [`Chain`]. The chains of each kind stand in a list by age, so
//! that when the pool runs dry the oldest holder can make room. A small reserve is never *held*: it serves single
//! steps, so that a pool emptied by half-sent requests still answers complete ones (the dispatcher evicts until the
//! reserve is whole again).

use core::num::NonZeroUsize;

use crate::limits::{BLOCK_BYTES_MAX, BLOCKS_MAX};

/// What the pool keeps beside each block; all zero is a fresh, free block.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockMark {
    owner: u32,
    /// Links are the block plus one; 0 is none. `next` in the chain or the free list, the others by age.
    next: u16,
    older: u16,
    newer: u16,
}

/// Why a connection holds blocks; each kind has its own order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Received, not yet consumed by the service. Its age counts from the first byte.
    Input,
    /// Accepted from the service, not yet sent. Its age counts from the last progress.
    Output,
}

/// Bytes in order, in blocks. All zero is empty; only [`Blocks`] looks inside.
#[derive(Debug, Default)]
pub struct Chain {
    len: u32,
    first: u16,
    last: u16,
    /// Bytes of the first block already gone.
    start: u16,
}

impl Chain {
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Ages {
    oldest: u16,
    newest: u16,
}

/// How many parts one send of a chain may have.
pub const PARTS_MAX: usize = 8;

/// Blocks that are never held, only used within a step: two for what a step leaves unread, two for what it leaves
/// unsent (a run of bytes shorter than a block can straddle two).
pub const RESERVE: usize = 4;

/// The pool of blocks, over lent memory.
pub struct Blocks<'m> {
    memory: &'m mut [u8],
    marks: &'m mut [BlockMark],
    block_bytes: NonZeroUsize,
    free_first: u16,
    /// Blocks below this number have been used at least once; the others were never touched.
    fresh: u16,
    taken: u16,
    /// How many of the taken hold input; the others hold output.
    inputs: u16,
    step_room: usize,
    ages: [Ages; 2],
}

impl<'m> Blocks<'m> {
    /// As many blocks as both `marks` and `memory` have room for; `block_bytes` is clamped to 16..=32,768.
    pub fn new(memory: &'m mut [u8], marks: &'m mut [BlockMark], block_bytes: usize) -> Self {
        let block_bytes = NonZeroUsize::new(block_bytes.clamp(16, BLOCK_BYTES_MAX)).unwrap_or(NonZeroUsize::MIN);
        let count = (memory.len() / block_bytes).min(marks.len()).min(BLOCKS_MAX);
        let marks = marks.get_mut(..count).unwrap_or(&mut []);
        let mut blocks = Self {
            memory,
            marks,
            block_bytes,
            free_first: 0,
            fresh: 0,
            taken: 0,
            inputs: 0,
            step_room: 0,
            ages: Default::default(),
        };
        blocks.measure();
        blocks
    }

    /// Adds bytes at the end of a chain; returns how many found room. Blocks of the reserve are given too: see
    /// [`Blocks::short`].
    pub fn append(&mut self, chain: &mut Chain, kind: Held, owner: u32, mut bytes: &[u8]) -> usize {
        let asked = bytes.len();
        while !bytes.is_empty() {
            let used = (chain.start as usize).wrapping_add(chain.len());
            let at = used % self.block_bytes;
            if chain.is_empty() || at == 0 {
                let Some(block) = self.take(kind, owner) else { break };
                let link = block.wrapping_add(1);
                match chain.last.checked_sub(1).and_then(|last| self.marks.get_mut(last as usize)) {
                    Some(last) => last.next = link,
                    None => {
                        (chain.first, chain.start) = (link, 0);
                        self.join(kind, link);
                    }
                }
                chain.last = link;
            }
            let at = if chain.is_empty() { 0 } else { at };
            let Some(room) = self.block_mut(chain.last).and_then(|block| block.get_mut(at..)) else { break };
            let n = copy(room, bytes);
            if n == 0 {
                break;
            }
            chain.len = chain.len.wrapping_add(n as u32);
            bytes = bytes.get(n..).unwrap_or(&[]);
        }
        asked.wrapping_sub(bytes.len())
    }

    /// Copies a chain's bytes to the start of `into`; returns how many.
    pub fn copy_out(&self, chain: &Chain, into: &mut [u8]) -> usize {
        let (mut link, mut start, mut left, mut done) = (chain.first, chain.start as usize, chain.len(), 0);
        while left > 0 {
            let (Some(block), Some(room)) = (self.block(link), into.get_mut(done..)) else { break };
            let part = block.get(start..).unwrap_or(&[]);
            let n = copy(room, part.get(..left.min(part.len())).unwrap_or(part));
            if n == 0 {
                break;
            }
            (left, done, start) = (left.wrapping_sub(n), done.wrapping_add(n), 0);
            link = self.mark(link).map_or(0, |m| m.next);
        }
        done
    }

    /// The first parts of a chain, for one vectored send.
    pub fn parts<'a>(&'a self, chain: &Chain, parts: &mut [&'a [u8]; PARTS_MAX]) -> usize {
        let (mut link, mut start, mut left, mut count) = (chain.first, chain.start as usize, chain.len(), 0);
        for part in parts.iter_mut() {
            let Some(block) = self.block(link) else { break };
            let bytes = block.get(start..start.wrapping_add(left).min(block.len())).unwrap_or(&[]);
            if bytes.is_empty() {
                break;
            }
            *part = bytes;
            (left, start, count) = (left.wrapping_sub(bytes.len()), 0, count + 1);
            link = self.mark(link).map_or(0, |m| m.next);
        }
        count
    }

    /// Drops `n` bytes from the front, freeing the blocks that are done. Progress: the chain becomes the newest.
    pub fn consume(&mut self, chain: &mut Chain, kind: Held, n: usize) {
        if n >= chain.len() {
            return self.clear(chain, kind);
        }
        let first = chain.first;
        self.leave(kind, first);
        chain.len = chain.len.wrapping_sub(n as u32);
        let mut start = (chain.start as usize).wrapping_add(n);
        while start >= self.block_bytes() {
            start = start.wrapping_sub(self.block_bytes());
            let done = chain.first;
            chain.first = self.mark(done).map_or(0, |m| m.next);
            self.give_back(kind, done);
        }
        chain.start = start as u16;
        let first = chain.first;
        self.join(kind, first);
    }

    /// Frees a whole chain.
    pub fn clear(&mut self, chain: &mut Chain, kind: Held) {
        if chain.first == 0 {
            return;
        }
        self.leave(kind, chain.first);
        let mut link = chain.first;
        while link != 0 {
            let next = self.mark(link).map_or(0, |m| m.next);
            self.give_back(kind, link);
            link = next;
        }
        *chain = Chain::default();
    }

    /// Whether the reserve is touched: the caller evicts until it is not.
    pub fn short(&self) -> bool {
        self.free() < RESERVE.min(self.marks.len())
    }

    /// Bytes that a step may leave behind in one direction, whatever becomes of it: a sixteenth of what is free, so that
    /// slow readers share the blocks instead of the first taking them all, and the later ones read in smaller pieces.
    pub fn step_room(&self) -> usize {
        self.step_room
    }

    /// The slot that has held blocks of this kind for the longest time.
    pub fn oldest(&self, kind: Held) -> Option<u32> {
        self.mark(self.ages_of(kind).oldest).map(|mark| mark.owner)
    }

    /// The slot that makes room when blocks run out: the oldest holder of the kind that holds the most. So a crowd
    /// of half-sent requests pays for itself and spares slow readers, and a crowd that reads nothing spares requests.
    pub fn oldest_of_most(&self) -> Option<u32> {
        let outputs = self.taken.saturating_sub(self.inputs);
        self.oldest(if outputs > self.inputs { Held::Output } else { Held::Input })
    }

    pub fn free(&self) -> usize {
        self.marks.len().saturating_sub(self.taken as usize)
    }

    pub fn taken(&self) -> usize {
        self.taken as usize
    }

    pub fn capacity(&self) -> usize {
        self.marks.len()
    }

    pub fn block_bytes(&self) -> usize {
        self.block_bytes.get()
    }

    /// Walks the free list and the lists of age; `held` is the number of blocks the caller found in chains.
    #[cfg(debug_assertions)]
    pub fn check(&self, held: usize, chains: [usize; 2]) {
        assert_eq!(held, self.taken as usize, "blocks in chains and blocks taken");
        let (mut link, mut free) = (self.free_first, self.marks.len() - self.fresh as usize);
        while link != 0 {
            (link, free) = (self.marks[link as usize - 1].next, free + 1);
            assert!(free <= self.marks.len(), "the free list is a ring");
        }
        assert_eq!(free + self.taken as usize, self.marks.len(), "taken + free = all blocks");
        for kind in [Held::Input, Held::Output] {
            let (mut link, mut older, mut count) = (self.ages_of(kind).oldest, 0, 0);
            while link != 0 {
                assert_eq!(self.marks[link as usize - 1].older, older, "a broken list of ages");
                (older, link, count) = (link, self.marks[link as usize - 1].newer, count + 1);
                assert!(count <= self.marks.len(), "the list of ages is a ring");
            }
            assert_eq!((older, count), (self.ages_of(kind).newest, chains[kind as usize]), "the list of ages");
        }
    }

    /// The number of blocks a chain holds.
    #[cfg(debug_assertions)]
    pub fn count(&self, chain: &Chain) -> usize {
        let (mut link, mut count) = (chain.first, 0);
        while link != 0 {
            (link, count) = (self.marks[link as usize - 1].next, count + 1);
        }
        assert_eq!(count, (chain.start as usize + chain.len()).div_ceil(self.block_bytes()), "a chain and its length");
        count
    }

    fn mark(&self, link: u16) -> Option<&BlockMark> {
        self.marks.get(link.checked_sub(1)? as usize)
    }

    fn mark_mut(&mut self, link: u16) -> Option<&mut BlockMark> {
        self.marks.get_mut(link.checked_sub(1)? as usize)
    }

    fn block(&self, link: u16) -> Option<&[u8]> {
        let at = (link.checked_sub(1)? as usize).wrapping_mul(self.block_bytes());
        self.memory.get(at..at.wrapping_add(self.block_bytes()))
    }

    fn block_mut(&mut self, link: u16) -> Option<&mut [u8]> {
        let at = (link.checked_sub(1)? as usize).wrapping_mul(self.block_bytes());
        self.memory.get_mut(at..at.wrapping_add(self.block_bytes()))
    }

    fn take(&mut self, kind: Held, owner: u32) -> Option<u16> {
        let block = match self.free_first.checked_sub(1) {
            Some(block) => block,
            None => self.fresh,
        };
        let mark = self.marks.get_mut(block as usize)?;
        if self.free_first != 0 {
            self.free_first = mark.next;
        } else {
            self.fresh = self.fresh.wrapping_add(1);
        }
        *mark = BlockMark { owner, ..BlockMark::default() };
        self.taken = self.taken.wrapping_add(1);
        self.inputs = self.inputs.wrapping_add((kind == Held::Input) as u16);
        self.measure();
        Some(block)
    }

    fn measure(&mut self) {
        let blocks = if self.free() < RESERVE { 0 } else { (self.free() / 16).max(1) };
        self.step_room = blocks.wrapping_mul(self.block_bytes());
    }

    fn give_back(&mut self, kind: Held, link: u16) {
        let free = self.free_first;
        if let Some(mark) = self.mark_mut(link) {
            *mark = BlockMark { next: free, ..BlockMark::default() };
            self.free_first = link;
            self.taken = self.taken.wrapping_sub(1);
            self.inputs = self.inputs.wrapping_sub((kind == Held::Input) as u16);
            self.measure();
        }
    }

    fn ages_of(&self, kind: Held) -> Ages {
        let [input, output] = self.ages;
        if kind == Held::Input { input } else { output }
    }

    fn ages_mut(&mut self, kind: Held) -> &mut Ages {
        let [input, output] = &mut self.ages;
        if kind == Held::Input { input } else { output }
    }

    /// Puts a chain's first block at the newest end.
    fn join(&mut self, kind: Held, link: u16) {
        let newest = core::mem::replace(&mut self.ages_mut(kind).newest, link);
        match self.mark_mut(newest) {
            Some(before) => before.newer = link,
            None => self.ages_mut(kind).oldest = link,
        }
        if let Some(mark) = self.mark_mut(link) {
            (mark.older, mark.newer) = (newest, 0);
        }
    }

    fn leave(&mut self, kind: Held, link: u16) {
        let Some(mark) = self.mark(link) else { return };
        let (older, newer) = (mark.older, mark.newer);
        match self.mark_mut(older) {
            Some(before) => before.newer = newer,
            None => self.ages_mut(kind).oldest = newer,
        }
        match self.mark_mut(newer) {
            Some(after) => after.older = older,
            None => self.ages_mut(kind).newest = older,
        }
    }
}

/// Copies as much of `from` as `into` has room for; returns how much. The one copy of the core: a form that keeps no
/// length check at any optimisation level.
pub(crate) fn copy(into: &mut [u8], from: &[u8]) -> usize {
    for (to, byte) in into.iter_mut().zip(from) {
        *to = *byte;
    }
    into.len().min(from.len())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// Chains against plain vectors: 50,000 seeded operations on 6 chains over 20 blocks of 16 bytes.
    #[test]
    fn chains_keep_bytes_in_order_and_blocks_are_never_lost() {
        let (mut memory, mut marks) = ([0; 20 * 16], [BlockMark::default(); 20]);
        let mut blocks = Blocks::new(&mut memory, &mut marks, 16);
        let mut chains: [(Chain, Vec<u8>); 6] = Default::default();
        let (mut seed, mut byte) = (7u64, 0u8);
        for _ in 0..50_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let which = (seed >> 8) as usize % 6;
            let kind = if which < 3 { Held::Input } else { Held::Output };
            let (chain, plain) = &mut chains[which];
            match seed % 4 {
                0 | 1 => {
                    let bytes: Vec<u8> =
                        (0..(seed >> 16) % 50).map(|_| (byte = byte.wrapping_add(1), byte).1).collect();
                    let n = blocks.append(chain, kind, which as u32, &bytes);
                    assert!(n == bytes.len() || blocks.free() == 0);
                    plain.extend(&bytes[..n]);
                }
                2 => {
                    let n = (seed >> 16) as usize % 60;
                    blocks.consume(chain, kind, n);
                    plain.drain(..n.min(plain.len()));
                }
                _ if seed >> 60 == 0 => {
                    blocks.clear(chain, kind);
                    plain.clear();
                }
                _ => {}
            }
            let mut all = [0; 20 * 16];
            let n = blocks.copy_out(chain, &mut all);
            assert_eq!(&all[..n], &plain[..]);
            let mut parts = [&[][..]; PARTS_MAX];
            let count = blocks.parts(chain, &mut parts);
            let joined = parts[..count].concat();
            assert_eq!(joined, plain[..joined.len()]);
            assert!(joined.len() == plain.len() || count == PARTS_MAX);
            let held = chains.iter().map(|(chain, _)| blocks.count(chain)).sum();
            let kinds = [&chains[..3], &chains[3..]].map(|c| c.iter().filter(|(c, _)| !c.is_empty()).count());
            blocks.check(held, kinds);
            let inputs: usize = chains[..3].iter().map(|(chain, _)| blocks.count(chain)).sum();
            assert_eq!(blocks.inputs as usize, inputs, "blocks of input");
        }
    }

    #[test]
    fn the_oldest_holder_is_the_one_without_progress() {
        let (mut memory, mut marks) = ([0; 10 * 16], [BlockMark::default(); 10]);
        let mut blocks = Blocks::new(&mut memory, &mut marks, 16);
        let mut chains: [Chain; 3] = Default::default();
        for (owner, chain) in chains.iter_mut().enumerate() {
            blocks.append(chain, Held::Output, owner as u32, &[0; 20]);
        }
        assert_eq!(blocks.oldest(Held::Output), Some(0));
        blocks.append(&mut chains[0], Held::Output, 0, &[0; 5]);
        assert_eq!(blocks.oldest(Held::Output), Some(0), "more to send is no progress");
        blocks.consume(&mut chains[0], Held::Output, 1);
        assert_eq!(blocks.oldest(Held::Output), Some(1));
        blocks.clear(&mut chains[1], Held::Output);
        assert_eq!((blocks.oldest(Held::Output), blocks.oldest(Held::Input)), (Some(2), None));
    }

    #[test]
    fn what_a_step_may_leave_always_fits() {
        let (mut memory, mut marks) = ([0; 4096], [BlockMark::default(); 64]);
        for taken in 0..61 {
            let mut blocks = Blocks::new(&mut memory, &mut marks, 64);
            let mut held = Chain::default();
            blocks.append(&mut held, Held::Input, 0, &std::vec![1; taken * 64]);
            let room = blocks.step_room();
            assert!(room >= 64, "with {taken} taken");
            let (mut input, mut output) = (Chain::default(), Chain::default());
            assert_eq!(blocks.append(&mut input, Held::Input, 1, &std::vec![2; room]), room);
            assert_eq!(blocks.append(&mut output, Held::Output, 1, &std::vec![3; room]), room);
            marks.fill(BlockMark::default());
        }
    }
}

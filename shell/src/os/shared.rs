//! Memory that all processes of a server see: mapped before the first fork, in cells of which each has one writer.
//!
//! A cell that was never touched costs nothing, so there may be one for every process there can ever be. What a reader
//! gets is a copy, taken until two agree: a count of 64 bits that is written in two halves is not seen half.

use core::mem::{size_of, transmute};
use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;

use rustix::io;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};
use tidegate_core::stats::Stats;

use crate::board::{Head, Place};

/// A page, almost everywhere; where pages are larger several cells share one.
pub const CELL_BYTES: usize = 4096;

/// Copies taken before the last is believed. A writer that counts all the time is met between two counts soon.
const COPIES_MAX: usize = 16;
const WORDS: usize = size_of::<Stats>() / size_of::<u64>();

/// Types that may lie in a cell.
///
/// # Safety
/// All zero bytes are a value; every field is a cell or an atomic, so that it may change while it is borrowed; there is
/// no destructor, no pointer, and no byte pattern that another process may write and this one may not read.
pub unsafe trait Common: Sized {}

// SAFETY: an atomic number, and cells of numbers and of flags that are only ever written as such.
unsafe impl Common for Head {}
// SAFETY: cells of numbers.
unsafe impl Common for Place {}
// SAFETY: an atomic number.
unsafe impl Common for AtomicUsize {}

/// The mapping. Never given back: processes live on it until they exit.
#[derive(Clone, Copy)]
pub struct Shared {
    start: NonNull<u8>,
    cells: usize,
}

impl Shared {
    /// So many cells, all zero.
    pub fn new(cells: usize) -> io::Result<Self> {
        let (access, bytes) = (ProtFlags::READ | ProtFlags::WRITE, cells.max(1) * CELL_BYTES);
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, access, MapFlags::SHARED) }?;
        Ok(Self { start: NonNull::new(start.cast()).ok_or(io::Errno::NOMEM)?, cells: cells.max(1) })
    }

    /// The cell of this number; past the last one, the last.
    pub fn cell<T: Common>(&self, at: usize) -> &'static T {
        const { assert!(size_of::<T>() <= CELL_BYTES && align_of::<T>() <= CELL_BYTES) };
        // SAFETY: within the mapping, which is never unmapped, aligned for `T` as a cell is; what is there is zero or was
        // written as a `T`, and `T: Common` may change behind a shared borrow.
        unsafe { self.address(at).cast::<T>().as_ref() }
    }

    /// Makes a cell all zero again. Its writer must be gone.
    pub fn clear(&self, at: usize) {
        let cell = self.address(at);
        for word in 0..CELL_BYTES / size_of::<u64>() {
            // SAFETY: within the cell, and zero is a value of every type that may lie in it.
            unsafe { cell.cast::<u64>().add(word).write_volatile(0) };
        }
        // Its page goes back to the machine, where a cell is a page; elsewhere this is refused, as good.
        // SAFETY: the range is the cell, and holes of the mapping read as the zeros that were just written.
        let _ = unsafe { madvise(cell.as_ptr().cast(), CELL_BYTES, Advice::LinuxRemove) };
    }

    fn address(&self, at: usize) -> NonNull<u8> {
        // SAFETY: the cell lies within the mapping.
        unsafe { self.start.add(at.min(self.cells - 1) * CELL_BYTES) }
    }
}

/// A copy of counts that another process may be writing.
pub fn snapshot(stats: &Stats) -> Stats {
    const { assert!(size_of::<Stats>().is_multiple_of(size_of::<u64>()) && align_of::<Stats>() == align_of::<u64>()) };
    let mut copy = words_of(stats);
    for _ in 1..COPIES_MAX {
        let again = words_of(stats);
        if again == copy {
            break;
        }
        copy = again;
    }
    // SAFETY: both are of one size; `Stats` is plain numbers without padding, for which every pattern is a value.
    unsafe { transmute::<[u64; WORDS], Stats>(copy) }
}

fn words_of(stats: &Stats) -> [u64; WORDS] {
    let words = (&raw const *stats).cast::<u64>();
    // SAFETY: all words lie within the borrowed counts, whose alignment is that of a word. Volatile, since another
    // process may write them.
    core::array::from_fn(|at| unsafe { words.add(at).read_volatile() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::process::{Ended, in_child};

    #[test]
    fn what_a_child_counted_is_there_after_it_was_killed() {
        let shared = Shared::new(3).unwrap();
        let place: &Place = shared.cell(2);
        let ended = in_child(|| {
            place.stats.allocations.set(u64::MAX - 5);
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            0
        });
        assert_eq!(ended, Ok(Ended::Killed(9)));
        assert_eq!(snapshot(&place.stats).allocations.get(), u64::MAX - 5);
        assert_eq!(shared.cell::<Place>(1).stats.allocations.get(), 0);
        shared.clear(2);
        assert_eq!(place.stats.allocations.get(), 0);
        place.stats.allocations.set(1);
        assert_eq!(shared.cell::<Place>(2).stats.allocations.get(), 1, "it can be used again");
    }
}

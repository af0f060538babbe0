//! One mapping for everything a worker lives on: asked for once, of a size known before, in fresh zero pages that
//! cost nothing until they are first written.

use core::mem::{align_of, size_of};
use core::ptr::NonNull;
use core::slice;

use rustix::io;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use tidegate_core::blocks::BlockMark;
use tidegate_core::clients::Client;
use tidegate_core::conn::Slot;
use tidegate_core::pool::Mark;

use super::conn::Conn;
use crate::files::{cache, open};
use crate::services;

/// Types for which all zero bytes are a value.
///
/// # Safety
/// Every bit pattern of zeros of the type's size must be a valid value of it.
pub unsafe trait Zeroed {}

// SAFETY: plain numbers.
unsafe impl Zeroed for u8 {}
// SAFETY: plain numbers.
unsafe impl Zeroed for u32 {}
// SAFETY: plain numbers.
unsafe impl Zeroed for u64 {}
// SAFETY: plain numbers only, as its documentation promises.
unsafe impl Zeroed for Mark {}
// SAFETY: plain numbers only, as its documentation promises.
unsafe impl Zeroed for BlockMark {}
// SAFETY: plain numbers only, as its documentation promises.
unsafe impl Zeroed for Client {}
// SAFETY: its documentation promises it wherever zero is a valid `None` of `Option<C>`; `Conn` is a transparent
// `NonZeroU32`, for which the standard library guarantees that.
unsafe impl Zeroed for Slot<Conn> {}
// SAFETY: its documentation promises it of every state of a service set: a tag of one byte, of which zero is `None`.
unsafe impl Zeroed for services::State {}
// SAFETY: plain numbers, bytes and an enum of one byte whose first value is zero, as its documentation promises.
unsafe impl Zeroed for cache::Entry {}
// SAFETY: plain numbers and an `Option<Conn>`, of which zero is `None` as above.
unsafe impl Zeroed for open::Place {}

/// A mapping being handed out from its start. Never given back: a worker lives on it until it exits.
///
/// Without a mapping it only counts, so that what is priced and what is taken come from the same lines.
pub struct Arena {
    start: Option<NonNull<u8>>,
    taken: usize,
    bytes: usize,
}

impl Arena {
    /// Hands out empty slices and counts what full ones would take.
    pub const fn counting() -> Self {
        Self { start: None, taken: 0, bytes: usize::MAX }
    }

    /// Maps `bytes` of zero pages, and for `reserve` touches each of them now. `NOMEM` where that is refused.
    pub fn new(bytes: usize, reserve: bool) -> io::Result<Self> {
        let bytes = bytes.max(1);
        let start = map(bytes)?;
        if reserve {
            touch(start, bytes)?;
        } else {
            // A huge page for one connection would be paid for at rest. Kernels without huge pages refuse, as good.
            // SAFETY: advice about our own mapping; it changes no contents.
            let _ = unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxNoHugepage) };
        }
        Ok(Self { start: Some(start), taken: 0, bytes })
    }

    /// The bytes handed out so far, alignment included.
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// The next `count` values, all zero. `NOMEM` if the arena is used up.
    pub fn take<T: Zeroed>(&mut self, count: usize) -> io::Result<&'static mut [T]> {
        const { assert!(align_of::<T>() <= 4096, "a mapping is aligned to a page and no more") };
        let at = self.taken.checked_next_multiple_of(align_of::<T>()).ok_or(io::Errno::NOMEM)?;
        let bytes = count.checked_mul(size_of::<T>()).ok_or(io::Errno::NOMEM)?;
        let end = at.checked_add(bytes).filter(|end| *end <= self.bytes).ok_or(io::Errno::NOMEM)?;
        self.taken = end;
        let Some(start) = self.start else { return Ok(&mut []) };
        // SAFETY: `at..end` lies within the mapping, which is never unmapped; the part is aligned for `T` because the
        // mapping is for a page, zero, valid as `T: Zeroed`, and handed out once because `taken` moves past it.
        Ok(unsafe { slice::from_raw_parts_mut(start.add(at).cast().as_ptr(), count) })
    }
}

/// Whether so many bytes can be had now: maps them, touches each page and gives them back.
pub fn rehearse(bytes: usize) -> io::Result<()> {
    let start = map(bytes.max(1))?;
    let touched = touch(start, bytes);
    // SAFETY: the mapping was made above and nothing points into it.
    unsafe { munmap(start.as_ptr().cast(), bytes.max(1)) }?;
    touched
}

fn map(bytes: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: an anonymous private mapping at an address of the kernel's choice touches nothing of ours.
    let start =
        unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }?;
    NonNull::new(start.cast()).ok_or(io::Errno::NOMEM)
}

/// Brings every page of a fresh mapping of `bytes` into memory.
fn touch(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: the range is a mapping of ours; its pages are brought in as they are.
    match unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxPopulateWrite) } {
        // Linux before 5.14.
        Err(io::Errno::INVAL) => {
            for at in (0..bytes).step_by(rustix::param::page_size()) {
                // SAFETY: within the mapping, which is still all zero and lent to nobody.
                unsafe { start.add(at).write_volatile(0) };
            }
            Ok(())
        }
        Err(io::Errno::FAULT) => Err(io::Errno::NOMEM),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_aligned_zero_disjoint_and_bounded() {
        let mut arena = Arena::new(8 + 16, false).unwrap();
        let bytes = arena.take::<u8>(3).unwrap();
        let words = arena.take::<u64>(2).unwrap();
        assert!(bytes.iter().all(|b| *b == 0) && words.iter().all(|w| *w == 0));
        bytes.fill(255);
        assert_eq!(words, [0, 0]);
        assert!(arena.take::<u8>(1).is_err());
    }

    #[test]
    fn counting_comes_to_what_taking_takes() {
        let mut counting = Arena::counting();
        assert_eq!(counting.take::<u8>(3).unwrap().len() + counting.take::<u64>(2).unwrap().len(), 0);
        let mut arena = Arena::new(counting.taken(), false).unwrap();
        assert_eq!((arena.take::<u8>(3).unwrap().len(), arena.take::<u64>(2).unwrap().len()), (3, 2));
        assert_eq!(arena.taken(), counting.taken());
    }

    #[test]
    fn a_state_not_opened_yet_is_a_zero_state() {
        let mut arena = Arena::new(4096, true).unwrap();
        let states = arena.take::<services::State>(64).unwrap();
        assert!(states.iter().all(|state| matches!(state, services::State::None)));
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        assert_eq!(rehearse(1 << 20), Ok(()));
        assert!(rehearse(usize::MAX / 4).is_err());
    }

    #[test]
    fn an_empty_slot_is_a_zero_slot() {
        let mut arena = Arena::new(4096, false).unwrap();
        let slots = arena.take::<Slot<Conn>>(4).unwrap();
        // Overwriting drops the old value: a zero that read as a descriptor would close descriptor 0.
        slots[0] = Slot::default();
        assert!(rustix::io::fcntl_getfd(rustix::stdio::stdin()).is_ok());
    }
}

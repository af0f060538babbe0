//! One mapping for everything a worker lives on: asked for once, of a size known before, in fresh zero pages that
//! cost nothing until they are first written.

use core::mem::{align_of, size_of};
use core::ptr::NonNull;
use core::slice;

use rustix::io;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use tidegate_core::blocks::BlockMark;
use tidegate_core::clients::Client;
use tidegate_core::conn::Slot;
use tidegate_core::pool::Mark;

use super::conn::Conn;

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

/// A mapping being handed out from its start. Never given back: a worker lives on it until it exits.
pub struct Arena {
    next: NonNull<u8>,
    left: usize,
}

impl Arena {
    /// Maps `bytes` of zero pages.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let bytes = bytes.max(1);
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe {
            mmap_anonymous(core::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }?;
        let next = NonNull::new(start.cast()).ok_or(io::Errno::NOMEM)?;
        Ok(Self { next, left: bytes })
    }

    /// The bytes [`Arena::take`] needs for `count` values, alignment included.
    pub const fn price<T>(count: usize) -> usize {
        count.saturating_mul(size_of::<T>()).saturating_add(align_of::<T>())
    }

    /// The next `count` values, all zero. `NOMEM` if the arena is used up.
    pub fn take<T: Zeroed>(&mut self, count: usize) -> io::Result<&'static mut [T]> {
        let skip = self.next.align_offset(align_of::<T>());
        let bytes = count.checked_mul(size_of::<T>()).ok_or(io::Errno::NOMEM)?;
        let end = skip.checked_add(bytes).filter(|end| *end <= self.left).ok_or(io::Errno::NOMEM)?;
        // SAFETY: `skip` and `end` lie within the mapping, which is never unmapped; the part is aligned for `T`,
        // zero, valid as `T: Zeroed`, and handed out once because `next` moves past it.
        let part = unsafe {
            let part = slice::from_raw_parts_mut(self.next.add(skip).cast().as_ptr(), count);
            self.next = self.next.add(end);
            part
        };
        self.left -= end;
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_aligned_zero_disjoint_and_bounded() {
        let mut arena = Arena::new(Arena::price::<u8>(3) + Arena::price::<u64>(2)).unwrap();
        let bytes = arena.take::<u8>(3).unwrap();
        let words = arena.take::<u64>(2).unwrap();
        assert!(bytes.iter().all(|b| *b == 0) && words.iter().all(|w| *w == 0));
        bytes.fill(255);
        assert_eq!(words, [0, 0]);
        assert!(arena.take::<u64>(3).is_err());
    }

    #[test]
    fn an_empty_slot_is_a_zero_slot() {
        let mut arena = Arena::new(4096).unwrap();
        let slots = arena.take::<Slot<Conn>>(4).unwrap();
        // Overwriting drops the old value: a zero that read as a descriptor would close descriptor 0.
        slots[0] = Slot::default();
        assert!(rustix::io::fcntl_getfd(rustix::stdio::stdin()).is_ok());
    }
}

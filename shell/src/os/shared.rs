//! A few words that every process of the server sees: mapped before the first fork, so that what one counts all know,
//! and what a killed one counted stays.

use core::mem::size_of;
use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;

use rustix::io;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// So many words, all zero, shared with every process forked from now on. Never given back.
pub fn words<const N: usize>() -> io::Result<&'static [AtomicUsize; N]> {
    let bytes = size_of::<[AtomicUsize; N]>().max(1);
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing of ours.
    let start =
        unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED) }?;
    let start = NonNull::new(start.cast()).ok_or(io::Errno::NOMEM)?;
    // SAFETY: the mapping is large enough, aligned to a page and never unmapped; zero is a value of every word, and
    // all access to them is atomic.
    Ok(unsafe { start.as_ref() })
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::os::process::{self, Fork};

    #[test]
    fn what_a_child_counts_its_parent_sees() {
        let words = words::<3>().unwrap();
        match process::fork().unwrap() {
            Fork::Child => {
                words[2].fetch_add(7, Relaxed);
                process::exit_now(0);
            }
            Fork::Parent(pid) => {
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            }
        }
        assert_eq!(words.each_ref().map(|word| word.load(Relaxed)), [0, 0, 7]);
    }
}

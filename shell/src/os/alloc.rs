//! The seal: once a worker serves, it asks the allocator for nothing more.
//!
//! Counts what is asked for after [`seal`]. In debug builds that is fatal, so that every test with real traffic is a
//! test of this too; in release builds the first one is told in the log and the count at the end.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The system's allocator, watched.
pub struct Sealable;

static SEALED: AtomicBool = AtomicBool::new(false);
static AFTER: AtomicUsize = AtomicUsize::new(0);
static FIRST_BYTES: AtomicUsize = AtomicUsize::new(0);
static TOLD: AtomicBool = AtomicBool::new(false);

/// From here on this process allocates nothing.
pub fn seal() {
    SEALED.store(true, Relaxed);
}

/// Opens the seal, for what a process does when it no longer serves.
pub fn unseal() {
    SEALED.store(false, Relaxed);
}

/// How often memory was asked for after the seal, and the bytes of the first time.
pub fn after_seal() -> (usize, usize) {
    (AFTER.load(Relaxed), FIRST_BYTES.load(Relaxed))
}

/// The bytes of the first allocation after the seal, once. For the loop to tell: the allocator cannot.
#[inline]
pub fn news() -> Option<usize> {
    (AFTER.load(Relaxed) > 0 && !TOLD.swap(true, Relaxed)).then(|| FIRST_BYTES.load(Relaxed))
}

#[cold]
fn broken(bytes: usize) {
    if AFTER.fetch_add(1, Relaxed) == 0 {
        FIRST_BYTES.store(bytes, Relaxed);
    }
    // A panic allocates to say what is wrong, which is then the better message.
    if cfg!(debug_assertions) && !std::thread::panicking() {
        let _ = rustix::io::write(rustix::stdio::stderr(), b"tidegate: an allocation after the seal\n");
        std::process::abort();
    }
}

// SAFETY: every call goes to the system's allocator unchanged; the counting beside it touches atomics only.
unsafe impl GlobalAlloc for Sealable {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if SEALED.load(Relaxed) {
            broken(layout.size());
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if SEALED.load(Relaxed) {
            broken(layout.size());
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if SEALED.load(Relaxed) {
            broken(new_size);
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

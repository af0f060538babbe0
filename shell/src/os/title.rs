//! What `ps` shows: the process title, written over the arguments, and the name, set by `prctl`.
//!
//! The kernel reads a title from the memory of the arguments and runs on into the environment when it outgrows them.
//! So the environment is moved first, once, and both areas become ours. They are found by walking back from
//! `environ`, which holds on glibc and musl alike (musl does not pass arguments to constructors). Started with an
//! empty environment a long title is cut; `PR_SET_MM` would lift that for privileged processes and is not used.

use std::ffi::CStr;
use std::sync::Mutex;

unsafe extern "C" {
    static mut environ: *mut *mut libc::c_char;
}

/// The bytes the kernel reads titles from. An address, not a pointer: it is shared by nobody and outlives everything.
struct Area {
    address: usize,
    bytes: usize,
}

static AREA: Mutex<Option<Area>> = Mutex::new(None);

/// Takes the arguments' and environment's memory for titles. Once, after the arguments have been read for the last
/// time and before the allocator is sealed; `std::env::args` must not be called afterwards.
pub fn init() {
    let Ok(mut area) = AREA.lock() else { return };
    if area.is_some() {
        return;
    }
    // SAFETY: `environ` is what the C library started with, one thread runs, and nothing has replaced it: the process
    // never sets a variable.
    *area = unsafe { claim() };
}

/// # Safety
/// `environ` is still the array the kernel built, just above the array of arguments, and no other thread runs.
unsafe fn claim() -> Option<Area> {
    // SAFETY: the caller's promise; below `environ` lie the NULL that ends the arguments, the arguments, and their
    // count. A pointer never equals so small a number, so the walk stops at the count.
    unsafe {
        let variables = environ;
        // The kernel builds it above the first stack frame. Anywhere else something has replaced it (a preloaded
        // library that sets variables), and what lies before it is not ours to read.
        let here = 0u8;
        if variables.is_null() || (variables as usize) < &raw const here as usize {
            return None;
        }
        let mut count = 0;
        while *variables.sub(count + 2) as usize != count {
            count += 1;
        }
        if count == 0 {
            return None;
        }
        let arguments = variables.sub(count + 1);
        let start = *arguments;
        let mut end = start;
        for index in 0..count {
            end = stretch(end, *arguments.add(index));
        }
        let mut moved = Vec::new();
        let mut index = 0;
        while !(*variables.add(index)).is_null() {
            let variable = *variables.add(index);
            end = stretch(end, variable);
            moved.push(CStr::from_ptr(variable).to_owned().into_raw());
            index += 1;
        }
        moved.push(core::ptr::null_mut());
        // Lives as long as the process: the C library reads the environment from here from now on.
        environ = Box::leak(moved.into_boxed_slice()).as_mut_ptr();
        Some(Area { address: start as usize, bytes: end.offset_from(start) as usize })
    }
}

/// The end of the area once this string is added, if it follows directly; the area must not have holes.
///
/// # Safety
/// `string` is NUL-terminated.
unsafe fn stretch(end: *mut libc::c_char, string: *mut libc::c_char) -> *mut libc::c_char {
    // SAFETY: the caller's promise.
    if string == end { unsafe { string.add(libc::strlen(string) + 1) } } else { end }
}

/// Shows this text as the process's command line, cut to the room there is.
pub fn set(title: &str) {
    let Ok(area) = AREA.lock() else { return };
    let Some(Area { address, bytes }) = *area else { return };
    let taken = title.len().min(bytes.saturating_sub(1));
    let start = address as *mut u8;
    // SAFETY: `init` found these bytes to be the process's own writable argument memory, which nothing else uses.
    unsafe {
        core::ptr::copy_nonoverlapping(title.as_ptr(), start, taken);
        // The rest is cleared whole: the kernel tells a title from arguments by what lies behind its end.
        core::ptr::write_bytes(start.add(taken), 0, bytes - taken);
    }
}

/// Sets the short name (15 bytes) by which `top` and `killall` know the process.
pub fn name(name: &CStr) {
    let _ = rustix::thread::set_name(name);
}

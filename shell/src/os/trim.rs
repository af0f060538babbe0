//! Gives back the program pages that only the start needed.
//!
//! Loading, linking, reading the configuration and forking touch most of the program and its libraries; serving
//! touches little. The kernel would keep those pages mapped, and counted to us, for years. They are clean copies of
//! files: unmapped here, they come back from the page cache when they are needed again.

use core::ffi::{c_int, c_void};

use rustix::mm::{Advice, madvise};

/// Lets go of every page of the program and its libraries that is not written to.
pub fn start_pages() {
    // SAFETY: the callback matches the type libc asks for, keeps nothing, and is given no data of ours.
    unsafe { libc::dl_iterate_phdr(Some(forget), core::ptr::null_mut()) };
}

unsafe extern "C" fn forget(object: *mut libc::dl_phdr_info, _size: usize, _data: *mut c_void) -> c_int {
    let page = rustix::param::page_size();
    // SAFETY: libc lends a valid description of one loaded object with `dlpi_phnum` headers.
    let (base, headers) = unsafe {
        let object = &*object;
        (object.dlpi_addr as usize, core::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)))
    };
    for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
        let start = base.wrapping_add(header.p_vaddr as usize);
        let end = start.wrapping_add(header.p_memsz as usize).next_multiple_of(page);
        let start = start - start % page;
        // SAFETY: these pages are mapped read-only from files, so the next access maps the same bytes again; only a
        // debugger's breakpoints are lost. A part that is not a file's (the vDSO) is refused, which is as good.
        let _ = unsafe { madvise(core::ptr::with_exposed_provenance_mut(start), end - start, Advice::LinuxDontNeed) };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_file_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssFile:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn pages_are_given_back_and_come_again_when_needed() {
        let before = resident_file_kib();
        start_pages();
        let after = resident_file_kib();
        assert!(after < before, "{after} KiB mapped after, {before} before");
        assert_eq!(format!("{:?}", [1, 2]), "[1, 2]", "the program still runs");
    }
}

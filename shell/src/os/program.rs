//! What the program itself weighs, and what there is: its files as they are mapped, the machine's free memory, the
//! kernel's buffers for sockets.

use core::ffi::{c_int, c_void};

/// Bytes of the loaded files, without what is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub program_bytes: u64,
    /// Next to nothing for a static program: the kernel's own page of code.
    pub libraries_bytes: u64,
}

/// Read-only pages of the program and of the libraries it came with, all of them.
pub fn files() -> Files {
    let mut files = Files::default();
    // SAFETY: the callback matches the type libc asks for, is given `files` and keeps nothing.
    unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut files).cast()) };
    files
}

unsafe extern "C" fn add(object: *mut libc::dl_phdr_info, _size: usize, files: *mut c_void) -> c_int {
    let page = rustix::param::page_size();
    // SAFETY: libc lends a valid description of one loaded object with `dlpi_phnum` headers; `files` is ours.
    let (files, headers) = unsafe {
        let object = &*object;
        let headers = core::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum));
        (&mut *files.cast::<Files>(), headers)
    };
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0);
    let bytes: usize = loaded.map(|header| pages(header.p_vaddr as usize, header.p_memsz as usize, page)).sum();
    let bytes = bytes as u64;
    // The program is told first.
    match files.program_bytes {
        0 => files.program_bytes = bytes,
        _ => files.libraries_bytes += bytes,
    }
    0
}

fn pages(start: usize, bytes: usize, page: usize) -> usize {
    (start + bytes).next_multiple_of(page) - start / page * page
}

/// Memory that can be had without taking any from others: `MemAvailable` (Linux 3.14), or what is left of the
/// control group's limit where that is less. `None` where the kernel does not say.
pub fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    Some(group_left_bytes().map_or(machine, |group| group.min(machine)))
}

fn group_left_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let number =
        |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup{path}/{name}")).ok()?.trim().parse::<u64>().ok();
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

/// What the kernel starts with for one TCP socket, to receive and to send.
pub fn socket_buffer_bytes() -> (u64, u64) {
    let default = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    };
    (default("tcp_rmem").unwrap_or(131_072), default("tcp_wmem").unwrap_or(16_384))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_as_large_as_they_are_mapped() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let exe = std::env::current_exe().unwrap();
        let number = |digits| u64::from_str_radix(digits, 16).unwrap();
        let spans = maps.lines().filter(|line| line.ends_with(exe.to_str().unwrap())).map(|line| {
            let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
            (number(start), number(end))
        });
        // The loader's mappings lie side by side; a backtrace of another test may have mapped the file once more.
        let (here, mut runs) = (files as *const () as u64, Vec::<(u64, u64)>::new());
        for (start, end) in spans {
            match runs.last_mut() {
                Some(run) if run.1 == start => run.1 = end,
                _ => runs.push((start, end)),
            }
        }
        let (start, end) = runs.into_iter().find(|(start, end)| (*start..*end).contains(&here)).unwrap();
        let mapped = end - start;
        let Files { program_bytes, libraries_bytes } = files();
        assert!(program_bytes > 0 && program_bytes <= mapped, "{program_bytes} of {mapped}");
        assert!(program_bytes * 10 > mapped * 8, "{program_bytes} of {mapped}");
        assert_eq!(libraries_bytes > 0, maps.contains("/libc.so"));
    }

    #[test]
    fn the_machine_says_what_it_has() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 1 << 20));
        let (receive, send) = socket_buffer_bytes();
        assert!(receive >= 4_096 && send >= 4_096);
    }
}

//! Running the program of our own path again, whatever lies there by now, and what goes along: arguments, environment,
//! directory and some descriptors.
//!
//! `std::process::Command` does the fork and the exec, by `posix_spawn`, so the process is not copied. Every descriptor
//! of ours is close-on-exec; those that go along are not for the length of that call. The signal mask goes along too: a
//! signal that comes before the new program opens its own waits for it.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::{self, Errno, FdFlags};
use rustix::process::Pid;

/// What follows the path of a program whose file was removed or replaced.
const DELETED: &[u8] = b" (deleted)";

/// How this process was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Absolute.
    pub program: PathBuf,
    name: OsString,
    words: Vec<OsString>,
}

impl Origin {
    /// To be asked at the start, while the program lies where it was started from and before the memory of the
    /// arguments becomes the title's.
    pub fn of_this_process() -> Self {
        let mut words = std::env::args_os();
        let name = words.next().unwrap_or_else(|| "tidegate".into());
        let program = match std::fs::read_link("/proc/self/exe") {
            Ok(path) => {
                let bytes = path.as_os_str().as_bytes();
                PathBuf::from(OsString::from_vec(bytes.strip_suffix(DELETED).unwrap_or(bytes).to_vec()))
            }
            Err(_) => found(&name, std::env::var_os("PATH").as_deref()),
        };
        Self { program, name, words: words.collect() }
    }

    /// Starts it as a child, with these descriptors and this variable beside our own environment.
    pub fn start(&self, variable: &str, value: &str, fds: &[BorrowedFd<'_>]) -> io::Result<Pid> {
        let mut command = Command::new(&self.program);
        command.arg0(&self.name).args(&self.words).env(variable, value);
        let lent = fds.iter().try_for_each(|fd| io::fcntl_setfd(fd, FdFlags::empty()));
        let child =
            lent.and_then(|()| command.spawn().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)));
        for fd in fds {
            let _ = io::fcntl_setfd(fd, FdFlags::CLOEXEC);
        }
        Pid::from_raw(child?.id().cast_signed()).ok_or(Errno::CHILD)
    }
}

/// The file that a shell in this directory would run by this name.
fn found(name: &OsStr, search: Option<&OsStr>) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    if name.as_bytes().contains(&b'/') {
        return here.join(name);
    }
    let directories = std::env::split_paths(search.unwrap_or_default());
    let files = directories.map(|directory| here.join(directory).join(name));
    files.into_iter().find(|path| is_program(path)).unwrap_or_else(|| here.join(name))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Takes a descriptor by the number that whoever started us named; it goes no further than this process. Each number
/// once, and before this process opens anything: what is open now is nobody's yet.
pub fn take_fd(number: i32) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(Errno::BADF);
    }
    // SAFETY: only asks the kernel whether the number is open; the borrow ends with the call.
    io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and by the rule above nothing else in this process knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The number by which [`take_fd`] finds it after the exec.
pub fn number(fd: BorrowedFd<'_>) -> i32 {
    fd.as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_told_by_its_absolute_path() {
        let origin = Origin::of_this_process();
        assert_eq!(Some(origin.program), std::env::current_exe().ok());
    }

    #[test]
    fn without_proc_a_name_is_looked_for_as_a_shell_does() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(found(OsStr::new("./x"), None), here.join("./x"));
        assert_eq!(found(OsStr::new("/sbin/x"), None), Path::new("/sbin/x"));
        assert_eq!(found(OsStr::new("sh"), Some(OsStr::new("/nowhere:/bin"))), Path::new("/bin/sh"));
        assert_eq!(found(OsStr::new("x"), Some(OsStr::new("/nowhere"))), here.join("x"));
    }

    #[test]
    fn standard_and_closed_descriptors_are_not_taken() {
        for number in [-1, 0, 2, 1_000_000] {
            assert_eq!(take_fd(number).unwrap_err(), Errno::BADF);
        }
    }
}

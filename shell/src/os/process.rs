//! Processes: fork, the steps of becoming a daemon, children's ends, limits, and leaving.
//!
//! The seed's `cc_daemon` in steps, because the order around them is the caller's. Not done: a second fork (we open
//! no terminal, so none can become ours) and `chdir("/")` (paths are made absolute at start instead, and a daemon
//! whose directory is `/` writes its core dumps there).

use std::io;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, WaitStatus};

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Fork {
    Parent(Pid),
    Child,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exited(u8),
    Killed(i32),
}

impl core::fmt::Display for Ended {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Ended::Exited(code) => write!(out, "exited with code {code}"),
            Ended::Killed(signal) => write!(out, "killed by signal {signal}"),
        }
    }
}

/// Splits the process. The program has one thread; the child may therefore do anything the parent could.
pub fn fork() -> rustix::io::Result<Fork> {
    // SAFETY: no other thread exists whose lock the child could inherit in a held state.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::AGAIN));
    }
    Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent))
}

/// Leaves at once: no exit handlers, no buffers flushed twice. For every forked child.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: ends the process; nothing of it is used afterwards.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Runs this in a child and waits for its end. For what is over in a moment and must not change this process.
pub fn in_child(act: impl FnOnce() -> u8) -> rustix::io::Result<Ended> {
    #[cfg(test)]
    let _alone = no_forks();
    match fork()? {
        Fork::Child => exit_now(act()),
        Fork::Parent(pid) => loop {
            match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
                Ok(Some((_, status))) if let Some(ended) = ended(status) => return Ok(ended),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        },
    }
}

/// For a test that minds a child of another test having its locks and sockets too for a moment.
#[cfg(test)]
pub fn no_forks() -> std::sync::MutexGuard<'static, ()> {
    static FORKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    FORKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A new session without a terminal, and files with exactly the modes we ask for.
pub fn detach() -> rustix::io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::umask(Mode::empty());
    Ok(())
}

/// Makes descriptors 0, 1 and 2 the null device.
pub fn null_stdio() -> rustix::io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)
}

/// Opens the null device on each of 0, 1 and 2 that is closed, so that no socket ever gets such a number.
pub fn fill_stdio() -> rustix::io::Result<()> {
    loop {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&null);
        if number > 2 {
            return Ok(());
        }
        std::mem::forget(null);
    }
}

/// Arranges that this process gets TERM when its parent dies; false if the parent is already gone. The kernel forgets
/// it when the user id changes: call it after that.
pub fn die_with_parent(parent: Pid) -> bool {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)).is_ok()
        && rustix::process::getppid() == Some(parent)
}

/// The next child that ended, without waiting.
pub fn reap() -> Option<(Pid, Ended)> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if let Some(ended) = ended(status) {
                    return Some((pid, ended));
                }
            }
            Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Sets the soft limit of open files to `files`, raising the hard limit if that is allowed; what it is afterwards.
pub fn limit_open_files(files: u32) -> u64 {
    let wanted = u64::from(files);
    let now = rustix::process::getrlimit(Resource::Nofile);
    let hard = now.maximum.map_or(wanted, |hard| hard.max(wanted));
    let attempts = [(wanted, Some(hard)), (now.maximum.map_or(wanted, |hard| hard.min(wanted)), now.maximum)];
    for (current, maximum) in attempts {
        let new = Rlimit { current: Some(current), maximum: maximum.filter(|_| now.maximum.is_some()) };
        if rustix::process::setrlimit(Resource::Nofile, new).is_ok() {
            return current;
        }
    }
    now.current.unwrap_or(u64::MAX)
}

/// What [`limit_open_files`] would come to; nothing is changed.
pub fn open_files_within_reach(files: u32) -> u64 {
    let now = rustix::process::getrlimit(Resource::Nofile);
    let reached = limit_open_files(files);
    // Going back to what was needs no privilege.
    let _ = rustix::process::setrlimit(Resource::Nofile, now);
    reached
}

/// How many files this process may have open now.
pub fn open_files() -> u64 {
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// `None` for one that only stopped.
fn ended(status: WaitStatus) -> Option<Ended> {
    let exited = status.exit_status().map(|code| Ended::Exited(code as u8));
    exited.or_else(|| status.terminating_signal().map(Ended::Killed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_limit_is_set_or_the_nearest_told() {
        let before = rustix::process::getrlimit(Resource::Nofile);
        assert_eq!(open_files_within_reach(200), 200);
        assert_eq!(rustix::process::getrlimit(Resource::Nofile), before);
        let set = limit_open_files(256);
        assert_eq!(rustix::process::getrlimit(Resource::Nofile).current, Some(set));
        assert_eq!(set, 256);
        rustix::process::setrlimit(Resource::Nofile, before).unwrap();
    }
}

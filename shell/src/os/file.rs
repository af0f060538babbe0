//! Files: read whole within a bound, appended to without blocking, and the pid file with its lock.
//!
//! The lock is `flock`: it belongs to the open file, so it survives the daemon's fork, and the kernel drops it with
//! the last holder; a pid file left by a crash is therefore never mistaken for a running server. The pid is written
//! after the daemon has its final id; in between the file is empty, which a reader takes as "starting".
//!
//! For an upgrade the old server's file gets another name in the same moment as an empty one, locked for the new server,
//! gets its own: at no time is there no file, or one that nobody holds.

use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::{self, Errno};
use rustix::process::{Pid, getpid};

/// Tries before giving up on a pid file that others keep removing under us.
const LOCK_TRIES: usize = 10;

/// Reads a whole file; one longer than `bytes_max` is `EFBIG`.
pub fn read_whole(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())?;
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    std::fs::File::from(file).take(limit).read_to_end(&mut bytes).map_err(errno_of)?;
    if bytes.len() > bytes_max { Err(Errno::FBIG) } else { Ok(bytes) }
}

/// Writes one line with one call, or drops it: a reader that stopped reading must not stop us.
///
/// A pipe or terminal is asked for room first. Another writer of the same pipe can take that room in between; only
/// then could this wait.
pub fn write_line(to: impl AsFd, line: &[u8]) -> io::Result<()> {
    let mut ask = [PollFd::new(&to, PollFlags::OUT)];
    if poll(&mut ask, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
        return Err(Errno::AGAIN);
    }
    io::write(&to, line).map(|_| ())
}

/// Why the pid file is not ours.
#[derive(Debug)]
pub enum PidFileError {
    /// A running server holds it; its pid, if it has written one yet.
    Held(Option<Pid>),
    Failed(Errno),
}

impl From<Errno> for PidFileError {
    fn from(errno: Errno) -> Self {
        PidFileError::Failed(errno)
    }
}

/// A locked pid file.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: OwnedFd,
    /// Handed over by a server that takes it back if nothing is written.
    lent: bool,
}

impl PidFile {
    /// Creates and locks the file, and empties it. The path must stay right after a change of directory.
    pub fn lock(path: &Path) -> Result<Self, PidFileError> {
        for _ in 0..LOCK_TRIES {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = fs::open(path, flags, Mode::from_raw_mode(0o644))?;
            match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(PidFileError::Held(read_pid(path))),
                Err(errno) => return Err(errno.into()),
            }
            // Its last holder may have removed it between our open and our lock: then this is nobody's file.
            if same_file(&file, path) {
                fs::ftruncate(&file, 0)?;
                return Ok(Self { path: path.to_path_buf(), file, lent: false });
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// The file of this path that was locked for us by the server to be replaced; `None` if it is another.
    pub fn lent(path: &Path, file: OwnedFd) -> Option<Self> {
        same_file(&file, path).then(|| Self { path: path.to_path_buf(), file, lent: true })
    }

    /// Writes the id of the calling process. From then on the file is ours.
    pub fn write(&mut self) -> io::Result<()> {
        self.lent = false;
        let text = format!("{}\n", getpid().as_raw_nonzero());
        fs::ftruncate(&self.file, 0)?;
        if io::pwrite(&self.file, text.as_bytes(), 0)? == text.len() { Ok(()) } else { Err(Errno::NOSPC) }
    }

    /// Makes room for the server that is to replace this one: this file goes on as `.oldbin`, nginx's name, and the
    /// answer is an empty, locked one in its place. A file system without links leaves the path free for a moment.
    pub fn step_aside(&mut self) -> io::Result<Self> {
        if !same_file(&self.file, &self.path) {
            return Err(Errno::NOENT);
        }
        let (new, old) = (beside(&self.path, ".newbin"), beside(&self.path, ".oldbin"));
        let fresh = Self::lock(&new).map_err(|error| match error {
            PidFileError::Held(_) => Errno::BUSY,
            PidFileError::Failed(errno) => errno,
        })?;
        let _ = fs::unlink(&old);
        let moved = match fs::link(&self.path, &old) {
            Err(_) => fs::rename(&self.path, &old),
            linked => linked,
        };
        if let Err(errno) = moved.and_then(|()| fs::rename(&new, &self.path)) {
            fresh.remove();
            // A rename between two names of one file does nothing.
            let _ = fs::rename(&old, &self.path);
            if same_file(&self.file, &self.path) {
                let _ = fs::unlink(&old);
            }
            return Err(errno);
        }
        let path = std::mem::replace(&mut self.path, old);
        Ok(Self { path, ..fresh })
    }

    /// Has the name again that was left to this one, whose server is gone.
    pub fn come_back(&mut self, fresh: Self) -> io::Result<()> {
        fs::rename(&self.path, &fresh.path)?;
        self.path = fresh.path;
        Ok(())
    }

    /// No longer holds the file together with the new server. Where that does not hold it either, because it has
    /// another name for its own, it is removed.
    pub fn leave_to_successor(self) {
        let Self { path, file, .. } = self;
        drop(file);
        remove_stray(&path);
    }

    /// Removes what a replaced server left if it was killed.
    pub fn remove_predecessors(&self) {
        remove_stray(&beside(&self.path, ".oldbin"));
    }

    /// Removes the file while it is still locked, so that no other server's file is ever removed. Where that is not
    /// allowed (any more) it is left empty: nobody should find a number in it that is another process's one day.
    pub fn remove(self) {
        if !self.lent && same_file(&self.file, &self.path) && fs::unlink(&self.path).is_err() {
            let _ = fs::ftruncate(&self.file, 0);
        }
    }

    /// Who runs with this pid file: `None` if nobody holds it, else the pid if it is written.
    pub fn holder(path: &Path) -> io::Result<Option<Option<Pid>>> {
        for _ in 0..LOCK_TRIES {
            let file = match fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(file) => file,
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(errno),
            };
            match fs::flock(&file, FlockOperation::NonBlockingLockShared) {
                // Another server's file took its place while we looked.
                Ok(()) if !same_file(&file, path) => {}
                Ok(()) => return Ok(None),
                Err(Errno::WOULDBLOCK) => return Ok(Some(read_pid(path))),
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::AGAIN)
    }
}

impl AsFd for PidFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Removes a pid file that nobody holds.
fn remove_stray(path: &Path) {
    if let Ok(stray) = PidFile::lock(path) {
        stray.remove();
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(end);
    name.into()
}

fn read_pid(path: &Path) -> Option<Pid> {
    let bytes = read_whole(path, 32).ok()?;
    Pid::from_raw(core::str::from_utf8(&bytes).ok()?.trim().parse::<i32>().ok().filter(|pid| *pid > 0)?)
}

fn same_file(file: &OwnedFd, path: &Path) -> bool {
    match (fs::fstat(file), fs::stat(path)) {
        (Ok(ours), Ok(theirs)) => (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino),
        _ => false,
    }
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tidegate-file-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_file_is_read_whole_or_refused_as_too_big() {
        let path = scratch("read");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_whole(&path, 5).unwrap(), b"12345");
        assert_eq!(read_whole(&path, 4), Err(Errno::FBIG));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read_whole(&path, 5), Err(Errno::NOENT));
    }

    #[test]
    fn a_pid_file_has_one_holder_and_leaves_with_it() {
        let _alone = crate::os::process::no_forks();
        let path = scratch("pid");
        assert_eq!(PidFile::holder(&path), Ok(None));
        std::fs::write(&path, "1\n").unwrap();
        assert_eq!(PidFile::holder(&path), Ok(None), "a stale file is nobody's");
        let mut held = PidFile::lock(&path).unwrap();
        assert_eq!(PidFile::holder(&path), Ok(Some(None)), "locked, pid not written, the stale one gone");
        held.write().unwrap();
        assert_eq!(PidFile::holder(&path), Ok(Some(Some(getpid()))));
        match PidFile::lock(&path) {
            Err(PidFileError::Held(pid)) => assert_eq!(pid, Some(getpid())),
            other => panic!("{other:?}"),
        }
        held.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_replaced_pid_file_is_not_removed() {
        let path = scratch("replaced");
        let held = PidFile::lock(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another's").unwrap();
        held.remove();
        assert!(path.exists());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_pid_file_steps_aside_comes_back_or_is_left_to_the_successor() {
        let _alone = crate::os::process::no_forks();
        let path = scratch("aside");
        let old = beside(&path, ".oldbin");
        std::fs::write(&old, "stale").unwrap();
        let mut held = PidFile::lock(&path).unwrap();
        held.write().unwrap();
        let fresh = held.step_aside().unwrap();
        assert_eq!(PidFile::holder(&path), Ok(Some(None)), "starting");
        assert_eq!(PidFile::holder(&old), Ok(Some(Some(getpid()))));
        held.come_back(fresh).unwrap();
        assert_eq!(PidFile::holder(&path), Ok(Some(Some(getpid()))));
        assert!(!old.exists() && !beside(&path, ".newbin").exists());
        let fresh = held.step_aside().unwrap();
        let mut new = PidFile::lent(&path, fresh.file.try_clone().unwrap()).unwrap();
        new.write().unwrap();
        fresh.leave_to_successor();
        assert_eq!(PidFile::holder(&path), Ok(Some(Some(getpid()))), "it holds it alone");
        held.remove();
        assert!(!old.exists() && path.exists());
        // One whose configuration names another file leaves this one to nobody.
        let mut next = PidFile::lock(&scratch("another")).unwrap();
        let fresh = new.step_aside().unwrap();
        assert!(PidFile::lent(&next.path, fresh.file.try_clone().unwrap()).is_none());
        fresh.leave_to_successor();
        assert!(!path.exists());
        next.write().unwrap();
        next.remove();
        // One that fails before it has written leaves the file to whoever lent it.
        let lent = PidFile::lent(&old, new.file.try_clone().unwrap()).unwrap();
        lent.remove();
        assert!(old.exists());
        new.remove();
        assert!(!old.exists());
    }

    #[test]
    fn a_full_pipe_drops_the_line_instead_of_waiting() {
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let line = [b'x'; 1_000];
        let outcome = (0..1_000).find_map(|_| write_line(&writer, &line).err());
        assert_eq!(outcome, Some(Errno::AGAIN));
    }
}

//! The paths of unix sockets: which file was ours, and whether one that is there is left over.
//!
//! A path is removed only while it is the very file that was made here; who took it over meanwhile keeps it.

use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// A path, and which file it was.
pub struct Made {
    path: PathBuf,
    identity: Identity,
}

/// Device, inode and time of birth: an inode's number alone is soon given to the next file.
type Identity = (u64, u64, i64, u64);

impl Made {
    pub fn at(path: &Path) -> Option<Self> {
        Some(Self { path: path.to_path_buf(), identity: identity(path)? })
    }

    pub fn is_still_there(&self) -> bool {
        identity(&self.path) == Some(self.identity)
    }

    pub fn remove(&self) {
        if self.is_still_there() {
            let _ = fs::unlink(&self.path);
        }
    }

    /// Removes it unless somebody answers on it.
    pub fn remove_stale(&self) {
        if is_stale(&self.path) {
            self.remove();
        }
    }
}

/// Whether this path is a socket on which nobody answers.
pub fn is_stale(path: &Path) -> bool {
    let is_socket = fs::lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    is_socket
        && net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .and_then(|probe| net::connect(&probe, &SocketAddrUnix::new(path)?))
            .is_err_and(|errno| errno == Errno::CONNREFUSED)
}

fn identity(path: &Path) -> Option<Identity> {
    let stat = fs::lstat(path).ok()?;
    // A socket is never written as a file, so this time stays that of its birth.
    Some((stat.st_dev as u64, stat.st_ino as u64, stat.st_mtime as i64, stat.st_mtime_nsec as u64))
}

//! A log's file: opened without ever waiting, looked at, moved aside, replaced. Nothing here asks for memory.

use std::ffi::CStr;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::{self, Errno};

use super::file;

/// What the bound of a log is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub bytes: u64,
    /// Names it still has.
    pub links: u64,
    /// Takes room on a disk: no pipe, terminal or device.
    pub regular: bool,
    /// Which file it is.
    pub id: (u64, u64),
}

/// User and group of a file; what is `None` stays.
pub type Owner = (Option<Uid>, Option<Gid>);

/// Opens a log: created if it is not there, appended to, and given to the owner if it is created.
///
/// With an owner the directory may be the owner's too, who could put a link or a pipe in the log's place and have root
/// write where it points: no link is followed then, and what was there already is not given away. A pipe without a
/// reader is refused and not waited for.
pub fn open(name: &CStr, owner: Option<Owner>) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o640);
    let Some((user, group)) = owner else { return fs::open(name, flags() | OFlags::CREATE, mode) };
    match fs::open(name, flags() | OFlags::CREATE | OFlags::EXCL, mode) {
        Ok(file) => {
            // A file system without owners refuses; this process can write it all the same.
            let _ = fs::fchown(&file, user, group);
            Ok(file)
        }
        Err(Errno::EXIST) => open_existing(name, owner),
        Err(errno) => Err(errno),
    }
}

/// The same, but not made.
pub fn open_existing(name: &CStr, owner: Option<Owner>) -> io::Result<OwnedFd> {
    let link = if owner.is_some() { OFlags::NOFOLLOW } else { OFlags::empty() };
    fs::open(name, flags() | link, Mode::empty())
}

pub fn look(file: impl AsFd) -> io::Result<Look> {
    fs::fstat(file).map(|stat| seen(&stat))
}

/// What stands under this name, not following a link.
pub fn look_at(name: &CStr) -> io::Result<Look> {
    fs::lstat(name).map(|stat| seen(&stat))
}

/// Adds one line with one call; false if only a part of it found room. After such a `torn` one the next begins anew.
pub fn write_line(file: impl AsFd, line: &[u8], torn: bool) -> io::Result<bool> {
    let written = if torn {
        io::writev(&file, &[IoSlice::new(b"\n"), IoSlice::new(line)])?.saturating_sub(1)
    } else {
        io::write(&file, line)?
    };
    Ok(written == line.len())
}

/// Whether this process alone may move the file aside now. Until [`release`]; it is gone with the process too.
pub fn claim(file: impl AsFd) -> bool {
    fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

pub fn release(file: impl AsFd) {
    let _ = fs::flock(file, FlockOperation::Unlock);
}

pub fn rename(name: &CStr, to: &CStr) -> io::Result<()> {
    fs::rename(name, to)
}

pub fn empty(file: impl AsFd) -> io::Result<()> {
    fs::ftruncate(file, 0)
}

/// Opens the name anew, with the mode of the file that had it before; without an owner for that one's user and group.
pub fn open_like(name: &CStr, before: impl AsFd, owner: Option<Owner>) -> io::Result<OwnedFd> {
    let opened = open(name, owner)?;
    if let (Ok(stat), Ok(Look { bytes: 0, .. })) = (fs::fstat(before), look(&opened)) {
        if owner.is_none() {
            // One that may not give files away owns them already.
            let _ = fs::fchown(&opened, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
        }
        let _ = fs::fchmod(&opened, Mode::from_raw_mode(stat.st_mode & 0o777));
    }
    Ok(opened)
}

/// Whether the name and the file are one.
pub fn is_named(file: impl AsFd, name: &CStr) -> bool {
    matches!((look(file), look_at(name)), (Ok(ours), Ok(named)) if ours.id == named.id)
}

fn flags() -> OFlags {
    OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK
}

fn seen(stat: &Stat) -> Look {
    Look {
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
        #[allow(clippy::unnecessary_cast)]
        links: stat.st_nlink as u64,
        regular: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        #[allow(clippy::unnecessary_cast)]
        id: (stat.st_dev as u64, stat.st_ino as u64),
    }
}

/// Standard error as the journal's stream, if `JOURNAL_STREAM` names it (systemd.exec(5)).
pub fn is_journal(named: &str) -> bool {
    let Ok(Look { id: (device, inode), .. }) = look(rustix::stdio::stderr()) else { return false };
    named.split_once(':').is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

/// Standard error, which may be a pipe or a terminal that someone stopped reading.
pub fn write_stderr(line: &[u8]) -> io::Result<()> {
    file::write_line(rustix::stdio::stderr(), line)
}

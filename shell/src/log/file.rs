//! A log that is a file: held to `[Log] MaxSize` and `MaxDaily`, turned over to `FILE.1`, tried again when missing.
//!
//! Every process adds to it, and only the keeper (the master, or a server of one process) may rename it. Whoever finds
//! it at its mark opens the name again: if that is another file by now it goes on there, so no word from the keeper is
//! needed; otherwise it asks the keeper. Meanwhile lines go on up to the bound, then they are lost and counted.
//! A file that cannot be renamed (a read-only directory, a mount point) is emptied: what goes on now matters more than
//! what was. A pipe or device has no bound. Nothing here asks for memory once it is made.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::{self, Errno};

use super::RETRY_MS;
use super::budget::{self, Budget, Share};
use super::line::LINE_BYTES_MAX;
use super::lost::Lost;
use super::rotate::{self, Names, Turned};
use crate::os::logfile::Owner;
use crate::os::{file, logfile};

/// How large a file may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// From here on it should be turned over: a quarter is left for lines until that has happened.
    mark: u64,
    /// No process makes it longer.
    last: u64,
}

impl Bound {
    /// `None` for 0, no bound. All processes may write a line in the same instant, each having seen room for it: so
    /// much is kept free, if that leaves half.
    pub fn of(max_bytes: u64, processes: u64) -> Option<Self> {
        let slack = (processes * LINE_BYTES_MAX as u64).min(max_bytes / 2);
        let last = max_bytes - slack;
        (max_bytes > 0).then_some(Self { mark: last - last / 4, last })
    }

    /// The most that the file and the one before it can take.
    pub fn disk_bytes(self, processes: u64) -> u64 {
        2 * self.last.saturating_add(processes * LINE_BYTES_MAX as u64)
    }
}

pub struct File {
    /// As the configuration has it, whole.
    name: CString,
    /// The same without links, and what the last full one is called.
    real: CString,
    old: CString,
    /// Whose it is to be where it is made here.
    owner: Option<Owner>,
    bound: Option<Bound>,
    budget: Option<Budget>,
    /// `None` while it cannot be opened.
    file: Option<OwnedFd>,
    /// Why it could not, and when to try again.
    fault: Option<Errno>,
    retry_at_ms: u64,
    /// It was emptied because of this, which nobody was told yet.
    emptied: Option<Errno>,
    /// The last line was cut by a full disk.
    torn: bool,
}

impl File {
    /// Opens it, or remembers why it is not open.
    pub fn new(path: &Path, owner: Option<Owner>, bound: Option<Bound>, budget: Option<Budget>) -> Self {
        let whole = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        let name = whole(path);
        let opened = logfile::open(&name, owner);
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let mut old = real.clone().into_os_string();
        old.push(".1");
        let (real, old) = (whole(&real), whole(Path::new(&old)));
        let fault = opened.as_ref().err().copied();
        let file = opened.ok();
        Self { name, real, old, owner, bound, budget, file, fault, retry_at_ms: 0, emptied: None, torn: false }
    }

    /// Adds one line.
    pub fn write(&mut self, share: Share, line: &[u8], now_ms: u64, keeps: bool) -> Result<(), Lost> {
        self.find(now_ms)?;
        let regular = self.make_room(line.len(), keeps)?;
        let Some(file) = &self.file else { return Err(Lost::Absent(Errno::NOENT)) };
        if !regular {
            return file::write_line(file, line).map_err(Lost::Refused);
        }
        if self.budget.is_some_and(|budget| !budget.take(budget::word(), line.len(), share, now_ms)) {
            return Err(Lost::Spent);
        }
        let whole = logfile::write_line(file, line, self.torn).map_err(Lost::Refused)?;
        self.torn = !whole;
        if whole { Ok(()) } else { Err(Lost::Refused(Errno::NOSPC)) }
    }

    /// Opens the name again: what it was may have been renamed since. What cannot be opened stays as it was.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.take(logfile::open(&self.name, self.owner))
    }

    /// Moves it aside if it is at its mark. For the keeper, who was asked to.
    pub fn turn_over(&mut self) {
        // What cannot be done now is done, or told, with a line.
        let _ = self.make_room(1, true);
    }

    /// Why it had to be emptied, once for each time.
    pub fn take_emptied(&mut self) -> Option<Errno> {
        self.emptied.take()
    }

    /// Whether so many bytes may be written now, as far as `MaxDaily` goes.
    pub fn may_spend(&self, bytes: usize, share: Share, now_ms: u64) -> bool {
        self.budget.is_none_or(|budget| budget.has(budget::word(), bytes, share, now_ms))
    }

    /// Goes on with what is open if this is not.
    pub fn inherit(&mut self, from: &mut Self) {
        if self.file.is_none() && from.file.is_some() {
            (self.file, self.fault, self.torn) = (from.file.take(), None, from.torn);
        }
    }

    pub fn name(&self) -> &CStr {
        &self.name
    }

    pub fn fault(&self) -> Option<Errno> {
        self.fault
    }

    /// Why it is not open; tried again now and then.
    fn find(&mut self, now_ms: u64) -> Result<(), Lost> {
        if self.file.is_none() && now_ms >= self.retry_at_ms {
            self.retry_at_ms = now_ms.saturating_add(RETRY_MS);
            let _ = self.take(logfile::open(&self.name, self.owner));
        }
        match (&self.file, self.fault) {
            (None, Some(errno)) => Err(Lost::Absent(errno)),
            _ => Ok(()),
        }
    }

    fn take(&mut self, opened: io::Result<OwnedFd>) -> io::Result<()> {
        match opened {
            Ok(opened) => {
                (self.file, self.fault, self.torn) = (Some(opened), None, false);
                Ok(())
            }
            Err(errno) => {
                if self.file.is_none() {
                    self.fault = Some(errno);
                }
                Err(errno)
            }
        }
    }

    /// Makes sure that so many bytes fit; whether they take room on a disk at all.
    fn make_room(&mut self, bytes: usize, keeps: bool) -> Result<bool, Lost> {
        let look = self.look()?;
        let Some(bound) = self.bound.filter(|_| look.regular) else { return Ok(look.regular) };
        let end = |look: &logfile::Look| look.bytes.saturating_add(bytes as u64);
        if look.links > 0 && end(&look) <= bound.mark {
            return Ok(true);
        }
        // Someone else may have moved it aside, or removed it.
        if let Ok(named) = logfile::open_existing(&self.name, self.owner)
            && logfile::look(&named).is_ok_and(|named| named.id != look.id)
        {
            let _ = self.take(Ok(named));
        } else if !keeps {
            rotate::ask();
        } else if let Some(file) = &self.file {
            let names = Names { name: &self.name, real: &self.real, old: &self.old };
            match rotate::turn_over(file.as_fd(), names, self.owner) {
                Turned::Anew(opened) => _ = self.take(Ok(opened)),
                Turned::Emptied(errno) => self.emptied = Some(errno),
                Turned::Kept => {}
            }
        }
        if end(&self.look()?) <= bound.last { Ok(true) } else { Err(Lost::Full) }
    }

    fn look(&self) -> Result<logfile::Look, Lost> {
        let file = self.file.as_ref().ok_or(Lost::Absent(Errno::NOENT))?;
        logfile::look(file).map_err(Lost::Refused)
    }
}

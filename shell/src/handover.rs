//! What a server hands to the one that replaces it: descriptors that stay open over exec, named in one variable.
//!
//! A line for each thing: `listen 7 127.0.0.1:5678`. The new side trusts no number: it takes each descriptor once, and
//! whoever uses one checks what it is. Lines it does not know are a later version's and passed over.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::process::{Pid, getpid, getppid};

use crate::exit::{self, Failure};
use crate::listeners::Listeners;
use crate::os::exec;
use crate::os::file::PidFile;
use crate::ready::Ready;

/// The variable's name.
pub const VARIABLE: &str = "TIDEGATE_UPGRADE";

/// What the old server hands over.
pub struct Handover<'a> {
    pub ready: &'a Ready,
    /// Locked for the new one, and empty until it serves.
    pub pid_file: Option<&'a PidFile>,
    pub listeners: &'a Listeners,
    /// What the old server may need until it has left.
    pub leaving_bytes: u64,
}

impl Handover<'_> {
    /// The variable's value, and the descriptors it names.
    pub fn write(&self) -> (String, Vec<BorrowedFd<'_>>) {
        let mut text = format!("from {}\nleaving {}\n", getpid().as_raw_nonzero(), self.leaving_bytes);
        let mut fds = Vec::new();
        let mut name = |word: &str, fd: BorrowedFd<'_>, rest: &str| {
            let _ = writeln!(text, "{word} {}{rest}", exec::number(fd));
        };
        name("ready", self.ready.as_fd(), "");
        fds.push(self.ready.as_fd());
        if let Some(pid_file) = self.pid_file {
            name("pid-file", pid_file.as_fd(), "");
            fds.push(pid_file.as_fd());
        }
        for (address, fd) in self.listeners.shared() {
            name("listen", fd, &format!(" {address}"));
            fds.push(fd);
        }
        (text, fds)
    }
}

/// What a new server was handed; nothing if it replaces nobody. Dropped, it is all closed.
#[derive(Default)]
pub struct Inheritance {
    /// The server that handed it over, and serves until it hears that we do.
    pub from: Option<Pid>,
    pub ready: Option<Ready>,
    pub pid_file: Option<OwnedFd>,
    /// By the address as it is shown.
    pub listeners: Vec<(String, OwnedFd)>,
    pub leaving_bytes: u64,
}

impl Inheritance {
    /// To be called before this process opens anything.
    pub fn take() -> Result<Self, Failure> {
        let mut taken = Self::default();
        let Some(value) = std::env::var_os(VARIABLE) else { return Ok(taken) };
        let mut numbers = BTreeSet::new();
        for line in value.to_string_lossy().lines() {
            if taken.read(line, &mut numbers).is_none() {
                let failure = Failure::new(exit::OS, format!("{VARIABLE} names what is not there: {line}"));
                taken.ready.take().into_iter().for_each(|ready| ready.failed(&failure));
                return Err(failure);
            }
        }
        Ok(taken)
    }

    fn read(&mut self, line: &str, numbers: &mut BTreeSet<i32>) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        let (number, address) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut fd = || {
            let number = number.parse().ok().filter(|number| numbers.insert(*number))?;
            exec::take_fd(number).ok()
        };
        match word {
            "from" => self.from = Some(Pid::from_raw(number.parse().ok()?)?),
            "leaving" => self.leaving_bytes = number.parse().ok()?,
            "ready" => self.ready = Some(fd()?.into()),
            "pid-file" => self.pid_file = Some(fd()?),
            "listen" => self.listeners.push((address.to_string(), fd()?)),
            _ => {}
        }
        Some(())
    }
}

/// Whether the server we replaced has not left yet. It is our parent, and its number could be another's only after it
/// left and we had another parent.
pub fn is_there(predecessor: Option<Pid>) -> bool {
    predecessor.is_some() && predecessor == getppid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_taken_once_and_only_if_it_is_open() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let numbers = [reader, writer].map(std::os::fd::IntoRawFd::into_raw_fd);
        let (mut taken, mut seen) = (Inheritance::default(), BTreeSet::new());
        let mut read = |line: &str| taken.read(line, &mut seen).is_some();
        assert!(read("from 12") && read("leaving 4096"));
        assert!(read(&format!("listen {} unix:/a b", numbers[0])));
        assert!(!read(&format!("pid-file {}", numbers[0])), "twice");
        assert!(read(&format!("pid-file {}", numbers[1])) && read("later things"));
        for wrong in ["", "from", "from 0", "leaving much", "ready 1000000", "ready 1", "listen x 1.2.3.4:5"] {
            assert!(!read(wrong), "{wrong}");
        }
        assert_eq!((taken.from.map(Pid::as_raw_pid), taken.leaving_bytes), (Some(12), 4_096));
        assert_eq!(taken.listeners[0].0, "unix:/a b");
        assert!(taken.pid_file.is_some() && taken.ready.is_none());
    }
}

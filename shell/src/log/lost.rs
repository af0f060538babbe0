//! Why a line was not written, as the next one that can be tells it.

use std::fmt;

use rustix::io::Errno;

use crate::os::errno::Told;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// There is nothing to write to; standard error has the line.
    Absent(Errno),
    /// It could not be written, or not without waiting.
    Refused(Errno),
    /// The file is as large as it may be and nobody has moved it aside.
    Full,
    /// A day's share is written.
    Spent,
}

impl fmt::Display for Lost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Absent(errno) | Lost::Refused(errno) => Told(*errno).fmt(out),
            Lost::Full => out.write_str("the file was at [Log] MaxSize"),
            Lost::Spent => out.write_str("[Log] MaxDaily was used up"),
        }
    }
}

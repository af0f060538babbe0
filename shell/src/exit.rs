//! How the program ends: the exit codes of `sysexits`, and a failure as a code with the sentence that explains it.

use rustix::io::Errno;

use crate::os::errno::Told;

pub const OK: u8 = 0;
/// The command line is wrong.
pub const USAGE: u8 = 64;
/// What was given to be sent cannot be sent.
pub const DATA: u8 = 65;
/// A file to be read is not there.
pub const NO_INPUT: u8 = 66;
/// Something needed is in use or not there: a port, the lock, a running server.
pub const UNAVAILABLE: u8 = 69;
/// The server gave up: workers kept dying.
pub const SOFTWARE: u8 = 70;
/// The system refused something ordinary.
pub const OS: u8 = 71;
/// A log or pid file cannot be created.
pub const CANNOT_CREATE: u8 = 73;
/// What the other side says is not what was agreed.
pub const PROTOCOL: u8 = 76;
/// A privilege is missing.
pub const NO_PERMISSION: u8 = 77;
/// The configuration is wrong.
pub const CONFIG: u8 = 78;

/// Why the program leaves without having served.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: u8,
    /// One sentence; or, ending in a newline, a report of several lines to be shown as it is.
    pub text: String,
}

impl Failure {
    pub fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// A system call's failure: `what (2: ENOENT, No such file or directory)`. A missing permission has its own code.
    pub fn of_errno(code: u8, what: impl core::fmt::Display, errno: Errno) -> Self {
        let code = if matches!(errno, Errno::ACCESS | Errno::PERM) { NO_PERMISSION } else { code };
        Self { code, text: format!("{what} ({})", Told(errno)) }
    }
}

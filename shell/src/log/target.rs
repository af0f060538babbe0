//! Where lines go: standard error, a file, or syslog. What cannot be reached is tried again; it never stops a server.

use std::ffi::CStr;
#[cfg(test)]
use std::path::Path;

use rustix::io::{self, Errno};

use super::Severity;
use super::budget::{Budget, Share};
use super::file::{Bound, File};
use super::form::Form;
use super::line::Line;
use super::lost::Lost;
use super::syslog::Syslog;
use crate::os::logfile::{self, Owner};
use crate::settings::{self, Destination};

/// Open already, so that changing to it cannot fail.
pub struct Target(Kind);

enum Kind {
    Stderr,
    File(File),
    Syslog(Syslog),
}

impl Target {
    pub(super) const STDERR: Self = Self(Kind::Stderr);

    /// What the settings name, for so many processes that write at a time. A file made here is given to the owner.
    pub fn open(log: &settings::Log, processes: u64, owner: Option<Owner>) -> Self {
        Self(match &log.to {
            Destination::Stderr => Kind::Stderr,
            Destination::File(path) => {
                let bound = Bound::of(log.max_bytes, processes);
                Kind::File(File::new(path, owner, bound, Budget::of(log.daily_bytes)))
            }
            Destination::Syslog(path) => Kind::Syslog(Syslog::new(path)),
        })
    }

    /// Only for tests of what stands above: a file, whatever it is, without bounds.
    #[cfg(test)]
    pub(super) fn at(path: &Path) -> Self {
        Self(Kind::File(File::new(path, None, None, None)))
    }

    /// Writes one line.
    pub(super) fn write(&mut self, line: &Written<'_>, now_ms: u64) -> Result<(), Lost> {
        match &mut self.0 {
            Kind::Syslog(syslog) if line.severity != Severity::Stderr => {
                let mut formed = Form::Syslog.line(line.severity, line.role, line.body);
                syslog.write(&mut formed, line.body, now_ms)
            }
            Kind::File(file) if line.severity != Severity::Stderr => {
                let mut formed = Form::Dated.line(line.severity, line.role, line.body);
                let bytes = formed.finish(line.body, b"\n");
                file.write(line.share, bytes, now_ms, line.keeps)
            }
            _ => line.write_stderr(),
        }
    }

    /// Writes one line as it is, where its form is ours to choose.
    pub(super) fn write_bare(&mut self, line: &Written<'_>, now_ms: u64) -> Result<(), Lost> {
        let mut formed = Line::new();
        formed.write_escaped(format_args!("{}", line.body.text()));
        let bytes = formed.finish(line.body, b"\n");
        match &mut self.0 {
            Kind::Stderr => logfile::write_stderr(bytes).map_err(Lost::Refused),
            Kind::File(file) => file.write(line.share, bytes, now_ms, line.keeps),
            Kind::Syslog(_) => self.write(line, now_ms),
        }
    }

    /// Takes over what is open if it is the same and could not be opened here.
    pub(super) fn inherit(&mut self, from: &mut Self) {
        if self.is_same(from) {
            match (&mut self.0, &mut from.0) {
                (Kind::File(file), Kind::File(from)) => file.inherit(from),
                (Kind::Syslog(syslog), Kind::Syslog(from)) => syslog.inherit(from),
                _ => {}
            }
        }
    }

    /// Opens the same again. What cannot be opened stays as it was.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Stderr => Ok(()),
            Kind::File(file) => file.reopen(),
            Kind::Syslog(syslog) => syslog.reopen(),
        }
    }

    pub(super) fn turn_over(&mut self) {
        if let Kind::File(file) = &mut self.0 {
            file.turn_over();
        }
    }

    pub(super) fn take_emptied(&mut self) -> Option<Errno> {
        match &mut self.0 {
            Kind::File(file) => file.take_emptied(),
            _ => None,
        }
    }

    pub(super) fn may_spend(&self, bytes: usize, share: Share, now_ms: u64) -> bool {
        match &self.0 {
            Kind::File(file) => file.may_spend(bytes, share, now_ms),
            _ => true,
        }
    }

    pub(super) fn is_stderr(&self) -> bool {
        matches!(self.0, Kind::Stderr)
    }

    /// Why it cannot be reached.
    pub fn fault(&self) -> Option<Errno> {
        match &self.0 {
            Kind::Stderr => None,
            Kind::File(file) => file.fault(),
            Kind::Syslog(syslog) => syslog.fault(),
        }
    }

    /// Whether the other goes to the same place.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.place() == other.place()
    }

    fn place(&self) -> (u8, &CStr) {
        match &self.0 {
            Kind::Stderr => (0, c""),
            Kind::File(file) => (1, file.name()),
            Kind::Syslog(syslog) => (2, syslog.path()),
        }
    }
}

/// A line on its way.
pub(super) struct Written<'a> {
    pub severity: Severity,
    pub role: &'static str,
    pub body: &'a Line,
    /// What standard error takes.
    pub stderr: Form,
    /// Whether this process may rename a file.
    pub keeps: bool,
    pub share: Share,
}

impl Written<'_> {
    pub fn write_stderr(&self) -> Result<(), Lost> {
        let mut formed = self.stderr.line(self.severity, self.role, self.body);
        logfile::write_stderr(formed.finish(self.body, b"\n")).map_err(Lost::Refused)
    }
}

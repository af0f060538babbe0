//! The log: one line, one write, no allocation, and no way for a peer or a full disk to hold the server up.
//!
//! Takes facts from the `log` facade (error, warn, info, debug; trace joins debug) and from [`report`], which knows
//! the seed's other severities and an errno. Each call site may write [`SITE_LINES`] a second and all together
//! [`TOTAL_LINES`]; a line that only repeats the site's last one is not written again. Lines that cannot be written at
//! once are lost. Whatever was not written is counted, and told with the next line that is.

mod budget;
mod file;
mod form;
mod line;
mod lost;
mod rotate;
mod severity;
mod sites;
mod syslog;
mod tally;
mod target;
mod writer;

use std::fmt;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::panic::Location;
use std::sync::Mutex;

use rustix::io::{self, Errno};

use crate::os::{clock, errno, logfile};
use form::Form;
use line::Line;
use sites::Site;
use writer::Writer;

pub use file::Bound;
pub use severity::Severity;
pub use tally::{Counts, counts};
pub use target::Target;

/// Lines one call site may write in a second.
pub const SITE_LINES: u32 = 5;
/// Lines the whole process may write in a second, beside the words about those it may not.
pub const TOTAL_LINES: u32 = 100;
/// The most a process writes in a second: with a word from each site, from all together, and about lost lines.
pub const SECOND_BYTES_MAX: u64 = (TOTAL_LINES as u64 + sites::SITES as u64 + 2) * line::LINE_BYTES_MAX as u64;

/// Between two tries to reach what is not there.
const RETRY_MS: u64 = 1_000;
/// What a process is to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Before it is known.
    Main,
    Master,
    Worker,
    /// Master and worker in one.
    Server,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Role::Main => "main",
            Role::Master => "master",
            Role::Worker => "worker",
            Role::Server => "server",
        }
    }
}

static LOG: Mutex<Writer> = Mutex::new(Writer::new());

struct Facade;

impl log::Log for Facade {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let site = Site::at(record.file().unwrap_or_default(), record.line().unwrap_or_default());
        emit(Severity::of(record.level()), None, *record.args(), site);
    }

    fn flush(&self) {}
}

/// Takes the facade. Until [`write_to`] lines go to standard error; what that is, is found out here.
pub fn init() {
    // A second call finds our own logger there already.
    let _ = log::set_logger(&Facade);
    set_level(Severity::Notice);
    let journal = std::env::var("JOURNAL_STREAM").is_ok_and(|named| logfile::is_journal(&named));
    with(|log| log.stderr = if journal { Form::Journal } else { Form::Dated });
}

/// Prepares for several processes: `MaxDaily` is shared by all forked from now on, and a worker can ask for a rotation.
pub fn share() -> io::Result<()> {
    budget::share()?;
    rotate::hang_bell()
}

/// Lines less severe than this are not written.
pub fn set_level(level: Severity) {
    log::set_max_level(level.filter());
    with(|log| log.level = level);
}

/// Sends lines there from now on. A place that cannot be reached anew but is in use stays in use.
pub fn write_to(mut target: Target) {
    with(|log| {
        target.inherit(&mut log.target);
        log.target = target;
    });
}

/// Whether [`write_to`] would lose nothing: the target is reached, or is the one in force, as good or bad as before.
pub fn may_write_to(target: &Target) -> Result<(), Errno> {
    match target.fault() {
        Some(errno) if !with(|log| log.target.is_same(target)).unwrap_or(false) => Err(errno),
        _ => Ok(()),
    }
}

/// Opens the target again: a file may have been renamed since. On failure the old one stays, so no line is lost
/// either way.
pub fn reopen() {
    report(Severity::Notice, None, format_args!("reopening the log"));
    let failed = with(|log| log.target.reopen().err());
    if let Some(errno) = failed.flatten() {
        report(Severity::Error, Some(errno), format_args!("cannot reopen the log; the old file is still written"));
    }
}

/// What is readable when a worker asks for a rotation; [`tend`] then.
pub fn bell() -> Option<BorrowedFd<'static>> {
    rotate::bell().map(|bell| bell.as_fd())
}

/// Does what workers asked for. In the process that may rename the file.
pub fn tend() {
    if rotate::bell().is_some_and(|bell| bell.hear()) {
        with(|log| log.turn_over(clock::now_ms()));
    }
}

/// Says what this process is from now on (`1234#worker`). Counts inherited over a fork are the parent's to tell.
pub fn become_role(role: Role) {
    with(|log| log.become_role(role));
}

/// An operator asked for something: what is said from now on answers them, even if it was said before.
pub fn heed() {
    with(|log| log.heed(clock::now_ms()));
}

/// The seed's `cc_log_error_core`: severity, errno, text. The caller is the site whose lines are counted.
#[track_caller]
pub fn report(severity: Severity, errno: Option<Errno>, text: fmt::Arguments<'_>) {
    let caller = Location::caller();
    emit(severity, errno, text, Site::at(caller.file(), caller.line()));
}

/// A report of many lines that an operator asked for, whole: its lines are not counted against any limit, so it must
/// be bounded by itself and nothing a peer can cause.
pub fn report_lines(severity: Severity, text: &str) {
    for line in text.lines() {
        let mut body = Line::new();
        body.write_escaped(format_args!("{line}"));
        with(|log| log.write_whole(severity, &body, clock::now_ms()));
    }
}

/// A line of another form, made by us and counted against no site: it has no date and no severity where that is left
/// to us. What the log does not take is counted.
pub fn write_bare(line: &str) {
    let mut body = Line::new();
    body.write_escaped(format_args!("{line}"));
    with(|log| log.write_bare(&body, clock::now_ms()));
}

/// Tells what was not written and is due; when to call again, if something is still held back.
pub fn settle(now_ms: u64) -> Option<u64> {
    with(|log| {
        log.settle(now_ms, false);
        log.next_deadline(now_ms)
    })
    .flatten()
}

/// Tells everything not written so far. Before leaving.
pub fn finish() {
    with(|log| log.finish(clock::now_ms()));
}

fn emit(severity: Severity, errno: Option<Errno>, text: fmt::Arguments<'_>, site: Site) {
    let mut body = Line::new();
    body.write_escaped(text);
    if let Some(errno) = errno {
        body.write_escaped(format_args!(" ({})", errno::Told(errno)));
    }
    with(|log| log.write(severity, &body, site, clock::now_ms()));
}

/// Nothing here panics while it holds the lock, and a line logged while formatting another is formatted outside it.
fn with<T>(act: impl FnOnce(&mut Writer) -> T) -> Option<T> {
    LOG.lock().ok().map(|mut log| act(&mut log))
}

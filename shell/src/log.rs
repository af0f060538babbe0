//! The log: one line, one write, no allocation, and no way for a peer or a full disk to hold the server up.
//!
//! Takes facts from the `log` facade (error, warn, info, debug; trace joins debug) and from [`report`], which knows
//! the seed's other severities and an errno. Each call site may write [`SITE_LINES`] a second and all together
//! [`TOTAL_LINES`]; what is left out is counted and told. Lines that cannot be written at once are dropped and counted.

mod line;
mod sites;

use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::panic::Location;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::io::{self, Errno};

use crate::os::file::Owner;
use crate::os::{clock, errno, file};
use line::Line;
use sites::{Site, Sites};

/// Lines one call site may write in a second.
pub const SITE_LINES: u32 = 5;
/// Lines the whole process may write in a second.
pub const TOTAL_LINES: u32 = 100;

/// How bad it is: the seed's levels in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For whoever stands at the terminal: always to standard error, never to the file.
    Stderr,
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    #[default]
    Notice,
    Info,
    Debug,
}

impl Severity {
    pub const ALL: [Severity; 9] = [
        Severity::Stderr,
        Severity::Emerg,
        Severity::Alert,
        Severity::Crit,
        Severity::Error,
        Severity::Warn,
        Severity::Notice,
        Severity::Info,
        Severity::Debug,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Severity::Stderr => "stderr",
            Severity::Emerg => "emerg",
            Severity::Alert => "alert",
            Severity::Crit => "crit",
            Severity::Error => "error",
            Severity::Warn => "warn",
            Severity::Notice => "notice",
            Severity::Info => "info",
            Severity::Debug => "debug",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }

    const fn of(level: log::Level) -> Self {
        match level {
            log::Level::Error => Severity::Error,
            log::Level::Warn => Severity::Warn,
            log::Level::Info => Severity::Info,
            log::Level::Debug | log::Level::Trace => Severity::Debug,
        }
    }

    const fn filter(self) -> log::LevelFilter {
        match self {
            Severity::Debug => log::LevelFilter::Trace,
            Severity::Info => log::LevelFilter::Info,
            Severity::Notice | Severity::Warn => log::LevelFilter::Warn,
            _ => log::LevelFilter::Error,
        }
    }
}

/// Where lines go: open already, so that changing to it cannot fail.
pub struct Target {
    /// The path is kept for [`reopen`], which must not ask for memory. `None` is standard error.
    file: Option<(CString, OwnedFd)>,
    /// Whose a file is to be that is made here.
    owner: Option<Owner>,
}

impl Target {
    const STDERR: Self = Self { file: None, owner: None };

    /// Opens this file, or standard error. A file that is made here, now or by [`reopen`], is given to the owner.
    pub fn open(path: Option<&Path>, owner: Option<Owner>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self::STDERR) };
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)?;
        let file = file::open_log(&path, owner)?;
        Ok(Self { file: Some((path, file)), owner })
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        match &self.file {
            Some((_, file)) => file::write_line(file.as_fd(), line),
            None => file::write_line(rustix::stdio::stderr(), line),
        }
    }
}

struct Log {
    target: Target,
    level: Severity,
    role: &'static str,
    sites: Sites,
    /// Lines that could not be written, told with the next one that can.
    dropped: u64,
}

static LOG: Mutex<Log> =
    Mutex::new(Log { target: Target::STDERR, level: Severity::Notice, role: "main", sites: Sites::new(), dropped: 0 });

/// Lines of this process that a limit left out, and that could not be written.
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

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

/// Takes the facade. Until [`write_to`] lines go to standard error.
pub fn init() {
    // A second call finds our own logger there already.
    let _ = log::set_logger(&Facade);
    set_level(Severity::Notice);
}

/// Lines less severe than this are not written.
pub fn set_level(level: Severity) {
    log::set_max_level(level.filter());
    with(|log| log.level = level);
}

/// Sends lines there from now on.
pub fn write_to(target: Target) {
    with(|log| log.target = target);
}

/// Opens the file of that name again: what it was may have been renamed since. On failure the old one stays, so no
/// line is lost either way.
pub fn reopen() {
    report(Severity::Notice, None, format_args!("reopening the log"));
    let failed = with(|log| match &mut log.target.file {
        Some((path, file)) => file::open_log(path, log.target.owner).map(|opened| *file = opened).err(),
        None => None,
    });
    if let Some(errno) = failed.flatten() {
        report(Severity::Error, Some(errno), format_args!("cannot reopen the log; the old file is still written"));
    }
}

/// Says what this process is from now on (`1234#worker`). Counts inherited over a fork are the parent's to tell.
pub fn become_role(role: &'static str) {
    LEFT_OUT.store(0, Relaxed);
    DROPPED.store(0, Relaxed);
    with(|log| {
        log.role = role;
        log.sites = Sites::new();
        log.dropped = 0;
    });
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
        with(|log| {
            if severity <= log.level {
                log.put(severity, &body);
            }
        });
    }
}

/// A line of another form, complete with its end and made by us: no date, no severity, no limit of its own.
pub fn write_bare(line: &[u8]) {
    with(|log| {
        if log.target.write(line).is_err() {
            log.dropped = log.dropped.saturating_add(1);
        }
    });
}

/// Tells what was left out in seconds that are over; when to call again, if something is still held back.
pub fn settle(now_ms: u64) -> Option<u64> {
    with(|log| {
        log.settle(now_ms, false);
        log.sites.next_deadline()
    })
    .flatten()
}

/// How many lines of this process a limit left out, and how many could not be written.
pub fn lost() -> (u64, u64) {
    (LEFT_OUT.load(Relaxed) as u64, DROPPED.load(Relaxed) as u64)
}

/// Tells everything left out so far. Before leaving.
pub fn finish() {
    with(|log| log.settle(clock::now_ms(), true));
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
fn with<T>(act: impl FnOnce(&mut Log) -> T) -> Option<T> {
    LOG.lock().ok().map(|mut log| act(&mut log))
}

impl Log {
    fn write(&mut self, severity: Severity, body: &Line, site: Site, now_ms: u64) {
        if severity > self.level {
            return;
        }
        self.settle(now_ms, false);
        if self.sites.admit(site, severity, body.text(), now_ms) {
            self.put(severity, body);
        } else {
            LEFT_OUT.fetch_add(1, Relaxed);
        }
    }

    fn settle(&mut self, now_ms: u64, all: bool) {
        while let Some((severity, count, sample)) = self.sites.take_left_out(now_ms, all) {
            let mut body = Line::new();
            body.write_escaped(format_args!("... {count} similar lines left out: {}", sample.text()));
            self.put(severity, &body);
        }
    }

    fn put(&mut self, severity: Severity, body: &Line) {
        if self.dropped > 0 {
            let mut told = Line::new();
            told.write_escaped(format_args!("... {} lines could not be written", self.dropped));
            if self.put_line(Severity::Warn, &told).is_err() {
                self.drop_one();
                return;
            }
            self.dropped = 0;
        }
        if self.put_line(severity, body).is_err() {
            self.drop_one();
        }
    }

    fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
        DROPPED.fetch_add(1, Relaxed);
    }

    fn put_line(&self, severity: Severity, body: &Line) -> io::Result<()> {
        let at = clock::now_civil();
        let pid = rustix::process::getpid().as_raw_nonzero();
        let mut line = Line::new();
        line.write_escaped(format_args!(
            "{:04}/{:02}/{:02} {:02}:{:02}:{:02} [{}] {pid}#{}: {}",
            at.year,
            at.month,
            at.day,
            at.hour,
            at.minute,
            at.second,
            severity.name(),
            self.role,
            body.text(),
        ));
        let bytes = line.finish(body);
        match &self.target.file {
            Some((_, file)) if severity != Severity::Stderr => {
                if severity == Severity::Emerg {
                    // Whoever started it should not have to look for the reason it ended.
                    let _ = file::write_line(rustix::stdio::stderr(), bytes);
                }
                file::write_line(file.as_fd(), bytes)
            }
            _ => file::write_line(rustix::stdio::stderr(), bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn log_into_pipe() -> (Log, std::fs::File) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let target = Target { file: Some((CString::default(), writer)), owner: None };
        let log = Log { target, level: Severity::Info, role: "worker", sites: Sites::new(), dropped: 0 };
        (log, reader.into())
    }

    fn body(text: &str) -> Line {
        let mut line = Line::new();
        line.write_escaped(format_args!("{text}"));
        line
    }

    fn read_all(log: Log, mut reader: std::fs::File) -> String {
        drop(log);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_line_has_date_severity_process_and_text() {
        let (mut log, reader) = log_into_pipe();
        log.write(Severity::Error, &body("accept4 failed (24: EMFILE, Too many open files)"), Site::at("a", 1), 0);
        log.write(Severity::Debug, &body("too fine"), Site::at("a", 2), 0);
        let text = read_all(log, reader);
        let (date, rest) = text.split_at(19);
        let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000/00/00 00:00:00");
        let pid = std::process::id();
        assert_eq!(rest, format!(" [error] {pid}#worker: accept4 failed (24: EMFILE, Too many open files)\n"));
    }

    #[test]
    fn a_noisy_site_is_cut_counted_and_told_while_others_go_on() {
        let (mut log, reader) = log_into_pipe();
        for _ in 0..1_000 {
            log.write(Severity::Warn, &body("pool full"), Site::at("a", 1), 100);
        }
        log.write(Severity::Warn, &body("other"), Site::at("a", 2), 200);
        log.settle(1_099, false);
        log.write(Severity::Warn, &body("second pool full"), Site::at("a", 1), 1_100);
        let text = read_all(log, reader);
        let tails: Vec<&str> = text.lines().map(|line| line.split_once(": ").unwrap().1).collect();
        assert_eq!(
            tails,
            [
                "pool full",
                "pool full",
                "pool full",
                "pool full",
                "pool full",
                "other",
                "... 995 similar lines left out: pool full",
                "second pool full"
            ]
        );
    }

    #[test]
    fn lines_that_find_no_room_are_counted_and_told_later() {
        let (mut log, mut reader) = log_into_pipe();
        let full = [b'x'; 4_096];
        while file::write_line(&log.target.file.as_ref().unwrap().1, &full).is_ok() {}
        log.write(Severity::Warn, &body("lost"), Site::at("a", 1), 0);
        log.write(Severity::Warn, &body("lost too"), Site::at("a", 2), 0);
        let mut sink = vec![0; 65_536];
        reader.read_exact(&mut sink).unwrap();
        log.write(Severity::Warn, &body("back"), Site::at("a", 3), 0);
        let text = read_all(log, reader);
        assert!(text.contains("... 2 lines could not be written\n"), "{text}");
        assert!(text.ends_with("back\n"), "{text}");
    }

    #[test]
    fn severities_are_known_by_name_and_ordered() {
        for severity in Severity::ALL {
            assert_eq!(Severity::named(severity.name()), Some(severity));
        }
        assert!(Severity::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Severity::named("loud"), None);
    }
}

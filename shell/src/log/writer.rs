//! One process's log: what becomes of each line, from its call site to the target, and the words about those that were
//! not written. Time is an argument.

use super::budget::Share;
use super::form::Form;
use super::line::Line;
use super::lost::Lost;
use super::sites::{Fate, Owed, Site, Sites};
use super::tally::{self, What};
use super::target::{Target, Written};
use super::{Role, Severity};
use crate::os::errno;

/// Between two tries to tell what was lost, while no line comes that would tell it.
const TELL_MS: u64 = 10_000;
/// Between two words about a day's share that is used up.
const SPENT_MS: u64 = 60 * 60 * 1_000;
/// What a line may need, to have its share of `MaxDaily` together with a word that comes before it.
const LINE_BYTES_LIKELY: usize = 256;

pub struct Writer {
    pub target: Target,
    pub level: Severity,
    /// How standard error is written to.
    pub stderr: Form,
    role: Role,
    sites: Sites,
    /// Lines that could not be written, the last reason, and when to try to say so without another line.
    lost: u64,
    why: Lost,
    tell_at_ms: u64,
    /// Until when nothing more is said about `MaxDaily`.
    spent_told_to_ms: u64,
}

impl Writer {
    pub const fn new() -> Self {
        Self {
            target: Target::STDERR,
            level: Severity::Notice,
            role: Role::Main,
            stderr: Form::Dated,
            sites: Sites::new(),
            lost: 0,
            why: Lost::Full,
            tell_at_ms: 0,
            spent_told_to_ms: 0,
        }
    }

    /// Writes a line, or counts it against its site.
    pub fn write(&mut self, severity: Severity, body: &Line, site: Site, now_ms: u64) {
        if severity > self.level {
            return;
        }
        self.settle(now_ms, false);
        if let Some(owed) = self.sites.take_broken(site, severity, body.text(), now_ms) {
            self.tell_owed(&owed, now_ms);
        }
        match self.sites.admit(site, severity, body.text(), now_ms) {
            Fate::Written => self.put(severity, body, now_ms),
            Fate::LeftOut => tally::add(What::LeftOut),
            Fate::Repeated => tally::add(What::Repeated),
        }
    }

    /// Writes a line that is counted against no site.
    pub fn write_whole(&mut self, severity: Severity, body: &Line, now_ms: u64) {
        if severity <= self.level {
            self.put(severity, body, now_ms);
        }
    }

    /// Writes a line that has a form of its own.
    pub fn write_bare(&mut self, body: &Line, now_ms: u64) {
        let written = Written { share: Share::Access, ..self.written(Severity::Info, body) };
        if let Err(why) = self.target.write_bare(&written, now_ms) {
            self.lose(why, now_ms);
        }
    }

    pub fn become_role(&mut self, role: Role) {
        tally::clear();
        self.role = role;
        self.sites = Sites::new();
        self.lost = 0;
    }

    /// From here on nothing is taken for a repeat of what was said before.
    pub fn heed(&mut self, now_ms: u64) {
        let all = self.may_tell(now_ms);
        self.settle(now_ms, all);
        self.sites.forget_last();
    }

    pub fn turn_over(&mut self, now_ms: u64) {
        self.target.turn_over();
        self.tell_emptied(now_ms);
    }

    /// Tells everything that was not written.
    pub fn finish(&mut self, now_ms: u64) {
        self.settle(now_ms, true);
        self.tell_lost(now_ms);
    }

    /// Tells what sites owe, as far as it can be written: what would be lost waits.
    pub fn settle(&mut self, now_ms: u64, all: bool) {
        if self.lost > 0 && now_ms >= self.tell_at_ms {
            self.tell_lost(now_ms);
        }
        while all || self.may_tell(now_ms) {
            let Some(owed) = self.sites.take_due(now_ms, all) else { break };
            self.tell_owed(&owed, now_ms);
        }
    }

    /// When to settle again, if something is held back.
    pub fn next_deadline(&mut self, now_ms: u64) -> Option<u64> {
        let waits = !self.may_tell(now_ms);
        let lost = (self.lost > 0).then_some(self.tell_at_ms);
        let owed = self.sites.next_deadline().map(|at| if waits { at.max(now_ms.saturating_add(TELL_MS)) } else { at });
        [lost, owed].into_iter().flatten().min()
    }

    fn may_tell(&self, now_ms: u64) -> bool {
        self.lost == 0 && self.target.may_spend(2 * LINE_BYTES_LIKELY, Share::of(Severity::Warn, self.role), now_ms)
    }

    fn tell_owed(&mut self, owed: &Owed, now_ms: u64) {
        let (count, sample) = (owed.count, owed.sample.text());
        let mut body = Line::new();
        match owed.fate {
            Fate::Repeated => body.write_escaped(format_args!("... repeated {count} times: {sample}")),
            _ => body.write_escaped(format_args!("... {count} similar lines left out: {sample}")),
        }
        self.put(owed.severity, &body, now_ms);
    }

    /// Writes a line; before it, a word about lost ones, if both find room.
    fn put(&mut self, severity: Severity, body: &Line, now_ms: u64) {
        let outcome =
            self.say_lost(severity, body.text().len(), now_ms).and_then(|()| self.put_line(severity, body, now_ms));
        // While nobody else has it; and whoever started the server should not have to look for the reason it ended.
        if matches!(outcome, Err(Lost::Absent(_))) || (severity == Severity::Emerg && !self.target.is_stderr()) {
            let _ = self.written(severity, body).write_stderr();
        }
        if let Err(why) = outcome {
            self.lose(why, now_ms);
        }
        self.tell_emptied(now_ms);
    }

    /// Tries to tell lost lines when none comes to do it; not with the last that `MaxDaily` leaves.
    fn tell_lost(&mut self, now_ms: u64) {
        self.tell_at_ms = now_ms.saturating_add(TELL_MS);
        if let Err(why) = self.say_lost(Severity::Warn, 8 * LINE_BYTES_LIKELY, now_ms) {
            self.why = why;
        }
    }

    /// Says that lines were lost, if any were and if so many bytes can follow.
    fn say_lost(&mut self, severity: Severity, bytes: usize, now_ms: u64) -> Result<(), Lost> {
        if self.lost == 0 {
            return Ok(());
        }
        // As severe as the line it comes before, so that it has that one's share of `MaxDaily`.
        let severity = severity.clamp(Severity::Error, Severity::Warn);
        if !self.target.may_spend(LINE_BYTES_LIKELY + bytes, Share::of(severity, self.role), now_ms) {
            return Err(Lost::Spent);
        }
        let mut told = Line::new();
        told.write_escaped(format_args!("... {} lines could not be written ({})", self.lost, self.why));
        self.put_line(severity, &told, now_ms)?;
        self.lost = 0;
        Ok(())
    }

    fn lose(&mut self, why: Lost, now_ms: u64) {
        let is_first = self.lost == 0;
        if is_first {
            self.tell_at_ms = now_ms.saturating_add(TELL_MS);
        }
        self.lost = self.lost.saturating_add(1);
        self.why = why;
        // A limit, and not that writing failed.
        tally::add(if why == Lost::Spent { What::LeftOut } else { What::Lost });
        if is_first && why == Lost::Spent && now_ms >= self.spent_told_to_ms {
            self.spent_told_to_ms = now_ms.saturating_add(SPENT_MS);
            self.tell_spent(now_ms);
        }
    }

    /// Says at once that lines like the last one are only counted from now on; out of what is kept from them.
    fn tell_spent(&mut self, now_ms: u64) {
        let mut told = Line::new();
        told.write_escaped(format_args!("[Log] MaxDaily leaves nothing for lines like the last: they are counted"));
        let written = Written { share: Share::All, ..self.written(Severity::Warn, &told) };
        // With nothing left at all, the count says it.
        let _ = self.target.write(&written, now_ms);
    }

    fn tell_emptied(&mut self, now_ms: u64) {
        let Some(errno) = self.target.take_emptied() else { return };
        let mut told = Line::new();
        told.write_escaped(format_args!(
            "the log was emptied at [Log] MaxSize, for it cannot be renamed ({})",
            errno::Told(errno)
        ));
        if let Err(why) = self.put_line(Severity::Warn, &told, now_ms) {
            self.lose(why, now_ms);
        }
    }

    fn put_line(&mut self, severity: Severity, body: &Line, now_ms: u64) -> Result<(), Lost> {
        let written = self.written(severity, body);
        self.target.write(&written, now_ms)
    }

    fn written<'a>(&self, severity: Severity, body: &'a Line) -> Written<'a> {
        let keeps = self.role != Role::Worker;
        let share = Share::of(severity, self.role);
        Written { severity, role: self.role.name(), body, stderr: self.stderr, keeps, share }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::{Path, PathBuf};

    use super::*;

    /// A log that writes to a pipe of this name, and the pipe's other end.
    fn log_into_pipe(name: &str) -> (Writer, fs::File, PathBuf) {
        let path = std::env::temp_dir().join(format!("tidegate-log-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        let reader = open_reader(&path);
        let log = Writer { target: Target::at(&path), level: Severity::Info, role: Role::Worker, ..Writer::new() };
        (log, reader, path)
    }

    fn open_reader(path: &Path) -> fs::File {
        OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(path).unwrap()
    }

    fn body(text: &str) -> Line {
        let mut line = Line::new();
        line.write_escaped(format_args!("{text}"));
        line
    }

    fn read_all((log, mut reader, path): (Writer, fs::File, PathBuf)) -> String {
        drop(log);
        fs::remove_file(path).unwrap();
        let mut bytes = Vec::new();
        // Another test's child may hold the pipe's other end for a moment: then it has no end yet, and is empty.
        let _ = reader.read_to_end(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    fn tails(text: &str) -> Vec<&str> {
        text.lines().map(|line| line.split_once(": ").unwrap().1).collect()
    }

    #[test]
    fn a_line_has_date_severity_process_and_text() {
        let mut world = log_into_pipe("line");
        let log = &mut world.0;
        log.write(Severity::Error, &body("accept4 failed (24: EMFILE, Too many open files)"), Site::at("a", 1), 0);
        log.write(Severity::Debug, &body("too fine"), Site::at("a", 2), 0);
        let text = read_all(world);
        let (date, rest) = text.split_at(19);
        let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000/00/00 00:00:00");
        let pid = std::process::id();
        assert_eq!(rest, format!(" [error] {pid}#worker: accept4 failed (24: EMFILE, Too many open files)\n"));
    }

    #[test]
    fn a_noisy_site_is_cut_counted_and_told_while_others_go_on() {
        let mut world = log_into_pipe("noisy");
        let log = &mut world.0;
        for number in 0..1_000 {
            log.write(Severity::Warn, &body(&format!("refused {number}")), Site::at("a", 1), 100);
        }
        log.write(Severity::Warn, &body("other"), Site::at("a", 2), 200);
        log.settle(1_099, false);
        log.write(Severity::Warn, &body("second refused"), Site::at("a", 1), 1_100);
        let text = read_all(world);
        let expected = ["other", "... 995 similar lines left out: refused 999", "second refused"];
        assert_eq!(tails(&text)[5..], expected);
    }

    #[test]
    fn a_line_in_the_same_words_is_counted_until_another_one_or_an_operator_comes() {
        let mut world = log_into_pipe("repeats");
        let log = &mut world.0;
        let site = Site::at("a", 1);
        for second in 0..3 {
            log.write(Severity::Warn, &body("pool full"), site, second * 1_000);
        }
        log.write(Severity::Error, &body("pool full"), site, 3_000);
        log.write(Severity::Error, &body("pool full"), site, 4_000);
        log.settle(33_000, false);
        log.sites.forget_last();
        log.write(Severity::Error, &body("pool full"), site, 33_001);
        let text = read_all(world);
        let lines: Vec<_> = text.lines().map(|line| &line[20..]).collect();
        let pid = std::process::id();
        let expected = [
            format!("[warn] {pid}#worker: pool full"),
            format!("[warn] {pid}#worker: ... repeated 2 times: pool full"),
            format!("[error] {pid}#worker: pool full"),
            format!("[error] {pid}#worker: ... repeated 1 times: pool full"),
            format!("[error] {pid}#worker: pool full"),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn lines_that_find_no_room_are_counted_and_told_later_with_the_reason() {
        let mut world = log_into_pipe("full");
        let (log, reader, _) = &mut world;
        let mut filled = 0;
        while log.lost == 0 {
            log.put(Severity::Warn, &body(&"x".repeat(900)), 0);
            filled += 1;
        }
        log.put(Severity::Warn, &body("lost too"), 0);
        let mut sink = vec![0; 65_536];
        while reader.read(&mut sink).is_ok() {}
        assert_eq!(log.next_deadline(0), Some(TELL_MS), "without another line it is told by itself");
        log.settle(TELL_MS, false);
        log.put(Severity::Warn, &body("back"), TELL_MS);
        let text = read_all(world);
        assert!(filled > 10);
        let told = "... 2 lines could not be written (11: EAGAIN, Resource temporarily unavailable)";
        assert_eq!(tails(&text), [told, "back"]);
    }
}

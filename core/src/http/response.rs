//! An answer's head, written straight into the outbox: all of it or nothing.
//!
//! No heap and no copy: what does not fit is remembered and the whole is taken back, so that the caller can ask for
//! more room. Field values are checked where a stranger could have had a hand in them.

use super::bytes::{TOKEN, run_of, run_of_text};
use super::date::{self, DATE_BYTES, PLAUSIBLE_S};
use super::status::Status;
use crate::blocks::copy;
use crate::service::Outbox;

const DATE_LINE_BYTES: usize = 6 + DATE_BYTES + 2;

/// The `Date` line of one second, or none while the clock is not plausible.
#[derive(Clone, Copy, Debug)]
pub struct DateLine {
    second: i64,
    line: [u8; DATE_LINE_BYTES],
    is_known: bool,
}

impl DateLine {
    /// Nothing is known yet.
    pub const NEW: Self = Self { second: 0, line: [0; DATE_LINE_BYTES], is_known: false };

    /// Makes it the line of this second.
    #[inline]
    pub fn set(&mut self, unix_s: i64) {
        if self.second != unix_s {
            self.rewrite(unix_s);
        }
    }

    /// The second, if the clock is plausible; else 0.
    #[inline]
    pub fn now_s(&self) -> i64 {
        if self.is_known { self.second } else { 0 }
    }

    #[cold]
    fn rewrite(&mut self, unix_s: i64) {
        (self.second, self.is_known) = (unix_s, false);
        let Some(text) = date::write(unix_s).filter(|_| unix_s >= PLAUSIBLE_S) else { return };
        let mut room = Outbox::new(&mut self.line);
        self.is_known = room.write(b"Date: ") && room.write(&text) && room.write(b"\r\n");
    }
}

/// An answer's head, and what of its body is there at once. Nothing counts as written before it is whole.
pub struct Response<'o> {
    room: &'o mut [u8],
    written: &'o mut usize,
    /// Where the next byte goes; past the end of the room once something did not fit.
    at: usize,
    failed: bool,
}

impl<'o> Response<'o> {
    /// One that nothing is said of yet.
    #[inline]
    pub fn fresh(out: &'o mut Outbox<'_>) -> Self {
        let (room, written) = out.parts();
        let at = *written;
        Self { room, written, at, failed: false }
    }

    /// Begins with the status line and the date.
    #[inline]
    pub fn begin(out: &'o mut Outbox<'_>, status: Status, date: &DateLine) -> Self {
        let mut response = Self::fresh(out);
        response.status(status, date);
        response
    }

    /// Writes the status line and the date.
    #[inline]
    pub fn status(&mut self, status: Status, date: &DateLine) -> &mut Self {
        self.put(status.line().as_bytes());
        if date.is_known { self.say(&date.line) } else { self }
    }

    /// Writes words of ours: as [`Response::put`], for a length the compiler knows.
    #[inline(always)]
    pub fn say<const N: usize>(&mut self, words: &[u8; N]) -> &mut Self {
        if let Some(into) = self.room.get_mut(self.at..).and_then(|room| room.first_chunk_mut::<N>()) {
            *into = *words;
        }
        self.at = self.at.saturating_add(N);
        self
    }

    /// Writes bytes that are known to be right: whole lines, or parts of one.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> &mut Self {
        copy(self.room.get_mut(self.at..).unwrap_or_default(), bytes);
        self.at = self.at.saturating_add(bytes.len());
        self
    }

    /// Writes a field that others had a hand in; a line end in it would begin another, so it fails the whole.
    pub fn field(&mut self, name: &str, value: &str) -> &mut Self {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        self.failed |= name.is_empty() || run_of(name, TOKEN) != name.len() || run_of_text(value) != value.len();
        self.put(name).say(b": ").put(value).say(b"\r\n")
    }

    #[inline]
    pub fn number(&mut self, number: u64) -> &mut Self {
        let digits = number.checked_ilog10().unwrap_or(0).wrapping_add(1);
        let end = self.at.saturating_add(digits as usize);
        let (mut rest, into) = (number, self.room.get_mut(self.at..end).unwrap_or_default());
        for digit in into.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.at = end;
        self
    }

    #[inline]
    pub fn length(&mut self, len: u64) -> &mut Self {
        self.say(b"Content-Length: ").number(len).say(b"\r\n")
    }

    /// Says what becomes of the connection, where that is not what the version says already.
    #[inline]
    pub fn connection(&mut self, keeps_alive: bool, old: bool) -> &mut Self {
        match (keeps_alive, old) {
            (true, false) => self,
            (true, true) => self.say(b"Connection: keep-alive\r\n"),
            (false, _) => self.say(b"Connection: close\r\n"),
        }
    }

    /// Ends the head. `false` if it did not all fit, or was not fit to be sent: then nothing of it is there.
    #[inline]
    pub fn end(&mut self) -> bool {
        self.say(b"\r\n").is_whole()
    }

    /// Where the next byte goes.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Writes over what stands at `at`.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        copy(self.room.get_mut(at..self.at).unwrap_or_default(), bytes);
    }

    /// Takes back what was written from `at` on.
    pub(crate) fn truncate(&mut self, at: usize) {
        self.at = self.at.min(at);
    }

    /// What was to be said cannot be said.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    /// What was written from `at` on.
    pub(crate) fn since(&self, at: usize) -> &[u8] {
        self.room.get(at..self.at).unwrap_or(&[])
    }

    /// Whether all of it is there. From now on it is.
    #[inline]
    pub(crate) fn is_whole(&mut self) -> bool {
        let whole = !self.failed && self.at <= self.room.len();
        if whole {
            *self.written = self.at;
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_head_is_written_whole_or_not_at_all() {
        let mut date = DateLine::NEW;
        date.set(1_784_000_000);
        let write = |out: &mut Outbox<'_>| {
            out.write(b"before");
            Response::begin(out, Status::Ok, &date).field("A", "b").length(12).connection(false, false).end()
        };
        let all = "beforeHTTP/1.1 200 OK\r\nDate: Tue, 14 Jul 2026 03:33:20 GMT\r\nA: b\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
        for room in 6..=all.len() {
            let mut memory = [0; 256];
            let mut out = Outbox::new(&mut memory[..room]);
            let whole = write(&mut out);
            assert_eq!(whole, room == all.len());
            assert_eq!(out.finish().0, if whole { all.as_bytes() } else { b"before" }, "with room for {room}");
        }
    }

    #[test]
    fn a_field_that_would_begin_another_is_not_written() {
        for (name, value) in [("A", "b\r\nC: d"), ("A", "b\n"), ("A", "\0"), ("A b", "c"), ("", "c"), ("A:", "c")] {
            let mut memory = [0; 256];
            let mut out = Outbox::new(&mut memory);
            assert!(!Response::begin(&mut out, Status::Ok, &DateLine::NEW).field(name, value).end());
            assert_eq!(out.written(), 0);
        }
    }

    #[test]
    fn a_date_is_said_only_by_a_clock_that_was_set() {
        let mut date = DateLine::NEW;
        for (second, says) in [(0, false), (5, false), (PLAUSIBLE_S - 1, false), (PLAUSIBLE_S, true), (i64::MAX, false)]
        {
            date.set(second);
            assert_eq!((date.is_known, date.now_s()), (says, if says { second } else { 0 }), "{second}");
        }
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for number in [0, 7, 10, 99, 12_345, u64::from(u32::MAX), u64::MAX] {
            let mut memory = [0; 20];
            let mut out = Outbox::new(&mut memory);
            assert!(Response::fresh(&mut out).number(number).is_whole());
            assert_eq!(out.finish().0, number.to_string().as_bytes());
        }
    }
}

//! A request's head, read line by line as it comes (RFC 9112 2 to 6).
//!
//! The caller keeps a [`Head`] of a few words and hands over all unread bytes each time. A line is judged once, when
//! its end is here, so the verdict does not depend on how the bytes were cut, and a head that drips in is not read
//! again from its start. Only the facts that decide about the message are kept; other fields are looked up in the
//! bytes when they are wanted ([`fields`](super::fields)).

mod lines;

use lines::Line;

use super::bytes::{TOKEN, find, is};
use super::fault::Fault;
use super::fields::Fields;
pub use super::method::Method;
use super::recent::Recent;

/// What a head may cost its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line, fields and the empty line.
    pub head_bytes: u16,
    pub fields: u8,
    pub target_bytes: u16,
    /// A body as it is on the wire, chunk sizes and trailers included.
    pub body_bytes: u16,
}

impl Limits {
    /// What browsers send with room to spare; with a receive buffer of 32 KiB, head and body fit together.
    pub const DEFAULT: Self = Self { head_bytes: 8_192, fields: 64, target_bytes: 2_048, body_bytes: 8_192 };
}

/// What is known of a request whose head has begun, or not begun. All zero is a fresh one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    /// Where the first line begins that is not read yet; once complete, the head's length.
    at: u16,
    /// No line ends between `at` and here.
    looked: u16,
    target_at: u16,
    target_len: u16,
    /// The body's announced length; once the head is complete, the caller's for chunks.
    length: u32,
    flags: u16,
    fields: u8,
    method: Method,
}

const LINE: u16 = 1;
const COMPLETE: u16 = 1 << 1;
const OLD: u16 = 1 << 2;
const HAS_HOST: u16 = 1 << 3;
const HAS_LENGTH: u16 = 1 << 4;
const CHUNKED: u16 = 1 << 5;
const CLOSE: u16 = 1 << 6;
const KEEP_ALIVE: u16 = 1 << 7;
const CONTINUE: u16 = 1 << 8;
const UNKNOWN_EXPECTATION: u16 = 1 << 9;
const CONDITIONAL: u16 = 1 << 10;
const RANGE: u16 = 1 << 11;
const GZIP: u16 = 1 << 12;
const NO_GZIP: u16 = 1 << 13;
const EMPTY_LINE: u16 = 1 << 14;
/// There are credentials among the fields.
const SECRET: u16 = 1 << 15;
/// What follows from the fields alone.
const FACTS: u16 = !(LINE | COMPLETE | OLD | EMPTY_LINE);

/// What a block of fields says about its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    length: u32,
    flags: u16,
    fields: u8,
}

impl Facts {
    pub const NEW: Self = Self { length: 0, flags: 0, fields: 0 };
}

impl Head {
    /// How much of the input is an empty line before the request, which is passed over once (RFC 9112 2.2).
    pub fn leading_empty_line(&mut self, input: &[u8]) -> usize {
        if input.first() != Some(&b'\r') || self.flags != 0 || self.looked > 1 || !input.starts_with(b"\r\n") {
            return 0;
        }
        (self.flags, self.looked) = (EMPTY_LINE, 0);
        2
    }

    /// Reads on; `input` is all that is unread, from the head's first byte. `true` once the head is complete, which
    /// is said once more each time it is asked. `recent` saves work and changes no answer.
    #[inline]
    pub fn read(&mut self, input: &[u8], limits: &Limits, recent: &mut Recent) -> Result<bool, Fault> {
        if self.flags & COMPLETE != 0 {
            return Ok(true);
        }
        if self.looked > 0 && !self.line_ended(input, limits)? {
            return Ok(false);
        }
        self.read_lines(input, limits, recent)
    }

    #[inline(always)]
    fn read_lines(&mut self, input: &[u8], limits: &Limits, recent: &mut Recent) -> Result<bool, Fault> {
        if self.flags & LINE != 0 {
            return self.read_fields(input, limits, recent, None);
        }
        let at = match self.request_line(input, limits) {
            Line::Good(len) => len,
            Line::Short | Line::Last => return self.unfinished(input, limits, Fault::Syntax),
            Line::Bad(fault) => return self.unfinished(input, limits, fault),
        };
        if at > limits.head_bytes as usize {
            return Err(Fault::TargetTooLong);
        }
        self.at = at as u16;
        if let Some((len, facts)) = recent.find(input.get(at..).unwrap_or(&[])) {
            let end = at.wrapping_add(len);
            if end <= limits.head_bytes as usize && facts.fields <= limits.fields {
                self.at = end as u16;
                (self.flags, self.fields, self.length) = (self.flags | facts.flags, facts.fields, facts.length);
                self.finish()?;
                return Ok(true);
            }
        }
        self.read_fields(input, limits, recent, Some(at))
    }

    /// `block` is where the fields begin, if none of them was read before.
    // Of its own: most requests do not come here, and those that do not need the registers.
    #[inline(never)]
    fn read_fields(
        &mut self,
        input: &[u8],
        limits: &Limits,
        recent: &mut Recent,
        block: Option<usize>,
    ) -> Result<bool, Fault> {
        // In registers while it is read on.
        let mut head = *self;
        let facts = head.facts_to_the_end(input, limits);
        *self = head;
        let Some(facts) = facts? else { return Ok(false) };
        self.finish()?;
        if let (Some(from), 0) = (block, facts.flags & SECRET) {
            recent.keep(input.get(from..self.at as usize).unwrap_or(&[]), facts);
        }
        Ok(true)
    }

    /// Reads fields up to the empty line; `None` if that is not here.
    #[inline(always)]
    fn facts_to_the_end(&mut self, input: &[u8], limits: &Limits) -> Result<Option<Facts>, Fault> {
        let mut at = self.at as usize;
        loop {
            let line = self.field(input.get(at..).unwrap_or(&[]), limits);
            let len = match line {
                Line::Good(len) => len,
                Line::Last => 2,
                Line::Short => return self.unfinished(input, limits, Fault::Syntax).map(|_| None),
                Line::Bad(fault) => return self.unfinished(input, limits, fault).map(|_| None),
            };
            at = at.wrapping_add(len);
            if at > limits.head_bytes as usize {
                return Err(Fault::HeadTooLong);
            }
            self.at = at as u16;
            if let Line::Last = line {
                return Ok(Some(Facts { flags: self.flags & FACTS, fields: self.fields, length: self.length }));
            }
        }
    }

    /// Whether anything of a request is here.
    pub fn has_begun(&self) -> bool {
        self.flags & !EMPTY_LINE != 0 || self.looked > 0
    }

    pub fn is_complete(&self) -> bool {
        self.flags & COMPLETE != 0
    }

    /// The bytes of a complete head.
    pub fn len(&self) -> usize {
        self.at as usize
    }

    pub fn is_empty(&self) -> bool {
        self.at == 0
    }

    pub fn method(&self) -> Method {
        self.method
    }

    /// The method's name and the target, as they were sent.
    pub fn method_name<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        input.get(..(self.target_at as usize).saturating_sub(1)).unwrap_or(&[])
    }

    pub fn target<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        let at = self.target_at as usize;
        input.get(at..at.wrapping_add(self.target_len as usize)).unwrap_or(&[])
    }

    /// All fields, in order.
    pub fn fields<'i>(&self, input: &'i [u8]) -> Fields<'i> {
        // A blank, the version and the line's end.
        let at = (self.target_at as usize).wrapping_add(self.target_len as usize).wrapping_add(11);
        Fields::of(input.get(at..self.at as usize).unwrap_or(&[]))
    }

    /// HTTP/1.0.
    pub fn is_old(&self) -> bool {
        self.flags & OLD != 0
    }

    /// Whether the connection stays open after the answer (RFC 9112 9.3).
    #[inline]
    pub fn keeps_alive(&self) -> bool {
        self.flags & CLOSE == 0 && self.flags & (OLD | KEEP_ALIVE) != OLD
    }

    /// The body's length as announced; of a chunked body nothing that concerns others.
    pub fn length(&self) -> u32 {
        self.length
    }

    pub fn is_chunked(&self) -> bool {
        self.flags & CHUNKED != 0
    }

    #[inline]
    pub fn has_body(&self) -> bool {
        self.flags & CHUNKED != 0 || self.length != 0
    }

    /// Whether the client waits for `100 Continue` before it sends a body.
    #[inline]
    pub fn expects(&self) -> bool {
        self.flags & CONTINUE != 0
    }

    /// It was told.
    pub fn expect_no_more(&mut self) {
        self.flags &= !CONTINUE;
    }

    /// Whether there is an `If-Match`, `If-None-Match`, `If-Modified-Since` or `If-Unmodified-Since`.
    #[inline]
    pub fn is_conditional(&self) -> bool {
        self.flags & CONDITIONAL != 0
    }

    #[inline]
    pub fn has_range(&self) -> bool {
        self.flags & RANGE != 0
    }

    #[inline]
    pub fn accepts_gzip(&self) -> bool {
        self.flags & (GZIP | NO_GZIP) == GZIP
    }

    /// Two words that the reader of a chunked body may keep here once the head is complete.
    pub(crate) fn chunk_words(&mut self) -> (&mut u16, &mut u32) {
        (&mut self.looked, &mut self.length)
    }

    /// More came for a line whose end was not here: is it now?
    #[cold]
    fn line_ended(&mut self, input: &[u8], limits: &Limits) -> Result<bool, Fault> {
        let ended = find(input.get(self.looked as usize..).unwrap_or(&[]), b'\n').is_some();
        if ended {
            self.looked = 0;
            return Ok(true);
        }
        self.unfinished(input, limits, Fault::Syntax)
    }

    /// A line that could not be read to its end, or not as what it should be. Its fault counts once its end is here
    /// or can no longer come; what cannot begin a request at all is told at once, so that a client that speaks
    /// another protocol need not wait.
    #[cold]
    fn unfinished(&mut self, input: &[u8], limits: &Limits, fault: Fault) -> Result<bool, Fault> {
        let from = self.at.max(self.looked) as usize;
        let first = input.first().copied().unwrap_or(b'\r');
        if self.at == 0 && first != b'\r' && !is(first, TOKEN) {
            return Err(Fault::Syntax);
        }
        let end = find(input.get(from..).unwrap_or(&[]), b'\n').map(|at| from.wrapping_add(at).wrapping_add(1));
        if end.unwrap_or(input.len()) > limits.head_bytes as usize {
            return Err(if self.flags & LINE == 0 { Fault::TargetTooLong } else { Fault::HeadTooLong });
        }
        if end.is_some() {
            return Err(fault);
        }
        self.looked = input.len() as u16;
        Ok(false)
    }

    /// The whole head is here: what can only be said now.
    #[inline(always)]
    fn finish(&mut self) -> Result<(), Fault> {
        const RARE: u16 = HAS_LENGTH | CHUNKED | OLD | CONTINUE | UNKNOWN_EXPECTATION;
        if self.flags & HAS_HOST == 0 && self.flags & OLD == 0 {
            return Err(Fault::Host);
        }
        if self.flags & RARE != 0 {
            self.finish_rare()?;
        }
        self.flags |= COMPLETE;
        self.looked = self.at;
        Ok(())
    }

    #[cold]
    fn finish_rare(&mut self) -> Result<(), Fault> {
        let old = self.flags & OLD != 0;
        if self.flags & CHUNKED != 0 && (old || self.flags & HAS_LENGTH != 0) {
            return Err(Fault::Framing);
        }
        let bodiless = self.flags & CHUNKED == 0 && self.length == 0;
        if old {
            // An expectation in HTTP/1.0 is to be ignored (RFC 9110 10.1.1).
            self.flags &= !(CONTINUE | UNKNOWN_EXPECTATION);
        } else if bodiless {
            self.flags &= !CONTINUE;
        }
        if self.flags & UNKNOWN_EXPECTATION != 0 { Err(Fault::Expectation) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::String;

    const LIMITS: Limits = Limits { head_bytes: 256, fields: 6, target_bytes: 40, body_bytes: 64 };

    /// The verdict of a head, which must be the same wherever the bytes are cut.
    fn judge(bytes: &[u8]) -> Result<Option<Head>, Fault> {
        let facts = |head: Head| (head.flags, head.at, head.target_at, head.target_len, head.length, head.method);
        let mut recent = Recent::new();
        let recent = &mut recent;
        let mut whole = |cuts: &[usize]| {
            let mut head = Head::default();
            for end in cuts.iter().copied().chain([bytes.len()]) {
                if head.read(&bytes[..end], &LIMITS, recent)? {
                    return Ok(Some(head));
                }
            }
            Ok(None)
        };
        let at_once = whole(&[]);
        for cut in 0..bytes.len() {
            let cut_once = whole(&[cut]);
            assert_eq!(cut_once.map(|head| head.map(facts)), at_once.map(|head| head.map(facts)), "cut at {cut}");
        }
        let dripped = whole(&(0..bytes.len()).collect::<std::vec::Vec<_>>());
        assert_eq!(dripped.map(|head| head.map(facts)), at_once.map(|head| head.map(facts)), "dripped");
        at_once
    }

    #[test]
    fn a_head_is_read_and_its_facts_are_kept() {
        let bytes =
            b"GET /a?b HTTP/1.1\r\nHost: h:80\r\nAccept-Encoding: gzip\r\nRange: bytes=0-\r\nX: \xff\t1\r\n\r\nmore";
        let head = judge(bytes).unwrap().unwrap();
        assert_eq!(head.len(), bytes.len() - 4);
        assert_eq!((head.method(), head.target(bytes)), (Method::Get, &b"/a?b"[..]));
        assert!(head.accepts_gzip() && head.has_range() && !head.is_conditional() && head.keeps_alive());
        let fields: std::vec::Vec<_> = head.fields(bytes).collect();
        assert_eq!(fields[3], (&b"X"[..], &b"\xff\t1"[..]));
        assert_eq!(fields.len(), 4);
    }

    #[test]
    fn the_state_of_a_head_is_a_few_words() {
        assert!(core::mem::size_of::<Head>() <= 16);
    }

    #[test]
    fn a_line_is_judged_once_its_end_is_here() {
        let host = "Host: h\r\n\r\n";
        for (head, fault) in [
            (String::from("GET / HTTP/1.1\nHost: h\r\n\r\n"), Fault::Syntax),
            (format!("GET / HTTP/1.1\r\nA\0: b\r\n{host}"), Fault::Syntax),
            (format!("GET / HTTP/1.1\r\nA : b\r\n{host}"), Fault::Syntax),
            (format!("GET / HTTP/1.1\r\nA: b\r\n c\r\n{host}"), Fault::Syntax),
            (format!("GET / HTTP/1.1\r\nA: b\rc\r\n{host}"), Fault::Syntax),
            (format!("GET / HTTP/1.1\r\n: b\r\n{host}"), Fault::Syntax),
            (format!("GET  / HTTP/1.1\r\n{host}"), Fault::Syntax),
            (format!("GET / HTTP/1.1 \r\n{host}"), Fault::Syntax),
            (format!("GET /\r\n{host}"), Fault::Syntax),
            (format!("GET a HTTP/1.1\r\n{host}"), Fault::Syntax),
            (format!("GET * HTTP/1.1\r\n{host}"), Fault::Syntax),
            (format!("GET /\u{e4} HTTP/1.1\r\n{host}"), Fault::Syntax),
            (format!("GET / http/1.1\r\n{host}"), Fault::Syntax),
            (format!("GET / HTTP/2.0\r\n{host}"), Fault::Version),
            (format!("GET / HTTP/0.9\r\n{host}"), Fault::Version),
            (String::from("GET / HTTP/1.1\r\n\r\n"), Fault::Host),
            (format!("GET / HTTP/1.1\r\nHost: h\r\n{host}"), Fault::Host),
            (String::from("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), Fault::Host),
            (format!("GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n{host}"), Fault::Length),
            (format!("GET / HTTP/1.1\r\nContent-Length: +1\r\n{host}"), Fault::Length),
            (format!("GET / HTTP/1.1\r\nContent-Length:\r\n{host}"), Fault::Length),
            (format!("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n{host}"), Fault::Length),
            (format!("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n{host}"), Fault::Framing),
            (format!("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n{host}"), Fault::Framing),
            (format!("GET / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n{host}"), Fault::Framing),
            (format!("GET / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n{host}"), Fault::Framing),
            (format!("GET / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n{host}"), Fault::Framing),
            (format!("GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n{host}"), Fault::Coding),
            (format!("GET / HTTP/1.1\r\nExpect: a\r\n{host}"), Fault::Expectation),
            (format!("GET /{:040} HTTP/1.1\r\n{host}", 0), Fault::TargetTooLong),
            (format!("GET /{:0300} HTTP/1.1\r\n{host}", 0), Fault::TargetTooLong),
            (format!("GET / HTTP/1.1\r\nA: {:0300}\r\n{host}", 0), Fault::HeadTooLong),
            (format!("GET / HTTP/1.1\r\n{}{host}", "A:\r\n".repeat(6)), Fault::TooManyFields),
            (format!("GET /{:0300}", 0), Fault::TargetTooLong),
            (String::from("\x16\x03\x01"), Fault::Syntax),
            (String::from("\r\nGET / HTTP/1.1\r\n"), Fault::Syntax),
        ] {
            assert_eq!(judge(head.as_bytes()).map(|_| ()), Err(fault), "{}", head.escape_default());
        }
    }

    #[test]
    fn what_is_unusual_and_right_is_taken() {
        for head in [
            "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
            "GET http://h/ HTTP/1.1\r\nhOST: [::1]:80\r\n\r\n",
            "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
            "BREW / HTTP/1.7\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.0\r\nExpect: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\t h \t\r\nA:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n",
        ] {
            assert!(judge(head.as_bytes()).is_ok_and(|head| head.is_some()), "{}", head.escape_default());
        }
    }

    #[test]
    fn a_connection_is_kept_to_the_letter() {
        for (version, lines, keeps) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Keep-Alive, CLOSE\r\n", false),
            ("1.1", "Connection: closed\r\n", true),
            ("1.1", "Connection: x\r\nConnection: , close ,\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let head = format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n");
            assert_eq!(judge(head.as_bytes()).unwrap().unwrap().keeps_alive(), keeps, "{lines}");
        }
    }

    #[test]
    fn fields_met_again_say_the_same_and_credentials_are_not_remembered() {
        let recent = &mut Recent::new();
        let block = "Host: h\r\nConnection: close\r\nRange: bytes=0-\r\n\r\n";
        for round in 0..9 {
            let bytes = format!("GET /{round} HTTP/1.1\r\n{block}");
            let mut head = Head::default();
            assert_eq!(head.read(bytes.as_bytes(), &LIMITS, recent), Ok(true));
            assert_eq!((head.len(), head.fields, head.keeps_alive(), head.has_range()), (bytes.len(), 3, false, true));
            assert!(recent.find(block.as_bytes()).is_some());
            let few = Limits { fields: 2, ..LIMITS };
            assert_eq!(Head::default().read(bytes.as_bytes(), &few, recent), Err(Fault::TooManyFields));
            let short = Limits { head_bytes: 60, ..LIMITS };
            assert_eq!(Head::default().read(bytes.as_bytes(), &short, recent), Err(Fault::HeadTooLong));
            let old = bytes.replace("HTTP/1.1", "HTTP/1.0");
            let mut head = Head::default();
            assert_eq!(head.read(old.as_bytes(), &LIMITS, recent), Ok(true));
            assert!(head.is_old());
        }
        for name in ["Cookie", "authorization", "Proxy-Authorization"] {
            let block = format!("Host: h\r\n{name}: x\r\n\r\n");
            assert!(Head::default().read(format!("GET / HTTP/1.1\r\n{block}").as_bytes(), &LIMITS, recent).is_ok());
            assert!(recent.find(block.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn one_empty_line_before_a_request_is_passed_over() {
        let mut head = Head::default();
        assert!(!head.read(b"\r", &LIMITS, &mut Recent::new()).unwrap());
        assert_eq!((head.leading_empty_line(b"\r\n"), head.leading_empty_line(b"\r\n")), (2, 0));
        assert!(!head.has_begun());
        assert!(head.read(b"GET / HTTP/1.0\r\n\r\n", &LIMITS, &mut Recent::new()).unwrap());
        assert_eq!(Head::default().leading_empty_line(b"\n"), 0);
    }
}

//! The two kinds of lines a head is made of, and what each field does to what is known of the message.

use super::*;
use crate::http::accept;
use crate::http::bytes::{cut, list, named, number, run_of, run_of_name, run_of_text, run_of_visible, trimmed};
use crate::http::host::is_host;
use crate::http::target;

/// What one line turned out to be.
pub(super) enum Line {
    /// It is this long.
    Good(usize),
    /// The empty line.
    Last,
    /// Its end is not here, as far as was read.
    Short,
    Bad(Fault),
}

impl Head {
    /// `method SP request-target SP HTTP-version CRLF`.
    #[inline(always)]
    pub(super) fn request_line(&mut self, rest: &[u8], limits: &Limits) -> Line {
        let name = if rest.starts_with(b"GET ") { 3 } else { run_of(rest, TOKEN) };
        let Some((name, b' ', tail)) = cut(rest, name) else { return short_or_bad(rest, name) };
        if name.is_empty() {
            return Line::Bad(Fault::Syntax);
        }
        self.method = if rest.starts_with(b"GET ") { Method::Get } else { Method::named(name) };
        let len = run_of_visible(tail);
        let Some((target, b' ', version)) = cut(tail, len) else { return short_or_bad(tail, len) };
        let Some(version) = version.first_chunk::<10>() else { return Line::Short };
        let old = match version {
            _ if version == b"HTTP/1.1\r\n" => false,
            b"HTTP/1.0\r\n" => true,
            // A later minor version may be treated as the latest known (RFC 9110 2.5).
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9', b'\r', b'\n'] => false,
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b'\r', b'\n'] => {
                return Line::Bad(Fault::Version);
            }
            _ => return Line::Bad(Fault::Syntax),
        };
        match (target, self.method) {
            ([b'/', ..], _) | (b"*", Method::Options) => {}
            // A `CONNECT` names an authority; a method nobody knows may name what it likes.
            ([_, ..], Method::Other) => {}
            _ if target::authority(target).is_some() => {}
            _ => return Line::Bad(Fault::Syntax),
        }
        if target.len() > limits.target_bytes as usize {
            return Line::Bad(Fault::TargetTooLong);
        }
        self.target_at = name.len().wrapping_add(1) as u16;
        self.target_len = target.len() as u16;
        self.flags |= if old { LINE | OLD } else { LINE };
        Line::Good(name.len().wrapping_add(target.len()).wrapping_add(12))
    }

    /// `field-name ":" OWS field-value OWS CRLF`, or the empty line.
    #[inline(always)]
    pub(super) fn field(&mut self, rest: &[u8], limits: &Limits) -> Line {
        let len = run_of_name(rest);
        let Some((name, b':', tail)) = cut(rest, len) else {
            return match rest {
                [b'\r', b'\n', ..] => Line::Last,
                [b'\r'] => Line::Short,
                _ => short_or_bad(rest, len),
            };
        };
        if name.is_empty() {
            return Line::Bad(Fault::Syntax);
        }
        let len = run_of_text(tail);
        let (value, end) = tail.split_at_checked(len).unwrap_or((tail, &[]));
        match end {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Line::Short,
            _ => return Line::Bad(Fault::Syntax),
        }
        if self.fields >= limits.fields {
            return Line::Bad(Fault::TooManyFields);
        }
        self.fields = self.fields.wrapping_add(1);
        if let Err(fault) = self.note(name, value) {
            return Line::Bad(fault);
        }
        Line::Good(name.len().wrapping_add(value.len()).wrapping_add(3))
    }

    /// Keeps what decides about the message.
    #[inline(always)]
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        // Length and first letter leave one candidate.
        match (name.len(), name.first().copied().unwrap_or(0) | 0x20) {
            (4, b'h') if named(name, b"host") => self.host(trimmed(value))?,
            (5, b'r') if named(name, b"range") => self.flags |= RANGE,
            (6, b'c') if named(name, b"cookie") => self.flags |= SECRET,
            (6, b'e') if named(name, b"expect") => self.expect(trimmed(value)),
            (8, b'i') if named(name, b"if-match") => self.flags |= CONDITIONAL,
            (10, b'c') if named(name, b"connection") => self.connection(value),
            (13, b'a') if named(name, b"authorization") => self.flags |= SECRET,
            (13, b'i') if named(name, b"if-none-match") => self.flags |= CONDITIONAL,
            (14, b'c') if named(name, b"content-length") => self.content_length(trimmed(value))?,
            (15, b'a') if named(name, b"accept-encoding") => match accept::gzip(value) {
                Some(true) => self.flags |= GZIP,
                Some(false) => self.flags |= NO_GZIP,
                None => {}
            },
            (17, b'i') if named(name, b"if-modified-since") => self.flags |= CONDITIONAL,
            (17, b't') if named(name, b"transfer-encoding") => self.transfer_encoding(trimmed(value))?,
            (19, b'p') if named(name, b"proxy-authorization") => self.flags |= SECRET,
            (19, b'i') if named(name, b"if-unmodified-since") => self.flags |= CONDITIONAL,
            _ => {}
        }
        Ok(())
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.flags & HAS_HOST != 0 || !is_host(value) {
            return Err(Fault::Host);
        }
        self.flags |= HAS_HOST;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        // What nearly all say.
        if named(trimmed(value), b"keep-alive") {
            self.flags |= KEEP_ALIVE;
            return;
        }
        for option in list(value) {
            if named(option, b"close") {
                self.flags |= CLOSE;
            } else if named(option, b"keep-alive") {
                self.flags |= KEEP_ALIVE;
            }
        }
    }

    #[cold]
    fn expect(&mut self, value: &[u8]) {
        self.flags |= if named(value, b"100-continue") { CONTINUE } else { UNKNOWN_EXPECTATION };
    }

    #[cold]
    fn content_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        let length = number(value).filter(|_| self.flags & HAS_LENGTH == 0).ok_or(Fault::Length)?;
        self.flags |= HAS_LENGTH;
        self.length = length.min(u64::from(u32::MAX)) as u32;
        Ok(())
    }

    /// `chunked` ends the message; anything before it is a coding nobody here undoes, anything after it, or in its
    /// place, leaves the end unknown (RFC 9112 6.3).
    #[cold]
    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Fault> {
        let last = list(value).last().unwrap_or(&[]);
        if self.flags & CHUNKED != 0 || !named(last, b"chunked") {
            return Err(Fault::Framing);
        }
        self.flags |= CHUNKED;
        match list(value).count() {
            1 => Ok(()),
            _ if list(value).filter(|coding| named(coding, b"chunked")).count() > 1 => Err(Fault::Framing),
            _ => Err(Fault::Coding),
        }
    }
}

#[cold]
fn short_or_bad(bytes: &[u8], run: usize) -> Line {
    if run >= bytes.len() { Line::Short } else { Line::Bad(Fault::Syntax) }
}

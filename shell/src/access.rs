//! The access log: a line for each request that was answered, in the common form or as JSON.
//!
//! A line is made in a fixed buffer and handed to the log, which never waits for it: what a full disk or a reader that
//! stopped does not take is dropped there, counted and told. No limit of lines a second holds here, only the
//! log's own bounds (`MaxSize`, `MaxDaily`): there is one for each request, and the operator asked for them.

use std::fmt::{self, Write as _};

use tidegate_core::http::status::Status;
use tidegate_core::net::Peer;
use tidegate_core::service::http::Request;

use crate::log;
use crate::os::clock;
use crate::settings::AccessLog;

/// Bytes of one line. The words of a request are cut so that it always fits.
const LINE_BYTES_MAX: usize = 1_024;
const METHOD_BYTES_MAX: usize = 20;
const TARGET_BYTES_MAX: usize = 400;
const HOST_BYTES_MAX: usize = 64;
const REFERER_BYTES_MAX: usize = 120;
const AGENT_BYTES_MAX: usize = 160;
/// What a word that was cut ends with.
const CUT: &str = "...";

/// Writes the line of one request.
#[cold]
pub fn write(form: AccessLog, request: &Request<'_>, status: Status, len: u64) {
    let mut line = Text { bytes: [0; LINE_BYTES_MAX], len: 0 };
    let whole = match form {
        AccessLog::Off => return,
        AccessLog::Common => common(&mut line, request, status.code(), len),
        AccessLog::Json => json(&mut line, request, status.code(), len),
    };
    debug_assert!(whole.is_ok(), "a line that does not fit");
    log::write_bare(str::from_utf8(&line.bytes[..line.len]).unwrap_or_default());
}

/// `host - - [day/month/year:time zone] "method target version" status bytes`, as tools have read it since NCSA httpd.
fn common(line: &mut Text, request: &Request<'_>, code: u16, len: u64) -> fmt::Result {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = clock::now_civil();
    let month = usize::try_from(at.month - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"Jan");
    let (sign, zone) = (if at.offset_minutes < 0 { '-' } else { '+' }, at.offset_minutes.abs());
    let word = |bytes, bytes_max| Word { bytes, bytes_max, json: false };
    write!(
        line,
        "{} - - [{:02}/{month}/{:04}:{:02}:{:02}:{:02} {sign}{:02}{:02}] \"{} {} {}\" {code} {len}",
        Who(request.peer()),
        at.day,
        at.year,
        at.hour,
        at.minute,
        at.second,
        zone / 60,
        zone % 60,
        word(request.method_name(), METHOD_BYTES_MAX),
        word(request.target(), TARGET_BYTES_MAX),
        version(request),
    )
}

/// One JSON object.
fn json(line: &mut Text, request: &Request<'_>, code: u16, len: u64) -> fmt::Result {
    let word = |bytes, bytes_max| Word { bytes, bytes_max, json: true };
    let field = |name, bytes_max| word(request.field(name).unwrap_or_default(), bytes_max);
    write!(
        line,
        "{{\"time\":{},\"client\":\"{}\",\"method\":\"{}\",\"target\":\"{}\",\"version\":\"{}\",\"status\":{code},\
         \"bytes\":{len},\"host\":\"{}\",\"referer\":\"{}\",\"agent\":\"{}\"}}",
        clock::unix_s(),
        Who(request.peer()),
        word(request.method_name(), METHOD_BYTES_MAX),
        word(request.target(), TARGET_BYTES_MAX),
        version(request),
        field("Host", HOST_BYTES_MAX),
        field("Referer", REFERER_BYTES_MAX),
        field("User-Agent", AGENT_BYTES_MAX),
    )
}

fn version(request: &Request<'_>) -> &'static str {
    if request.is_old() { "HTTP/1.0" } else { "HTTP/1.1" }
}

/// A client by its address alone.
struct Who(Peer);

impl fmt::Display for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.ip() {
            Some(ip) => ip.fmt(out),
            None => out.write_str("unix:"),
        }
    }
}

/// A peer's words: nothing in them ends the quotes, the line, or moves a cursor.
struct Word<'w> {
    bytes: &'w [u8],
    /// What comes out is no longer.
    bytes_max: usize,
    json: bool,
}

impl fmt::Display for Word<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.bytes_max - CUT.len();
        for byte in self.bytes {
            let plain = matches!(byte, 0x20..0x7f if !matches!(byte, b'"' | b'\\'));
            let Some(rest) = left.checked_sub(if plain { 1 } else { 6 }) else { return out.write_str(CUT) };
            left = rest;
            match (plain, self.json) {
                (true, _) => out.write_char(*byte as char)?,
                (false, true) => write!(out, "\\u{byte:04x}")?,
                (false, false) => write!(out, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

struct Text {
    bytes: [u8; LINE_BYTES_MAX],
    len: usize,
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], json: bool) -> String {
        Word { bytes, bytes_max: 24, json }.to_string()
    }

    #[test]
    fn a_peers_words_stay_within_their_quotes_and_their_bound() {
        assert_eq!(word(b"/a b?c", false), "/a b?c");
        assert_eq!(word(b"\"\\\n", false), "\\x22\\x5c\\x0a");
        assert_eq!(word(b"\"\x1b\xff", true), "\\u0022\\u001b\\u00ff");
        for bytes in [&[b'x'; 100][..], &[b'"'; 100], b"xxxxxxxxxxxxxxxxxxxx\"\"\"\"\"\""] {
            for json in [false, true] {
                let text = word(bytes, json);
                assert!(text.len() <= 24 && text.ends_with(CUT), "{text}");
            }
        }
    }

    #[test]
    fn the_longest_words_of_both_forms_fit_a_line() {
        let words = METHOD_BYTES_MAX + TARGET_BYTES_MAX + HOST_BYTES_MAX + REFERER_BYTES_MAX + AGENT_BYTES_MAX;
        // Address with scope, length and time of twenty digits each, and the form around them.
        assert!(words + 64 + 40 + 120 < LINE_BYTES_MAX, "{words}");
    }
}

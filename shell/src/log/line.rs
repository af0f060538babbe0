//! One line in a fixed buffer: control characters escaped, what does not fit cut and marked.

use std::fmt::{self, Write as _};

/// The longest line written, its end included.
pub const LINE_BYTES_MAX: usize = 1_024;
/// What a cut line ends with.
const CUT: &[u8] = b"...";

pub struct Line {
    bytes: [u8; LINE_BYTES_MAX],
    len: usize,
    cut: bool,
}

impl Line {
    pub const fn new() -> Self {
        Self { bytes: [0; LINE_BYTES_MAX], len: 0, cut: false }
    }

    /// Adds text. A peer's bytes may be in it: nothing that could move a cursor or start a line comes out.
    pub fn write_escaped(&mut self, text: fmt::Arguments<'_>) {
        // A `Display` that fails leaves what it wrote so far.
        let _ = self.write_fmt(text);
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// The line with this end, marked as cut if it or the text it was made from is.
    pub fn finish(&mut self, made_from: &Line, end: &[u8]) -> &[u8] {
        let mark = if self.cut || made_from.cut { CUT } else { &[] };
        let mut length = self.len;
        for part in [mark, end] {
            self.bytes[length..length + part.len()].copy_from_slice(part);
            length += part.len();
        }
        &self.bytes[..length]
    }

    fn push(&mut self, text: &str) {
        // Room for the mark and the end is always kept.
        if self.cut || self.len + text.len() > LINE_BYTES_MAX - CUT.len() - 1 {
            self.cut = true;
            return;
        }
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                let mut escape = Escape { text: [0; 12], len: 0 };
                write!(escape, "\\x{:02x}", u32::from(c))?;
                self.push(escape.as_str());
            } else {
                self.push(c.encode_utf8(&mut [0; 4]));
            }
        }
        Ok(())
    }
}

/// One escape: pushed whole or not at all.
struct Escape {
    text: [u8; 12],
    len: usize,
}

impl Escape {
    fn as_str(&self) -> &str {
        str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

impl fmt::Write for Escape {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.text.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(text: &str) -> Vec<u8> {
        let mut body = Line::new();
        body.write_escaped(format_args!("{text}"));
        let mut line = Line::new();
        line.write_escaped(format_args!("{}", body.text()));
        line.finish(&body, b"\n").to_vec()
    }

    #[test]
    fn control_characters_come_out_as_text() {
        assert_eq!(finished("a\nb\x1b[2J\0\u{85}é"), "a\\x0ab\\x1b[2J\\x00\\x85é\n".as_bytes());
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_says_so() {
        for text in ["x".repeat(5_000), "é".repeat(5_000), "\n".repeat(5_000)] {
            let line = finished(&text);
            assert!(line.len() <= LINE_BYTES_MAX && line.len() > LINE_BYTES_MAX - 8);
            assert!(line.ends_with(b"...\n"));
            assert!(str::from_utf8(&line).is_ok());
        }
        assert_eq!(finished("short"), b"short\n");
    }
}

//! Texts from the configuration inside a report: bounded, and without a character that could break its form.

use ufmt::uWrite;

/// Characters of one text that are told; what is beyond is cut and marked.
const CHARS_MAX: usize = 240;

/// What a text stands in, and so what it must not hold.
#[derive(Clone, Copy)]
pub(super) enum Style {
    Text,
    Json,
    /// The value of a label.
    Metrics,
}

/// Passes on what is written, made harmless: escaped in JSON; in text control characters become question marks.
pub(super) struct Escape<'w, W: uWrite + ?Sized> {
    out: &'w mut W,
    style: Style,
    left: usize,
}

/// Writes one text through an [`Escape`].
pub(super) fn escaped<W: uWrite + ?Sized>(
    out: &mut W,
    style: Style,
    write: impl FnOnce(&mut Escape<'_, W>) -> Result<(), W::Error>,
) -> Result<(), W::Error> {
    write(&mut Escape { out, style, left: CHARS_MAX })
}

impl<W: uWrite + ?Sized> uWrite for Escape<'_, W> {
    type Error = W::Error;

    fn write_str(&mut self, text: &str) -> Result<(), W::Error> {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> Result<(), W::Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(()) };
        self.left = left;
        if left == 0 {
            return self.out.write_str("...");
        }
        match (self.style, c) {
            (Style::Metrics, '\n') => self.out.write_str("\\n"),
            (Style::Text | Style::Metrics, c) if c.is_control() => self.out.write_char('?'),
            (Style::Json | Style::Metrics, '"') => self.out.write_str("\\\""),
            (Style::Json | Style::Metrics, '\\') => self.out.write_str("\\\\"),
            (Style::Json, '\0'..=' ') if c != ' ' => {
                let digit = |value: u32| char::from_digit(value & 15, 16).unwrap_or('0');
                self.out.write_str("\\u00")?;
                self.out.write_char(digit(c as u32 >> 4))?;
                self.out.write_char(digit(c as u32))
            }
            (_, c) => self.out.write_char(c),
        }
    }
}

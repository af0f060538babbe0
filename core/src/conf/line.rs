//! The shape of one line, before any name in it has a meaning.

use super::cut;
use super::fault::Fault;
use super::problem::{Place, is_invisible};
use crate::limits::LINE_BYTES_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape<'t> {
    /// Blanks or a comment.
    Nothing,
    Section {
        name: &'t str,
        label: Option<&'t str>,
    },
    Assignment {
        key: &'t str,
        value: &'t str,
    },
}

/// A fault and where in the line.
pub type Refusal<'t> = (Place<'t>, Fault<'t>);

/// The line of a place as text, if it is one.
pub fn text(place: Place<'_>) -> Result<&str, Refusal<'_>> {
    let bytes = place.text;
    if bytes.len() > LINE_BYTES_MAX {
        // The place begins with a character, not inside one.
        let inside = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
        let at = (0..=LINE_BYTES_MAX).rev().find(|at| !inside(at)).unwrap_or(LINE_BYTES_MAX);
        return Err((place.bytes(at, bytes.len()), Fault::LineTooLong));
    }
    if let Some((at, byte)) = bytes.iter().enumerate().find(|(_, byte)| byte.is_ascii_control() && **byte != b'\t') {
        return Err((place.bytes(at, at.saturating_add(1)), Fault::ControlByte(*byte)));
    }
    let text = core::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or(0);
        (place.bytes(at, at.saturating_add(1)), Fault::ForeignByte(byte))
    })?;
    match text.char_indices().find(|(_, letter)| is_invisible(*letter)) {
        Some((at, letter)) if !is_comment(trim(text)) => {
            Err((place.bytes(at, at.saturating_add(letter.len_utf8())), Fault::Invisible(letter)))
        }
        _ => Ok(text),
    }
}

/// The shape of a line of a file.
pub fn shape<'t>(place: Place<'t>, text: &'t str) -> Result<Shape<'t>, Refusal<'t>> {
    let line = trim(text);
    if line.is_empty() || is_comment(line) {
        return Ok(Shape::Nothing);
    }
    if let Some(rest) = line.strip_prefix('[') {
        let (inside, tail) = cut::first(rest, b']').ok_or((place.at(line), Fault::BracketOpen))?;
        let tail = trim(tail);
        if !tail.is_empty() {
            return Err((place.at(tail), Fault::BracketTail));
        }
        let (name, label) = heading(inside);
        if name.is_empty() {
            return Err((place.at(line), Fault::SectionNameMissing));
        }
        return Ok(Shape::Section { name, label });
    }
    let (key, value) = cut::first(line, b'=').ok_or((place.at(line), Fault::EqualsMissing))?;
    let key = trim(key);
    if key.is_empty() {
        return Err((place.at(line.get(..1).unwrap_or(line)), Fault::KeyMissing));
    }
    Ok(Shape::Assignment { key, value: trim(value) })
}

/// The name in a line that is meant as a heading, however wrong the rest of it is.
pub fn meant_heading(line: &[u8]) -> Option<Option<&str>> {
    let inside = line.trim_ascii_start().strip_prefix(b"[")?;
    let inside = inside.split(|byte| *byte == b']').next().unwrap_or_default();
    Some(core::str::from_utf8(inside).ok().map(|inside| heading(inside).0))
}

/// A section's name and label.
pub fn heading(inside: &str) -> (&str, Option<&str>) {
    let inside = trim(inside);
    let name_bytes = inside.bytes().take_while(|byte| !matches!(byte, b' ' | b'\t')).count();
    let (name, label) = inside.split_at_checked(name_bytes).unwrap_or((inside, ""));
    (name, Some(trim(label)).filter(|label| !label.is_empty()))
}

/// The value without its quotes.
pub fn unquote<'t>(place: Place<'t>, written: &'t str) -> Result<&'t str, Refusal<'t>> {
    match written.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').ok_or((place.at(written), Fault::QuoteOpen)),
        None => Ok(written),
    }
}

pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::problem::Origin;

    fn read(line: &str) -> Result<Shape<'_>, Fault<'_>> {
        let place = Place::whole(Origin::File, 1, line.as_bytes());
        text(place).and_then(|text| shape(place, text)).map_err(|(_, fault)| fault)
    }

    #[test]
    fn a_value_runs_to_the_end_of_the_line() {
        assert_eq!(read(" Key\t= a # b = c \t"), Ok(Shape::Assignment { key: "Key", value: "a # b = c" }));
        assert_eq!(read("Key="), Ok(Shape::Assignment { key: "Key", value: "" }));
    }

    #[test]
    fn a_comment_may_stand_after_blanks() {
        for line in ["", " \t", "# x", " \t; [x", "#"] {
            assert_eq!(read(line), Ok(Shape::Nothing), "{line}");
        }
    }

    #[test]
    fn a_section_has_a_name_and_perhaps_a_label() {
        assert_eq!(read("[Log]"), Ok(Shape::Section { name: "Log", label: None }));
        assert_eq!(read(" [ Socket\t plc two ] "), Ok(Shape::Section { name: "Socket", label: Some("plc two") }));
        assert_eq!(read("[]"), Err(Fault::SectionNameMissing));
        assert_eq!(read("[Log"), Err(Fault::BracketOpen));
        assert_eq!(read("[Log] # x"), Err(Fault::BracketTail));
    }

    #[test]
    fn quotes_keep_blanks_and_know_no_escapes() {
        let place = Place::whole(Origin::File, 1, b"");
        let read = |text| unquote(place, text).map_err(|(_, fault)| fault);
        assert_eq!(read("\" a \""), Ok(" a "));
        assert_eq!(read("\"\""), Ok(""));
        assert_eq!(read("\"a\\\"b\""), Ok("a\\\"b"));
        assert_eq!(read("a\"b\""), Ok("a\"b\""));
        assert_eq!(read("\""), Err(Fault::QuoteOpen));
        assert_eq!(read("\"a\" b"), Err(Fault::QuoteOpen));
    }

    #[test]
    fn what_an_editor_does_not_show_is_no_text() {
        assert_eq!(read("a = \0"), Err(Fault::ControlByte(0)));
        assert_eq!(read("a\u{A0}= 1"), Err(Fault::Invisible('\u{A0}')));
        assert_eq!(read("# a\u{A0}b"), Ok(Shape::Nothing));
        assert_eq!(read("# a\x07b"), Err(Fault::ControlByte(7)));
    }
}

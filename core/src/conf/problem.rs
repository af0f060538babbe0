//! A fault and its place: what an operator is shown, and the column under which the caret stands.
//!
//! Columns count characters from 1. A byte that is no UTF-8 counts as one character and is shown as `?`, as is
//! whatever would move the cursor of a terminal.

use ufmt::{uWrite, uwrite};

use super::fault::Fault;

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    File,
    /// An assignment of the command line; its file is called `-g`.
    CommandLine,
}

/// A stretch of one line. A line of the configuration fits sixteen bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'t> {
    pub origin: Origin,
    /// From 1.
    pub line: u32,
    pub text: &'t [u8],
    start: u16,
    end: u16,
}

impl<'t> Place<'t> {
    pub fn whole(origin: Origin, line: u32, text: &'t [u8]) -> Self {
        Self { origin, line, text, start: 0, end: narrow(text.len()) }
    }

    /// The same line, at `part`, a slice of its text.
    pub fn at(self, part: &'t str) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr()).min(self.text.len());
        self.bytes(start, start.saturating_add(part.len()))
    }

    /// The same line, without the blanks around it.
    pub fn trimmed(self) -> Self {
        let text = self.text;
        let start = text.len().saturating_sub(text.trim_ascii_start().len());
        self.bytes(start, text.trim_ascii_end().len())
    }

    pub fn bytes(self, start: usize, end: usize) -> Self {
        Self { start: narrow(start), end: narrow(end), ..self }
    }

    /// The line number a message names; 0 for the command line.
    pub fn named_line(&self) -> u32 {
        match self.origin {
            Origin::File => self.line,
            Origin::CommandLine => 0,
        }
    }

    pub fn start(&self) -> u16 {
        self.start
    }

    fn column(&self) -> u32 {
        let before = glyphs(self.before()).count();
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn before(&self) -> &'t [u8] {
        self.text.get(..usize::from(self.start)).unwrap_or(self.text)
    }

    fn marked(&self) -> &'t [u8] {
        self.text.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
}

fn narrow(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

/// One mistake of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem<'p> {
    pub origin: Origin,
    pub line: u32,
    pub column: u32,
    pub fault: Fault<'p>,
    place: Place<'p>,
}

impl<'p> Problem<'p> {
    pub(super) fn new(place: Place<'p>, fault: Fault<'p>) -> Self {
        Self { origin: place.origin, line: place.line, column: place.column(), fault, place }
    }

    /// Writes `file:line:column: fault`, the line, and a caret line. A mistake of the command line calls its file `-g`.
    pub fn write<W: uWrite + ?Sized>(&self, file: &str, out: &mut W) -> Result<(), W::Error> {
        let file = match self.origin {
            Origin::File => file,
            Origin::CommandLine => "-g",
        };
        uwrite!(out, "{}:{}:{}: ", file, self.line, self.column)?;
        self.fault.write(out)?;
        out.write_char('\n')?;
        if self.fault == Fault::LineTooLong {
            // The line would fill the screen that its mistake should be read on.
            return Ok(());
        }
        out.write_str("    ")?;
        for glyph in glyphs(self.place.text) {
            out.write_char(visible(glyph))?;
        }
        out.write_str("\n    ")?;
        for glyph in glyphs(self.place.before()) {
            out.write_char(if glyph == '\t' { '\t' } else { ' ' })?;
        }
        out.write_char('^')?;
        for _ in glyphs(self.place.marked()).skip(1) {
            out.write_char('^')?;
        }
        out.write_char('\n')
    }
}

/// Characters as columns count them.
fn glyphs(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    bytes.utf8_chunks().flat_map(|chunk| {
        let foreign = chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(foreign)
    })
}

/// Writes a text without what would move the cursor of a terminal.
pub fn write_visible<W: uWrite + ?Sized>(out: &mut W, text: &str) -> Result<(), W::Error> {
    for letter in text.chars() {
        out.write_char(visible(letter))?;
    }
    Ok(())
}

fn visible(letter: char) -> char {
    let hidden = letter != '\t' && letter.is_control();
    if hidden || is_invisible(letter) || letter == char::REPLACEMENT_CHARACTER { '?' } else { letter }
}

/// Characters that look like nothing or like a space, or turn the direction of what follows. The two joiners that
/// scripts need, U+200C and U+200D, are no trap.
pub fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{80}'..='\u{A0}' | '\u{AD}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{1680}' | '\u{180E}'
            | '\u{2000}'..='\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202F}'
            | '\u{205F}'..='\u{206F}' | '\u{3000}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
    )
}

/// Counts what it hands on.
pub struct Report<'r> {
    sink: &'r mut dyn FnMut(&Problem<'_>),
    count: u32,
}

impl<'r> Report<'r> {
    pub fn new(sink: &'r mut dyn FnMut(&Problem<'_>)) -> Self {
        Self { sink, count: 0 }
    }

    pub fn add(&mut self, place: Place<'_>, fault: Fault<'_>) {
        self.count = self.count.saturating_add(1);
        (self.sink)(&Problem::new(place, fault));
    }

    pub fn verdict<T>(self, good: T) -> Result<T, u32> {
        if self.count == 0 { Ok(good) } else { Err(self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::tests::Text;

    fn shown(place: Place<'_>) -> Text {
        let mut out = Text::default();
        let _ = Problem::new(place, Fault::EqualsMissing).write("f", &mut out);
        out
    }

    #[test]
    fn the_caret_stands_under_the_part_whatever_tabs_and_letters_stand_before() {
        let line = "\té é\t= wörd";
        let place = Place::whole(Origin::File, 3, line.as_bytes());
        let out = shown(place.at(&line[line.find('w').unwrap()..]));
        assert!(out.0.starts_with("f:3:8: "), "{}", out.0);
        assert!(out.0.ends_with("\n    \té é\t= wörd\n    \t   \t  ^^^^\n"), "{}", out.0);
    }

    #[test]
    fn a_mistake_of_the_command_line_names_no_file() {
        assert!(shown(Place::whole(Origin::CommandLine, 1, b"x")).0.starts_with("-g:1:1: "));
    }

    #[test]
    fn blanks_that_are_none_and_marks_that_turn_the_line_are_invisible() {
        let hidden =
            "\u{85}\u{A0}\u{AD}\u{61C}\u{1680}\u{2003}\u{200B}\u{202E}\u{2060}\u{2067}\u{3000}\u{3164}\u{FEFF}";
        assert_eq!(hidden.chars().find(|letter| !is_invisible(*letter)), None);
        // Joiners, letters of several scripts, a combining mark and an emoji with its selector.
        let shown = "\t aé数据\u{5D0}\u{641}\u{200C}\u{200D}e\u{301}\u{2764}\u{FE0F}";
        assert_eq!(shown.chars().find(|letter| is_invisible(*letter)), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_one_column_each() {
        let out = shown(Place::whole(Origin::File, 1, b"\xE4\xBD\xFFab\x1B").bytes(4, 5));
        assert!(out.0.starts_with("f:1:5: "), "{}", out.0);
        assert!(out.0.ends_with("\n    ???ab?\n        ^\n"), "{}", out.0);
    }
}

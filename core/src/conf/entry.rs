//! One key as it was written.

use super::directives::DIRECTIVES;
use super::kind::{Directive, Kind};
use super::problem::{Origin, Place};
use super::{line, value};
use crate::limits::SECTIONS_MAX;

/// A key that was written. There may be many, so this keeps where it stands and no more: the rest is read from there.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'t> {
    /// The whole line, or the assignment of the command line.
    text: &'t [u8],
    /// 0 for the command line.
    line: u32,
    /// Where in the line the value begins, which runs to the end.
    value_at: u16,
    part: u8,
    /// Its place in the table.
    directive: u8,
}

impl<'t> Entry<'t> {
    /// `written` is the value as it stands in the line of `place`, which is text.
    pub fn new(part: usize, directive: &'static Directive, place: Place<'t>, written: &'t str) -> Self {
        let at = DIRECTIVES.iter().position(|known| known == directive).unwrap_or(0);
        Self {
            text: place.text,
            line: place.named_line(),
            value_at: place.at(written).start(),
            part: u8::try_from(part).unwrap_or(u8::MAX),
            directive: u8::try_from(at).unwrap_or(u8::MAX),
        }
    }

    pub fn is_of(&self, part: usize, directive: &'static Directive) -> bool {
        self.part() == part && self.directive() == Some(directive)
    }

    pub fn part(&self) -> usize {
        self.part.into()
    }

    pub fn directive(&self) -> Option<&'static Directive> {
        DIRECTIVES.get(usize::from(self.directive))
    }

    /// The value without its quotes; a choice as the table spells it.
    pub fn value(&self) -> &'t str {
        let written = self.written();
        let value = line::unquote(self.place(), written).unwrap_or(written);
        match self.directive().map(|directive| directive.kind) {
            Some(Kind::Choice(words)) => value::choice(words, value).unwrap_or(value),
            _ => value,
        }
    }

    /// Where the value was written.
    pub fn place(&self) -> Place<'t> {
        let origin = if self.line == 0 { Origin::CommandLine } else { Origin::File };
        Place::whole(origin, self.line.max(1), self.text).at(self.written())
    }

    /// The line of the file that a message names; 0 for the command line.
    pub fn line(&self) -> u32 {
        self.line
    }

    fn written(&self) -> &'t str {
        let value = self.text.get(usize::from(self.value_at)..).unwrap_or_default();
        line::trim(core::str::from_utf8(value).unwrap_or_default())
    }
}

// Numbers of sections and keys fit an entry.
const _: () = assert!(SECTIONS_MAX <= u8::MAX as usize && DIRECTIVES.len() <= u8::MAX as usize);

//! A configuration without a mistake, and the lookups on it. Every value was judged when it came in, so none can fail.

use heapless::Vec;

use super::address::Address;
use super::directives::of_section;
use super::entry::Entry;
use super::fault::Fault;
use super::kind::{Directive, SectionKind};
use super::problem::{Place, Problem};
use super::routes::{Answer, Redirect};
use super::{names, prefixes, routes, value};
use crate::limits::{ENTRIES_MAX, SECTIONS_MAX};
use crate::prefix::Prefix;

/// What a file and the command line said, in the order in which they said it.
#[derive(Clone, Debug, Default)]
pub struct Document<'t> {
    pub(super) parts: Vec<Part<'t>, SECTIONS_MAX>,
    pub(super) entries: Vec<Entry<'t>, ENTRIES_MAX>,
}

/// A section that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'t> {
    pub kind: &'static SectionKind,
    pub label: Option<&'t str>,
    pub place: Place<'t>,
    /// A refused line below it may have said where it listens.
    pub doubtful: bool,
    /// A refused line below it may have said what it does.
    pub unsure: bool,
}

impl<'t> Document<'t> {
    /// The first section of that name; an absent one answers every lookup with the default.
    pub fn section(&self, name: &str) -> Section<'_, 't> {
        let kind = names::section(name).ok();
        debug_assert!(kind.is_some(), "no such section");
        let part = kind.and_then(|kind| self.parts.iter().position(|part| part.kind == kind));
        Section { document: self, kind, part }
    }

    /// Every section of that name, in file order.
    pub fn sections<'d>(&'d self, name: &str) -> impl Iterator<Item = Section<'d, 't>> + use<'d, 't> {
        let kind = names::section(name).ok();
        debug_assert!(kind.is_some(), "no such section");
        let parts = self.parts.iter().enumerate().filter(move |(_, part)| Some(part.kind) == kind);
        parts.map(move |(at, _)| Section { document: self, kind, part: Some(at) })
    }

    /// The first value written for a key, whichever its section (the seed's `CConfig::GetString`).
    pub fn get_string(&self, key: &str) -> Option<&'t str> {
        self.first(key).map(Entry::value)
    }

    /// The same as an integer, or `default` where the key is absent or no integer (the seed's
    /// `CConfig::GetIntDefault`). Sizes count bytes, times seconds, switches 0 and 1.
    pub fn get_int_default(&self, key: &str, default: i64) -> i64 {
        self.first(key).and_then(|entry| value::integer(entry.directive()?.kind, entry.value())).unwrap_or(default)
    }

    fn first(&self, key: &str) -> Option<&Entry<'t>> {
        // An assignment of the command line comes last but may belong to an earlier section.
        let is_named = |entry: &&Entry<'t>| entry.directive().is_some_and(|it| it.key.eq_ignore_ascii_case(key));
        self.entries.iter().filter(is_named).min_by_key(|entry| entry.part())
    }

    pub(super) fn entry(&self, part: usize, directive: &'static Directive) -> Option<&Entry<'t>> {
        self.entries.iter().find(|entry| entry.is_of(part, directive))
    }

    /// The new section's number.
    pub(super) fn add_part(&mut self, part: Part<'t>) -> Result<usize, Fault<'t>> {
        let full = Fault::TooManySections { section: part.kind };
        if self.parts.iter().filter(|other| other.kind == part.kind).count() >= part.kind.count_max {
            return Err(full);
        }
        let at = self.parts.len();
        self.parts.push(part).map(|()| at).map_err(|_| full)
    }

    /// Whether a key may stand once more in a section.
    pub(super) fn may_stand(&self, part: usize, directive: &'static Directive) -> Result<(), Fault<'t>> {
        let twins = || self.entries.iter().filter(|entry| entry.is_of(part, directive));
        match (directive.kind.times_max(), twins().next()) {
            (1, Some(twin)) => Err(Fault::KeyRepeated { directive, line: twin.line() }),
            (times_max, _) if twins().count() >= times_max => Err(Fault::KeyTooOften { directive }),
            _ => Ok(()),
        }
    }

    pub(super) fn add_entry(&mut self, entry: Entry<'t>) -> Result<(), Fault<'t>> {
        self.entries.push(entry).map_err(|_| Fault::TooManyKeys)
    }
}

/// A section as its reader sees it: what was written, and the table's defaults for the rest.
///
/// Asking for a key the section does not know, or by the wrong kind, is a mistake of the program: a debug build
/// stops, a release build answers with nothing.
#[derive(Clone, Copy, Debug)]
pub struct Section<'d, 't> {
    document: &'d Document<'t>,
    kind: Option<&'static SectionKind>,
    part: Option<usize>,
}

impl<'t> Section<'_, 't> {
    /// The section's name as the table spells it; empty for a name the table does not know.
    pub fn name(&self) -> &'static str {
        self.kind.map_or("", |kind| kind.name)
    }

    /// Whether a file or the command line holds this section.
    pub fn present(&self) -> bool {
        self.part.is_some()
    }

    /// The NAME of `[Socket NAME]`.
    pub fn label(&self) -> Option<&'t str> {
        self.written()?.label
    }

    /// The line of its heading; 0 if no file holds it.
    pub fn line(&self) -> u32 {
        self.written().map_or(0, |part| part.place.named_line())
    }

    /// Whether the key was written; a key that was not answers with its default.
    pub fn is_set(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The value as written, without its quotes; a choice as the table spells it.
    pub fn text(&self, key: &str) -> &'t str {
        let directive = self.directive(key);
        debug_assert!(directive.is_some(), "no such key in the section");
        let default = directive.map_or("", |directive| directive.default);
        self.entry(key).map_or(default, Entry::value)
    }

    /// The value of a number.
    pub fn number(&self, key: &str) -> u64 {
        self.judged(value::digits(self.text(key))).unwrap_or(0)
    }

    /// The value of a number that may be `auto`, which is `None`.
    pub fn number_or_auto(&self, key: &str) -> Option<u64> {
        let text = self.text(key);
        if value::is_auto(text) { None } else { self.judged(value::digits(text)) }
    }

    /// The value of a size, in bytes.
    pub fn size(&self, key: &str) -> u64 {
        self.judged(value::size(self.text(key))).unwrap_or(0)
    }

    /// The value of a time, in milliseconds.
    pub fn time_ms(&self, key: &str) -> u64 {
        self.judged(value::time_ms(self.text(key))).unwrap_or(0)
    }

    /// The value of a switch: whether it is on.
    pub fn switch(&self, key: &str) -> bool {
        self.judged(value::switch(self.text(key))).unwrap_or(false)
    }

    /// The value of an address.
    pub fn address(&self, key: &str) -> Address<'t> {
        self.judged(Address::read(self.text(key))).unwrap_or(Address::Any)
    }

    /// The prefixes of a list, at most [`PREFIXES_MAX`](crate::limits::PREFIXES_MAX).
    pub fn prefixes(&self, key: &str) -> impl Iterator<Item = Prefix> + use<'t> {
        prefixes::items(self.text(key)).filter_map(prefixes::read)
    }

    /// The fixed answers of a section, at most [`ROUTES_MAX`](crate::limits::ROUTES_MAX).
    pub fn answers<'d>(&'d self, key: &str) -> impl Iterator<Item = Answer<'t>> + use<'d, 't> {
        self.texts(key).filter_map(|text| routes::answer(text).ok())
    }

    /// The redirects of a section, at most [`ROUTES_MAX`](crate::limits::ROUTES_MAX).
    pub fn redirects<'d>(&'d self, key: &str) -> impl Iterator<Item = Redirect<'t>> + use<'d, 't> {
        self.texts(key).filter_map(|text| routes::redirect(text).ok())
    }

    /// Every value of a key that may stand several times, in the order in which they were written; an empty one is
    /// none.
    pub fn texts<'d>(&'d self, key: &str) -> impl Iterator<Item = &'t str> + use<'d, 't> {
        self.entries(key).map(Entry::value).filter(|value| !value.is_empty())
    }

    /// Every entry of a key.
    pub(super) fn entries<'d>(&'d self, key: &str) -> impl Iterator<Item = &'d Entry<'t>> + use<'d, 't> {
        let directive = self.directive(key);
        debug_assert!(directive.is_some(), "no such key in the section");
        let wanted = self.part.zip(directive);
        let is_wanted = move |entry: &&Entry<'t>| wanted.is_some_and(|(part, directive)| entry.is_of(part, directive));
        self.document.entries.iter().filter(is_wanted)
    }

    /// What to show for a value that the machine has no use for: a number, a name or a path is only known there.
    /// `None` for a key that was not written.
    pub fn unfit<'p>(&self, key: &str, must: &'p str) -> Option<Problem<'p>>
    where
        't: 'p,
    {
        let entry = self.entry(key)?;
        let fault = Fault::Unfit { directive: entry.directive()?, value: entry.value(), must };
        Some(Problem::new(entry.place(), fault))
    }

    /// Where its heading was written.
    pub(super) fn heading(&self) -> Option<Place<'t>> {
        self.written().map(|part| part.place)
    }

    pub(super) fn doubtful(&self) -> bool {
        self.written().is_some_and(|part| part.doubtful)
    }

    pub(super) fn unsure(&self) -> bool {
        self.written().is_some_and(|part| part.unsure)
    }

    /// Where a key's value was written.
    pub(super) fn place(&self, key: &str) -> Option<Place<'t>> {
        self.entry(key).map(Entry::place)
    }

    fn judged<T>(&self, value: Option<T>) -> Option<T> {
        debug_assert!(value.is_some(), "a key asked for by the wrong kind");
        value
    }

    fn written(&self) -> Option<&Part<'t>> {
        self.document.parts.get(self.part?)
    }

    fn directive(&self, key: &str) -> Option<&'static Directive> {
        of_section(self.kind?.name).find(|directive| directive.key.eq_ignore_ascii_case(key))
    }

    fn entry(&self, key: &str) -> Option<&Entry<'t>> {
        self.document.entry(self.part?, self.directive(key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Document<'_> {
        Document::parse(text.as_bytes(), &mut |problem| panic!("{problem:?}")).unwrap()
    }

    #[test]
    fn a_document_takes_at_most_twenty_eight_kilobytes() {
        assert!(size_of::<Document<'_>>() <= 28 * 1_024, "{} bytes", size_of::<Document<'_>>());
    }

    #[test]
    fn an_absent_section_answers_with_the_defaults() {
        let document = parse("");
        let process = document.section("Process");
        assert_eq!((process.label(), process.line(), process.is_set("Workers")), (None, 0, false));
        assert_eq!((process.name(), process.present()), ("Process", false));
        assert_eq!(process.number_or_auto("Workers"), Some(1));
        assert_eq!(process.time_ms("DrainTimeout"), 30_000);
        assert!(!process.switch("Daemon"));
        assert_eq!(document.section("memory").size("blocksize"), 2_048);
        assert_eq!(document.section("Log").text("Level"), "notice");
        assert_eq!(document.sections("Socket").count(), 0);
    }

    #[test]
    fn sections_come_in_file_order_with_their_own_values() {
        let document =
            parse("[Socket a]\nListenPort=1\n\n[Log]\nLevel = WARN\n[Socket]\nListenPort=2\nListenAddress=::1\n");
        let mut sockets = document.sections("Socket");
        let (a, b) = (sockets.next().unwrap(), sockets.next().unwrap());
        assert_eq!((a.name(), a.present(), document.section("log").name()), ("Socket", true, "Log"));
        assert_eq!((a.label(), a.line(), a.number("ListenPort")), (Some("a"), 1, 1));
        assert_eq!((b.label(), b.line(), b.number("ListenPort")), (None, 6, 2));
        assert_eq!((a.address("ListenAddress"), b.text("ListenAddress")), (Address::Any, "::1"));
        assert_eq!(document.section("Log").text("Level"), "warn");
        assert!(sockets.next().is_none());
    }

    #[test]
    fn the_seeds_lookups_look_through_all_sections() {
        let document =
            parse("[Socket]\nListenPort = 5678\nIdleTimeout = 5m\n\nDBInfo = 127.0.0.1\n[Socket]\nListenPort=9");
        assert_eq!(document.get_int_default("ListenPort", 10_000), 5_678);
        assert_eq!(document.get_int_default("Backlog", 7), 7);
        assert_eq!(document.get_int_default("IdleTimeout", 7), 300);
        assert_eq!(document.get_int_default("DBInfo", 7), 7);
        assert_eq!(document.get_string("DBInfo"), Some("127.0.0.1"));
        assert_eq!(document.get_string("File"), None);
    }
}

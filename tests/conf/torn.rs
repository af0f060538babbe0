//! Texts cut at every byte and with bytes bent: no panic, every position inside the text, every value in its range.

use tidegate_core::conf::{self, DIRECTIVES, Document, Kind, Origin, Problem};
use tidegate_core::limits::PREFIXES_MAX;

use super::{Text, golden_files, root};

const SEED: u64 = 0x5678;
const BENT_PER_FILE: usize = 400;

/// Splitmix64: small, seeded, good enough to bend bytes with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize % below
    }
}

fn texts() -> Vec<Vec<u8>> {
    let installed = ["seed.conf", "tidegate.conf", "tidegate-full.conf"].map(|name| root().join("conf").join(name));
    golden_files().iter().chain(&installed).map(|path| std::fs::read(path).unwrap()).collect()
}

fn survive(text: &[u8]) {
    let bare = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let lines: Vec<_> = bare.split(|byte| *byte == b'\n').collect();
    let mut told = 0;
    let mut report = |problem: &Problem<'_>| {
        told += 1;
        assert_eq!(problem.origin, Origin::File);
        let line = lines[problem.line as usize - 1];
        // A mistake may stand just behind the last character: there a value is missing.
        assert!(problem.column >= 1 && problem.column as usize <= line.len() + 1, "{problem:?}");
        let mut out = Text::default();
        let _ = problem.write("f", &mut out);
        assert!(out.0.ends_with('\n') && out.0.bytes().all(|byte| byte == b'\n' || byte == b'\t' || byte >= 0x20));
    };
    let loaded = Document::load(text, [], &mut report);
    assert_eq!(loaded.as_ref().err().copied().unwrap_or(0), told);
    let parsed = Document::parse(text, &mut |_| ());
    assert!(parsed.is_ok() || loaded.is_err());
    if let Ok(document) = parsed {
        assert_eq!(document.finish(&mut |_| ()).err().unwrap_or(0), told);
        in_range(&document);
        reads_back(&document);
    }
}

fn reads_back(document: &Document<'_>) {
    let dumped = dump(document);
    let again = Document::parse(dumped.as_bytes(), &mut |problem| panic!("{problem:?} in {dumped}")).unwrap();
    assert_eq!(dump(&again), dumped);
}

fn dump(document: &Document<'_>) -> String {
    let mut out = Text::default();
    let _ = conf::dump(document, &mut out);
    out.0
}

fn in_range(document: &Document<'_>) {
    for directive in DIRECTIVES {
        let key = directive.key;
        for section in document.sections(directive.section).chain([document.section(directive.section)]) {
            match directive.kind {
                Kind::Number { min, max } => assert!((min..=max).contains(&section.number(key)), "{key}"),
                Kind::NumberOrAuto { min, max } => {
                    assert!(section.number_or_auto(key).is_none_or(|value| (min..=max).contains(&value)), "{key}");
                }
                Kind::Size { min, max } => assert!((min..=max).contains(&section.size(key)), "{key}"),
                Kind::SizeOrNone { min, max } => {
                    let bytes = section.size(key);
                    assert!(bytes == 0 || (min..=max).contains(&bytes), "{key}");
                }
                Kind::Time { max_ms } => assert!(section.time_ms(key) <= max_ms, "{key}"),
                Kind::Switch => _ = section.switch(key),
                Kind::Choice(words) => assert!(words.contains(&section.text(key)), "{key}"),
                Kind::Text { max_bytes } => assert!(section.text(key).len() <= max_bytes, "{key}"),
                Kind::Prefixes => assert!(section.prefixes(key).count() <= PREFIXES_MAX, "{key}"),
                Kind::Address => _ = section.address(key),
                Kind::FileName => assert!(!section.text(key).contains('/'), "{key}"),
                Kind::Answer => assert!(section.answers(key).count() == section.texts(key).count(), "{key}"),
                Kind::Redirect => assert!(section.redirects(key).count() == section.texts(key).count(), "{key}"),
            }
        }
    }
}

#[test]
fn a_text_cut_at_any_byte_is_survived() {
    for text in texts() {
        (0..=text.len()).for_each(|at| survive(&text[..at]));
    }
}

#[test]
fn a_text_with_bent_bytes_is_survived() {
    let mut dice = Dice(SEED);
    // Bytes the language means something by are met more often than chance would have it.
    let pointed = b"[]=\"#;\r\n\t .:*0\x00\x7F\x80\xC2\xA0\xE2\xEF\xBB\xBF\xFF";
    for text in texts().iter().filter(|text| !text.is_empty()) {
        for _ in 0..BENT_PER_FILE {
            let mut bent = text.clone();
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(bent.len());
                bent[at] = match dice.roll(3) {
                    0 => bent[at] ^ (1 << dice.roll(8)),
                    1 => dice.roll(256) as u8,
                    _ => pointed[dice.roll(pointed.len())],
                };
            }
            survive(&bent);
        }
    }
}

#[test]
fn an_assignment_of_any_bytes_is_survived() {
    let mut dice = Dice(SEED);
    let words = [
        "Socket",
        "Log",
        " ",
        "a.b",
        ".",
        "=",
        "Level",
        "ListenPort",
        "info",
        "1",
        "\"",
        "\0",
        "\u{A0}",
        "é",
        "]",
        "Answer",
        "/x 200 a/b",
    ];
    for _ in 0..20_000 {
        let text: String = (0..dice.roll(8)).map(|_| words[dice.roll(words.len())]).collect();
        let mut document = Document::default();
        let mut told = 0;
        let result = document.set(&text, &mut |problem| {
            told += 1;
            assert_eq!((problem.origin, problem.line), (Origin::CommandLine, 1));
            assert!(problem.column as usize <= text.chars().count() + 1);
            let _ = problem.write("f", &mut Text::default());
        });
        assert_eq!(result.err().unwrap_or(0), told);
        in_range(&document);
        reads_back(&document);
    }
}

//! The effective configuration: every key of every section, defaults filled in, which parses to the same again.

use ufmt::{uWrite, uwrite};

use super::cross::must_be_written;
use super::directives::{SECTIONS, of_section};
use super::document::{Document, Section};
use super::help::write_assignment;

/// Writes what `-T` shows: the sections in the order of the table, listeners in file order. Fails only as `out` does.
pub fn dump<W: uWrite + ?Sized>(document: &Document<'_>, out: &mut W) -> Result<(), W::Error> {
    for section in SECTIONS {
        if section.once() {
            write_section(out, section.name, &document.section(section.name))?;
        }
        for part in document.sections(section.name).filter(|_| !section.once()) {
            write_section(out, section.name, &part)?;
        }
    }
    Ok(())
}

fn write_section<W: uWrite + ?Sized>(
    out: &mut W,
    name: &'static str,
    section: &Section<'_, '_>,
) -> Result<(), W::Error> {
    match section.label() {
        Some(label) => uwrite!(out, "[{} {}]\n", name, label)?,
        None => uwrite!(out, "[{}]\n", name)?,
    }
    for directive in of_section(name) {
        if must_be_written(directive) && !section.is_set(directive.key) {
            continue;
        }
        match directive.kind.times_max() {
            1 => write_assignment(out, directive, section.text(directive.key))?,
            _ => section.texts(directive.key).try_for_each(|value| write_assignment(out, directive, value))?,
        }
    }
    out.write_char('\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::tests::Text;

    fn dumped(text: &str) -> Text {
        let document = Document::parse(text.as_bytes(), &mut |problem| panic!("{problem:?}")).unwrap();
        let mut out = Text::default();
        let _ = dump(&document, &mut out);
        out
    }

    #[test]
    fn a_dump_parses_to_the_same_again() {
        let text = "[Socket plc two]\nListenAddress = unix:/x\nDBInfo = \"\"q\" \"\nService = http\nAnswer = /a 200 text/plain \" x \"\nAnswer = /b 204\n[socket]\nlistenport = 7\n[LOG]\nLevel = INFO\n";
        let once = dumped(text);
        assert_eq!(dumped(&once.0).0, once.0);
        let document = Document::parse(once.0.as_bytes(), &mut |problem| panic!("{problem:?}")).unwrap();
        let mut sockets = document.sections("Socket");
        let first = sockets.next().unwrap();
        assert_eq!(
            (first.label(), first.text("DBInfo"), first.is_set("ListenPort")),
            (Some("plc two"), "\"q\" ", false)
        );
        assert_eq!(first.answers("Answer").map(|answer| answer.text).collect::<heapless::Vec<_, 4>>(), [" x ", ""]);
        assert_eq!(sockets.next().unwrap().number("ListenPort"), 7);
        assert_eq!(document.section("Log").text("Level"), "info");
        assert_eq!(document.section("Process").time_ms("DrainTimeout"), 30_000);
    }
}

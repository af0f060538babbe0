//! The full reference configuration: every key, commented, with its default.
//!
//! Taking away the `#` before a key changes nothing but the listener that appears when `[Socket]` itself is taken in.

use ufmt::{uWrite, uwrite};

use super::directives::{SECTIONS, of_section};
use super::help::{write_assignment, write_terms};

const HEAD: &str = "\
# Every key of a tidegate configuration, with what it takes and its default.
#
# A line is [Section], Key = value, or a comment behind # or ; at its start. A value runs to the end of the line;
# double quotes around all of it keep blanks at its ends. Take away the # before a key to set it.
";

/// Writes the text of `conf/tidegate-full.conf`. Fails only as `out` does.
pub fn reference<W: uWrite + ?Sized>(out: &mut W) -> Result<(), W::Error> {
    out.write_str(HEAD)?;
    for section in SECTIONS {
        // A heading that may be repeated makes something: it waits behind a #.
        let mark = if section.once() { "" } else { "#" };
        uwrite!(out, "\n# {}\n{}[{}]\n", section.help, mark, section.name)?;
        for directive in of_section(section.name) {
            uwrite!(out, "\n# {}\n# Takes ", directive.help)?;
            write_terms(out, directive)?;
            out.write_str(".\n#")?;
            write_assignment(out, directive, directive.default)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;
    use crate::conf::directives::DIRECTIVES;
    use crate::conf::tests::Text;
    use crate::conf::{Document, Kind};

    #[test]
    fn the_reference_sets_nothing_and_uncommented_equals_the_defaults() {
        let mut out = Text::default();
        let _ = reference(&mut out);
        let mut bare = String::new();
        for line in out.0.lines() {
            let set = line.strip_prefix('#').filter(|rest| rest.starts_with(|letter: char| letter != ' '));
            bare.push_str(set.unwrap_or(line));
            bare.push('\n');
        }
        let never = &mut |problem: &crate::conf::Problem<'_>| panic!("{problem:?}");
        let as_is = Document::parse(out.0.as_bytes(), never).unwrap();
        assert!(as_is.entries.is_empty() && as_is.sections("Socket").next().is_none());
        let full = Document::parse(bare.as_bytes(), never).unwrap();
        full.finish(never).unwrap();
        assert_eq!(full.entries.len(), DIRECTIVES.len());
        let empty = Document::default();
        for directive in DIRECTIVES {
            let (set, absent) = (full.section(directive.section), empty.section(directive.section));
            assert!(set.is_set(directive.key) && !absent.is_set(directive.key));
            assert_eq!(set.text(directive.key), absent.text(directive.key));
            if let Kind::Time { .. } = directive.kind {
                assert_eq!(set.time_ms(directive.key), absent.time_ms(directive.key));
            }
        }
    }
}

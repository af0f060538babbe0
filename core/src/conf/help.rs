//! Every key with what it takes, what it is when absent, and what it is for.

use ufmt::{uWrite, uwrite};

use super::cross::must_be_written;
use super::directives::{SECTIONS, of_section};
use super::fault::write_kind;
use super::kind::{Directive, Kind};

/// Writes what `--help-conf` shows: each section with its keys in the order of the table. Fails only as `out` does.
pub fn help<W: uWrite + ?Sized>(out: &mut W) -> Result<(), W::Error> {
    for (at, section) in SECTIONS.iter().enumerate() {
        out.write_str(if at == 0 { "" } else { "\n" })?;
        uwrite!(out, "[{}]  {}\n", section.name, section.help)?;
        for directive in of_section(section.name) {
            uwrite!(out, "  {}\n      {}\n      ", directive.key, directive.help)?;
            write_terms(out, directive)?;
            out.write_char('\n')?;
        }
    }
    Ok(())
}

/// What a key takes and its default: `a number from 1 to 65535; default 511`.
pub fn write_terms<W: uWrite + ?Sized>(out: &mut W, directive: &Directive) -> Result<(), W::Error> {
    write_kind(out, directive.kind)?;
    if directive.kind.times_max() > 1 {
        uwrite!(out, "; up to {} times", directive.kind.times_max())?;
    }
    match directive.default {
        _ if must_be_written(directive) => out.write_str("; no default"),
        "" => out.write_str("; empty by default"),
        default => uwrite!(out, "; default {}", default),
    }
}

/// A key and a value as the parser reads them back.
pub fn write_assignment<W: uWrite + ?Sized>(out: &mut W, directive: &Directive, value: &str) -> Result<(), W::Error> {
    let bare = value.trim_matches([' ', '\t']).len() == value.len() && !value.starts_with('"');
    let text =
        matches!(directive.kind, Kind::Text { .. } | Kind::Prefixes | Kind::FileName | Kind::Answer | Kind::Redirect);
    match value {
        "" if text => uwrite!(out, "{} =\n", directive.key),
        _ if bare => uwrite!(out, "{} = {}\n", directive.key, value),
        _ => uwrite!(out, "{} = \"{}\"\n", directive.key, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::directives::DIRECTIVES;
    use crate::conf::tests::Text;

    #[test]
    fn help_tells_every_key() {
        let mut out = Text::default();
        let _ = help(&mut out);
        assert!(DIRECTIVES.iter().all(|directive| out.0.contains(directive.key) && out.0.contains(directive.help)));
        assert!(out.0.contains("  Backlog\n      Connections the kernel keeps waiting until a worker takes them.\n      a number from 1 to 65535; default 511\n"));
    }
}

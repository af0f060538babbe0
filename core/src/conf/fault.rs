//! What can be wrong with a configuration, and how it is said.

use ufmt::{uWrite, uwrite};

use super::kind::{Directive, Kind, SectionKind};
use super::prefixes::Wrong;
use super::problem::write_visible;
use super::routes;
use super::value::{SIZES, TIMES};
use crate::limits::{CONNECTIONS_MAX, ENTRIES_MAX, HTTP_BLOCK_BYTES_MIN, LINE_BYTES_MAX, PREFIXES_MAX};

/// What is wrong at one place. Lines it names are earlier ones; line 0 is `-g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault<'p> {
    /// A byte that no editor shows, below 0x20 or 0x7F.
    ControlByte(u8),
    /// A byte that begins or continues no UTF-8 character.
    ForeignByte(u8),
    /// A character that no editor shows.
    Invisible(char),
    LineTooLong,
    BracketOpen,
    BracketTail,
    SectionNameMissing,
    UnknownSection {
        name: &'p str,
        nearest: Option<&'static str>,
    },
    SectionRepeated {
        section: &'static SectionKind,
        line: u32,
    },
    LabelRepeated {
        section: &'static SectionKind,
        label: &'p str,
        line: u32,
    },
    LabelUnwanted {
        section: &'static SectionKind,
    },
    TooManySections {
        section: &'static SectionKind,
    },
    EqualsMissing,
    KeyMissing,
    KeyOutside {
        key: &'p str,
        belongs: Option<&'static str>,
    },
    UnknownKey {
        key: &'p str,
        section: &'static str,
        nearest: Option<&'static str>,
    },
    KeyElsewhere {
        directive: &'static Directive,
    },
    KeyRepeated {
        directive: &'static Directive,
        line: u32,
    },
    TooManyKeys,
    QuoteOpen,
    BadValue {
        directive: &'static Directive,
        value: &'p str,
        nearest: Option<&'static str>,
    },
    /// One item of a list of prefixes.
    BadPrefix {
        directive: &'static Directive,
        item: &'p str,
        wrong: Wrong,
    },
    /// One part of a value of several parts.
    BadPart {
        directive: &'static Directive,
        item: &'p str,
        wrong: routes::Wrong,
    },
    /// A key that may stand several times stands too often.
    KeyTooOften {
        directive: &'static Directive,
    },
    /// A key that means nothing to the service of its section.
    KeyOfService {
        directive: &'static Directive,
        service: &'static str,
    },
    /// Blocks that are too small for a service.
    BlocksTooSmall {
        service: &'static str,
    },
    /// A path that an earlier line of the section has already.
    RouteTaken {
        path: &'p str,
        line: u32,
    },
    /// A value of the right kind that this machine has no use for.
    Unfit {
        directive: &'static Directive,
        value: &'p str,
        /// What it must be here.
        must: &'p str,
    },
    /// `-g` without a section, a dot or an equals sign.
    NoAssignment,
    PortMissing,
    /// All listeners of a worker together have more than [`CONNECTIONS_MAX`].
    TooManyConnections,
    AddressTaken {
        line: u32,
        /// The very same address, not only one that holds the other.
        same: bool,
    },
}

impl Fault<'_> {
    /// One sentence without a full stop.
    pub fn write<W: uWrite + ?Sized>(&self, out: &mut W) -> Result<(), W::Error> {
        match *self {
            Self::ControlByte(byte) => {
                out.write_str("control byte 0x")?;
                write_hex(out, u32::from(byte), 2)?;
                out.write_str(", which an editor does not show; delete it")
            }
            Self::ForeignByte(byte) => {
                out.write_str("byte 0x")?;
                write_hex(out, u32::from(byte), 2)?;
                out.write_str(" is not UTF-8; save the file as UTF-8")
            }
            Self::Invisible(letter) => {
                out.write_str("invisible character U+")?;
                write_hex(out, u32::from(letter), 4)?;
                out.write_str("; delete it or type a space")
            }
            Self::LineTooLong => uwrite!(out, "the line is longer than {} bytes", LINE_BYTES_MAX),
            Self::BracketOpen => out.write_str("\"[\" without \"]\""),
            Self::BracketTail => out.write_str("nothing may follow \"]\"; a comment needs a line of its own"),
            Self::SectionNameMissing => out.write_str("the section has no name"),
            Self::UnknownSection { name, nearest } => {
                out.write_str("unknown section ")?;
                write_quoted(out, name)?;
                write_nearest(out, nearest)
            }
            Self::SectionRepeated { section, line } => {
                uwrite!(out, "[{}] may stand once; it is already on line {}", section.name, line)
            }
            Self::LabelRepeated { section, label, line } => {
                uwrite!(out, "[{} ", section.name)?;
                write_visible(out, label)?;
                uwrite!(out, "] is already on line {}; each name may stand once", line)
            }
            Self::LabelUnwanted { section } => uwrite!(out, "[{}] takes no name", section.name),
            Self::TooManySections { section } => {
                uwrite!(out, "no more than {} [{}] sections are possible", section.count_max, section.name)
            }
            Self::EqualsMissing => out.write_str("missing \"=\"; a line is [Section], Key = value or # comment"),
            Self::KeyMissing => out.write_str("there is no key before \"=\""),
            Self::KeyOutside { key, belongs } => {
                write_quoted(out, key)?;
                out.write_str(" stands outside a section")?;
                match belongs {
                    Some(section) => uwrite!(out, "; it belongs in [{}]", section),
                    None => Ok(()),
                }
            }
            Self::UnknownKey { key, section, nearest } => {
                out.write_str("unknown key ")?;
                write_quoted(out, key)?;
                uwrite!(out, " in [{}]", section)?;
                write_nearest(out, nearest)
            }
            Self::KeyElsewhere { directive } => uwrite!(out, "{} belongs in [{}]", directive.key, directive.section),
            Self::KeyRepeated { directive, line } => {
                uwrite!(out, "{} may stand once in its section; it is already on line {}", directive.key, line)
            }
            Self::TooManyKeys => uwrite!(out, "no more than {} keys are possible", ENTRIES_MAX),
            Self::QuoteOpen => out.write_str("the value begins with a quote and does not end with one"),
            Self::BadValue { directive, value, nearest } => write_bad_value(out, directive, value, nearest),
            Self::BadPrefix { directive, item, wrong } => write_bad_prefix(out, directive, item, wrong),
            Self::BadPart { directive, item, wrong } => write_bad_part(out, directive, item, wrong),
            Self::KeyTooOften { directive } => {
                uwrite!(
                    out,
                    "{} may stand no more than {} times in its section",
                    directive.key,
                    directive.kind.times_max()
                )
            }
            Self::KeyOfService { directive, service } => {
                uwrite!(out, "{} means something only with Service = {}", directive.key, service)
            }
            Self::BlocksTooSmall { service } => {
                uwrite!(out, "BlockSize must be at least {} with Service = {}", HTTP_BLOCK_BYTES_MIN, service)
            }
            Self::RouteTaken { path, line } => {
                write_quoted(out, path)?;
                match line {
                    0 => out.write_str(" is already taken by -g"),
                    _ => uwrite!(out, " is already taken on line {}", line),
                }
            }
            Self::Unfit { directive, value, must } => {
                uwrite!(out, "{} must be {}, not ", directive.key, must)?;
                write_quoted(out, value)
            }
            Self::NoAssignment => out.write_str("an assignment is Section.Key=value or Section NAME.Key=value"),
            Self::PortMissing => out.write_str("ListenPort is missing; only a unix: address goes without"),
            Self::TooManyConnections => {
                uwrite!(
                    out,
                    "no more than {} connections are possible in all [Socket] sections together",
                    CONNECTIONS_MAX
                )
            }
            Self::AddressTaken { line, same } => {
                match line {
                    0 => out.write_str("the [Socket] of -g")?,
                    _ => uwrite!(out, "the [Socket] on line {}", line)?,
                }
                out.write_str(if same {
                    " already has this address and port"
                } else {
                    " has this port already, on an address that overlaps"
                })
            }
        }
    }
}

fn write_bad_value<W: uWrite + ?Sized>(
    out: &mut W,
    directive: &Directive,
    value: &str,
    nearest: Option<&str>,
) -> Result<(), W::Error> {
    uwrite!(out, "{} must be ", directive.key)?;
    write_kind(out, directive.kind)?;
    match directive.kind {
        Kind::Text { .. } => uwrite!(out, ", not {}", value.len())?,
        _ => {
            out.write_str(", not ")?;
            write_quoted(out, value)?;
        }
    }
    if value.as_bytes().windows(2).any(|pair| matches!(pair, b" #" | b" ;")) {
        out.write_str("; a comment needs a line of its own")?;
    }
    write_nearest(out, nearest)
}

fn write_bad_prefix<W: uWrite + ?Sized>(
    out: &mut W,
    directive: &Directive,
    item: &str,
    wrong: Wrong,
) -> Result<(), W::Error> {
    match wrong {
        Wrong::Item => {
            uwrite!(out, "{} must be ", directive.key)?;
            write_kind(out, directive.kind)?;
            out.write_str(", not ")?;
            write_quoted(out, item)
        }
        Wrong::Tail => {
            write_quoted(out, item)?;
            out.write_str(" has bits set behind its prefix; write the network's own address or a longer prefix")
        }
        Wrong::Many => uwrite!(out, "no more than {} prefixes are possible in {}", PREFIXES_MAX, directive.key),
    }
}

fn write_bad_part<W: uWrite + ?Sized>(
    out: &mut W,
    directive: &Directive,
    item: &str,
    wrong: routes::Wrong,
) -> Result<(), W::Error> {
    use routes::Wrong;
    uwrite!(out, "{} must be ", directive.key)?;
    write_kind(out, directive.kind)?;
    out.write_str("; ")?;
    write_quoted(out, item)?;
    out.write_str(match wrong {
        Wrong::Path => " has no path that a request could have",
        Wrong::Status => " is no status that is spoken here",
        Wrong::Silent => " cannot be sent: this status has no content",
        Wrong::MediaType => " has no type such as text/plain",
        Wrong::Text => " is a quote that does not end, or too long",
        Wrong::Target => " has no place to go to",
        Wrong::Tail => " is one part too many",
    })
}

/// What a kind takes, with its bounds and units: `a number from 1 to 65535`.
pub fn write_kind<W: uWrite + ?Sized>(out: &mut W, kind: Kind) -> Result<(), W::Error> {
    match kind {
        Kind::Number { min, max } => uwrite!(out, "a number from {} to {}", min, max),
        Kind::NumberOrAuto { min, max } => uwrite!(out, "a number from {} to {} or auto", min, max),
        Kind::Size { min, max } | Kind::SizeOrNone { min, max } => {
            out.write_str(if let Kind::Size { .. } = kind { "a size from " } else { "0, or a size from " })?;
            write_in_units(out, min, &SIZES)?;
            out.write_str(" to ")?;
            write_in_units(out, max, &SIZES)?;
            out.write_str(" (bytes, or with K, M, G)")
        }
        Kind::Time { max_ms } => {
            out.write_str("a time from 0 to ")?;
            // A day of hours reads better than one day.
            write_in_units(out, max_ms, TIMES.get(1..).unwrap_or_default())?;
            out.write_str(" (seconds, or with ms, s, m, h, d)")
        }
        Kind::Switch => out.write_str("on or off (or yes, no, 1, 0)"),
        Kind::Choice(words) => {
            let (last, first) = words.split_last().unwrap_or((&"", &[]));
            for (at, word) in first.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { ", " })?;
                out.write_str(word)?;
            }
            uwrite!(out, " or {}", *last)
        }
        Kind::Text { max_bytes } => uwrite!(out, "a text of at most {} bytes", max_bytes),
        Kind::Address => out.write_str("an IPv4 or IPv6 address, *, or unix:/path"),
        Kind::Prefixes => out.write_str("prefixes such as 192.0.2.0/24, 2001:db8::/32, ::1, all or unix:"),
        Kind::FileName => out.write_str("the name of a file, without a folder"),
        Kind::Answer => out.write_str("/path STATUS TYPE text, such as /ping 200 text/plain \"pong\""),
        Kind::Redirect => out.write_str("/path and where it leads, such as /old https://example.net/new"),
    }
}

/// The value in the largest unit that holds it without a rest.
fn write_in_units<W: uWrite + ?Sized>(out: &mut W, value: u64, units: &[(&str, u64)]) -> Result<(), W::Error> {
    for (unit, worth) in units {
        let count = value.checked_div(*worth).unwrap_or(0);
        if count > 0 && count.wrapping_mul(*worth) == value {
            return uwrite!(out, "{}{}", count, *unit);
        }
    }
    uwrite!(out, "{}", value)
}

fn write_quoted<W: uWrite + ?Sized>(out: &mut W, text: &str) -> Result<(), W::Error> {
    out.write_char('"')?;
    write_visible(out, text)?;
    out.write_char('"')
}

fn write_nearest<W: uWrite + ?Sized>(out: &mut W, nearest: Option<&str>) -> Result<(), W::Error> {
    match nearest {
        Some(name) => uwrite!(out, "; did you mean \"{}\"?", name),
        None => Ok(()),
    }
}

fn write_hex<W: uWrite + ?Sized>(out: &mut W, value: u32, digits: u32) -> Result<(), W::Error> {
    // No character is wider than six digits.
    let width = if value > 0xFFFF { 6 } else { digits };
    for at in (0..width).rev() {
        let nibble = value.wrapping_shr(at.wrapping_mul(4)) & 0xF;
        out.write_char(char::from_digit(nibble, 16).unwrap_or('?').to_ascii_uppercase())?;
    }
    Ok(())
}

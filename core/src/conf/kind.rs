//! What the table of the language is made of: sections, keys, and the kinds of values.

use crate::limits::ROUTES_MAX;

/// A section a file may hold.
#[derive(Debug, PartialEq, Eq)]
pub struct SectionKind {
    pub name: &'static str,
    /// How often it may stand in one file; 1 is a section that holds for the whole server.
    pub count_max: usize,
    /// May be written `[Name label]`.
    pub labelled: bool,
    pub help: &'static str,
}

impl SectionKind {
    pub const fn once(&self) -> bool {
        self.count_max == 1
    }
}

/// A key of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive {
    pub section: &'static str,
    pub key: &'static str,
    pub kind: Kind,
    /// What an absent key means, written as in a file.
    pub default: &'static str,
    pub help: &'static str,
}

/// What a key takes. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Number {
        min: u64,
        max: u64,
    },
    NumberOrAuto {
        min: u64,
        max: u64,
    },
    Size {
        min: u64,
        max: u64,
    },
    /// 0 is none.
    SizeOrNone {
        min: u64,
        max: u64,
    },
    Time {
        max_ms: u64,
    },
    Switch,
    Choice(&'static [&'static str]),
    Text {
        max_bytes: usize,
    },
    Address,
    /// Up to [`PREFIXES_MAX`](crate::limits::PREFIXES_MAX) of them.
    Prefixes,
    /// Of a file in any one folder.
    FileName,
    /// A path and what it is answered with.
    Answer,
    /// A path and where it leads.
    Redirect,
}

impl Kind {
    /// How often a key of this kind may stand in one section.
    pub const fn times_max(self) -> usize {
        match self {
            Kind::Answer | Kind::Redirect => ROUTES_MAX,
            _ => 1,
        }
    }
}

//! The configuration language: INI lines read without heap into a bounded [`Document`] whose values are borrowed from
//! the text.
//!
//! In data-flow order: `line` gives a line its shape, `names` finds what a name means in the table of `directives`,
//! `judge` asks `value` whether a key takes what was written, `parse` and `assignment` fill the document, `cross`
//! checks what no single line shows. What is wrong becomes a [`Problem`]; what is right is looked up through
//! [`Section`] and cannot fail. `help`, `reference` and `dump` are printed from the same table.

mod address;
mod assignment;
mod cross;
mod cut;
mod directives;
mod document;
mod dump;
mod entry;
mod fault;
mod help;
mod judge;
mod kind;
mod line;
mod names;
mod parse;
mod prefixes;
mod problem;
mod reference;
mod routes;
#[cfg(test)]
mod tests;
mod value;

pub use address::Address;
pub use directives::{DIRECTIVES, SECTIONS};
pub use document::{Document, Section};
pub use dump::dump;
pub use fault::Fault;
pub use help::help;
pub use kind::{Directive, Kind, SectionKind};
pub use problem::{Origin, Problem};
pub use reference::reference;
pub use routes::{Answer, Redirect};

//! The one gate a written value passes before it is kept.

use super::directives::{Directive, Kind};
use super::fault::Fault;
use super::line::{Refusal, unquote};
use super::problem::Place;
use super::{names, value};

/// The value without its quotes, if its key takes it.
pub fn value<'t>(place: Place<'t>, directive: &'static Directive, written: &'t str) -> Result<&'t str, Refusal<'t>> {
    let value = unquote(place, written)?;
    if value::is_valid(directive.kind, value) {
        return Ok(value);
    }
    let nearest = match directive.kind {
        Kind::Choice(words) => names::nearest(value, words.iter().copied()),
        _ => None,
    };
    Err((place.at(written), Fault::BadValue { directive, value, nearest }))
}

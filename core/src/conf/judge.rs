//! The one gate a written value passes before it is kept.

use super::fault::Fault;
use super::kind::{Directive, Kind};
use super::line::{Refusal, unquote};
use super::problem::Place;
use super::{names, prefixes, routes, value};

/// The value without its quotes, if its key takes it. A choice comes back as the table spells it, so that its readers
/// need not care how it was written.
pub fn value<'t>(place: Place<'t>, directive: &'static Directive, written: &'t str) -> Result<&'t str, Refusal<'t>> {
    let value = unquote(place, written)?;
    let mut nearest = None;
    if let Kind::Choice(words) = directive.kind {
        if let Some(word) = value::choice(words, value) {
            return Ok(word);
        }
        nearest = names::nearest(value, words.iter().copied());
    } else if let (Kind::Prefixes, Some((item, wrong))) = (directive.kind, prefixes::wrong(value)) {
        return Err((place.at(item), Fault::BadPrefix { directive, item, wrong }));
    } else if let Some((item, wrong)) = wrong_part(directive.kind, value) {
        return Err((place.at(item), Fault::BadPart { directive, item, wrong }));
    } else if value::is_valid(directive.kind, value) {
        return Ok(value);
    }
    Err((place.at(written), Fault::BadValue { directive, value, nearest }))
}

/// The part of a value of several parts that is wrong.
fn wrong_part(kind: Kind, value: &str) -> Option<(&str, routes::Wrong)> {
    match kind {
        Kind::Answer if !value.is_empty() => routes::answer(value).err(),
        Kind::Redirect if !value.is_empty() => routes::redirect(value).err(),
        _ => None,
    }
}

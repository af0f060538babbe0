//! From a written name to what it names, or to the name that was probably meant.

use super::directives::{DIRECTIVES, SECTIONS, of_section};
use super::fault::Fault;
use super::kind::{Directive, SectionKind};

pub fn section(name: &str) -> Result<&'static SectionKind, Fault<'_>> {
    let known = SECTIONS.iter().find(|kind| kind.name.eq_ignore_ascii_case(name));
    known.ok_or_else(|| Fault::UnknownSection { name, nearest: nearest(name, SECTIONS.iter().map(|kind| kind.name)) })
}

pub fn directive<'p>(section: &'static SectionKind, key: &'p str) -> Result<&'static Directive, Fault<'p>> {
    if let Some(directive) = of_section(section.name).find(|directive| directive.key.eq_ignore_ascii_case(key)) {
        return Ok(directive);
    }
    Err(match anywhere(key) {
        Some(directive) => Fault::KeyElsewhere { directive },
        None => {
            let nearest = nearest(key, of_section(section.name).map(|directive| directive.key));
            Fault::UnknownKey { key, section: section.name, nearest }
        }
    })
}

/// The key, whichever its section.
pub fn anywhere(key: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.key.eq_ignore_ascii_case(key))
}

/// The known name at most two slips of the finger away, one for a word of four letters; of equals the first.
pub fn nearest(written: &str, known: impl Iterator<Item = &'static str> + Clone) -> Option<&'static str> {
    let slips_max = if written.chars().count() < 5 { 1 } else { 2 };
    (1..=slips_max)
        .find_map(|slips| known.clone().find(|name| distance(written.as_bytes(), name.as_bytes(), slips).is_some()))
}

/// Letters to insert, delete, change or swap with their neighbour, if no more than `budget`. The recursion is as deep
/// as the budget.
fn distance(mut a: &[u8], mut b: &[u8], budget: usize) -> Option<usize> {
    while let (Some((x, rest_a)), Some((y, rest_b))) = (a.split_first(), b.split_first())
        && x.eq_ignore_ascii_case(y)
    {
        (a, b) = (rest_a, rest_b);
    }
    let (Some((x, rest_a)), Some((y, rest_b))) = (a.split_first(), b.split_first()) else {
        let left = a.len().max(b.len());
        return (left <= budget).then_some(left);
    };
    let budget = budget.checked_sub(1)?;
    let swapped = match (rest_a.split_first(), rest_b.split_first()) {
        (Some((x2, tail_a)), Some((y2, tail_b))) if x.eq_ignore_ascii_case(y2) && y.eq_ignore_ascii_case(x2) => {
            distance(tail_a, tail_b, budget)
        }
        _ => None,
    };
    let ways = [distance(rest_a, rest_b, budget), distance(rest_a, b, budget), distance(a, rest_b, budget), swapped];
    ways.into_iter().flatten().min().map(|found| found.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_the_four_slips_of_a_finger() {
        let measure = |a: &str, b: &str| distance(a.as_bytes(), b.as_bytes(), 2);
        assert_eq!(measure("Port", "port"), Some(0));
        assert_eq!(measure("Prot", "Port"), Some(1));
        assert_eq!(measure("Por", "Port"), Some(1));
        assert_eq!(measure("Poort", "Port"), Some(1));
        assert_eq!(measure("Pork", "Port"), Some(1));
        assert_eq!(measure("rPot", "Port"), Some(2));
        assert_eq!(measure("abcd", "Port"), None);
        assert_eq!(measure("", "Po"), Some(2));
    }

    #[test]
    fn the_nearer_name_wins_and_a_short_word_must_be_near() {
        let names = ["Level", "File", "Fuel"];
        assert_eq!(nearest("Fuell", names.into_iter()), Some("Fuel"));
        assert_eq!(nearest("Fil", names.into_iter()), Some("File"));
        assert_eq!(nearest("Fxx", names.into_iter()), None);
        assert_eq!(nearest("Levels", names.into_iter()), Some("Level"));
    }

    #[test]
    fn a_key_of_another_section_is_told_its_home() {
        let log = section("LOG").unwrap();
        assert!(matches!(directive(log, "listenport"), Err(Fault::KeyElsewhere { .. })));
        assert_eq!(directive(log, "level").unwrap().key, "Level");
    }
}

//! What a written value means. The parser asks before it keeps one, so a lookup may read it again without a doubt.

use super::address::Address;
use super::kind::Kind;
use super::{prefixes, routes};

const KILO: u64 = 1 << 10;
const SECOND_MS: u64 = 1_000;

/// The units of a size, the largest first.
pub const SIZES: [(&str, u64); 3] = [("G", KILO * KILO * KILO), ("M", KILO * KILO), ("K", KILO)];
/// The units of a time, the largest first.
pub const TIMES: [(&str, u64); 5] =
    [("d", 24 * 60 * 60 * SECOND_MS), ("h", 60 * 60 * SECOND_MS), ("m", 60 * SECOND_MS), ("s", SECOND_MS), ("ms", 1)];

/// A value of this kind, within its bounds.
pub fn is_valid(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Number { min, max } => within(digits(text), min, max),
        Kind::NumberOrAuto { min, max } => is_auto(text) || within(digits(text), min, max),
        Kind::Size { min, max } => within(size(text), min, max),
        Kind::SizeOrNone { min, max } => size(text).is_some_and(|size| size == 0 || (min..=max).contains(&size)),
        Kind::Time { max_ms } => within(time_ms(text), 0, max_ms),
        Kind::Switch => switch(text).is_some(),
        Kind::Choice(words) => choice(words, text).is_some(),
        Kind::Text { max_bytes } => text.len() <= max_bytes,
        Kind::Address => Address::read(text).is_some(),
        Kind::Prefixes => prefixes::wrong(text).is_none(),
        Kind::FileName => text.is_empty() || routes::is_name(text),
        Kind::Answer => text.is_empty() || routes::answer(text).is_ok(),
        Kind::Redirect => text.is_empty() || routes::redirect(text).is_ok(),
    }
}

fn within(value: Option<u64>, min: u64, max: u64) -> bool {
    value.is_some_and(|value| (min..=max).contains(&value))
}

/// A number is digits and nothing else: no sign, no blank.
pub fn digits(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'))?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

pub fn is_auto(text: &str) -> bool {
    text.eq_ignore_ascii_case("auto")
}

/// Bytes: `4096`, `4K`, `4k`, `1M`, `1G`.
pub fn size(text: &str) -> Option<u64> {
    for (unit, bytes) in SIZES {
        let count = text.strip_suffix(unit).or_else(|| text.strip_suffix(lower(unit)));
        if let Some(count) = count {
            return digits(count)?.checked_mul(bytes);
        }
    }
    digits(text)
}

fn lower(unit: &str) -> char {
    unit.chars().next().map_or(' ', |letter| letter.to_ascii_lowercase())
}

/// Milliseconds: `250ms`, `30s`, `5m`, `24h`, `1d`, and seconds without a unit.
pub fn time_ms(text: &str) -> Option<u64> {
    let number_bytes = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, written) = text.split_at_checked(number_bytes)?;
    let unit_ms = match written {
        "" => SECOND_MS,
        _ => TIMES.iter().find(|(unit, _)| *unit == written)?.1,
    };
    digits(count)?.checked_mul(unit_ms)
}

pub fn switch(text: &str) -> Option<bool> {
    const WORDS: [(&str, bool); 6] =
        [("1", true), ("on", true), ("yes", true), ("0", false), ("off", false), ("no", false)];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, state)| *state)
}

/// The word as the table spells it.
pub fn choice(words: &'static [&'static str], text: &str) -> Option<&'static str> {
    words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied()
}

/// The value as the seed's `GetIntDefault` counts it: numbers and sizes as such, a switch as 0 or 1, a time in the
/// seconds a plain number means, a text only if it is an integer.
pub fn integer(kind: Kind, text: &str) -> Option<i64> {
    let value = match kind {
        Kind::Number { .. } | Kind::NumberOrAuto { .. } => digits(text),
        Kind::Size { .. } | Kind::SizeOrNone { .. } => size(text),
        Kind::Time { .. } => time_ms(text).map(|ms| ms / SECOND_MS),
        Kind::Switch => switch(text).map(u64::from),
        Kind::Choice(_) | Kind::Address | Kind::Prefixes | Kind::FileName | Kind::Answer | Kind::Redirect => None,
        Kind::Text { .. } => {
            if let Some(count) = text.strip_prefix('-') {
                return i64::try_from(digits(count)?).ok()?.checked_neg();
            }
            digits(text)
        }
    };
    i64::try_from(value?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_alone() {
        assert_eq!(digits("007"), Some(7));
        assert_eq!(digits("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "-1", "+1", "1 ", "0x10", "1_000", "18446744073709551616", "１"] {
            assert_eq!(digits(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_take_units_of_either_case() {
        assert_eq!(size("2K"), Some(2048));
        assert_eq!(size("2k"), Some(2048));
        assert_eq!(size("3m"), Some(3 << 20));
        assert_eq!(size("1G"), Some(1 << 30));
        assert_eq!(size("512"), Some(512));
        for bad in ["K", "", "2KB", "2 K", "18446744073709551615K", "1.5K"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_without_a_unit_is_seconds() {
        assert_eq!(time_ms("30"), Some(30_000));
        assert_eq!(time_ms("250ms"), Some(250));
        assert_eq!(time_ms("5m"), Some(300_000));
        assert_eq!(time_ms("24h"), time_ms("1d"));
        for bad in ["", "s", "1 s", "1M", "1h30m", "18446744073709551615d", "-1s"] {
            assert_eq!(time_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn bounds_belong_to_the_range() {
        let kind = Kind::Number { min: 1, max: 3 };
        assert!(is_valid(kind, "1") && is_valid(kind, "3"));
        assert!(!is_valid(kind, "0") && !is_valid(kind, "4") && !is_valid(kind, "auto"));
        assert!(is_valid(Kind::NumberOrAuto { min: 1, max: 3 }, "Auto"));
        assert!(is_valid(Kind::Time { max_ms: 500 }, "0") && !is_valid(Kind::Time { max_ms: 500 }, "1"));
        let none = Kind::SizeOrNone { min: 1_024, max: 2_048 };
        assert!(is_valid(none, "0") && is_valid(none, "1K") && is_valid(none, "2K"));
        assert!(!is_valid(none, "1") && !is_valid(none, "1023") && !is_valid(none, "3K"));
        assert!(is_valid(Kind::Text { max_bytes: 2 }, "ab") && !is_valid(Kind::Text { max_bytes: 2 }, "é1"));
    }

    #[test]
    fn words_match_in_any_case() {
        assert_eq!((switch("ON"), switch("No"), switch("true")), (Some(true), Some(false), None));
        assert_eq!((choice(&["echo"], "ECHO"), choice(&["echo"], "ech")), (Some("echo"), None));
    }

    #[test]
    fn an_integer_counts_in_the_unit_of_a_plain_number() {
        assert_eq!(integer(Kind::Time { max_ms: u64::MAX }, "5m"), Some(300));
        assert_eq!(integer(Kind::Switch, "on"), Some(1));
        let text = Kind::Text { max_bytes: 99 };
        assert_eq!((integer(text, "-7"), integer(text, "7"), integer(text, "127.0.0.1")), (Some(-7), Some(7), None));
    }
}

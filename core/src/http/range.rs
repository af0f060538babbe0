//! `Range` (RFC 9110 14): one part of a body, or all of it.

use super::bytes::{list, number};

/// What a range asks for of a body of a known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranged {
    /// No range, several, or none of ours: the whole body with a 200, as RFC 9110 14.2 allows for each of them.
    Whole,
    /// 206.
    Part { first: u64, len: u64 },
    /// 416.
    Unsatisfiable,
}

/// Reads a `Range` for a body of `len` bytes.
pub fn read(value: &[u8], len: u64) -> Ranged {
    let Some((unit, set)) = value.iter().position(|byte| *byte == b'=').and_then(|at| value.split_at_checked(at))
    else {
        return Ranged::Whole;
    };
    let mut ranges = list(set.get(1..).unwrap_or(&[]));
    let (Some(one), None) = (ranges.next(), ranges.next()) else { return Ranged::Whole };
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return Ranged::Whole;
    }
    let Some((first, last)) = one.iter().position(|byte| *byte == b'-').and_then(|at| one.split_at_checked(at)) else {
        return Ranged::Whole;
    };
    let last = last.get(1..).unwrap_or(&[]);
    match (first, number(first), last, number(last)) {
        // The last so many.
        ([], _, _, Some(0)) => Ranged::Unsatisfiable,
        ([], _, _, Some(_)) if len == 0 => Ranged::Whole,
        ([], _, _, Some(suffix)) => {
            let first = len.saturating_sub(suffix);
            Ranged::Part { first, len: len.wrapping_sub(first) }
        }
        (_, Some(first), [], _) if first < len => Ranged::Part { first, len: len.wrapping_sub(first) },
        (_, Some(_), [], _) => Ranged::Unsatisfiable,
        (_, Some(first), _, Some(last)) if last < first => Ranged::Whole,
        (_, Some(first), _, Some(_)) if first >= len => Ranged::Unsatisfiable,
        (_, Some(first), _, Some(last)) => {
            Ranged::Part { first, len: last.min(len.wrapping_sub(1)).wrapping_sub(first).wrapping_add(1) }
        }
        _ => Ranged::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_a_part_and_everything_else_is_whole_or_refused() {
        use Ranged::*;
        let part = |first, len| Part { first, len };
        for (value, of, is) in [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=0-9", 10, part(0, 10)),
            ("bytes=0-99", 10, part(0, 10)),
            ("bytes=5-", 10, part(5, 5)),
            ("bytes=-3", 10, part(7, 3)),
            ("bytes=-30", 10, part(0, 10)),
            ("BYTES=1-2", 10, part(1, 2)),
            ("bytes= 1-2 ", 10, part(1, 2)),
            ("bytes=1-2,", 10, part(1, 2)),
            ("bytes=9-9", 10, part(9, 1)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=10-20", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-1", 0, Whole),
            ("bytes=18446744073709551615-", 10, Unsatisfiable),
            ("bytes=99999999999999999999-", 10, Unsatisfiable),
            ("bytes=0-99999999999999999999", 10, part(0, 10)),
            ("bytes=0-18446744073709551615", u64::MAX, part(0, u64::MAX)),
            ("bytes=0-1,3-4", 10, Whole),
            ("bytes=2-1", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=1", 10, Whole),
            ("bytes=1-2-3", 10, Whole),
            ("bytes=--1", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes = 1-2", 10, Whole),
            ("lines=1-2", 10, Whole),
            ("1-2", 10, Whole),
            ("", 10, Whole),
        ] {
            assert_eq!(read(value.as_bytes(), of), is, "{value} of {of}");
        }
    }
}

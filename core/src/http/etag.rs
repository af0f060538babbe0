//! Entity tags (RFC 9110 8.8.3): ours, always strong, and lists of those a client holds.

use super::bytes::{ETAG, run_of, trimmed};

/// Bytes of a tag as it is sent: sixteen digits in quotes.
pub const ETAG_BYTES: usize = 18;

/// The tag of a version: the same for the same number, and only for it.
pub fn write(version: u64) -> [u8; ETAG_BYTES] {
    let mut tag = [b'"'; ETAG_BYTES];
    for (half, version) in [(0, version >> 32), (1, version & 0xffff_ffff)] {
        let into = tag.get_mut(1 + half * 8..).and_then(|tag| tag.first_chunk_mut::<8>());
        if let Some(into) = into {
            *into = hex(version).to_be_bytes();
        }
    }
    tag
}

/// Thirty-two bits as eight hexadecimal digits, all at once.
const fn hex(mut bits: u64) -> u64 {
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Ten and above carry into the high half of their byte when six is added: a letter.
    let letters = (bits.wrapping_add(0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    bits.wrapping_add(0x3030_3030_3030_3030).wrapping_add(letters.wrapping_mul(0x27))
}

/// How tags are compared (RFC 9110 8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// A weak tag equals nothing.
    Strong,
    /// A weak tag equals the strong one of the same text.
    Weak,
}

/// Whether a list of tags, or `*`, holds ours. What is no tag ends the list.
pub fn matches(mut list: &[u8], ours: &[u8; ETAG_BYTES], compare: Compare) -> bool {
    list = trimmed(list);
    if list == b"*" {
        return true;
    }
    while let Some((weak, tag, rest)) = first(list) {
        if tag == ours && !(weak && compare == Compare::Strong) {
            return true;
        }
        list = match trimmed(rest) {
            [b',', rest @ ..] => trimmed(rest),
            _ => return false,
        };
    }
    false
}

/// The first tag: whether it is weak, its text with the quotes, and what follows.
fn first(list: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (weak, list) = match list {
        [b'W', b'/', rest @ ..] => (true, rest),
        _ => (false, list),
    };
    let inside = list.strip_prefix(b"\"")?;
    let len = run_of(inside, ETAG);
    if inside.get(len) != Some(&b'"') {
        return None;
    }
    let (tag, rest) = list.split_at_checked(len.wrapping_add(2))?;
    Some((weak, tag, rest))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn a_version_is_written_as_sixteen_digits() {
        let mut version = 1u64;
        for _ in 0..10_000 {
            assert_eq!(write(version)[..], *std::format!("\"{version:016x}\"").as_bytes());
            version = version.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        }
    }

    #[test]
    fn lists_are_searched_to_the_letter() {
        let ours = write(0xab);
        for (list, strong, weak) in [
            (&b"\"00000000000000ab\""[..], true, true),
            (b"W/\"00000000000000ab\"", false, true),
            (b"w/\"00000000000000ab\"", false, false),
            (b"*", true, true),
            (b"\"a\", \"00000000000000ab\"", true, true),
            (b"\"a,b\" ,\tW/\"c\",\"00000000000000ab\"", true, true),
            (b"\"a\" \"00000000000000ab\"", false, false),
            (b"00000000000000ab", false, false),
            (b"\"00000000000000ab", false, false),
            (b"\"\"", false, false),
            (b"", false, false),
            (b"\"a\", *", false, false),
        ] {
            assert_eq!(matches(list, &ours, Compare::Strong), strong, "{}", list.escape_ascii());
            assert_eq!(matches(list, &ours, Compare::Weak), weak, "{}", list.escape_ascii());
        }
    }
}

//! Where a listener listens, as people write it: `*`, `192.0.2.1`, `2001:db8::1`, `[::1]`, `fe80::1%2`, `unix:/path`.
//!
//! A host name is none: it would need a resolver at start and could change between two workers. The parsers of
//! `core::net` serve as the tests' measure only, because they carry panics that nothing reaches into the firmware.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::cut;
use crate::limits::UNIX_PATH_BYTES_MAX;

/// Two spellings of one address are equal here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'t> {
    /// Every IPv4 and IPv6 address.
    Any,
    V4(Ipv4Addr),
    /// With the number of the interface of a link-local address, or 0.
    V6(Ipv6Addr, u32),
    Unix(&'t str),
}

impl<'t> Address<'t> {
    /// `None` for whatever is not an address in one of these forms.
    pub fn read(text: &'t str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty() && path.len() <= UNIX_PATH_BYTES_MAX).then_some(Self::Unix(path));
        }
        if let Some(bits) = v4_bits(text) {
            return Some(Self::V4(Ipv4Addr::from_bits(bits)));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let (v6, scope) = match cut::first(bare, b'%') {
            Some((v6, scope)) => (v6, super::value::digits(scope).and_then(|scope| u32::try_from(scope).ok())?),
            None => (bare, 0),
        };
        let v6 = Ipv6Addr::from_bits(v6_bits(v6)?);
        // Linux refuses a mapped address on a socket for IPv6 alone; what it means is the IPv4 address.
        Some(v6.to_ipv4_mapped().map_or(Self::V6(v6, scope), Self::V4))
    }
}

/// Four decimal numbers without leading zeros, which some programs take for octal.
pub(super) fn v4_bits(text: &str) -> Option<u32> {
    let (mut bits, mut count) = (0_u32, 0_u32);
    for part in cut::pieces(text, b'.') {
        let octet = u8::try_from(super::value::digits(part)?).ok()?;
        if count == 4 || part.len() > 1 && part.starts_with('0') {
            return None;
        }
        bits = bits.wrapping_shl(8) | u32::from(octet);
        count = count.wrapping_add(1);
    }
    (count == 4).then_some(bits)
}

/// RFC 4291, 2.2: eight groups, or fewer around one `::`; the last two may be an IPv4 address.
pub(super) fn v6_bits(text: &str) -> Option<u128> {
    let Some((head, tail)) = at_gap(text) else {
        let (bits, count) = groups(text, true)?;
        return (count == 8).then_some(bits);
    };
    let (head, head_count) = groups(head, false)?;
    let (tail, tail_count) = groups(tail, true)?;
    let gap = 8_u32.checked_sub(head_count.saturating_add(tail_count)).filter(|gap| *gap > 0)?;
    // Without a head the shift is as wide as the number, and there is nothing to shift.
    let head = head.checked_shl(gap.saturating_add(tail_count).saturating_mul(16)).unwrap_or(0);
    Some(head | tail)
}

/// What stands before and behind the first `::`.
fn at_gap(text: &str) -> Option<(&str, &str)> {
    let gap = text.as_bytes().windows(2).position(|pair| pair == b"::")?;
    let (head, tail) = text.split_at_checked(gap)?;
    Some((head, tail.get(2..)?))
}

/// The groups between colons and how many they are.
fn groups(text: &str, v4_may_end: bool) -> Option<(u128, u32)> {
    let (mut bits, mut count) = (0_u128, 0_u32);
    if text.is_empty() {
        return Some((0, 0));
    }
    let mut parts = cut::pieces(text, b':').peekable();
    while let Some(part) = parts.next() {
        let (group, width) = match v4_bits(part) {
            Some(v4) if v4_may_end && parts.peek().is_none() => (v4, 2),
            _ => (hex(part)?, 1),
        };
        count = count.saturating_add(width);
        if count > 8 {
            return None;
        }
        bits = bits.wrapping_shl(width.wrapping_mul(16)) | u128::from(group);
    }
    Some((bits, count))
}

/// One to four hexadecimal digits.
fn hex(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    text.chars().try_fold(0, |value: u32, digit| Some(value.wrapping_shl(4) | digit.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for good in ["*", "0.0.0.0", "127.0.0.1", "::", "[::1]", "fe80::1%2", "unix:/run/x", "unix:x", "::ffff:1.2.3.4"]
        {
            assert!(Address::read(good).is_some(), "{good}");
        }
        for bad in
            ["", "localhost", "1.2.3", "1.2.3.256", "1.2.3.4:80", "unix:", "fe80::1%eth0", "[1.2.3.4]", ":::", "[]"]
        {
            assert_eq!(Address::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn two_spellings_of_one_address_are_equal() {
        assert_eq!(Address::read("[0:0::0:1]"), Address::read("::1"));
        assert_eq!(Address::read("::ffff:192.0.2.1"), Address::read("192.0.2.1"));
        assert_ne!(Address::read("fe80::1%1"), Address::read("fe80::1%2"));
    }

    #[test]
    fn a_unix_path_longer_than_the_kernel_takes_is_none() {
        let path = [b'p'; UNIX_PATH_BYTES_MAX + 6];
        let mut text = b"unix:".to_vec();
        text.extend_from_slice(&path);
        let text = core::str::from_utf8(&text).unwrap();
        assert!(Address::read(&text[..5 + UNIX_PATH_BYTES_MAX]).is_some());
        assert!(Address::read(&text[..6 + UNIX_PATH_BYTES_MAX]).is_none());
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them() {
        let pieces = [
            "0", "1", "00", "12", "255", "256", "ffff", "12345", "g", ".", ".", ".", ":", ":", ":", "::", "1.2.3.4",
            "a:b",
        ];
        let mut dice = 0x5678_u64;
        let mut good = 0;
        for _ in 0..200_000 {
            let mut text = std::string::String::new();
            for _ in 0..16 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces.get((dice >> 33) as usize % (pieces.len() + 8)).unwrap_or(&""));
            }
            assert_eq!(v4_bits(&text).map(Ipv4Addr::from_bits), text.parse().ok(), "{text}");
            assert_eq!(v6_bits(&text).map(Ipv6Addr::from_bits), text.parse().ok(), "{text}");
            good += u32::from(v6_bits(&text).is_some());
        }
        assert!(good > 0);
        for text in [
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1::2:3:4:5:6:7:8",
            "1:2:3:4:5:6:1.2.3.4",
            "::1.2.3.4",
            "1.2.3.4::",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1::2::3",
            "FFFF::aBc",
        ] {
            assert_eq!(v6_bits(text).map(Ipv6Addr::from_bits), text.parse().ok(), "{text}");
        }
    }
}

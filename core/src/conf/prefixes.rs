//! A list of prefixes as people write it: `192.0.2.0/24, 2001:db8::/32, ::1, unix:` or `all`.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::address::{v4_bits, v6_bits};
use super::{cut, value};
use crate::limits::PREFIXES_MAX;
use crate::prefix::Prefix;

/// What is wrong with an item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is no prefix.
    Item,
    /// Bits are set behind the prefix: one of the two is not what was meant.
    Tail,
    /// It is one more than there may be.
    Many,
}

/// The items of a list, without the commas and blanks between them.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    cut::pieces(text, b',')
        .flat_map(|part| cut::pieces(part, b' '))
        .flat_map(|part| cut::pieces(part, b'\t'))
        .filter(|item| !item.is_empty())
}

/// The first item that its key does not take, and why.
pub fn wrong(text: &str) -> Option<(&str, Wrong)> {
    items(text).enumerate().find_map(|(at, item)| match read(item) {
        None => Some((item, Wrong::Item)),
        Some(prefix) if !prefix.is_clean() => Some((item, Wrong::Tail)),
        Some(_) => (at >= PREFIXES_MAX).then_some((item, Wrong::Many)),
    })
}

/// One prefix; an address alone is a prefix of all its bits.
pub fn read(item: &str) -> Option<Prefix> {
    if item.eq_ignore_ascii_case("all") {
        return Some(Prefix::All);
    }
    if item == "unix:" {
        return Some(Prefix::Unix);
    }
    let (address, bits) = match cut::first(item, b'/') {
        Some((address, bits)) => (address, Some(u8::try_from(value::digits(bits)?).ok()?)),
        None => (item, None),
    };
    if let Some(v4) = v4_bits(address) {
        let bits = bits.unwrap_or(32);
        return (bits <= 32).then_some(Prefix::V4 { net: Ipv4Addr::from_bits(v4), bits });
    }
    let net = Ipv6Addr::from_bits(v6_bits(address)?);
    let bits = bits.unwrap_or(128);
    match net.to_ipv4_mapped() {
        // What a mapped prefix means is the IPv4 prefix behind its first 96 bits.
        Some(net) if (96..=128).contains(&bits) => Some(Prefix::V4 { net, bits: bits.wrapping_sub(96) }),
        _ => (bits <= 128).then_some(Prefix::V6 { net, bits }),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::String;

    #[test]
    fn prefixes_are_read_as_people_write_them() {
        let v4 = |net: [u8; 4], bits| Some(Prefix::V4 { net: net.into(), bits });
        assert_eq!(
            (read("all"), read("ALL"), read("unix:")),
            (Some(Prefix::All), Some(Prefix::All), Some(Prefix::Unix))
        );
        assert_eq!((read("192.0.2.0/24"), read("192.0.2.1")), (v4([192, 0, 2, 0], 24), v4([192, 0, 2, 1], 32)));
        assert_eq!((read("0.0.0.0/0"), read("::ffff:10.0.0.0/104")), (v4([0; 4], 0), v4([10, 0, 0, 0], 8)));
        let net = "2001:db8::".parse().unwrap();
        assert_eq!(read("2001:db8::/32"), Some(Prefix::V6 { net, bits: 32 }));
        assert_eq!(read("::/0"), Some(Prefix::V6 { net: Ipv6Addr::UNSPECIFIED, bits: 0 }));
        for bad in [
            "",
            "/",
            "10/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "::/129",
            "::1/1/1",
            "localhost",
            "*",
            "unix:/x",
            "fe80::1%2",
            "[::1]",
            "10.0.0.0/256",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_list_is_cut_at_commas_and_blanks() {
        assert!(items("").eq([""; 0]) && items(" , ,\t").eq([""; 0]));
        assert!(items("a,b c\td , e,").eq(["a", "b", "c", "d", "e"]));
    }

    #[test]
    fn the_first_wrong_item_is_named() {
        assert_eq!(wrong("10.0.0.0/8, all ::1,unix:"), None);
        assert_eq!(wrong("10.0.0.0/8, 10.0.0, x"), Some(("10.0.0", Wrong::Item)));
        assert_eq!(wrong("all 10.0.0.1/8"), Some(("10.0.0.1/8", Wrong::Tail)));
        assert_eq!(wrong("2001:db8::1/32"), Some(("2001:db8::1/32", Wrong::Tail)));
        let mut many: String = ["::1,"; PREFIXES_MAX].concat();
        assert_eq!(wrong(&many), None);
        many.push_str("::2");
        assert_eq!(wrong(&many), Some(("::2", Wrong::Many)));
    }
}

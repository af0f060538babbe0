//! Prefixes of addresses: who may come in (`Allow`) and who may not (`Deny`).
//!
//! Apart from the configuration, which reads them, so that firmware can lend a list of its own. An IPv4-mapped address
//! is the IPv4 address; an IPv6 prefix, however short, holds no IPv4 peer.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A set of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Everyone, whatever their family.
    All,
    /// Peers of a local socket.
    Unix,
    /// The addresses that begin with these bits; the rest of `net` is zero.
    V4 {
        net: Ipv4Addr,
        bits: u8,
    },
    V6 {
        net: Ipv6Addr,
        bits: u8,
    },
}

impl Prefix {
    /// Whether a peer with this address is in the set; `None` is a peer of a local socket.
    pub fn holds(&self, address: Option<IpAddr>) -> bool {
        let address = address.map(|address| address.to_canonical());
        match (*self, address) {
            (Self::All, _) | (Self::Unix, None) => true,
            (Self::V4 { net, bits }, Some(IpAddr::V4(ip))) => v4_head(ip, bits) == net,
            (Self::V6 { net, bits }, Some(IpAddr::V6(ip))) => v6_head(ip, bits) == net,
            _ => false,
        }
    }

    /// Whether the address this was written with ends where the prefix does.
    pub(crate) fn is_clean(&self) -> bool {
        match *self {
            Self::All | Self::Unix => true,
            Self::V4 { net, bits } => v4_head(net, bits) == net,
            Self::V6 { net, bits } => v6_head(net, bits) == net,
        }
    }
}

fn v4_head(ip: Ipv4Addr, bits: u8) -> Ipv4Addr {
    let rest = u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
    Ipv4Addr::from_bits(ip.to_bits() & !rest)
}

fn v6_head(ip: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let rest = u128::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
    Ipv6Addr::from_bits(ip.to_bits() & !rest)
}

/// Deny comes first; where something is allowed by name, everyone else is not.
pub(crate) fn lets_in(allow: &[Prefix], deny: &[Prefix], address: Option<IpAddr>) -> bool {
    let held = |list: &[Prefix]| list.iter().any(|prefix| prefix.holds(address));
    !held(deny) && (allow.is_empty() || held(allow))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(net: [u8; 4], bits: u8) -> Prefix {
        Prefix::V4 { net: net.into(), bits }
    }

    fn holds(prefix: Prefix, text: &str) -> bool {
        prefix.holds(Some(text.parse().unwrap()))
    }

    #[test]
    fn a_prefix_holds_what_begins_with_it() {
        let ten = v4([10, 0, 0, 0], 8);
        assert!(holds(ten, "10.255.0.1") && holds(ten, "::ffff:10.0.0.1"));
        assert!(!holds(ten, "11.0.0.0") && !holds(ten, "a00::"));
        let odd = v4([192, 0, 2, 128], 25);
        assert!(holds(odd, "192.0.2.128") && holds(odd, "192.0.2.255") && !holds(odd, "192.0.2.127"));
        let one = v4([192, 0, 2, 1], 32);
        assert!(holds(one, "192.0.2.1") && !holds(one, "192.0.2.0"));
        let six = Prefix::V6 { net: "2001:db8::".parse().unwrap(), bits: 32 };
        assert!(holds(six, "2001:db8:ffff::1") && !holds(six, "2001:db9::"));
        let one = Prefix::V6 { net: "::1".parse().unwrap(), bits: 128 };
        assert!(holds(one, "::1") && !holds(one, "::2"));
    }

    #[test]
    fn an_empty_prefix_holds_its_own_family_only() {
        let (four, six) = (v4([0; 4], 0), Prefix::V6 { net: Ipv6Addr::UNSPECIFIED, bits: 0 });
        assert!(holds(four, "1.2.3.4") && !holds(four, "::1") && !four.holds(None));
        assert!(holds(six, "::1") && !holds(six, "1.2.3.4") && !holds(six, "::ffff:1.2.3.4"));
        assert!(Prefix::Unix.holds(None) && !holds(Prefix::Unix, "1.2.3.4"));
        assert!(Prefix::All.holds(None) && holds(Prefix::All, "::1"));
    }

    #[test]
    fn deny_comes_first_and_an_allow_list_is_exclusive() {
        let (ten, one) = (v4([10, 0, 0, 0], 8), v4([10, 0, 0, 1], 32));
        let asks = |allow: &[Prefix], deny: &[Prefix]| {
            ["10.0.0.1", "10.0.0.2", "11.0.0.1"].map(|ip| lets_in(allow, deny, Some(ip.parse().unwrap())))
        };
        assert_eq!(asks(&[], &[]), [true; 3]);
        assert_eq!(asks(&[], &[one]), [false, true, true]);
        assert_eq!(asks(&[ten], &[]), [true, true, false]);
        assert_eq!(asks(&[ten], &[one]), [false, true, false]);
        assert_eq!(asks(&[one], &[ten]), [false; 3]);
        assert!(!lets_in(&[ten], &[], None) && lets_in(&[ten, Prefix::Unix], &[], None));
    }
}

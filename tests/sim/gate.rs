//! Whom a listener must refuse, decided a second time and as plainly as can be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tidegate_core::admission::{Admission, WhenFull};
use tidegate_core::net::Peer;
use tidegate_core::prefix::Prefix;
use tidegate_core::stats::Counter;

/// Lists that a seed may pick.
pub const LISTS: &[&[Prefix]] = &[
    &[],
    &[Prefix::All],
    &[Prefix::Unix],
    &[TEN_ZERO],
    &[TEN_ZERO, Prefix::Unix],
    &[Prefix::V4 { net: Ipv4Addr::new(10, 0, 0, 3), bits: 32 }, DOCUMENTATION],
    &[DOCUMENTATION, Prefix::V4 { net: Ipv4Addr::new(10, 0, 1, 0), bits: 30 }],
    &[Prefix::V6 { net: Ipv6Addr::UNSPECIFIED, bits: 0 }],
    &[Prefix::V4 { net: Ipv4Addr::UNSPECIFIED, bits: 0 }],
];

const TEN_ZERO: Prefix = Prefix::V4 { net: Ipv4Addr::new(10, 0, 0, 0), bits: 24 };
const DOCUMENTATION: Prefix = Prefix::V6 { net: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), bits: 63 };

/// The peer of a link. Few hosts of every kind, or one for each link.
pub fn peer_of(host: Option<usize>, link: usize) -> Peer {
    let port = 1024 + link as u16 % 5000;
    let low = link as u16;
    let ip: IpAddr = match host {
        None => Ipv4Addr::new(10, (link >> 16) as u8, (link >> 8) as u8, link as u8).into(),
        Some(7) => return Peer::Unix,
        Some(host) if host % 3 == 0 => Ipv4Addr::new(10, 0, 0, host as u8).into(),
        // As a world without a `canonical` of its own would tell it.
        Some(host) if host % 3 == 1 => Ipv4Addr::new(10, 0, 1, host as u8).to_ipv6_mapped().into(),
        // One network of IPv6, a new address for each link.
        Some(host) => Ipv6Addr::new(0x2001, 0xdb8, 0, host as u16, 9, 9, 9, low).into(),
    };
    Peer::Ip(SocketAddr::new(ip, port))
}

/// Whether these terms refuse the peer, while those are connected, and as what that is counted.
pub fn refuses(
    terms: &Admission<'_>,
    places: usize,
    peer: Peer,
    connected: impl Iterator<Item = Peer>,
) -> Option<Counter> {
    let held = |list: &[Prefix]| list.iter().any(|prefix| holds(prefix, peer));
    if held(terms.deny) || !terms.allow.is_empty() && !held(terms.allow) {
        return Some(Counter::RefusedDenied);
    }
    let connected: Vec<Peer> = connected.collect();
    let of_client = |client| connected.iter().filter(|other| client_of(**other).as_ref() == Some(&client)).count();
    if terms.per_client > 0 && client_of(peer).map_or(0, of_client) >= terms.per_client as usize {
        return Some(Counter::RefusedPerClient);
    }
    (terms.when_full == WhenFull::Refuse && connected.len() >= places).then_some(Counter::RefusedFull)
}

fn client_of(peer: Peer) -> Option<String> {
    let mut text = text_of(peer.ip()?.to_canonical());
    text.truncate(64);
    Some(text)
}

fn holds(prefix: &Prefix, peer: Peer) -> bool {
    let (net, bits) = match prefix {
        Prefix::All => return true,
        Prefix::Unix => return peer == Peer::Unix,
        Prefix::V4 { net, bits } => (text_of(IpAddr::V4(*net)), *bits),
        Prefix::V6 { net, bits } => (text_of(IpAddr::V6(*net)), *bits),
    };
    let Some(ip) = peer.ip().map(|ip| text_of(ip.to_canonical())) else { return false };
    ip.len() == net.len() && ip[..bits as usize] == net[..bits as usize]
}

/// An address as a text of ones and zeros.
fn text_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => format!("{:032b}", v4.to_bits()),
        IpAddr::V6(v6) => format!("{:0128b}", v6.to_bits()),
    }
}

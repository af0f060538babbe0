//! Wire text without heap and without `core::fmt`: addresses as people write them.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use heapless::String;
use ufmt::{uWrite, uwrite};

use crate::limits::PEER_TEXT_BYTES;
use crate::net::Peer;

/// A short text that fits any address with its port.
pub type PeerText = String<PEER_TEXT_BYTES>;

/// The text of a peer's address and port (the seed's `cc_sock_ntop`): `192.0.2.1:80`, `[2001:db8::1]:80`, `unix`.
pub fn sock_ntop(peer: Peer) -> PeerText {
    let mut text = PeerText::new();
    // The text is sized for the longest address, so writing cannot fail.
    let _ = match peer {
        Peer::Unix => text.push_str("unix").map_err(|_| ()),
        Peer::Ip(address) => write_socket(&mut text, address).map_err(|_| ()),
    };
    text
}

/// Writes an address with its port.
pub fn write_socket<W: uWrite + ?Sized>(out: &mut W, address: SocketAddr) -> Result<(), W::Error> {
    match address {
        SocketAddr::V4(v4) => {
            write_ipv4(out, *v4.ip())?;
            uwrite!(out, ":{}", v4.port())
        }
        SocketAddr::V6(v6) => {
            out.write_char('[')?;
            write_ipv6(out, *v6.ip())?;
            if v6.scope_id() != 0 {
                uwrite!(out, "%{}", v6.scope_id())?;
            }
            uwrite!(out, "]:{}", v6.port())
        }
    }
}

/// Writes an IPv4 address: four decimal numbers.
pub fn write_ipv4<W: uWrite + ?Sized>(out: &mut W, ip: Ipv4Addr) -> Result<(), W::Error> {
    let [a, b, c, d] = ip.octets();
    uwrite!(out, "{}.{}.{}.{}", a, b, c, d)
}

/// Writes an IPv6 address in the form of RFC 5952: lower case, the longest run of two or more zero groups (the first
/// of equals) as `::`, IPv4-mapped addresses with a dotted tail.
pub fn write_ipv6<W: uWrite + ?Sized>(out: &mut W, ip: Ipv6Addr) -> Result<(), W::Error> {
    if let Some(v4) = ip.to_ipv4_mapped() {
        out.write_str("::ffff:")?;
        return write_ipv4(out, v4);
    }
    let groups = ip.segments();
    let (mut run, mut best) = ((0, 0), (0, 1));
    for (at, group) in groups.iter().enumerate() {
        run = if *group == 0 { (run.0, run.1 + 1) } else { (at + 1, 0) };
        if run.1 > best.1 {
            best = run;
        }
    }
    let gap = if best.1 > 1 { best.0..best.0 + best.1 } else { 8..8 };
    for (at, group) in groups.iter().enumerate() {
        if at == gap.start && !gap.is_empty() {
            out.write_str("::")?;
        }
        if gap.contains(&at) {
            continue;
        }
        if at != 0 && at != gap.end {
            out.write_char(':')?;
        }
        write_hex(out, *group)?;
    }
    Ok(())
}

fn write_hex<W: uWrite + ?Sized>(out: &mut W, group: u16) -> Result<(), W::Error> {
    let mut started = false;
    for shift in [12, 8, 4, 0] {
        let digit = (group >> shift) & 15;
        started |= digit != 0 || shift == 0;
        if started {
            out.write_char(char::from(if digit < 10 { b'0' + digit as u8 } else { b'a' - 10 + digit as u8 }))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    /// The standard library is the judge: it writes RFC 5952 too.
    #[test]
    fn addresses_read_as_the_standard_library_writes_them() {
        let mut seed = 9u64;
        for round in 0..20_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let zeros = (seed >> 32) as u8;
            let groups: [u16; 8] =
                core::array::from_fn(
                    |i| if zeros >> i & 1 == 0 { 0 } else { (seed >> (i * 7)) as u16 >> (round % 16) },
                );
            let v6 = SocketAddr::from((groups, seed as u16));
            assert_eq!(sock_ntop(Peer::Ip(v6)).as_str(), v6.to_string());
            let v4 = SocketAddr::from(((seed as u32).to_be_bytes(), seed as u16));
            assert_eq!(sock_ntop(Peer::Ip(v4)).as_str(), v4.to_string());
        }
        for text in ["[::]:0", "[::1]:1", "[1::]:2", "[::ffff:1.2.3.4]:80", "[fe80::1%4294967295]:65535"] {
            assert_eq!(sock_ntop(Peer::Ip(text.parse().unwrap())).as_str(), text);
        }
        assert_eq!(sock_ntop(Peer::Unix).as_str(), "unix");
    }

    #[test]
    fn the_longest_address_fits() {
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";
        assert_eq!(sock_ntop(Peer::Ip(longest.parse().unwrap())).as_str(), longest);
    }
}

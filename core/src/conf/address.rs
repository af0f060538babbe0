//! Where a listener listens, as people write it: `*`, `192.0.2.1`, `2001:db8::1`, `[::1]`, `fe80::1%2`, `unix:/path`.
//!
//! A host name is none: it would need a resolver at start and could change between two workers.

use core::net::{Ipv4Addr, Ipv6Addr};

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
    pub fn read(text: &'t str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty() && path.len() <= UNIX_PATH_BYTES_MAX).then_some(Self::Unix(path));
        }
        if let Ok(v4) = text.parse() {
            return Some(Self::V4(v4));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let (v6, scope) = match bare.split_once('%') {
            Some((v6, scope)) => (v6, super::value::digits(scope).and_then(|scope| u32::try_from(scope).ok())?),
            None => (bare, 0),
        };
        Some(Self::V6(v6.parse().ok()?, scope))
    }
}

#[cfg(test)]
mod tests {
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
}

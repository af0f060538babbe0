//! A host with its port, as `Host` and the absolute form of a target name it (RFC 3986 3.2, RFC 9110 7.2).

use super::bytes::{NAME, cut, find, run_of};

/// `uri-host [ ":" port ]`; an empty one is allowed (RFC 9110 7.2).
pub fn is_host(value: &[u8]) -> bool {
    run_of(value, NAME) == value.len() || is_bracketed_or_has_port(value)
}

#[cold]
fn is_bracketed_or_has_port(value: &[u8]) -> bool {
    let port = match value {
        [b'[', rest @ ..] => {
            let Some((address, b']', port)) = find(rest, b']').and_then(|end| cut(rest, end)) else { return false };
            if address.is_empty()
                || !address.iter().all(|byte| byte.is_ascii_alphanumeric() || b":.%_~-".contains(byte))
            {
                return false;
            }
            port
        }
        _ => value.get(run_of(value, NAME)..).unwrap_or(&[]),
    };
    match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in
            ["", "h", "h:80", "h:", "192.0.2.1", "[::1]", "[::1]:80", "[fe80::1%25eth0]", "a_b-c.d~e!$&'()*+,;="]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "h:80:80", "h:x", "[::1", "::1]", "[]", "[::1]x", "[::1]:x", "a/b", "a b", "u@h", "h:123456", "a\\b", "\"",
            "\u{e4}", "::1",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}

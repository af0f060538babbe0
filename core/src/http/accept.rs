//! `Accept-Encoding`, as far as a precompressed file asks: may it be gzip (RFC 9110 12.5.3)?

use super::bytes::{list, trimmed};

/// Whether a field's value allows gzip: `None` where it says nothing about it.
pub fn gzip(value: &[u8]) -> Option<bool> {
    // What nearly all browsers say first.
    if let [b'g', b'z', b'i', b'p'] | [b'g', b'z', b'i', b'p', b',', ..] = trimmed(value) {
        return Some(true);
    }
    let mut any = None;
    for element in list(value) {
        let (coding, weight) = match element.iter().position(|byte| *byte == b';') {
            Some(at) => (trimmed(element.get(..at).unwrap_or(&[])), element.get(at.wrapping_add(1)..).unwrap_or(&[])),
            None => (element, &[][..]),
        };
        if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            return Some(is_wanted(weight));
        }
        if coding == b"*" {
            any = Some(is_wanted(weight));
        }
    }
    any
}

/// `q=0` in all its spellings is "not acceptable"; what is no weight at all is none.
fn is_wanted(weight: &[u8]) -> bool {
    match trimmed(weight) {
        [b'q' | b'Q', b'=', number @ ..] => number.iter().any(|byte| (b'1'..=b'9').contains(byte)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it_and_to_nobody_else() {
        for (value, wanted) in [
            (&b"gzip, deflate, br"[..], Some(true)),
            (b"br, GZip", Some(true)),
            (b"x-gzip", Some(true)),
            (b"gzip;q=0.001", Some(true)),
            (b"gzip ; q=1", Some(true)),
            (b"gzip;q=0", Some(false)),
            (b"gzip;Q=0.000", Some(false)),
            (b"*", Some(true)),
            (b"*;q=0", Some(false)),
            (b"*;q=0, gzip", Some(true)),
            (b"gzip;q=0, *", Some(false)),
            (b"identity", None),
            (b"", None),
            (b"gzipped", None),
        ] {
            assert_eq!(gzip(value), wanted, "{}", value.escape_ascii());
        }
    }
}

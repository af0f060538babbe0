//! Classes of bytes, and runs of them: what every piece that reads HTTP scans with.
//!
//! Long runs are read eight bytes a time; nothing here indexes, so nothing here can panic.

/// `tchar`, RFC 9110 5.6.2: methods and field names.
pub const TOKEN: u8 = 1;
/// `reg-name` and its escapes, RFC 3986 3.2.2: a host that is no literal address, without a port.
pub const NAME: u8 = 2;
/// `etagc`, RFC 9110 8.8.3.
pub const ETAG: u8 = 4;
/// Bytes of a path that stand for themselves and need no second look.
pub const PLAIN: u8 = 8;
/// Those and dots, which need one only at the beginning of a name.
pub const IN_NAME: u8 = 16;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let alphanumeric = b.is_ascii_alphanumeric();
        if alphanumeric || is_one_of(b, b"!#$%&'*+-.^_`|~") {
            classes[byte] |= TOKEN;
        }
        if alphanumeric || is_one_of(b, b"-._~%!$&'()*+,;=") {
            classes[byte] |= NAME;
        }
        if b == 0x21 || b >= 0x23 && b != 0x7f {
            classes[byte] |= ETAG;
        }
        if b > 0x20 && b < 0x7f && !is_one_of(b, b"%/.?#\\") {
            classes[byte] |= PLAIN;
        }
        if classes[byte] & PLAIN != 0 || b == b'.' {
            classes[byte] |= IN_NAME;
        }
        byte += 1;
    }
    classes
};

const fn is_one_of(byte: u8, of: &[u8]) -> bool {
    let mut at = 0;
    while at < of.len() {
        if of[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether a byte is of a class.
#[inline(always)]
pub fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// How many bytes from the start are of a class.
#[inline(always)]
pub fn run_of(bytes: &[u8], class: u8) -> usize {
    bytes.iter().position(|byte| !is(*byte, class)).unwrap_or(bytes.len())
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte below `limit` (at most 128). The lowest bit set is right; those above it may not be.
#[inline(always)]
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES.wrapping_mul(limit as u64)) & !word & HIGHS
}

#[inline(always)]
const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ ONES.wrapping_mul(byte as u64), 1)
}

/// The length of the run before the first byte that `stops` marks; `stops` is asked for eight bytes at once.
#[inline(always)]
fn run(bytes: &[u8], stops: impl Fn(u64) -> u64) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut done = 0usize;
    for word in words {
        let hits = stops(u64::from_le_bytes(*word));
        if hits != 0 {
            return done.wrapping_add(hits.trailing_zeros() as usize / 8);
        }
        done = done.wrapping_add(8);
    }
    for byte in tail {
        if stops(u64::from(*byte) | !0xff) & 0x80 != 0 {
            return done;
        }
        done = done.wrapping_add(1);
    }
    done
}

/// How many bytes from the start may stand in a field's name. Nearly all names are letters and hyphens, so those are
/// read eight at a time and the others one by one.
#[inline(always)]
pub fn run_of_name(bytes: &[u8]) -> usize {
    let letters = run(bytes, |word| {
        let lower = (word | ONES << 5) & !HIGHS;
        let from_a = lower.wrapping_add(ONES.wrapping_mul(0x80 - b'a' as u64));
        let past_z = lower.wrapping_add(ONES.wrapping_mul(0x7f - b'z' as u64));
        let hyphen = (word & !HIGHS ^ ONES.wrapping_mul(b'-' as u64)).wrapping_add(!HIGHS);
        ((!from_a | past_z) & hyphen | word) & HIGHS
    });
    if bytes.get(letters) == Some(&b':') { letters } else { slow_run_of_name(bytes, letters) }
}

#[cold]
fn slow_run_of_name(bytes: &[u8], from: usize) -> usize {
    from.wrapping_add(run_of(bytes.get(from..).unwrap_or(&[]), TOKEN))
}

/// How many bytes from the start are visible ASCII: a request target.
#[inline(always)]
pub fn run_of_visible(bytes: &[u8]) -> usize {
    run(bytes, |word| below(word, 0x21) | equal(word, 0x7f) | word & HIGHS)
}

/// How many bytes from the start may stand in a field's value, blanks and bytes above ASCII included.
#[inline(always)]
pub fn run_of_text(bytes: &[u8]) -> usize {
    let mut done = 0usize;
    // In a form that compilers turn into vector instructions where there are some.
    for chunk in bytes.as_chunks::<16>().0 {
        if chunk.iter().fold(false, |stop, byte| stop | (*byte < 0x20) | (*byte == 0x7f)) {
            break;
        }
        done = done.wrapping_add(16);
    }
    loop {
        let rest = bytes.get(done..).unwrap_or(&[]);
        let run = run(rest, |word| below(word, 0x20) | equal(word, 0x7f));
        done = done.wrapping_add(run);
        if rest.get(run) != Some(&b'\t') {
            return done;
        }
        done = done.wrapping_add(1);
    }
}

/// Where a byte stands first.
#[inline(always)]
pub fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    let at = run(bytes, |word| equal(word, byte));
    (at < bytes.len()).then_some(at)
}

/// The bytes before `at`, the one there, and those behind it.
#[inline(always)]
pub fn cut(bytes: &[u8], at: usize) -> Option<(&[u8], u8, &[u8])> {
    let (before, rest) = bytes.split_at_checked(at)?;
    let (byte, after) = rest.split_first()?;
    Some((before, *byte, after))
}

/// Whether a token is this name in any case. `lower` is in small letters and hyphens: no other token character
/// becomes one of those when the bit that separates the cases is set.
#[inline(always)]
pub fn named<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    name.first_chunk::<N>().is_some_and(|name| name.map(|byte| byte | 0x20) == *lower) && name.len() == N
}

/// Without the blanks (spaces and tabs) at both ends.
#[inline]
pub fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma-separated list, trimmed; empty ones are left out (RFC 9110 5.6.1.2). Commas in quotes
/// separate too: no list that is read here has both.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trimmed).filter(|element| !element.is_empty())
}

/// A number in decimal digits and nothing else; one too large for the type is its maximum.
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| number.saturating_mul(10).saturating_add(u64::from(digit)))
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// Every byte at every place of a run of 20, against the definition.
    #[test]
    fn a_run_ends_at_the_first_byte_that_does_not_belong() {
        for at in 0..20 {
            for byte in 0..=255u8 {
                let mut bytes: Vec<u8> = (0..20).map(|i| b'a' + i).collect();
                bytes[at] = byte;
                let end = |good: bool| if good { 20 } else { at };
                assert_eq!(run_of_visible(&bytes), end((0x21..0x7f).contains(&byte)), "{byte} at {at}");
                assert_eq!(run_of_text(&bytes), end(byte == 9 || byte >= 32 && byte != 127), "{byte} at {at}");
                assert_eq!(run_of_name(&bytes), end(is(byte, TOKEN)), "{byte} at {at}");
                let first = bytes.iter().position(|b| *b == byte);
                assert_eq!(find(&bytes, byte), first, "{byte} at {at}");
            }
        }
        assert_eq!((run_of_visible(b""), run_of_text(b""), find(b"", 0)), (0, 0, None));
    }

    #[test]
    fn two_bytes_that_end_a_run_end_it_at_the_first() {
        for (first, second) in [(3, 4), (0, 7), (6, 8), (15, 16)] {
            for pair in [[0x1f, 0x20], [0x7f, 0x1f], [0, 0x80], [0x80, 0]] {
                let mut bytes = [b'x'; 24];
                (bytes[first], bytes[second]) = (pair[0], pair[1]);
                let visible = |b: &u8| !(0x21..0x7f).contains(b);
                assert_eq!(Some(run_of_visible(&bytes)), bytes.iter().position(visible));
            }
        }
    }

    #[test]
    fn classes_are_those_of_the_grammar() {
        let token = (0..=255u8).filter(|b| is(*b, TOKEN)).count();
        assert_eq!(token, 26 + 26 + 10 + 15);
        for bad in *b" \t\r\n\0:()<>@,;\\\"/[]?={}\x7f\x80\xff" {
            assert!(!is(bad, TOKEN), "{bad}");
        }
        assert!(!is(b'"', ETAG) && !is(b' ', ETAG) && is(b'!', ETAG) && is(0xff, ETAG));
        assert!(!is(b'@', NAME) && !is(b':', NAME) && is(b'~', NAME));
    }

    #[test]
    fn lists_and_numbers_are_read_to_the_letter() {
        let elements: Vec<&[u8]> = list(b" ,a ,\tb c,, ").collect();
        assert_eq!(elements, [&b"a"[..], b"b c"]);
        assert_eq!(number(b"0012"), Some(12));
        assert_eq!(number(b"99999999999999999999999"), Some(u64::MAX));
        for bad in [&b""[..], b"+1", b"1 ", b"0x1", b"-1"] {
            assert_eq!(number(bad), None);
        }
    }
}

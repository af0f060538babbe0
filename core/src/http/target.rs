//! From a request target to a path that is safe to open beneath a root.
//!
//! Decoded once, into memory the caller lends; dots and doubled slashes are resolved here, so that what is compared,
//! logged and opened is one spelling. Whatever a file system might read as something else than a name is refused:
//! NUL and other control bytes, backslashes, slashes that were encoded, names that begin with a dot.

use super::bytes::{IN_NAME, PLAIN, is, run_of};
use super::host::is_host;

/// Why a target names nothing here; each is answered differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No path at all: a broken escape, a fragment, bytes that no name has, a way out of the root.
    Malformed,
    /// A name that begins with a dot is not served; whether it exists is not told.
    Hidden,
    /// Longer than the memory for it.
    TooLong,
}

/// A safe path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'b> {
    /// UTF-8, from the root, which is a slash; no segment is empty, `.`, `..` or begins with a dot. May end with a slash.
    pub path: &'b [u8],
    /// What followed the question mark, as it was sent.
    pub query: Option<&'b [u8]>,
}

/// Splits the absolute form `http://authority...` (RFC 9112 3.2.2); `None` if it is none.
pub fn authority(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = match target.iter().position(|byte| *byte == b':') {
        Some(at @ (4 | 5)) => target.split_at_checked(at)?,
        _ => return None,
    };
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = rest.strip_prefix(b"://")?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    (!authority.is_empty() && is_host(authority)).then_some((authority, path))
}

/// The path of a target in origin or absolute form: the target itself where that is its one spelling already.
#[inline]
pub fn path<'b>(target: &'b [u8], into: &'b mut [u8]) -> Result<Path<'b>, Refused> {
    if is_spelled_out(target) && target.len() <= into.len() {
        return Ok(Path { path: target, query: None });
    }
    decode(target, into)
}

/// Whether there is nothing to decode, to resolve or to split off.
#[inline]
fn is_spelled_out(target: &[u8]) -> bool {
    let mut rest = target;
    while let [b'/', name @ ..] = rest {
        if name.first().is_some_and(|first| !is(*first, PLAIN)) {
            return false;
        }
        rest = name.get(run_of(name, IN_NAME)..).unwrap_or(&[]);
    }
    rest.is_empty() && !target.is_empty()
}

#[cold]
fn decode<'b>(target: &'b [u8], into: &'b mut [u8]) -> Result<Path<'b>, Refused> {
    let mut rest = match target {
        [b'/', ..] => target,
        _ => authority(target).ok_or(Refused::Malformed)?.1,
    };
    // Only the absolute form may leave the slash out.
    if let [b'/', tail @ ..] = rest {
        rest = tail;
    }
    let mut path = Builder { into, len: 0, segment: 0 };
    path.push(b'/')?;
    path.segment = 1;
    let mut query = None;
    let mut ascii = true;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match *byte {
            byte if is(byte, PLAIN) => path.push(byte)?,
            b'.' => path.push(b'.')?,
            b'/' => path.end_segment(true)?,
            b'%' => {
                let (byte, tail) = unescaped(tail).ok_or(Refused::Malformed)?;
                rest = tail;
                match byte {
                    0..0x20 | 0x7f | b'/' | b'\\' => return Err(Refused::Malformed),
                    byte => path.push(byte)?,
                }
                ascii &= byte.is_ascii();
            }
            b'?' => {
                query = Some(tail);
                break;
            }
            _ => return Err(Refused::Malformed),
        }
    }
    if query.is_some_and(|query| query.contains(&b'#')) {
        return Err(Refused::Malformed);
    }
    path.end_segment(false)?;
    let Builder { into, len, .. } = path;
    let path = into.get(..len).unwrap_or(&[]);
    if ascii || core::str::from_utf8(path).is_ok() { Ok(Path { path, query }) } else { Err(Refused::Malformed) }
}

/// The byte two hexadecimal digits stand for, and what follows them.
fn unescaped(digits: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = digits.split_first_chunk::<2>()?;
    let value = |digit: u8| (digit as char).to_digit(16);
    Some(((value(*high)? << 4 | value(*low)?) as u8, rest))
}

struct Builder<'b> {
    into: &'b mut [u8],
    len: usize,
    /// Where the segment being written begins.
    segment: usize,
}

impl Builder<'_> {
    #[inline(always)]
    fn push(&mut self, byte: u8) -> Result<(), Refused> {
        *self.into.get_mut(self.len).ok_or(Refused::TooLong)? = byte;
        self.len = self.len.wrapping_add(1);
        Ok(())
    }

    /// A segment is complete: an empty one or a dot adds nothing, two dots take the one before away.
    #[inline]
    fn end_segment(&mut self, slash: bool) -> Result<(), Refused> {
        match self.into.get(self.segment..self.len).unwrap_or(&[]) {
            [] => return Ok(()),
            [b'.', name @ ..] => return self.end_dots(name.len(), name.first() == Some(&b'.')),
            _ => {}
        }
        if slash {
            self.push(b'/')?;
            self.segment = self.len;
        }
        Ok(())
    }

    #[cold]
    fn end_dots(&mut self, behind: usize, two: bool) -> Result<(), Refused> {
        match (behind, two) {
            (0, _) => self.len = self.segment,
            (1, true) => {
                let parent = self.into.get(..self.segment.saturating_sub(1)).unwrap_or(&[]);
                let slash = parent.iter().rposition(|byte| *byte == b'/').ok_or(Refused::Malformed)?;
                self.segment = slash.wrapping_add(1);
                self.len = self.segment;
            }
            _ => return Err(Refused::Hidden),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn of(target: &str) -> Result<(std::string::String, Option<std::string::String>), Refused> {
        let mut into = [0; 64];
        let found = path(target.as_bytes(), &mut into)?;
        let query = found.query.map(|query| std::string::String::from_utf8_lossy(query).into_owned());
        Ok((std::string::String::from_utf8(found.path.to_vec()).unwrap(), query))
    }

    #[test]
    fn a_target_becomes_one_spelling_of_a_path() {
        for (target, path) in [
            ("/", "/"),
            ("/a/b.txt", "/a/b.txt"),
            ("//a///b//", "/a/b/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/../", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/%41%20%c3%a4", "/A \u{e4}"),
            ("/a%25%32e", "/a%2e"),
            ("/a+b,c;d=e:f@g~h!i$j&k'l(m)*n", "/a+b,c;d=e:f@g~h!i$j&k'l(m)*n"),
            ("http://h", "/"),
            ("HTTP://h:80/a", "/a"),
            ("https://[::1]:443/a/b", "/a/b"),
            ("/a..b/c.", "/a..b/c."),
        ] {
            assert_eq!(of(target), Ok((path.into(), None)), "{target}");
        }
        assert_eq!(of("/a?b=/../%00?c"), Ok(("/a".into(), Some("b=/../%00?c".into()))));
        assert_eq!(of("/?"), Ok(("/".into(), Some("".into()))));
        assert_eq!(of("http://h?q"), Ok(("/".into(), Some("q".into()))));
    }

    #[test]
    fn what_is_no_safe_name_is_refused() {
        for target in [
            "/..",
            "/../a",
            "/a/../..",
            "/a/../../b",
            "/%2e%2e/a",
            "/.%2e",
            "/%00",
            "/a%0ab",
            "/a%7f",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a#b",
            "/a?b#c",
            "/%",
            "/%4",
            "/%zz",
            "/%u0041",
            "a",
            "",
            "*",
            "ftp://h/a",
            "http://",
            "http:///a",
            "http://u@h/a",
            "http://h:x/a",
            "/%ff",
            "/%c0%af",
            "/%ed%a0%80",
            "http:a",
            "/\u{e4}",
            "/a b",
        ] {
            assert_eq!(of(target), Err(Refused::Malformed), "{target}");
        }
        for target in ["/.git/config", "/a/.htaccess", "/...", "/.a", "/%2egit", "/..a", "/.../", "/a/..%41"] {
            assert_eq!(of(target), Err(Refused::Hidden), "{target}");
        }
        assert_eq!(path(b"/abc", &mut [0; 3]), Err(Refused::TooLong));
        assert_eq!(path(b"/abc", &mut [0; 4]).map(|found| found.path.len()), Ok(4));
        assert_eq!(path(b"/", &mut []), Err(Refused::TooLong));
    }
}

//! A chunked body, passed over strictly (RFC 9112 7.1): where it ends, and where its data stands.
//!
//! The caller keeps where the next line or data begins and what is left of the chunk; all unread bytes come each
//! time. Sizes are hexadecimal digits and nothing else before the extension or the line's end; extensions are looked
//! through and ignored, trailers are checked and thrown away. The bound on the whole is the caller's, and stands for
//! every bound on lines and sizes.

use super::bytes::{TOKEN, find, run_of, run_of_text};
use super::fault::Fault;

/// Bytes of a size line or a trailer: one that drips in is looked through again each time, so it has to be short.
const LINE_BYTES_MAX: usize = 256;

/// Sizes beyond this are beyond every bound too.
const SIZE_DIGITS: usize = 7;

/// Where the reader of a chunked body stands. The default is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    /// Everything before is read.
    pub at: usize,
    /// Zero before a size line, and between trailers with [`TRAILERS`]; else bytes of data and line end to come.
    pub left: u32,
}

/// The last chunk was seen.
pub const TRAILERS: u32 = u32::MAX;

/// What there is in a chunked body next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'i> {
    /// A piece of the body; never empty.
    Data(&'i [u8]),
    /// The rest is not here yet.
    Short,
    /// The body ends at [`Chunks::at`].
    End,
}

impl Chunks {
    /// Reads on in `input`, whose first byte is the body's.
    pub fn next<'i>(&mut self, input: &'i [u8]) -> Result<Chunk<'i>, Fault> {
        loop {
            let rest = input.get(self.at..).unwrap_or(&[]);
            match self.left {
                TRAILERS => match trailer(rest)? {
                    None => return Ok(Chunk::Short),
                    Some(0) => {
                        self.at = self.at.wrapping_add(2);
                        return Ok(Chunk::End);
                    }
                    Some(len) => self.at = self.at.wrapping_add(len),
                },
                0 => {
                    let Some((len, size)) = size_line(rest)? else { return Ok(Chunk::Short) };
                    self.at = self.at.wrapping_add(len);
                    self.left = if size == 0 { TRAILERS } else { size.wrapping_add(2) };
                }
                // The end of the line behind the data.
                left @ 1..=2 => {
                    let Some((byte, want)) = rest.first().zip(b"\n\r".get(left as usize - 1)) else {
                        return Ok(Chunk::Short);
                    };
                    if byte != want {
                        return Err(Fault::Chunk);
                    }
                    (self.at, self.left) = (self.at.wrapping_add(1), left - 1);
                }
                left => {
                    let data = rest.get(..(left - 2) as usize).unwrap_or(rest);
                    if data.is_empty() {
                        return Ok(Chunk::Short);
                    }
                    (self.at, self.left) = (self.at.wrapping_add(data.len()), left.wrapping_sub(data.len() as u32));
                    return Ok(Chunk::Data(data));
                }
            }
        }
    }
}

/// The first line without its end, and its length with it.
fn line(rest: &[u8]) -> Result<Option<(&[u8], usize)>, Fault> {
    let within = rest.get(..LINE_BYTES_MAX).unwrap_or(rest);
    match find(within, b'\n') {
        Some(end) => {
            let line = within.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Fault::Chunk)?;
            Ok(Some((line, end.wrapping_add(1))))
        }
        None if within.len() < LINE_BYTES_MAX => Ok(None),
        None => Err(Fault::Chunk),
    }
}

/// A size line's length with its end, and the size.
fn size_line(rest: &[u8]) -> Result<Option<(usize, u32)>, Fault> {
    let Some((line, len)) = line(rest)? else { return Ok(None) };
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extension) = line.split_at_checked(digits).ok_or(Fault::Chunk)?;
    if digits.is_empty() || !matches!(extension, [] | [b';', ..]) || run_of_text(extension) != extension.len() {
        return Err(Fault::Chunk);
    }
    let significant = digits.iter().position(|digit| *digit != b'0').and_then(|at| digits.get(at..)).unwrap_or(&[]);
    if significant.len() > SIZE_DIGITS {
        return Err(Fault::BodyTooLong);
    }
    let size = significant.iter().fold(0u32, |size, digit| {
        let low = u32::from(*digit & 15);
        size << 4 | if digit.is_ascii_digit() { low } else { low.wrapping_add(9) }
    });
    Ok(Some((len, size)))
}

/// A trailer line's length with its end; 0 for the empty line that ends the body.
fn trailer(rest: &[u8]) -> Result<Option<usize>, Fault> {
    let Some((line, len)) = line(rest)? else { return Ok(None) };
    if line.is_empty() {
        return Ok(Some(0));
    }
    let name = run_of(line, TOKEN);
    match line.get(name..) {
        Some([b':', value @ ..]) if name > 0 && run_of_text(value) == value.len() => Ok(Some(len)),
        _ => Err(Fault::Chunk),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// The data and the length of the whole, or why not; `None` for a body that is not all here.
    fn read(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Fault> {
        let (mut chunks, mut data) = (Chunks::default(), Vec::new());
        loop {
            match chunks.next(input)? {
                Chunk::Data(piece) => data.extend_from_slice(piece),
                Chunk::Short => return Ok(None),
                Chunk::End => return Ok(Some((data, chunks.at))),
            }
        }
    }

    #[test]
    fn bodies_are_read_to_their_end_wherever_they_are_cut() {
        for (body, data) in [
            (&b"0\r\n\r\n"[..], &b""[..]),
            (b"000\r\n\r\n", b""),
            (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
            (b"1\r\na\r\n0002;x=\"y\"\r\n\r\n\r\n0;z\r\nA: b\r\nC:\r\n\r\n", b"a\r\n"),
            (b"A\r\n0123456789\r\na\r\nabcdefghij\r\n0\r\n\r\n", b"0123456789abcdefghij"),
        ] {
            let mut long = body.to_vec();
            long.extend_from_slice(b"GET");
            assert_eq!(read(&long), Ok(Some((data.to_vec(), body.len()))), "{}", body.escape_ascii());
            for cut in 0..body.len() {
                assert_eq!(read(&body[..cut]), Ok(None), "{} at {cut}", body.escape_ascii());
                let (mut chunks, mut whole) = (Chunks::default(), Vec::new());
                for part in [&body[..cut], body] {
                    while let Ok(Chunk::Data(piece)) = chunks.next(part) {
                        whole.extend_from_slice(piece);
                    }
                }
                assert_eq!((whole, chunks.at), (data.to_vec(), body.len()), "{} at {cut}", body.escape_ascii());
            }
        }
    }

    #[test]
    fn whatever_two_readers_might_read_differently_is_refused() {
        for body in [
            &b"\r\n"[..],
            b"3\nabc\r\n0\r\n\r\n",
            b"3 \r\nabc\r\n0\r\n\r\n",
            b" 3\r\nabc\r\n0\r\n\r\n",
            b"+3\r\nabc\r\n0\r\n\r\n",
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b"-1\r\n\r\n",
            b"g\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"3\r\nabc\n0\r\n\r\n",
            b"3\r\nab\r\n0\r\n\r\n",
            b"3;\0\r\nabc\r\n0\r\n\r\n",
            b"3;a\rb\r\nabc\r\n0\r\n\r\n",
            b"0\r\nA b: c\r\n\r\n",
            b"0\r\nA : c\r\n\r\n",
            b"0\r\n folded\r\n\r\n",
            b"0\r\n: c\r\n\r\n",
            b"0\r\n\n",
            b"0\r\nA: b\n\r\n",
        ] {
            assert_eq!(read(body), Err(Fault::Chunk), "{}", body.escape_ascii());
        }
        let mut long = b"1;".to_vec();
        long.resize(LINE_BYTES_MAX, b'x');
        assert_eq!(read(&long), Err(Fault::Chunk), "a line without an end");
        assert_eq!(read(b"fffffffff\r\n"), Err(Fault::BodyTooLong));
        assert_eq!(read(b"10000000\r\n"), Err(Fault::BodyTooLong));
        assert_eq!(read(b"0000000000000000001\r\na\r\n0\r\n\r\n"), Ok(Some((b"a".to_vec(), 29))));
    }
}

//! Frames: a device's commands and their answers over a stream, byte by byte. All numbers are big-endian.
//!
//! | bytes | what |
//! |-------|------|
//! | 0..2  | length of the whole frame, these 8 bytes included: 8 to `MaxFrame` |
//! | 2..4  | code: what is asked, or what is answered |
//! | 4..8  | CRC-32 (ISO-HDLC, as in zlib) of the body; 0 for an empty one |
//! | 8..   | body |
//!
//! An answer has the code of its question. Codes 0 to 15 are the service's own:
//!
//! | code   | asked with    | answered with |
//! |--------|---------------|---------------|
//! | 0      | heartbeat, anything | an empty body |
//! | 1      | echo, anything | the same frame |
//! | 2      | version, anything | the server's name and version as text |
//! | 3      | statistics, anything | a u64 for each [`Counter`](counts::Counter) in their order; later versions add at the end |
//! | 0xffff | never asked   | an error: the code asked (u16, 0 where none is known), then a [`Refusal`] (u16) |
//!
//! A client finds no frame's start but behind the last: after a bad length or CRC nothing can be believed, so that is
//! told, counted and closes the connection.

pub mod counts;

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::service::Outbox;

/// Bytes before the body.
pub const HEADER_BYTES: usize = 8;

/// The codes of the service itself, and the first of a program's.
pub const HEARTBEAT: u16 = 0;
pub const ECHO: u16 = 1;
pub const VERSION: u16 = 2;
pub const STATISTICS: u16 = 3;
pub const CODE_FREE_MIN: u16 = 16;
pub const ERROR: u16 = 0xffff;

/// The catalogue's name for zlib's CRC; a table of 1 KB, a byte at a time, whose index cannot leave it.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// One frame of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub code: u16,
    pub body: &'a [u8],
}

/// Why nothing that follows can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Shorter than its own header, or longer than is taken.
    Length,
    Crc,
}

/// What an error frame says, in its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Refusal {
    /// Nobody answers this code. The connection stays.
    UnknownCode = 1,
    /// Too many questions wait for an answer. The connection stays.
    Busy = 2,
    /// The connection closes, here and below.
    Length = 3,
    Crc = 4,
    Flood = 5,
}

impl<'a> Frame<'a> {
    /// Reads the frame that `input` begins with; `None` while it is not all here. A length is judged as soon as it is
    /// known, so that nobody waits for what will be refused.
    pub fn read(input: &'a [u8], frame_bytes_max: u16) -> Result<Option<Self>, Fault> {
        let Some((length, _)) = input.split_first_chunk() else { return Ok(None) };
        let length = u16::from_be_bytes(*length);
        if usize::from(length) < HEADER_BYTES || length > frame_bytes_max {
            return Err(Fault::Length);
        }
        let Some(frame) = input.get(..usize::from(length)) else { return Ok(None) };
        let Some(([_, _, code_high, code_low, crc @ ..], body)) = frame.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        if CRC.checksum(body) != u32::from_be_bytes(*crc) {
            return Err(Fault::Crc);
        }
        Ok(Some(Self { code: u16::from_be_bytes([*code_high, *code_low]), body }))
    }

    /// The header in front of the body; `None` if the length does not fit its field.
    pub fn header(&self) -> Option<[u8; HEADER_BYTES]> {
        let [a, b] = u16::try_from(self.len()).ok()?.to_be_bytes();
        let [c, d] = self.code.to_be_bytes();
        let [e, f, g, h] = CRC.checksum(self.body).to_be_bytes();
        Some([a, b, c, d, e, f, g, h])
    }

    /// Writes all of it, or nothing and says `false`.
    pub fn write(&self, out: &mut Outbox<'_>) -> bool {
        if self.len() > out.room() {
            return false;
        }
        self.header().is_some_and(|header| out.write(&header) && out.write(self.body))
    }

    /// Bytes of the whole.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.body.len().saturating_add(HEADER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Option<(u16, &'static [u8])>, Fault>;

    /// What a frame's bytes are read as; the cut reads below replay each at every byte.
    const TABLE: &[(&[u8], Read)] = &[
        (&[0, 8, 0, 0, 0, 0, 0, 0], Ok(Some((HEARTBEAT, b"")))),
        (&[0, 8, 0xff, 0xfe, 0, 0, 0, 0], Ok(Some((0xfffe, b"")))),
        (b"\x00\x11\x00\x01\xcb\xf4\x39\x26123456789", Ok(Some((ECHO, b"123456789")))),
        (b"\x00\x11\x00\x01\xcb\xf4\x39\x27123456789", Err(Fault::Crc)),
        (b"\x00\x11\x00\x01\xcb\xf4\x39\x26123456780", Err(Fault::Crc)),
        (b"\x00\x10\x00\x01\xcb\xf4\x39\x26123456789", Err(Fault::Crc)),
        (&[0, 8, 0, 0, 0, 0, 0, 1], Err(Fault::Crc)),
        (&[0, 7, 0, 0, 0, 0, 0, 0], Err(Fault::Length)),
        (&[0, 0], Err(Fault::Length)),
        (&[0, 65], Err(Fault::Length)),
        (&[0xff, 0xff], Err(Fault::Length)),
        (&[0, 64, 0, 0, 0, 0, 0, 0], Ok(None)),
    ];

    #[test]
    fn the_crc_is_the_one_the_catalogue_checks() {
        assert_eq!(CRC.checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(CRC.checksum(b""), 0);
        assert_eq!(CRC.checksum(b"The quick brown fox jumps over the lazy dog"), 0x414f_a339);
        assert_eq!(CRC.checksum(&[0; 32]), 0x190a_55ad);
    }

    #[test]
    fn a_frame_is_read_as_the_table_says_and_cut_anywhere_waits_or_is_refused_no_differently() {
        for (bytes, expected) in TABLE {
            let read =
                |input: &'static [u8]| Frame::read(input, 64).map(|frame| frame.map(|frame| (frame.code, frame.body)));
            assert_eq!(read(bytes), *expected, "{bytes:?}");
            for cut in 0..bytes.len() {
                match read(&bytes[..cut]) {
                    Ok(None) => {}
                    early => assert!(early.is_err() && early == *expected, "{bytes:?} at {cut}"),
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again_whatever_follows_it() {
        let mut room = [0; 64];
        let frame = Frame { code: 513, body: b"a body" };
        for behind in [&b""[..], b"\xff", b"\x00\x08\x00\x00\x00\x00\x00\x00"] {
            let mut out = Outbox::new(&mut room);
            assert!(frame.write(&mut out) && out.write(behind));
            assert_eq!(Frame::read(out.finish().0, 64), Ok(Some(frame)));
        }
    }

    #[test]
    fn a_frame_that_does_not_fit_is_not_written_in_part() {
        let mut room = [0; 10];
        let mut out = Outbox::new(&mut room);
        assert!(!Frame { code: 1, body: b"abc" }.write(&mut out));
        assert_eq!(out.written(), 0);
        assert!(Frame { code: 1, body: b"ab" }.write(&mut out));
        assert_eq!(Frame { code: 1, body: &[0; 65_528] }.header(), None);
    }
}

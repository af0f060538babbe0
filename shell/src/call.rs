//! One question to a frame service, for a person at the bench: `tidegate call` and `tidegate ping`.
//!
//! A client of its own on blocking sockets, within a time limit for the whole. It never runs in a server.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tidegate_core::frame::{ERROR, Frame, HEADER_BYTES, HEARTBEAT};

use crate::exit::{self, Failure};

/// How long a connection and an answer may take together.
const TIME_MAX: Duration = Duration::from_secs(10);
/// The longest body: a frame's length has sixteen bits.
const BODY_BYTES_MAX: usize = u16::MAX as usize - HEADER_BYTES;

/// What to ask, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `HOST:PORT`.
    pub to: String,
    /// `None` for a ping.
    pub code: Option<u16>,
    pub body: Body,
}

/// Where the body comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    #[default]
    Empty,
    Hex(Vec<u8>),
    File(PathBuf),
    /// Standard input, to its end.
    Stdin,
}

/// Asks and waits for the answer: its body, or for a ping a line with the time it took.
pub fn call(call: &Call) -> Result<Vec<u8>, Failure> {
    let body = read_body(&call.body)?;
    let code = call.code.unwrap_or(HEARTBEAT);
    let header = Frame { code, body: &body }.header().ok_or_else(|| too_long(&call.to))?;
    let failed = |error: io::Error| unreachable(&call.to, &error);
    let start = Instant::now();
    let mut stream = connect(&call.to, start).map_err(failed)?;
    let asked = Instant::now();
    within(&stream, start).and_then(|()| stream.write_all(&[&header[..], &body].concat())).map_err(failed)?;
    let answer = receive(&mut stream, start).map_err(failed)?;
    let frame = match Frame::read(&answer, u16::MAX) {
        Ok(Some(frame)) => frame,
        _ => return Err(protocol(&call.to, "what came is no frame: its length or CRC is wrong")),
    };
    match (frame.code, frame.body) {
        (ERROR, [_, _, high, low, ..]) => Err(refused(&call.to, code, u16::from_be_bytes([*high, *low]))),
        (answered, _) if answered != code => {
            Err(protocol(&call.to, &format!("code {code} was answered with code {answered}")))
        }
        (_, body) if call.code.is_some() => Ok(body.to_vec()),
        _ => Ok(format!("{} answered in {} us\n", call.to, asked.elapsed().as_micros()).into_bytes()),
    }
}

/// Bytes written as pairs of hexadecimal digits; spaces and colons between them are passed over.
pub fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b' ' | b':')).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Bytes for a terminal, 16 to a line.
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(16) {
        for byte in line {
            let _ = write!(text, "{byte:02x} ");
        }
        let shown = line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' });
        let _ = writeln!(text, "{}{}", " ".repeat(3 * (16 - line.len())), shown.collect::<String>());
    }
    text
}

fn read_body(body: &Body) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    // One more than fits, so that what is too long is seen.
    let most = BODY_BYTES_MAX as u64 + 1;
    match body {
        Body::Empty => {}
        Body::Hex(given) => bytes.clone_from(given),
        Body::File(path) => {
            fs::File::open(path)
                .and_then(|file| file.take(most).read_to_end(&mut bytes))
                .map_err(|error| Failure::new(exit::NO_INPUT, format!("cannot read {}: {error}", path.display())))?;
        }
        Body::Stdin => {
            io::stdin()
                .take(most)
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::new(exit::NO_INPUT, format!("cannot read standard input: {error}")))?;
        }
    }
    Ok(bytes)
}

fn connect(to: &str, start: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "no address of that name");
    for address in to.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(start)?) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One frame, or what came of it before the end.
fn receive(stream: &mut TcpStream, start: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut length = HEADER_BYTES;
    while answer.len() < length {
        let mut part = [0; 4_096];
        let most = part.len().min(length - answer.len());
        within(stream, start)?;
        match stream.read(&mut part[..most]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => answer.extend(&part[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if let Some((bytes, _)) = answer.split_first_chunk() {
            length = usize::from(u16::from_be_bytes(*bytes)).max(HEADER_BYTES);
        }
    }
    Ok(answer)
}

fn within(stream: &TcpStream, start: Instant) -> io::Result<()> {
    let left = left(start)?;
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))
}

fn left(start: Instant) -> io::Result<Duration> {
    TIME_MAX.checked_sub(start.elapsed()).filter(|left| !left.is_zero()).ok_or(ErrorKind::TimedOut.into())
}

fn unreachable(to: &str, error: &io::Error) -> Failure {
    let text = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("{to}: no answer within {} s", TIME_MAX.as_secs()),
        ErrorKind::UnexpectedEof => format!("{to}: the connection ended before the answer was whole"),
        _ => format!("{to}: {error}"),
    };
    Failure::new(exit::UNAVAILABLE, text)
}

fn protocol(to: &str, what: &str) -> Failure {
    Failure::new(exit::PROTOCOL, format!("{to}: {what}"))
}

fn refused(to: &str, code: u16, refusal: u16) -> Failure {
    let why = match refusal {
        1 => format!("nobody answers code {code} there"),
        2 => "too many questions wait for an answer there".to_string(),
        3 => "the frame is longer than is taken there (MaxFrame)".to_string(),
        4 => "the frame arrived damaged".to_string(),
        5 => "too many frames in too short a time (FloodCount)".to_string(),
        other => format!("refused for reason {other}"),
    };
    protocol(to, &why)
}

fn too_long(to: &str) -> Failure {
    Failure::new(exit::DATA, format!("{to}: the body is longer than the {BODY_BYTES_MAX} bytes a frame can hold"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_bytes_are_read_as_people_write_them() {
        assert_eq!(hex("00ffA1"), Some(vec![0, 255, 161]));
        assert_eq!(hex("de:ad be ef"), Some(vec![0xde, 0xad, 0xbe, 0xef]));
        assert_eq!(hex(""), Some(vec![]));
        for wrong in ["0", "0g", "+1", "é0"] {
            assert_eq!(hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_dump_shows_bytes_and_the_text_in_them() {
        assert_eq!(dump(b"ok\n"), format!("6f 6b 0a {}ok.\n", " ".repeat(39)));
        assert_eq!(dump(&[0; 17]).lines().count(), 2);
    }
}

//! Clients that check every byte they get back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::server::DEADLINE;

/// A prime, so that no buffer or block size ever lines up with the pattern.
const PERIOD: u64 = 65_521;
/// The longest piece of the pattern.
pub const PIECE_MAX: usize = 64 * 1024;

/// The bytes of a stream from a place on. Every stream is the same noise from another start: a byte lost, doubled,
/// moved or taken from another stream shows.
pub fn pattern(stream: u64, at: u64, len: usize) -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let mut noise: Vec<u8> = (0..PERIOD).map(|_| random.next() as u8).collect();
        (0..PIECE_MAX).for_each(|at| noise.push(noise[at]));
        noise
    });
    let start = (stream.wrapping_mul(7_919) + at) % PERIOD;
    &noise[start as usize..][..len.min(PIECE_MAX)]
}

/// A small generator: the same seed, the same choices.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 8) % end
    }

    /// A length next to one that matters somewhere: a byte, a line, a packet, a block, a buffer.
    fn odd_len(&mut self) -> usize {
        const LENGTHS: [usize; 12] = [1, 2, 13, 127, 1_021, 1_461, 4_095, 4_096, 4_097, 16_385, 32_769, 65_536];
        LENGTHS[self.below(LENGTHS.len() as u64) as usize]
    }
}

/// Sends one message and expects it back.
pub fn say(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).unwrap();
    hear(stream, message);
}

/// Expects these bytes.
pub fn hear(mut stream: impl Read, message: &[u8]) {
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer == message, "other bytes came back");
}

/// Whether an exchange works, for clients that expect to be cut off.
pub fn try_say(mut stream: &TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(message)?;
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer)?;
    assert!(answer == message, "other bytes came back");
    Ok(())
}

/// Expects the end, and not a byte before it.
pub fn hear_end(mut stream: impl Read) {
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "a byte instead of the end");
}

/// Whether the connection is over, however it ended. Bytes on the way are thrown away.
pub fn is_over(mut stream: &TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; PIECE_MAX]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if is_not_yet(&error) => return false,
            Err(_) => return true,
        }
    }
}

pub fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Sends `total` bytes in odd pieces, then ends that direction.
pub fn send_all(mut stream: &TcpStream, seed: u64, total: u64) {
    let mut random = Random(seed + 1);
    let mut sent = 0;
    while sent < total {
        let len = random.odd_len().min((total - sent) as usize);
        stream.write_all(pattern(seed, sent, len)).unwrap();
        sent += len as u64;
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

/// Expects `total` bytes and then the end, resting before each of the first `rests` small reads.
pub fn hear_all(mut stream: impl Read, seed: u64, total: u64, rests: u32) {
    let mut buffer = [0; PIECE_MAX];
    let (mut received, mut reads) = (0, 0);
    while received < total {
        let mut piece = PIECE_MAX;
        if reads < rests {
            thread::sleep(Duration::from_millis(5));
            (piece, reads) = (PIECE_MAX / 4, reads + 1);
        }
        let n = stream.read(&mut buffer[..piece]).unwrap();
        assert!(n > 0, "the end after {received} of {total} bytes");
        assert!(buffer[..n] == *pattern(seed, received, n), "other bytes came back near {received}");
        received += n as u64;
    }
    assert_eq!(received, total);
    hear_end(stream);
}

/// Sends and expects at the same time, on two threads.
pub fn exchange(stream: &TcpStream, seed: u64, total: u64, rests: u32) {
    thread::scope(|scope| {
        scope.spawn(|| send_all(stream, seed, total));
        hear_all(stream, seed, total, rests);
    });
}

/// Sends until nothing more is taken for a while. What came back is left where it is: this client does not read.
pub fn send_without_reading(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    let mut sent = 0;
    loop {
        match stream.write(pattern(0, sent, PIECE_MAX)) {
            Ok(n) => sent += n as u64,
            Err(error) if is_not_yet(&error) => break,
            Err(error) => return Err(error),
        }
        assert!(sent < 1 << 30, "a gigabyte found room without anyone reading");
    }
    assert_eq!(stream.peek(&mut [0; 1])?, 1);
    Ok(())
}

/// One of many conversations that a single thread leads at once.
pub struct Talk {
    stream: TcpStream,
    seed: u64,
    total: u64,
    sent: u64,
    received: u64,
    ended: bool,
    random: Random,
}

impl Talk {
    pub fn new(stream: TcpStream, seed: u64, total: u64) -> Self {
        stream.set_nonblocking(true).unwrap();
        Self { stream, seed, total, sent: 0, received: 0, ended: false, random: Random(seed + 1) }
    }

    /// Sends one odd piece and reads one, as far as that is possible now; false if neither was.
    fn step(&mut self, buffer: &mut [u8]) -> bool {
        let mut moved = false;
        if self.sent < self.total {
            let len = self.random.odd_len().min((self.total - self.sent) as usize);
            match self.stream.write(pattern(self.seed, self.sent, len)) {
                Ok(n) => (self.sent, moved) = (self.sent + n as u64, true),
                Err(error) => assert!(is_not_yet(&error), "{error}"),
            }
            if self.sent == self.total {
                self.stream.shutdown(Shutdown::Write).unwrap();
            }
        }
        let len = self.random.odd_len();
        match self.stream.read(&mut buffer[..len]) {
            Ok(0) => {
                assert_eq!(self.received, self.total, "the end came early");
                (self.ended, moved) = (true, true);
            }
            Ok(n) => {
                assert!(buffer[..n] == *pattern(self.seed, self.received, n), "other bytes near {}", self.received);
                (self.received, moved) = (self.received + n as u64, true);
            }
            Err(error) => assert!(is_not_yet(&error), "{error}"),
        }
        moved
    }
}

/// Leads all conversations to their end. The deadline counts from the last byte anybody got.
pub fn converse(mut talks: Vec<Talk>) {
    let mut buffer = [0; PIECE_MAX];
    let mut last = Instant::now();
    while !talks.is_empty() {
        let mut moved = false;
        talks.retain_mut(|talk| {
            moved |= talk.step(&mut buffer);
            !talk.ended
        });
        if moved {
            last = Instant::now();
        } else {
            assert!(last.elapsed() < DEADLINE, "{} conversations stand still", talks.len());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

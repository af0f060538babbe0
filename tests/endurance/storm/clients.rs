//! 64 clients that never rest: connections for one request and for many, requests of any size in any pieces, each
//! byte of each reply compared.
//!
//! Echo knows no requests, only bytes, so what is held to is said in bytes: a piece sent at once comes back whole or
//! not at all; a connection ends only between pieces, in order, and never before its first reply. Anything else is
//! broken, unless a killed worker held the connection.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use crate::client::{Random, pattern};

pub const CLIENTS: u64 = 64;
/// What one write brings: small enough to reach the server in one packet of the loopback.
const PIECE_MAX: u64 = 12 * 1_024;
const REQUEST_BYTES_MAX: u64 = 40 * 1_024;
/// A client that was held up longer between its connection and its first byte looks like one at rest.
const PROMPT: Duration = Duration::from_millis(150);

/// What clients met.
#[derive(Debug, Default)]
pub struct Told {
    pub connections: usize,
    pub requests: usize,
    pub bytes: u64,
    /// Connections that were not taken.
    pub refused: usize,
    /// Broken off because a killed worker held them.
    pub excused: usize,
    /// Ended in order between pieces: their worker was leaving. Asked again on a new connection.
    pub asked_again: usize,
    /// Whatever should not be, in words.
    pub broken: Vec<String>,
}

pub struct Clients {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Told>>,
}

impl Clients {
    pub fn start(port: u16, ledger: Arc<Ledger>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |number| {
            let (over, ledger) = (over.clone(), ledger.clone());
            let told = Told::default();
            let mut client = Client { number, port, ledger, over, random: Random(number + 1), sent: 0, told };
            thread::spawn(move || client.live())
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { over, threads }
    }

    pub fn end(self) -> Told {
        self.over.store(true, Relaxed);
        let mut sum = Told::default();
        for thread in self.threads {
            let told = thread.join().unwrap();
            sum.connections += told.connections;
            sum.requests += told.requests;
            sum.bytes += told.bytes;
            sum.refused += told.refused;
            sum.excused += told.excused;
            sum.asked_again += told.asked_again;
            sum.broken.extend(told.broken);
        }
        sum
    }
}

struct Client {
    number: u64,
    port: u16,
    ledger: Arc<Ledger>,
    over: Arc<AtomicBool>,
    random: Random,
    /// Requests so far, which is the number of the next.
    sent: u64,
    told: Told,
}

/// A reply that did not come.
struct Cut {
    how: String,
    in_order: bool,
    at_rest: bool,
    /// Bytes of it that came.
    received: usize,
}

impl Client {
    fn live(&mut self) -> Told {
        while !self.over.load(Relaxed) {
            // The last kind lasts until its worker leaves.
            let requests = match self.random.below(3) {
                0 => 1,
                1 => 1 + self.random.below(60),
                _ => u64::MAX,
            };
            self.connection(requests);
            thread::sleep(Duration::from_micros(200 + self.random.below(5_000)));
        }
        std::mem::take(&mut self.told)
    }

    fn connection(&mut self, requests: u64) {
        let asked_at = Instant::now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = match TcpStream::connect_timeout(&address, Duration::from_secs(20)) {
            Ok(stream) => stream,
            Err(error) => {
                self.told.refused += 1;
                self.told.broken.push(format!("client {}: connect: {error}", self.number));
                return;
            }
        };
        self.told.connections += 1;
        let port = stream.local_addr().unwrap().port();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        let prompt = asked_at.elapsed() < PROMPT;
        for turn in 0..requests {
            if self.over.load(Relaxed) {
                break;
            }
            let Err(cut) = self.request(&mut stream) else {
                if self.random.below(8) == 0 {
                    thread::sleep(Duration::from_millis(self.random.below(10)));
                }
                continue;
            };
            let first = turn == 0 && cut.received == 0 && prompt;
            if self.ledger.excuses(port, asked_at) {
                self.told.excused += 1;
            } else if cut.in_order && cut.at_rest && !first {
                self.told.asked_again += 1;
            } else {
                let Cut { how, received, .. } = cut;
                let client = self.number;
                self.told.broken.push(format!("client {client}, turn {turn}: {how} after {received} bytes"));
            }
            return;
        }
    }

    /// One numbered request in pieces; its reply may be read between them.
    fn request(&mut self, stream: &mut TcpStream) -> Result<(), Cut> {
        self.sent += 1;
        let len = match self.random.below(4) {
            0 => self.random.below(64),
            1 => self.random.below(1_500),
            _ => self.random.below(REQUEST_BYTES_MAX),
        };
        let mut request = self.sent.to_be_bytes().to_vec();
        request.extend(pattern(self.number, self.sent * 31, len as usize));
        let mut reply = Reply { request: &request, ends: vec![0], received: 0 };
        while let Some(sent) = reply.ends.last().copied().filter(|sent| *sent < request.len()) {
            let left = request.len() - sent;
            let piece = match self.random.below(3) {
                0 => left.min(PIECE_MAX as usize),
                _ => left.min(1 + self.random.below(PIECE_MAX) as usize),
            };
            let wrote = stream.write_all(&request[sent..sent + piece]);
            reply.ends.push(sent + piece);
            if let Err(error) = wrote {
                // How it ended is told to who reads.
                reply.read_to(stream, request.len())?;
                return Err(reply.cut(format!("write: {error}"), false));
            }
            match self.random.below(6) {
                0 => thread::sleep(Duration::from_micros(self.random.below(2_000))),
                1 | 2 => reply.read_to(stream, sent + piece)?,
                _ => {}
            }
        }
        reply.read_to(stream, request.len())?;
        self.told.requests += 1;
        self.told.bytes += request.len() as u64;
        Ok(())
    }
}

struct Reply<'a> {
    request: &'a [u8],
    /// Where pieces ended.
    ends: Vec<usize>,
    received: usize,
}

impl Reply<'_> {
    /// Reads on until so much of the reply is here, comparing each byte.
    fn read_to(&mut self, stream: &mut TcpStream, end: usize) -> Result<(), Cut> {
        let mut buffer = [0; 16_384];
        while self.received < end {
            let room = buffer.len().min(end - self.received);
            match stream.read(&mut buffer[..room]) {
                Ok(0) => return Err(self.cut("an end".into(), true)),
                Ok(n) if buffer[..n] != self.request[self.received..][..n] => {
                    return Err(self.cut("wrong bytes".into(), false));
                }
                Ok(n) => self.received += n,
                Err(error) => return Err(self.cut(format!("read: {error}"), false)),
            }
        }
        Ok(())
    }

    fn cut(&self, how: String, in_order: bool) -> Cut {
        Cut { how, in_order, at_rest: self.ends.contains(&self.received), received: self.received }
    }
}

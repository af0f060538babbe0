//! What a client of the server meets, written once for every world.
//!
//! The same list runs on the pretend network here and on real sockets in `tests/scenarios`, so that the pretend
//! network cannot be kinder than Linux. A scenario sees a [`Bed`]: clients, time, and the server's counters.

use tidegate_core::listen::Rules;
use tidegate_core::stats::{Counter, Reason, Stats};

use crate::house::Protocol;
use crate::rng::pattern;

/// What the server is started with.
#[derive(Clone, Copy)]
pub struct Setup {
    pub protocol: Protocol,
    pub connections: u32,
    pub rules: Rules<'static>,
    pub blocks: usize,
    pub block_bytes: usize,
    pub scratch: usize,
    pub outbox: usize,
}

pub const SETUP: Setup = Setup {
    protocol: Protocol::Echo,
    connections: 8,
    rules: Rules { idle_ms: 60_000, request_ms: 60_000, write_ms: 60_000, info: "" },
    blocks: 32,
    block_bytes: 256,
    scratch: 1024,
    outbox: 1024,
};

/// What one read brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Reset,
}

/// A server in some world, and the means to be its client.
pub trait Bed: Sized {
    type Client;

    fn start(setup: Setup) -> Self;
    fn open(&mut self) -> Self::Client;
    /// Sends what fits now; `None` once the connection was reset.
    fn offer(&mut self, client: &mut Self::Client, bytes: &[u8]) -> Option<usize>;
    fn look(&mut self, client: &mut Self::Client) -> Got;
    fn half_close(&mut self, client: &mut Self::Client);
    fn close(&mut self, client: Self::Client);
    /// Ends without ceremony.
    fn reset(&mut self, client: Self::Client);
    /// Lets the server run for as long.
    fn wait(&mut self, ms: u64);
    fn drain(&mut self);
    fn stop(&mut self);
    fn stats(&self) -> Stats;
    fn taken(&self) -> u32;
    fn blocks_taken(&self) -> usize;

    fn send(&mut self, client: &mut Self::Client, bytes: &[u8]) {
        let mut sent = 0;
        for _ in 0..10_000 {
            sent += self.offer(client, &bytes[sent..]).expect("the connection stands");
            self.wait(0);
            if sent == bytes.len() {
                return;
            }
        }
        panic!("only {sent} of {} bytes could be sent", bytes.len());
    }

    /// Reads so many bytes and no more.
    fn read(&mut self, client: &mut Self::Client, n: usize) -> Vec<u8> {
        let mut all = Vec::new();
        for _ in 0..10_000 {
            if all.len() >= n {
                break;
            }
            match self.look(client) {
                Got::Bytes(bytes) => all.extend(bytes),
                Got::Nothing => self.wait(1),
                end => panic!("{end:?} after {} of {n} bytes", all.len()),
            }
        }
        assert_eq!(all.len(), n, "bytes read");
        all
    }

    /// Reads until the connection ends in good order.
    fn read_to_end(&mut self, client: &mut Self::Client) -> Vec<u8> {
        let mut all = Vec::new();
        for _ in 0..10_000 {
            match self.look(client) {
                Got::Bytes(bytes) => all.extend(bytes),
                Got::Nothing => self.wait(1),
                Got::End => return all,
                Got::Reset => panic!("a reset after {} bytes", all.len()),
            }
        }
        panic!("no end after {} bytes", all.len());
    }

    fn expect_silence(&mut self, client: &mut Self::Client) {
        assert_eq!(self.look(client), Got::Nothing);
    }

    fn closed(&self, reason: Reason) -> u64 {
        self.stats().closed(reason)
    }
}

pub fn bytes(key: u64, n: usize) -> Vec<u8> {
    (0..n).map(|at| pattern(key, at)).collect()
}

/// A message of [`crate::services::Frame`] that asks for `size` bytes of reply.
pub fn frame(size: u16, key: u8) -> Vec<u8> {
    let [high, low] = size.to_be_bytes();
    vec![3, high, low, key]
}

pub type Scenario<B> = (&'static str, fn(&mut B), Setup);

/// All of them.
pub fn all<B: Bed>() -> Vec<Scenario<B>> {
    let patient = SETUP;
    let rules = |idle_ms, request_ms, write_ms| Rules { idle_ms, request_ms, write_ms, info: "" };
    let with = |protocol, rules| Setup { protocol, rules, ..patient };
    let frames = Setup { protocol: Protocol::Frame, ..patient };
    vec![
        ("echo returns every byte in order", echo, patient),
        ("a half-closed client gets every byte, then the end (RFC 862)", half_close, patient),
        ("discard answers nothing and ends with its client", discard, Setup { protocol: Protocol::Discard, ..patient }),
        ("a full server lets others wait and takes them later", full, Setup { connections: 2, ..patient }),
        ("silence is ended by IdleTimeout and not before", idle, with(Protocol::Echo, rules(300, 0, 0))),
        ("a byte now and then does not extend a request", dribble, with(Protocol::Lines, rules(5_000, 300, 0))),
        ("who never reads is ended by WriteTimeout", never_reads, with(Protocol::Echo, rules(0, 0, 300))),
        ("a close with unread input does not destroy the reply", quit, frames),
        ("lingering is bounded", linger, frames),
        ("many replies to one read come in order, larger than any buffer", replies, frames),
        ("a line wakes the others", chat, Setup { protocol: Protocol::Chat, ..patient }),
        ("a reset frees its slot", reset, patient),
        ("a slot serves one after the other", churn, Setup { connections: 1, ..patient }),
        ("a drain closes who is at rest and answers what was received", drain, frames),
        ("a stop closes all", stop, frames),
    ]
}

fn echo<B: Bed>(bed: &mut B) {
    let mut client = bed.open();
    for (at, n) in [1, 10, 1000, 1024, 1025, 3000].into_iter().enumerate() {
        let sent = bytes(at as u64, n);
        bed.send(&mut client, &sent);
        assert_eq!(bed.read(&mut client, n), sent);
    }
    bed.close(client);
    bed.wait(5);
    assert_eq!((bed.taken(), bed.closed(Reason::Ended)), (0, 1));
}

fn half_close<B: Bed>(bed: &mut B) {
    let (mut client, sent) = (bed.open(), bytes(1, 3000));
    bed.send(&mut client, &sent);
    bed.half_close(&mut client);
    assert_eq!(bed.read_to_end(&mut client), sent);
    bed.wait(5);
    assert_eq!((bed.taken(), bed.blocks_taken(), bed.closed(Reason::Ended)), (0, 0, 1));
}

fn discard<B: Bed>(bed: &mut B) {
    let mut client = bed.open();
    bed.send(&mut client, &bytes(1, 5000));
    bed.wait(5);
    bed.expect_silence(&mut client);
    bed.half_close(&mut client);
    assert_eq!(bed.read_to_end(&mut client), b"");
    assert_eq!(bed.stats().count(Counter::BytesIn), 5000);
}

fn full<B: Bed>(bed: &mut B) {
    let (mut first, mut second) = (bed.open(), bed.open());
    bed.wait(5);
    let mut third = bed.open();
    bed.send(&mut third, b"third");
    bed.send(&mut first, b"first");
    assert_eq!(bed.read(&mut first, 5), b"first");
    bed.wait(20);
    assert_eq!(bed.taken(), 2);
    bed.expect_silence(&mut third);
    bed.half_close(&mut second);
    assert_eq!(bed.read_to_end(&mut second), b"");
    assert_eq!(bed.read(&mut third, 5), b"third");
    assert_eq!(bed.taken(), 2);
}

fn idle<B: Bed>(bed: &mut B) {
    let mut client = bed.open();
    for _ in 0..4 {
        bed.wait(150);
        bed.send(&mut client, b"x");
        assert_eq!(bed.read(&mut client, 1), b"x");
    }
    bed.wait(250);
    bed.expect_silence(&mut client);
    bed.wait(100);
    assert_eq!(bed.look(&mut client), Got::End);
    assert_eq!(bed.closed(Reason::IdleTimeout), 1);
}

fn dribble<B: Bed>(bed: &mut B) {
    let mut client = bed.open();
    bed.send(&mut client, b"whole\n");
    assert_eq!(bed.read(&mut client, 6), b"WHOLE\n");
    bed.send(&mut client, b"h");
    for _ in 0..5 {
        bed.wait(50);
        bed.send(&mut client, b"x");
        bed.expect_silence(&mut client);
    }
    bed.wait(100);
    assert_eq!(bed.look(&mut client), Got::Bytes(b"late\n".to_vec()));
    assert_eq!(bed.look(&mut client), Got::End);
    bed.close(client);
    bed.wait(5);
    assert_eq!(bed.closed(Reason::RequestTimeout), 1);
}

fn never_reads<B: Bed>(bed: &mut B) {
    let (mut client, junk, mut refused) = (bed.open(), bytes(3, 60_000), 0);
    // Until every buffer on the way is full and stays so.
    while refused < 30 {
        match bed.offer(&mut client, &junk) {
            Some(0) => refused += 1,
            Some(_) => refused = 0,
            None => panic!("ended while it still could send"),
        }
        bed.wait(1);
    }
    assert_eq!(bed.taken(), 1);
    bed.wait(500);
    assert_eq!((bed.taken(), bed.blocks_taken(), bed.closed(Reason::WriteTimeout)), (0, 0, 1));
}

fn quit<B: Bed>(bed: &mut B) {
    let mut client = bed.open();
    let mut talk = frame(3000, 7);
    talk.push(0);
    talk.extend(bytes(1, 2000));
    bed.send(&mut client, &talk);
    bed.wait(20);
    bed.send(&mut client, &bytes(1, 500));
    bed.wait(20);
    assert_eq!(bed.read_to_end(&mut client), bytes(7, 3000));
    bed.close(client);
    bed.wait(20);
    assert_eq!((bed.taken(), bed.closed(Reason::Served)), (0, 1));
}

fn linger<B: Bed>(bed: &mut B) {
    let mut client = bed.open();
    bed.send(&mut client, &[0]);
    assert_eq!(bed.read_to_end(&mut client), b"");
    for _ in 0..18 {
        bed.wait(100);
        bed.send(&mut client, b"more");
        assert_eq!(bed.taken(), 1, "still there to read what comes");
    }
    bed.wait(400);
    assert_eq!((bed.taken(), bed.closed(Reason::Served)), (0, 1));
}

fn replies<B: Bed>(bed: &mut B) {
    let mut client = bed.open();
    let sizes = [5, 0, 1, 3000, 10, 20_000, 2];
    let talk: Vec<u8> = sizes.iter().enumerate().flat_map(|(key, size)| frame(*size, key as u8)).collect();
    let want: Vec<u8> = sizes.iter().enumerate().flat_map(|(key, size)| bytes(key as u64, *size as usize)).collect();
    bed.send(&mut client, &talk);
    assert_eq!(bed.read(&mut client, want.len()), want);
    bed.half_close(&mut client);
    assert_eq!(bed.read_to_end(&mut client), b"");
}

fn chat<B: Bed>(bed: &mut B) {
    let (mut ann, mut bob) = (bed.open(), bed.open());
    assert_eq!((bed.read(&mut ann, 8), bed.read(&mut bob, 8)), (vec![0; 8], vec![0; 8]));
    bed.send(&mut ann, b"hello\nwor");
    assert_eq!(bed.read(&mut bob, 6), b"hello\n");
    assert_eq!(bed.read(&mut ann, 6), b"hello\n");
    bed.send(&mut bob, b"yes\n");
    bed.send(&mut ann, b"ld\n");
    let both = (bed.read(&mut ann, 10), bed.read(&mut bob, 10));
    assert_eq!((both.0.as_slice(), both.1.as_slice()), (&b"yes\nworld\n"[..], &b"yes\nworld\n"[..]));
    bed.half_close(&mut ann);
    assert_eq!(bed.read_to_end(&mut ann), b"");
    bed.send(&mut bob, b"alone\n");
    assert_eq!(bed.read(&mut bob, 6), b"alone\n");
}

fn reset<B: Bed>(bed: &mut B) {
    let mut client = bed.open();
    bed.send(&mut client, b"half a thought");
    bed.wait(5);
    assert_eq!(bed.taken(), 1);
    bed.reset(client);
    bed.wait(5);
    assert_eq!((bed.taken(), bed.closed(Reason::Reset)), (0, 1));
}

fn churn<B: Bed>(bed: &mut B) {
    for round in 0..100u64 {
        let (mut client, sent) = (bed.open(), bytes(round, 100));
        bed.send(&mut client, &sent);
        assert_eq!(bed.read(&mut client, 100), sent, "round {round}");
        if round % 2 == 0 { bed.close(client) } else { bed.reset(client) }
    }
    bed.wait(5);
    assert_eq!((bed.taken(), bed.stats().count(Counter::Accepted)), (0, 100));
}

fn drain<B: Bed>(bed: &mut B) {
    let (mut calm, mut busy, mut half) = (bed.open(), bed.open(), bed.open());
    bed.send(&mut busy, &frame(20_000, 9));
    bed.send(&mut half, &frame(100, 4)[..2]);
    bed.wait(5);
    assert_eq!(bed.taken(), 3);
    bed.drain();
    assert_eq!(bed.read_to_end(&mut calm), b"");
    bed.close(calm);
    assert_eq!(bed.read_to_end(&mut busy), bytes(9, 20_000));
    bed.close(busy);
    bed.send(&mut half, &frame(100, 4)[2..]);
    assert_eq!(bed.read_to_end(&mut half), bytes(4, 100), "what had begun is answered");
    bed.close(half);
    bed.wait(20);
    assert_eq!((bed.taken(), bed.closed(Reason::Drained)), (0, 3));
}

fn stop<B: Bed>(bed: &mut B) {
    let (calm, mut half) = (bed.open(), bed.open());
    bed.send(&mut half, &[9, 9]);
    bed.wait(5);
    assert_eq!(bed.taken(), 2);
    bed.stop();
    assert_eq!((bed.taken(), bed.blocks_taken(), bed.closed(Reason::Stopped)), (0, 0, 2));
    bed.close(calm);
}

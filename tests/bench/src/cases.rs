//! What is counted. Each case does the same thing `n` times and checks that it was really done.

use std::hint::black_box;

use tidegate_core::blocks::{BlockMark, Blocks, Chain, Held};
use tidegate_core::conf::Document;
use tidegate_core::event::Token;
use tidegate_core::pool::Pool;
use tidegate_core::service::{BuiltIn, Discard, Echo, Service};
use tidegate_core::text::sock_ntop;
use tidegate_core::timer::Timers;

use crate::world::{Kind, MESSAGE, Rig, many, shipped};

/// Rounds of the shorter of the two runs; a multiple of every batch below.
pub const ROUNDS: u32 = 2_048;

/// Slots for a case that gives none back: the same number for both runs, so that their cost cancels out.
const SLOTS: usize = 2 * ROUNDS as usize;

/// A name, what one round is, and the rounds.
pub type Case = (&'static str, &'static str, fn(u32));

pub const CASES: &[Case] = &[
    ("pool", "take and release one slot", pool),
    ("timer-later", "move one of 64 deadlines to a later time", timer_later),
    ("timer-earlier", "move one of 64 deadlines to the front", timer_earlier),
    ("blocks", "64 bytes into a chain and out again", blocks),
    ("ntop", "an IPv4 peer's text", ntop),
    ("conf-line", "one line of a configuration of 16, parsed and kept", conf_line),
    ("accept", "one accepted connection, in batches of 32", accept),
    ("echo", "one echoed message of 64 bytes, of 64 connections", echo),
    ("echo-shipped", "the same, the HTTP service beside it", echo_shipped),
    ("visit", "connect, one echoed message, close", visit),
    ("http-short", "a request of three lines for 1 KiB, of 64 connections", http_short),
    ("http-browser", "the same with a browser's head of 400 bytes", http_browser),
    ("http-cookie", "the same with a cookie in it, so that it is read anew", http_cookie),
];

fn pool(n: u32) {
    let mut pool = Pool::new(many(64));
    let share = pool.add_share(64).expect("room for a share");
    for _ in 0..n {
        let token = pool.take(black_box(share)).expect("a free slot");
        assert!(pool.release(black_box(token)));
    }
}

fn armed() -> Timers<'static> {
    let mut timers = Timers::new(many(64), many(64));
    (0..64).for_each(|slot| timers.arm(slot, 1_000_000_000 + slot as u64));
    timers
}

fn timer_later(n: u32) {
    let mut timers = armed();
    for round in 0..n {
        timers.arm(black_box(round as usize % 64), black_box(2_000_000_000 + u64::from(round)));
    }
    assert_eq!(timers.next(), 1_000_000_000, "a later time moves nothing");
}

fn timer_earlier(n: u32) {
    let mut timers = armed();
    for round in 0..n {
        timers.arm(black_box(round as usize % 64), black_box(900_000_000 - u64::from(round)));
    }
    assert_eq!(timers.next(), 900_000_001 - u64::from(n));
}

fn blocks(n: u32) {
    let mut blocks = Blocks::new(many(64 * 4096), many::<BlockMark>(64), 4096);
    let (mut chain, mut into) = (Chain::default(), [0; 64]);
    for _ in 0..n {
        assert_eq!(blocks.append(black_box(&mut chain), Held::Input, 0, black_box(&MESSAGE)), 64);
        assert_eq!(blocks.copy_out(&chain, black_box(&mut into)), 64);
        blocks.consume(&mut chain, Held::Input, 64);
    }
    assert_eq!(blocks.taken(), 0);
}

fn ntop(n: u32) {
    let peer = tidegate_core::net::Peer::Ip(([192, 168, 100, 200], 54321).into());
    for _ in 0..n {
        assert_eq!(black_box(sock_ntop(black_box(peer))).len(), 21);
    }
}

/// Lines of every shape and keys of most kinds. A file costs its lines and one move of the document, which counts as
/// an instruction for each of its bytes: three tenths of the whole.
const FILE: &str = "\
# The machines of hall 2.

[Socket plc]
ListenPort = 5678
ListenAddress = 192.0.2.7
Service = echo
Connections = 200
Backlog = 64
IdleTimeout = 5m
RequestTimeout = 30s
WriteTimeout = 30s
DBInfo = \"hall 2\"

[Log]
Level = info
File = /var/log/tidegate.log";

fn conf_line(n: u32) {
    assert_eq!(FILE.lines().count(), 16);
    for _ in 0..n / 16 {
        let document = Document::parse(black_box(FILE).as_bytes(), &mut |problem| panic!("{problem:?}"));
        assert_eq!(black_box(document.as_ref()).map(|document| document.get_int_default("ListenPort", 0)), Ok(5678));
    }
}

fn accept(n: u32) {
    let mut rig = Rig::new(SLOTS, BuiltIn::new(Echo, Discard));
    for _ in 0..n / 32 {
        rig.connect(32);
    }
    assert_eq!(rig.server.taken(), n);
}

fn echo(n: u32) {
    echo_of(n, BuiltIn::new(Echo, Discard));
}

fn echo_shipped(n: u32) {
    echo_of(n, shipped(Kind::echo));
}

fn echo_of(n: u32, services: impl Service<State: 'static>) {
    let mut rig = Rig::new(64, services);
    let tokens: Vec<Token> = (0..64).map(|_| rig.connect(1)).collect();
    for round in 0..n {
        rig.say(tokens[round as usize % 64], &MESSAGE);
    }
    assert_eq!((rig.net.sent, rig.server.taken()), (64 * n as usize, 64));
}

fn visit(n: u32) {
    let mut rig = Rig::new(64, BuiltIn::new(Echo, Discard));
    for _ in 0..n {
        let token = rig.connect(1);
        rig.say(token, &MESSAGE);
        rig.end(token);
    }
    assert_eq!((rig.net.sent, rig.net.closed, rig.server.taken()), (64 * n as usize, n, 0));
}

/// What load generators send.
const SHORT: &[u8] = b"GET /1k.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// What a browser sends.
const BROWSER: &[u8] = b"GET /1k.txt HTTP/1.1\r\n\
Host: 192.168.1.10\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-GB,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Connection: keep-alive\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Mode: navigate\r\n\
Priority: u=0, i\r\n\
Cache-Control: max-age=0\r\n\r\n";

fn http_short(n: u32) {
    http(n, SHORT);
}

fn http_browser(n: u32) {
    assert_eq!(BROWSER.len(), 400);
    http(n, BROWSER);
}

/// The same length, and with a cookie no block of fields is remembered.
const COOKIE: &[u8] = b"GET /1k.txt HTTP/1.1\r\n\
Host: 192.168.1.10\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-GB,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Connection: keep-alive\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Mode: navigate\r\n\
Priority: u=0, i\r\n\
Cookie: sid=0123456789ab\r\n\r\n";

fn http_cookie(n: u32) {
    assert_eq!(COOKIE.len(), 400);
    http(n, COOKIE);
}

fn http(n: u32, request: &'static [u8]) {
    let mut rig = Rig::new(64, shipped(Kind::http));
    let tokens: Vec<Token> = (0..64).map(|_| rig.connect(1)).collect();
    for round in 0..n {
        rig.say(tokens[round as usize % 64], request);
    }
    assert_eq!(rig.net.sent, ANSWER_BYTES * n as usize, "a head and 1 KiB");
}

/// The head with its fields, and the file.
const ANSWER_BYTES: usize = 213 + 1024;

//! Our parser of heads beside `httparse`, on inputs that nobody would write by hand.
//!
//! Where both take a head they must understand the same. What we take and it does not, and what it takes and we do
//! not, must fall into a class listed here, whose condition is looked for in the bytes and not in our parser.
//!
//!     HTTP_FUZZ=10000000 cargo test --release -p tidegate-core --test http oracle -- --nocapture
//!     HTTP_SEED=4711 ...                                              other inputs

use std::collections::BTreeMap;

use tidegate_core::http::fault::Fault;
use tidegate_core::http::head::{Head, Limits};
use tidegate_core::http::recent::Recent;

const LIMITS: Limits = Limits { head_bytes: 4_096, fields: 64, target_bytes: 2_048, body_bytes: 0 };

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n.max(1)
    }
}

const SEEDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /a/b.txt?c=d HTTP/1.1\r\nHost: h.example:80\r\nUser-Agent: x/1 (y; z)\r\nAccept: */*\r\nX-1_2.3: \t v \r\n\r\n",
    b"POST /form HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 5\r\nContent-Type: a/b\r\n\r\nhello",
    b"PUT http://h/a HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
    b"OPTIONS * HTTP/1.0\r\nConnection: keep-alive, close\r\nIf-None-Match: \"a\", W/\"b\"\r\nRange: bytes=0-1\r\n\r\n",
    b"BREW-1 /pot HTTP/1.1\r\nHost:\r\nAccept-Encoding: gzip;q=0.5, *\r\nCookie: a=b; c=\"d\"\r\n\r\n",
];

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/1.7",
    b"Host: h\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Expect: x\r\n",
    b"X: y\r\n",
    b"\r\n ",
    b"GET ",
    b"/",
    b"%",
    b"http://",
    b"*",
    b"\r\n\r\n",
    b"\x01",
    b"\"",
    b",",
];

fn mutated(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = SEEDS[rng.below(SEEDS.len())].to_vec();
    for _ in 0..rng.below(5) {
        let (at, other) = (rng.below(bytes.len() + 1), rng.below(bytes.len() + 1));
        let (from, to) = (at.min(other), at.max(other));
        match rng.below(8) {
            0 if at < bytes.len() => bytes[at] = rng.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            2 if to - from < 20 => drop(bytes.drain(from..to)),
            3 => drop(bytes.splice(at..at, bytes[from..to.min(from + 30)].to_vec())),
            4 => bytes.truncate(at),
            5 => bytes.insert(at, rng.next() as u8),
            _ => {
                let word = WORDS[rng.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}

/// A head as both understand it.
#[derive(Debug, PartialEq, Eq)]
struct Understood {
    len: usize,
    method: Vec<u8>,
    target: Vec<u8>,
    old: bool,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict<E> {
    Whole(Understood),
    Short,
    Refused(E),
}

fn trimmed(bytes: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(|byte| !blank(byte)).map_or(from, |at| at + 1);
    bytes[from..to].to_vec()
}

fn ours(bytes: &[u8], recent: &mut Recent) -> Verdict<Fault> {
    let mut head = Head::default();
    let skipped = head.leading_empty_line(bytes);
    let rest = &bytes[skipped..];
    match head.read(rest, &LIMITS, recent) {
        Ok(false) => Verdict::Short,
        Err(fault) => Verdict::Refused(fault),
        Ok(true) => Verdict::Whole(Understood {
            len: skipped + head.len(),
            method: head.method_name(rest).to_vec(),
            target: head.target(rest).to_vec(),
            old: head.is_old(),
            fields: head.fields(rest).map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
        }),
    }
}

fn theirs(bytes: &[u8]) -> Verdict<httparse::Error> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => Verdict::Short,
        Err(error) => Verdict::Refused(error),
        Ok(httparse::Status::Complete(len)) => Verdict::Whole(Understood {
            len,
            method: request.method.unwrap().into(),
            target: request.path.unwrap().into(),
            old: request.version == Some(0),
            fields: request.headers.iter().map(|field| (field.name.into(), trimmed(field.value))).collect(),
        }),
    }
}

/// The lines of the head that are complete, without their `\n`; empty ones before it included.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.pop();
    let is_empty = |line: &&[u8]| matches!(*line, [] | [b'\r']);
    let begun = lines.iter().position(|line| !is_empty(line)).unwrap_or(lines.len());
    if let Some(end) = lines.iter().skip(begun).position(is_empty) {
        lines.truncate(begun + end + 1);
    }
    lines
}

/// The values of a field, as plainly as they can be found.
fn values(bytes: &[u8], name: &str) -> Vec<Vec<u8>> {
    let of = |line: &&[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon]
            .eq_ignore_ascii_case(name.as_bytes())
            .then(|| trimmed(line[colon + 1..].strip_suffix(b"\r").unwrap_or(&line[colon + 1..])))
    };
    lines(bytes).iter().filter_map(of).collect()
}

/// Why we may refuse what `httparse` takes, or waits for.
fn stricter(bytes: &[u8], fault: Fault) -> Option<&'static str> {
    let lines = lines(bytes);
    let request_line = lines.iter().find(|line| !matches!(**line, [] | [b'\r'])).copied().unwrap_or(bytes);
    let target = request_line.split(|byte| *byte == b' ').nth(1).unwrap_or(&[]);
    let count = |name| values(bytes, name).len();
    let old = request_line.windows(8).any(|window| window == b"HTTP/1.0");
    match fault {
        Fault::Version => request_line.windows(5).any(|window| window == b"HTTP/").then_some("another version"),
        Fault::Host if count("host") != 1 => Some("no Host, or several"),
        Fault::Host => {
            let host = &values(bytes, "host")[0];
            let odd = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"-._~".contains(byte);
            host.iter().any(odd).then_some("a Host that is none")
        }
        Fault::Length => {
            let lengths = values(bytes, "content-length");
            let bad =
                lengths.len() > 1 || lengths.iter().any(|len| len.is_empty() || !len.iter().all(u8::is_ascii_digit));
            bad.then_some("a Content-Length that is none, or several")
        }
        Fault::Framing if count("transfer-encoding") > 1 => Some("several Transfer-Encodings"),
        Fault::Framing if count("transfer-encoding") == 1 && (old || count("content-length") > 0) => {
            Some("two framings")
        }
        Fault::Framing | Fault::Coding => {
            let coding = values(bytes, "transfer-encoding");
            coding.iter().any(|coding| !coding.eq_ignore_ascii_case(b"chunked")).then_some("another transfer coding")
        }
        Fault::Expectation => values(bytes, "expect")
            .iter()
            .any(|value| !value.eq_ignore_ascii_case(b"100-continue"))
            .then_some("another expectation"),
        Fault::Syntax if lines.iter().any(|line| !line.ends_with(b"\r")) => Some("a bare LF"),
        Fault::Syntax if bytes.starts_with(b"\r\n\r") || bytes.starts_with(b"\n") => Some("several empty lines"),
        Fault::Syntax if target.iter().any(|byte| *byte >= 0x80) => Some("a target beyond ASCII"),
        Fault::Syntax if !target.starts_with(b"/") => Some("a target of no form"),
        _ => None,
    }
}

/// Why we may take, or wait for the rest of, what `httparse` refuses.
fn laxer(bytes: &[u8], error: httparse::Error) -> Option<&'static str> {
    let is_later =
        |window: &[u8]| matches!(window, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9', b'\r', b'\n']);
    (error == httparse::Error::Version && bytes.windows(10).any(is_later)).then_some("a later minor version")
}

#[test]
fn the_oracle_understands_what_we_understand() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let (rounds, seed) = (number("HTTP_FUZZ").unwrap_or(200_000), number("HTTP_SEED").unwrap_or(1));
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut recent = Recent::new();
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    for round in 0..rounds {
        let bytes = mutated(&mut rng);
        let (ours, theirs) = (ours(&bytes, &mut recent), theirs(&bytes));
        let class = match (&ours, &theirs) {
            (Verdict::Whole(ours), Verdict::Whole(theirs)) if ours == theirs => Some("both take it"),
            (Verdict::Short, Verdict::Short) => Some("both wait"),
            (Verdict::Refused(_), Verdict::Refused(_)) => Some("both refuse it"),
            // It judges before a line's end is here.
            (Verdict::Short, Verdict::Refused(_)) if !bytes.ends_with(b"\n") => Some("a line that has no end yet"),
            (Verdict::Whole(_) | Verdict::Short, Verdict::Refused(error)) => laxer(&bytes, *error),
            (Verdict::Refused(fault), _) => stricter(&bytes, *fault),
            _ => None,
        };
        let Some(class) = class else {
            panic!("round {round} of seed {seed}: {}\nours {ours:?}\ntheirs {theirs:?}", bytes.escape_ascii())
        };
        *met.entry(class).or_default() += 1;
    }
    for (class, times) in &met {
        println!("{times:>10}  {class}");
    }
    for class in
        ["both take it", "both wait", "both refuse it", "a bare LF", "no Host, or several", "a target of no form"]
    {
        assert!(met.get(class).is_some_and(|times| *times > rounds / 2_000), "{class}: too seldom to mean anything");
    }
}

//! An HTTP service for the simulator: files whose bytes follow from their name, and what a conversation with it must be.

use std::collections::HashSet;

use tidegate_core::files::{Ask, File, Files, OpenError, Opened, ReadError};
use tidegate_core::http::head::Limits;
use tidegate_core::http::mime::Kind;
use tidegate_core::pool::{Mark, Pool};
use tidegate_core::service::http::{Http, HttpState, Site};
use tidegate_core::service::{Cause, Context, Next, Outbox, Service};

use crate::rng::{Rng, pattern};

/// `/f0` to `/f4`. The last two are long enough to be handed to the network.
const SIZES: [u64; 5] = [0, 10, 500, 9_000, 30_000];

const SITES: &[Site<'static>] = &[SITE; 3];
const SITE: Site<'static> =
    Site { limits: Limits { head_bytes: 512, fields: 8, target_bytes: 64, body_bytes: 64 }, ..Site::DEFAULT };

/// The last word to a request that came too slowly.
pub const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n\
Content-Length: 20\r\nConnection: close\r\n\r\n408 Request Timeout\n";

#[derive(Default)]
pub struct Pages {
    open: HashSet<u32>,
    opened: u32,
}

impl Pages {
    pub fn open_now(&self) -> usize {
        self.open.len()
    }
}

/// A byte of an open file; its name stands in its number.
pub fn byte(id: u32, at: u64) -> u8 {
    assert!(at < SIZES[id as usize % 8], "file {id} has no byte {at}");
    pattern(u64::from(id % 8), at as usize)
}

impl Files for Pages {
    fn open(&mut self, ask: Ask<'_>) -> Result<Opened, OpenError> {
        let kind = match ask.path {
            [b'f', digit @ b'0'..=b'4'] => u32::from(digit - b'0'),
            b"dir" => return Ok(Opened::Directory),
            b"full" => return Err(OpenError::Full),
            _ => return Err(OpenError::NotFound),
        };
        self.opened += 1;
        let (id, len) = (self.opened * 8 + kind, SIZES[kind as usize]);
        self.open.insert(id);
        Ok(Opened::File(File {
            id,
            len,
            modified_s: 784_111_777,
            version: 1,
            kind: Kind::default(),
            gzip: false,
            varies: false,
            by_net: true,
        }))
    }

    fn read(&mut self, id: u32, offset: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        assert!(self.open.contains(&id), "file {id} is read and not open");
        let left = SIZES[id as usize % 8] - offset;
        let n = into.len().min(left as usize);
        into[..n].iter_mut().zip(offset..).for_each(|(to, at)| *to = byte(id, at));
        Ok(n)
    }

    fn release(&mut self, id: u32) {
        assert!(self.open.remove(&id), "file {id} is released and not open");
    }
}

pub fn service() -> Http<'static, Pages> {
    Http::new(Pages::default(), (), SITES, Box::leak(Box::default()))
}

/// A few requests, all the answers to them, where each answer begins, and whether the server closes after the last.
pub fn conversation(rng: &mut Rng) -> (Vec<u8>, Vec<u8>, Vec<usize>, bool) {
    let (mut out, mut answers, mut starts) = (Vec::new(), Vec::new(), vec![0]);
    let mut closes = false;
    for _ in 0..rng.below(7) {
        let method = rng.pick(&["GET", "GET", "GET", "HEAD", "POST", "BREW"]);
        let target =
            rng.pick(&["/f0", "/f1", "/f2", "/f2", "/f3", "/f4", "/dir", "/full", "/none", "/%66%31?x", "/../f1"]);
        let fields = rng.pick(&[
            "",
            "",
            "",
            "Range: bytes=3-8\r\n",
            "Range: bytes=100-\r\n",
            "If-None-Match: \"0000000000000001\"\r\n",
            "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: close\r\n",
            "Bad\r\n",
        ]);
        let body = match fields {
            "Content-Length: 3\r\n" => "abc",
            "Transfer-Encoding: chunked\r\n" => "3;x\r\nabc\r\n0\r\nT: u\r\n\r\n",
            _ => "",
        };
        let request = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}");
        out.extend_from_slice(request.as_bytes());
        closes = answer(request.as_bytes(), &mut answers);
        starts.push(answers.len());
        if closes {
            break;
        }
    }
    (out, answers, starts, closes)
}

/// The answer to one request by the same service, undisturbed; whether it closes after it.
fn answer(request: &[u8], answers: &mut Vec<u8>) -> bool {
    let mut marks = [Mark::default()];
    let mut pool = Pool::new(&mut marks);
    let share = pool.add_share(1).expect("room for one");
    let token = pool.take(share).expect("a slot");
    let (mut service, mut state, mut cause) = (service(), HttpState::default(), Cause::Bytes);
    let mut input = request;
    loop {
        let mut memory = vec![0; 4_096];
        let mut out = Outbox::new(&mut memory);
        let step = service.step(&mut state, cause, input, &mut out, &mut Context::detached(&mut pool, token, 1));
        let part = out.file_part();
        answers.extend_from_slice(out.finish().0);
        if let Some(part) = part {
            answers.extend((part.offset..).take(part.len).map(|at| byte(part.id, at)));
            service.sent(&mut state, part.len);
        }
        input = &input[step.consumed..];
        match step.next {
            Next::Again => cause = Cause::Drained,
            next => return next == Next::Close,
        }
    }
}

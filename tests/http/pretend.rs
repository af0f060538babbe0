//! Files that exist only here, and routes of a program that does not.

use std::collections::HashMap;

use tidegate_core::files::{Ask, File, Files, OpenError, Opened, ReadError};
use tidegate_core::http::head::{Limits, Method};
use tidegate_core::http::mime::Kind;
use tidegate_core::http::status::Status;
use tidegate_core::service::http::{Answered, Fixed, Http, Piece, Reply, Request, Route, Routes, Site};

/// Small enough that a case can reach each of them.
pub const LIMITS: Limits = Limits { head_bytes: 512, fields: 10, target_bytes: 100, body_bytes: 64 };

/// 2026-07-14 03:33:20, and when every file was changed: Sun, 06 Nov 1994 08:49:37 GMT.
pub const NOW_S: i64 = 1_784_000_000;
const MODIFIED_S: i64 = 784_111_777;

/// Bytes of `/big.bin`: more than is copied.
pub const BIG_BYTES: usize = 100_000;

const LONG_TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\
                         0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\n";

const fn text(prefix: &'static str, status: Status, text: &'static str) -> Route<'static> {
    Route { prefix, answer: Fixed::Text { status, kind: "text/plain", text } }
}

const fn redirect(prefix: &'static str, url: &'static str) -> Route<'static> {
    Route { prefix, answer: Fixed::Redirect { status: Status::Found, url } }
}

const ROUTES: &[Route<'static>] = &[
    text("/fixed", Status::Ok, "fixed\n"),
    text("/fixed/teapot", Status::Conflict, "no\n"),
    text("/empty", Status::NoContent, ""),
    text("/long", Status::Ok, LONG_TEXT),
    redirect("/old", "/a.txt"),
    redirect("/away/", "https://example.org/"),
];

pub const SITES: &[Site<'static>] = &[
    Site { limits: LIMITS, routes: ROUTES, index: "index.html", not_found: "" },
    Site { limits: LIMITS, routes: &[], index: "", not_found: "/404.html" },
];

/// A byte of `/big.bin`.
pub fn big(at: u64) -> u8 {
    (at * 31 + at / 251) as u8
}

struct Known {
    bytes: Vec<u8>,
    gzip: bool,
    by_net: bool,
}

/// Every path it was asked for, and every file that is open.
#[derive(Default)]
pub struct Pretend {
    pub asked: Vec<String>,
    open: HashMap<u32, Known>,
    last: u32,
    pub opened: u64,
    pub released: u64,
    /// Files a world's `send_file` knows.
    pub hands_over: bool,
}

impl Pretend {
    pub fn open_now(&self) -> usize {
        self.open.len()
    }

    /// The bytes of an open file, for a network that sends from it.
    pub fn bytes(&self, id: u32) -> &[u8] {
        let known = &self.open[&id];
        assert!(known.by_net, "file {id} is not the network's to send");
        &known.bytes
    }
}

impl Files for Pretend {
    fn open(&mut self, ask: Ask<'_>) -> Result<Opened, OpenError> {
        let path = std::str::from_utf8(ask.path).expect("paths are UTF-8");
        self.asked.push(path.into());
        assert!(ask.listener < 2 && ask.now_ms > 0);
        let (bytes, varies) = match path {
            "a.txt" | "index.html" | "dir/index.html" | "sp ace.txt" | "\u{e4}.txt" => {
                (b"hello, world\n".to_vec(), false)
            }
            "404.html" => (b"<p>nothing here</p>\n".to_vec(), false),
            "empty.txt" => (Vec::new(), false),
            "big.bin" => ((0..BIG_BYTES as u64).map(big).collect(), false),
            "z.css" if ask.gzip => (b"zipped".to_vec(), true),
            "z.css" => (b"body { color: red }\n".to_vec(), true),
            "broken.bin" | "short.bin" => (vec![b'x'; 40_000], false),
            "dir" | "dir/sub" | "s p" => return Ok(Opened::Directory),
            "secret.txt" => return Err(OpenError::Forbidden),
            "full.txt" => return Err(OpenError::Full),
            "failed.txt" => return Err(OpenError::Failed),
            _ => return Err(OpenError::NotFound),
        };
        self.last += 1;
        self.opened += 1;
        let gzip = varies && ask.gzip;
        let by_net = self.hands_over && path == "big.bin";
        let (id, len) = (self.last, bytes.len() as u64);
        let version = 0xab + u64::from(gzip);
        let modified_s = if path == "empty.txt" { 0 } else { MODIFIED_S };
        let bytes = match path {
            "broken.bin" => Vec::new(),
            "short.bin" => bytes[..20_000].to_vec(),
            _ => bytes,
        };
        self.open.insert(id, Known { bytes, gzip, by_net });
        Ok(Opened::File(File { id, len, modified_s, version, kind: Kind::of(ask.path), gzip, varies, by_net }))
    }

    fn read(&mut self, id: u32, offset: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let known = self.open.get(&id).expect("only an open file is read");
        assert!(!into.is_empty(), "nothing is to be read");
        assert!(!known.gzip || known.bytes == b"zipped");
        let rest = known.bytes.get(offset as usize..).ok_or(ReadError)?;
        // Short reads, as a file system may make them.
        let n = rest.len().min(into.len()).min(3_000);
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn release(&mut self, id: u32) {
        assert!(self.open.remove(&id).is_some(), "file {id} was released twice");
        self.released += 1;
    }
}

/// A program's routes: a counter that is changed by `POST`, what was sent, pages in pieces, and mistakes.
#[derive(Default)]
pub struct Program {
    pub count: u32,
    pub served: u32,
}

impl Routes for Program {
    fn answer(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Answered {
        match (core::str::from_utf8(request.path).unwrap(), request.method) {
            ("/count", Method::Post) => {
                self.count += 1;
                reply.start(Status::Created, "text/plain");
                let _ = ufmt::uwrite!(reply, "{}", self.count);
            }
            ("/count", _) => {
                reply.start(Status::Ok, "text/plain");
                let _ = ufmt::uwrite!(reply, "{}", self.count);
            }
            ("/body", _) => {
                reply
                    .start(Status::Ok, "text/plain")
                    .field("X-Method", core::str::from_utf8(request.method_name()).unwrap());
                reply
                    .write(request.query.unwrap_or(b"-"))
                    .write(b":")
                    .write(request.field("x").unwrap_or(b"-"))
                    .write(b":");
                request.body().for_each(|piece| {
                    reply.write(piece);
                });
            }
            ("/nothing", _) => {
                reply.start(Status::NoContent, "");
            }
            ("/page", _) => {
                reply.start(Status::Ok, "text/plain");
                return Answered::Pieces(7);
            }
            ("/page/empty", _) => {
                reply.start(Status::Ok, "text/plain");
                return Answered::Pieces(8);
            }
            ("/bad/unstarted", _) => return Answered::Yes,
            ("/bad/field", _) => {
                reply.start(Status::Ok, "").field("A", "b\r\nC: d");
            }
            ("/bad/length", _) => {
                reply.start(Status::Ok, "").field("content-length", "3").write(b"abc");
            }
            ("/bad/huge", _) => {
                reply.start(Status::Ok, "").write(&[b'x'; 40_000]);
            }
            ("/bad/bodiless", _) => {
                reply.start(Status::NoContent, "").write(b"x");
            }
            ("/bad/taken-back", _) => {
                reply.start(Status::Ok, "").write(b"x");
                return Answered::No;
            }
            _ => return Answered::No,
        }
        Answered::Yes
    }

    fn piece(&mut self, page: u32, at: u32, into: &mut Piece<'_, '_>) -> Option<u32> {
        if page == 8 {
            return None;
        }
        assert_eq!(page, 7);
        // The third says nothing, and is not the end.
        if at != 2 {
            into.write(&[b'0' + at as u8; 200]);
        }
        (at < 5).then_some(at + 1)
    }

    fn served(&mut self, _: &Request<'_>, _: Status, _: u64) {
        self.served += 1;
    }
}

pub type Service = Http<'static, Pretend, Program>;

pub fn service(hands_over: bool) -> Service {
    Http::new(Pretend { hands_over, ..Pretend::default() }, Program::default(), SITES, Box::leak(Box::default()))
}

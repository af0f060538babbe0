//! A program's own routes: what it is told of a request, and the trait it implements.
//!
//! A route answers at once with what fits the outbox ([`Reply`]), or begins a page that is asked for piece by piece as
//! the client takes it. Neither holds memory for a connection.

use core::convert::Infallible;

use super::reply::Reply;
use crate::http::chunk::{Chunk, Chunks};
use crate::http::fields::Fields;
use crate::http::head::{Head, Method};
use crate::http::status::Status;
use crate::net::{PackedPeer, Peer};
use crate::service::Outbox;

/// A request whose head and body are complete.
#[derive(Clone, Copy, Debug)]
pub struct Request<'i> {
    pub listener: usize,
    pub method: Method,
    /// Decoded and safe: see [`Path`](crate::http::target::Path).
    pub path: &'i [u8],
    /// What followed the question mark, as it was sent.
    pub query: Option<&'i [u8]>,
    /// Monotonic.
    pub now_ms: u64,
    /// Seconds since 1970; 0 while the clock is not plausible.
    pub wall_s: i64,
    pub(super) packed: &'i PackedPeer,
    pub(super) head: &'i Head,
    /// From the head's first byte to the body's last.
    pub(super) bytes: &'i [u8],
}

impl<'i> Request<'i> {
    pub fn peer(&self) -> Peer {
        self.packed.unpack()
    }

    pub fn method_name(&self) -> &'i [u8] {
        self.head.method_name(self.bytes)
    }

    /// Whether it is of HTTP/1.0.
    pub fn is_old(&self) -> bool {
        self.head.is_old()
    }

    /// The target as it was sent.
    pub fn target(&self) -> &'i [u8] {
        self.head.target(self.bytes)
    }

    pub fn fields(&self) -> Fields<'i> {
        self.head.fields(self.bytes)
    }

    /// The value of a field that is there exactly once.
    pub fn field(&self, name: &str) -> Option<&'i [u8]> {
        self.fields().one(name.as_bytes())
    }

    /// The body in order; one piece unless it was sent in chunks.
    pub fn body(&self) -> Body<'i> {
        let rest = self.bytes.get(self.head.len()..).unwrap_or(&[]);
        Body { rest, chunks: self.head.is_chunked().then(Chunks::default) }
    }
}

/// The pieces of a body.
#[derive(Clone, Debug)]
pub struct Body<'i> {
    rest: &'i [u8],
    chunks: Option<Chunks>,
}

impl<'i> Iterator for Body<'i> {
    type Item = &'i [u8];

    fn next(&mut self) -> Option<&'i [u8]> {
        match &mut self.chunks {
            Some(chunks) => match chunks.next(self.rest) {
                Ok(Chunk::Data(data)) => Some(data),
                _ => None,
            },
            None => Some(core::mem::take(&mut self.rest)).filter(|rest| !rest.is_empty()),
        }
    }
}

/// What a route did about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Nothing: the files are asked.
    No,
    /// The reply is written.
    Yes,
    /// Status and fields are written; the body comes from [`Routes::piece`], beginning with piece 0 of this page.
    Pieces(u32),
}

/// The hook for a program's own routes.
pub trait Routes {
    /// Whether anything of this listener may be answered here; where not, nothing is asked.
    #[inline]
    fn serves(&self, _listener: usize) -> bool {
        true
    }

    /// Answers a request. Called once for each, unless a `GET` or `HEAD` has to be asked again for want of room.
    fn answer(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Answered;

    /// Writes one piece of a page and says which is next, `None` after the last. A piece that does not fit is taken back
    /// and asked for again with more room; it should stay below 1 KiB, which always fits.
    fn piece(&mut self, _page: u32, _at: u32, _into: &mut Piece<'_, '_>) -> Option<u32> {
        None
    }

    /// A request was answered, or its answer has begun: for an access log. `len` is the body's, 0 where it is not known.
    #[inline]
    fn served(&mut self, _request: &Request<'_>, _status: Status, _len: u64) {}
}

/// No routes.
impl Routes for () {
    #[inline]
    fn serves(&self, _: usize) -> bool {
        false
    }

    #[inline]
    fn answer(&mut self, _: &Request<'_>, _: &mut Reply<'_>) -> Answered {
        Answered::No
    }
}

/// Where a piece of a page is written.
pub struct Piece<'p, 'a> {
    out: &'p mut Outbox<'a>,
    whole: bool,
}

impl<'p, 'a> Piece<'p, 'a> {
    pub(super) fn new(out: &'p mut Outbox<'a>) -> Self {
        Self { out, whole: true }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.whole &= self.out.write(bytes);
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }
}

impl ufmt::uWrite for Piece<'_, '_> {
    type Error = Infallible;

    fn write_str(&mut self, text: &str) -> Result<(), Infallible> {
        self.write(text.as_bytes());
        Ok(())
    }
}

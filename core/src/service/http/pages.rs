//! The pages about the server itself, as routes: `/status` for people, `/status.json` and `/metrics` for programs, and
//! `/healthz` for whoever sends traffic here.
//!
//! All are written from a [`Board`], piece by piece, so that they cost no memory for a connection. The page for people
//! is one file without any outside resource; it draws what it reads from `/status.json`.

use core::convert::Infallible;

use ufmt::uWrite;

use super::reply::Reply;
use super::routes::{Answered, Piece, Request, Routes};
use crate::http::head::Method;
use crate::http::status::Status;
use crate::prefix::{Prefix, lets_in};
use crate::status::{Board, Form, METRICS_CONTENT_TYPE, PARTS};

/// The page for people.
const PAGE: &[u8] = include_bytes!("status.html");

/// Bytes of the page in one piece.
const PAGE_PIECE_BYTES: usize = 1_000;

/// Once a piece holds this many bytes of a report it ends: one more part still leaves it below a kilobyte, as a rule.
const PIECE_BYTES_ENOUGH: usize = 400;

/// Only what the page itself brings may run or be asked for.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page numbers of [`Answered::Pieces`].
const FOR_PEOPLE: u32 = 0;
const JSON: u32 = 1;
const METRICS: u32 = 2;
const HEALTH: u32 = 3;

/// Who may see the pages on one listener.
#[derive(Clone, Copy, Debug, Default)]
pub enum Access<'m> {
    /// The listener does not have them.
    #[default]
    None,
    /// These, or everyone where the list is empty.
    Only(&'m [Prefix]),
}

/// The pages of one server.
pub struct Pages<'m, B> {
    board: B,
    /// In the order of the listeners; one beyond has no pages.
    access: &'m [Access<'m>],
    /// Whether newcomers should be sent elsewhere: `/healthz` says so.
    pub draining: bool,
    now_ms: u64,
}

impl<'m, B: Board> Pages<'m, B> {
    pub fn new(board: B, access: &'m [Access<'m>]) -> Self {
        Self { board, access, draining: false, now_ms: 0 }
    }

    fn health(&self, reply: &mut Reply<'_>) -> Answered {
        let (status, word) =
            if self.draining { (Status::ServiceUnavailable, "draining\n") } else { (Status::Ok, "ok\n") };
        reply.start(status, "text/plain; charset=utf-8").field("Cache-Control", "no-store").write(word.as_bytes());
        Answered::Yes
    }

    /// Writes parts of the JSON from this one on; the next.
    fn json(&self, mut part: usize, into: &mut Piece<'_, '_>) -> Option<u32> {
        self.board.look(self.now_ms, &mut |status| {
            let mut counted = Counted { piece: into, bytes: 0 };
            while part < PARTS && counted.bytes < PIECE_BYTES_ENOUGH {
                let Ok(()) = status.write_part(Form::Json, part, &mut counted);
                part = part.wrapping_add(1);
            }
        });
        (part < PARTS).then_some(part as u32)
    }

    fn metrics(&self, at: u32, into: &mut Piece<'_, '_>) -> Option<u32> {
        let mut next = Some(at);
        self.board.look(self.now_ms, &mut |status| {
            let mut counted = Counted { piece: into, bytes: 0 };
            while let (Some(at), true) = (next, counted.bytes < PIECE_BYTES_ENOUGH) {
                let Ok(after) = status.write_metrics(at, &mut counted);
                next = after;
            }
        });
        next
    }
}

impl<B: Board> Routes for Pages<'_, B> {
    #[inline]
    fn serves(&self, listener: usize) -> bool {
        matches!(self.access.get(listener), Some(Access::Only(_)))
    }

    fn answer(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Answered {
        let Some(Access::Only(allow)) = self.access.get(request.listener) else { return Answered::No };
        if !matches!(request.method, Method::Get | Method::Head) {
            return Answered::No;
        }
        let (page, kind) = match request.path {
            b"/status" => (FOR_PEOPLE, "text/html; charset=utf-8"),
            b"/status.json" => (JSON, "application/json"),
            b"/metrics" => (METRICS, METRICS_CONTENT_TYPE),
            b"/healthz" => (HEALTH, ""),
            _ => return Answered::No,
        };
        if !lets_in(allow, &[], request.peer().ip()) {
            reply.start(Status::Forbidden, "text/plain; charset=utf-8").write(b"403 Forbidden (StatusAllow)\n");
            return Answered::Yes;
        }
        if page == HEALTH {
            return self.health(reply);
        }
        self.now_ms = request.now_ms;
        reply.start(Status::Ok, kind).field("Cache-Control", "no-store").field("X-Content-Type-Options", "nosniff");
        if page == FOR_PEOPLE {
            reply.field("Content-Security-Policy", POLICY).field("Referrer-Policy", "no-referrer");
        }
        Answered::Pieces(page)
    }

    fn piece(&mut self, page: u32, at: u32, into: &mut Piece<'_, '_>) -> Option<u32> {
        match page {
            JSON => self.json(at as usize, into),
            METRICS => self.metrics(at, into),
            _ => {
                let from = (at as usize).saturating_mul(PAGE_PIECE_BYTES);
                let rest = PAGE.get(from..).unwrap_or(&[]);
                into.write(rest.get(..PAGE_PIECE_BYTES).unwrap_or(rest));
                (rest.len() > PAGE_PIECE_BYTES).then_some(at.wrapping_add(1))
            }
        }
    }
}

/// Counts what goes into a piece.
struct Counted<'c, 'p, 'a> {
    piece: &'c mut Piece<'p, 'a>,
    bytes: usize,
}

impl uWrite for Counted<'_, '_, '_> {
    type Error = Infallible;

    fn write_str(&mut self, text: &str) -> Result<(), Infallible> {
        self.bytes = self.bytes.saturating_add(text.len());
        self.piece.write_str(text)
    }
}

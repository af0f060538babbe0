//! HTTP/1.1 and 1.0: fixed answers, redirects, a program's own routes, and files.
//!
//! A request is answered once its head and its body are here; both are bounded, so a request is never more than what
//! the receive buffer holds, and nothing of it is copied. What is remembered of a connection at rest is nothing; of
//! one whose request drips in, where its head stands; of one whose answer is on its way, where that stands. Whatever
//! is wrong with the message itself closes the connection after the answer, because the next message's start is not
//! known; a request that only asks for something there is not keeps it.

mod answer;
mod get;
mod heads;
mod pages;
mod reply;
mod routes;
mod sending;
mod site;

pub use crate::http::counts::{Counts, HttpCounter};
pub use pages::{Access, Pages};
pub use reply::Reply;
pub use routes::{Answered, Body, Piece, Request, Routes};
pub use sending::COPY_BYTES_MAX;
pub use site::{Fixed, Route, Site};

use answer::{Answering, Manner, NoRoom};
use heads::Heads;
pub use sending::Sending;
use sending::Sent;

use super::{Cause, Context, Outbox, Service, Step};
use crate::files::Files;
use crate::http::chunk::{Chunk, Chunks, TRAILERS};
use crate::http::fault::Fault;
use crate::http::head::{Head, Limits};
use crate::http::recent::Recent;
use crate::http::response::DateLine;
use crate::limits::REQUEST_PATH_BYTES_MAX;

/// Requests answered in one step, so that a client that sends many at once takes turns with the others.
const REQUESTS_PER_STEP: usize = 16;

/// The HTTP service: files of the world's, routes of the program's, a site for each listener.
pub struct Http<'m, F, R = ()> {
    pub files: F,
    pub routes: R,
    sites: &'m [Site<'m>],
    counts: &'m Counts,
    /// Whether every answer is the last of its connection, as the world is about to leave.
    pub draining: bool,
    date: DateLine,
    heads: Heads,
    recent: Recent,
    /// Where a path is decoded; one request at a time.
    path: [u8; REQUEST_PATH_BYTES_MAX],
}

/// What is kept of a connection.
#[derive(Debug)]
pub enum HttpState {
    /// The next request, as far as it is here.
    Reading(Head),
    /// An answer on its way; nothing is read meanwhile.
    Sending(Sending),
    /// The last answer is written.
    Closing,
}

impl Default for HttpState {
    fn default() -> Self {
        Self::Reading(Head::default())
    }
}

/// What became of the next request.
enum Asked {
    /// It was so long; what follows its answer, or the rest of it.
    Answered(usize, HttpState),
    /// It is not all here.
    Waits,
    /// Its answer needs more room than is left.
    NoRoom,
    /// It was refused, and nothing can follow.
    Last,
}

impl<'m, F: Files, R: Routes> Http<'m, F, R> {
    /// `sites` in the order of the listeners; one that has none is served by the default. What is counted goes to
    /// `counts`, as a rule the dispatcher's [`Stats::http`](crate::stats::Stats::http).
    pub fn new(files: F, routes: R, sites: &'m [Site<'m>], counts: &'m Counts) -> Self {
        Self {
            files,
            routes,
            sites,
            counts,
            draining: false,
            date: DateLine::NEW,
            heads: Heads::new(),
            recent: Recent::new(),
            path: [0; REQUEST_PATH_BYTES_MAX],
        }
    }

    pub fn counts(&self) -> &Counts {
        self.counts
    }

    /// Reads the next request and answers it if it is complete.
    #[inline]
    fn ask(&mut self, head: &mut Head, input: &[u8], out: &mut Outbox<'_>, context: &Context<'_, '_>) -> Asked {
        let Self { files, routes, sites, counts, draining, date, heads, recent, path } = self;
        let site = sites.get(context.listener()).unwrap_or(&Site::DEFAULT);
        // What is remembered changes only where more of the request is waited for: without room all is read again.
        let mut now = *head;
        let complete = match now.read(input, &site.limits, recent) {
            Ok(false) => {
                *head = now;
                return Asked::Waits;
            }
            complete => complete,
        };
        let (mut manner, sending) = (Manner::of(&now), Sending::default());
        manner.keeps_alive &= !*draining;
        let mut answering = Answering { files, routes, counts, date, heads, site, out, sending, manner };
        if complete.is_ok() && now.expects() && now.length() <= u32::from(site.limits.body_bytes) {
            // Said also where the body is here already: that does not depend on how it was cut.
            if answering.go_on().is_err() {
                return Asked::NoRoom;
            }
            now.expect_no_more();
            *head = now;
        }
        let len = match complete.and_then(|_| body_len(&mut now, input, &site.limits)) {
            Ok(Some(len)) => len,
            Ok(None) => {
                *head = now;
                return Asked::Waits;
            }
            Err(fault) => {
                return match answering.refuse(fault, context.listener()) {
                    Ok(()) => Asked::Last,
                    Err(NoRoom) => Asked::NoRoom,
                };
            }
        };
        match answering.answer(&now, input.get(..len).unwrap_or(input), path, context) {
            Ok(keeps_alive) if answering.sending.is_nothing() => {
                Asked::Answered(len, if keeps_alive { HttpState::default() } else { HttpState::Closing })
            }
            Ok(keeps_alive) => Asked::Answered(len, HttpState::Sending(answering.sending.followed(keeps_alive))),
            Err(NoRoom) => Asked::NoRoom,
        }
    }

    /// Goes on with an answer; what follows once all of it is written.
    #[inline(never)]
    fn send_on(&mut self, sending: &mut Sending, out: &mut Outbox<'_>, context: &Context<'_, '_>) -> Option<HttpState> {
        let site = self.sites.get(context.listener()).unwrap_or(&Site::DEFAULT);
        match sending.go_on(&mut self.files, &mut self.routes, site, out) {
            Sent::Some => None,
            Sent::All if sending.is_last => Some(HttpState::Closing),
            Sent::All => Some(HttpState::default()),
            Sent::Broken => {
                self.counts.count(HttpCounter::Broken);
                Some(HttpState::Closing)
            }
        }
    }

    /// The request was not complete in time.
    #[cold]
    fn time_out(&mut self, head: &Head, out: &mut Outbox<'_>, context: &Context<'_, '_>) {
        let Self { files, routes, sites, counts, date, heads, .. } = self;
        let site = sites.get(context.listener()).unwrap_or(&Site::DEFAULT);
        let (manner, sending) = (Manner::of(head), Sending::default());
        let mut answering = Answering { files, routes, counts, date, heads, site, out, sending, manner };
        // Without room there is nobody to tell.
        let _ = answering.refuse(Fault::Timeout, context.listener());
    }
}

impl<F: Files, R: Routes> Service for Http<'_, F, R> {
    type State = HttpState;

    // Of its own, so that the small services beside it keep the dispatcher's registers.
    #[inline(never)]
    fn step(
        &mut self,
        state: &mut HttpState,
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Step {
        self.date.set(context.wall_s());
        if cause == Cause::Timeout {
            if let HttpState::Reading(head) = state {
                self.time_out(head, out, context);
            }
            return Step::close(input.len());
        }
        let mut used = 0usize;
        for _ in 0..REQUESTS_PER_STEP {
            let head = match state {
                HttpState::Reading(head) => head,
                HttpState::Closing => return Step::close(input.len()),
                HttpState::Sending(sending) => {
                    match self.send_on(sending, out, context) {
                        Some(next) => *state = next,
                        None => return Step::again(used),
                    }
                    continue;
                }
            };
            used = used.wrapping_add(head.leading_empty_line(input.get(used..).unwrap_or(&[])));
            let rest = input.get(used..).unwrap_or(&[]);
            match self.ask(head, rest, out, context) {
                Asked::Answered(len, next) => {
                    used = used.wrapping_add(len);
                    *state = next;
                    if used == input.len() && matches!(state, HttpState::Reading(_)) && !context.ended() {
                        return Step::more(used);
                    }
                }
                Asked::Waits if context.ended() => return Step::close(input.len()),
                Asked::Waits => return Step::more(used),
                Asked::Last => return Step::close(input.len()),
                Asked::NoRoom if out.written() > 0 => return Step::again(used),
                Asked::NoRoom => {
                    self.counts.count(HttpCounter::NoRoom);
                    log::warn!("an answer does not fit into {} bytes ([Memory] BlockSize)", out.room());
                    return Step::close(input.len());
                }
            }
        }
        Step::again(used)
    }

    fn sent(&mut self, state: &mut HttpState, bytes: usize) {
        if let HttpState::Sending(sending) = state {
            sending.sent(bytes);
        }
    }

    fn closed(&mut self, state: &mut HttpState, _context: &mut Context<'_, '_>) {
        if let HttpState::Sending(sending) = state {
            sending.end(&mut self.files);
        }
    }
}

/// The length of a head with its body, once that is all here.
#[inline]
fn body_len(head: &mut Head, input: &[u8], limits: &Limits) -> Result<Option<usize>, Fault> {
    if head.has_body() { body_end(head, input, limits) } else { Ok(Some(head.len())) }
}

#[cold]
fn body_end(head: &mut Head, input: &[u8], limits: &Limits) -> Result<Option<usize>, Fault> {
    let max = limits.body_bytes as usize;
    let body = input.get(head.len()..).unwrap_or(&[]);
    if !head.is_chunked() {
        let len = head.length() as usize;
        return match len {
            len if len > max => Err(Fault::BodyTooLong),
            len if len > body.len() => Ok(None),
            len => Ok(Some(head.len().saturating_add(len))),
        };
    }
    // What stands behind the bound is not looked at, so that a cut changes nothing.
    let body = body.get(..max).unwrap_or(body);
    let start = head.len();
    let (at, left) = head.chunk_words();
    let mut chunks = Chunks { at: (*at as usize).saturating_sub(start), left: *left };
    loop {
        match chunks.next(body)? {
            Chunk::Data(_) => {}
            Chunk::End => return Ok(Some(start.saturating_add(chunks.at))),
            Chunk::Short if body.len() == max || chunks.left != TRAILERS && chunks.left as usize > max => {
                return Err(Fault::BodyTooLong);
            }
            Chunk::Short => {
                (*at, *left) = (start.saturating_add(chunks.at) as u16, chunks.left);
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_connection_fits_its_price() {
        // With its place in a set of services, 32: a connection at rest stays below 160 bytes.
        assert!(core::mem::size_of::<HttpState>() <= 24);
    }
}

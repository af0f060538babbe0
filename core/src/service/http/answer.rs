//! Answering one complete request, or refusing one that is none: everything but files.

use super::heads::Heads;
use super::reply::Reply;
use super::routes::{Answered, Request, Routes};
use super::sending::Sending;
use super::site::{Fixed, Site};
use crate::files::Files;
use crate::http::counts::{Counts, HttpCounter};
use crate::http::fault::Fault;
use crate::http::head::{Head, Method};
use crate::http::response::{DateLine, Response};
use crate::http::status::Status;
use crate::http::target::{self, Refused};
use crate::service::{Context, Outbox};

/// The methods that files and fixed answers know.
const ALLOW: &[u8] = b"Allow: GET, HEAD, OPTIONS\r\n";

/// How an answer is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub keeps_alive: bool,
    pub old: bool,
    pub head_only: bool,
}

impl Manner {
    #[inline]
    pub fn of(head: &Head) -> Self {
        Self { keeps_alive: head.keeps_alive(), old: head.is_old(), head_only: head.method() == Method::Head }
    }
}

/// An answer did not fit and was taken back.
pub(super) struct NoRoom;

/// Everything an answer is made of.
pub(super) struct Answering<'s, 'm, 'a, F, R> {
    pub files: &'s mut F,
    pub routes: &'s mut R,
    pub counts: &'s Counts,
    pub date: &'s DateLine,
    pub heads: &'s mut Heads,
    pub site: &'s Site<'m>,
    pub out: &'s mut Outbox<'a>,
    pub sending: Sending,
    pub manner: Manner,
}

impl<F: Files, R: Routes> Answering<'_, '_, '_, F, R> {
    /// Answers a request; whether the connection stays afterwards.
    #[inline]
    pub fn answer(
        &mut self,
        head: &Head,
        bytes: &[u8],
        memory: &mut [u8],
        context: &Context<'_, '_>,
    ) -> Result<bool, NoRoom> {
        let target = head.target(bytes);
        let found = target::path(target, memory);
        let path = found.map_or(&[][..], |found| found.path);
        let request = Request {
            listener: context.listener(),
            packed: context.peer,
            method: head.method(),
            path,
            query: found.ok().and_then(|found| found.query),
            now_ms: context.now_ms(),
            wall_s: self.date.now_s(),
            head,
            bytes,
        };
        let reads = matches!(request.method, Method::Get | Method::Head);
        let answered = match found {
            _ if request.method == Method::Other => self.short(Status::NotImplemented, &[]),
            _ if target == b"*" => self.options(),
            Err(refused) => self.short(refusal(refused), &[]),
            Ok(_) => match self.site.fixed(path) {
                Some((route, fixed)) if reads => self.fixed(route, fixed),
                Some(_) if request.method == Method::Options => self.options(),
                Some(_) => self.short(Status::MethodNotAllowed, &[ALLOW]),
                None => match if self.routes.serves(request.listener) { self.route(&request, reads)? } else { None } {
                    Some(answered) => Ok(answered),
                    None if reads => self.get(&request),
                    None if request.method == Method::Options => self.options(),
                    None => self.short(Status::MethodNotAllowed, &[ALLOW]),
                },
            },
        };
        let (status, len) = answered?;
        self.counts.count(HttpCounter::Requests);
        self.counts.status(status);
        self.routes.served(&request, status, len);
        Ok(self.manner.keeps_alive)
    }

    /// Answers what is no request, for the last time on this connection.
    #[cold]
    pub fn refuse(&mut self, fault: Fault, listener: usize) -> Result<(), NoRoom> {
        self.manner.keeps_alive = false;
        let (status, _) = self.short(fault.status(), &[])?;
        self.counts.fault(fault);
        self.counts.status(status);
        let limits = &self.site.limits;
        match fault {
            Fault::HeadTooLong => {
                log::warn!("listener {}: a head over {} bytes (HeadSize)", listener, limits.head_bytes)
            }
            Fault::TooManyFields => {
                log::warn!("listener {}: more than {} fields (HeaderCount)", listener, limits.fields)
            }
            Fault::TargetTooLong => {
                log::warn!("listener {}: a target over {} bytes (TargetLength)", listener, limits.target_bytes);
            }
            Fault::BodyTooLong => {
                log::warn!("listener {}: a body over {} bytes (BodySize)", listener, limits.body_bytes)
            }
            _ => {}
        }
        Ok(())
    }

    /// `100 Continue`.
    #[cold]
    pub fn go_on(&mut self) -> Result<(), NoRoom> {
        let mut response = Response::fresh(self.out);
        if response.put(Status::Continue.line().as_bytes()).end() { Ok(()) } else { Err(NoRoom) }
    }

    /// An answer whose body is its status in words; `fields` are whole lines.
    #[cold]
    pub fn short(&mut self, status: Status, fields: &[&[u8]]) -> Result<(Status, u64), NoRoom> {
        let text = status.text();
        let mut response = Response::begin(self.out, status, self.date);
        response.say(b"Content-Type: text/plain; charset=utf-8\r\n").length(text.len() as u64 + 1);
        for field in fields {
            response.put(field);
        }
        response.connection(self.manner.keeps_alive, self.manner.old).say(b"\r\n");
        if !self.manner.head_only {
            response.put(text.as_bytes()).put(b"\n");
        }
        if response.is_whole() { Ok((status, text.len() as u64 + 1)) } else { Err(NoRoom) }
    }

    /// What can be asked for: of the server, or of anything that only files and fixed answers know.
    #[cold]
    fn options(&mut self) -> Result<(Status, u64), NoRoom> {
        let mut response = Response::begin(self.out, Status::NoContent, self.date);
        let fits = response.put(ALLOW).connection(self.manner.keeps_alive, self.manner.old).end();
        if fits { Ok((Status::NoContent, 0)) } else { Err(NoRoom) }
    }

    fn fixed(&mut self, route: usize, fixed: Fixed<'_>) -> Result<(Status, u64), NoRoom> {
        match fixed {
            Fixed::Text { status, kind, text } => {
                let mut response = Response::begin(self.out, status, self.date);
                response.connection(self.manner.keeps_alive, self.manner.old);
                if status.is_bodiless() {
                    return if response.end() { Ok((status, 0)) } else { Err(NoRoom) };
                }
                if !response.field("Content-Type", kind).length(text.len() as u64).end() {
                    return Err(NoRoom);
                }
                if !self.manner.head_only {
                    let n = self.out.write_some(text.as_bytes());
                    if n < text.len() {
                        self.sending = Sending::text(route, n, text.len().wrapping_sub(n));
                    }
                }
                Ok((status, text.len() as u64))
            }
            Fixed::Redirect { status, url } => self.redirect(status, |response| {
                response.put(url.as_bytes());
            }),
        }
    }

    /// Sends elsewhere; what `url` writes is from the configuration, or was checked and encoded.
    #[cold]
    pub fn redirect(&mut self, status: Status, url: impl FnOnce(&mut Response<'_>)) -> Result<(Status, u64), NoRoom> {
        let mut response = Response::begin(self.out, status, self.date);
        response.connection(self.manner.keeps_alive, self.manner.old).length(0).say(b"Location: ");
        url(&mut response);
        if response.say(b"\r\n").end() { Ok((status, 0)) } else { Err(NoRoom) }
    }

    /// Asks the program's routes; `None` if they leave it to the files.
    #[inline(never)]
    fn route(&mut self, request: &Request<'_>, reads: bool) -> Result<Option<(Status, u64)>, NoRoom> {
        let before = self.out.written();
        // What may change something is asked once, so with all the room there can be.
        if !reads && before > 0 {
            return Err(NoRoom);
        }
        // The end of a page without chunks is the end of the connection, and who wrote the page is asked too late.
        let manner = Manner { keeps_alive: self.manner.keeps_alive && !self.manner.old, ..self.manner };
        let mut reply = Reply::new(self.out, self.date, manner);
        let answered = match self.routes.answer(request, &mut reply) {
            Answered::No => return Ok(None),
            Answered::Yes => reply.finish(),
            Answered::Pieces(page) => reply.finish_head().map(|status| {
                if !manner.head_only {
                    self.sending = Sending::page(page, !manner.old);
                }
                (status, 0)
            }),
        };
        match answered {
            Some(answered) => {
                self.manner = manner;
                Ok(Some(answered))
            }
            None if before > 0 => Err(NoRoom),
            None => {
                self.counts.count(HttpCounter::RoutesBroken);
                log::warn!("listener {}: a route's answer does not fit or is not fit to be sent", request.listener);
                self.short(Status::InternalServerError, &[]).map(Some)
            }
        }
    }
}

fn refusal(refused: Refused) -> Status {
    match refused {
        Refused::Malformed => Status::BadRequest,
        Refused::Hidden => Status::NotFound,
        Refused::TooLong => Status::UriTooLong,
    }
}

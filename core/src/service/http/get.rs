//! Answering with a file: opened, compared with what the client holds, and sent whole or in part.

use super::answer::{Answering, MODIFIED_LINES, NoRoom};
use super::counts::HttpCounter;
use super::routes::{Request, Routes};
use super::sending::{Sending, Sent};
use crate::files::{Ask, File, Files, OpenError, Opened};
use crate::http::conditional::{Validators, Verdict};
use crate::http::etag::{self, ETAG_BYTES};
use crate::http::head::Method;
use crate::http::mime;
use crate::http::range::{self, Ranged};
use crate::http::response::Response;
use crate::http::status::Status;
use crate::limits::REQUEST_PATH_BYTES_MAX;
use crate::service::Outbox;

/// The part of a file that is sent.
#[derive(Clone, Copy)]
struct Part {
    status: Status,
    first: u64,
    len: u64,
}

impl<F: Files, R: Routes> Answering<'_, '_, '_, F, R> {
    /// Answers a `GET` or `HEAD` with what its path names.
    #[inline]
    pub fn get(&mut self, request: &Request<'_>) -> Result<(Status, u64), NoRoom> {
        let opened = match request.path.ends_with(b"/") {
            false => self.open(request, request.path),
            true => self.open_index(request),
        };
        match opened {
            Ok(Opened::File(file)) => self.file(request, file, Status::Ok),
            Ok(Opened::Directory) => self.directory(request),
            Err(error) => self.unopened(request, error),
        }
    }

    #[inline]
    fn open(&mut self, request: &Request<'_>, path: &[u8]) -> Result<Opened, OpenError> {
        let path = path.get(1..).unwrap_or(&[]);
        let gzip = request.head.accepts_gzip();
        self.files.open(Ask { listener: request.listener, path, gzip, now_ms: request.now_ms })
    }

    /// A directory is its index.
    #[cold]
    fn open_index(&mut self, request: &Request<'_>) -> Result<Opened, OpenError> {
        let mut path = heapless::Vec::<u8, REQUEST_PATH_BYTES_MAX>::new();
        let index = self.site.index.as_bytes();
        if index.is_empty() || path.extend_from_slice(request.path).is_err() || path.extend_from_slice(index).is_err() {
            return Err(OpenError::NotFound);
        }
        match self.open(request, &path)? {
            Opened::File(file) => Ok(Opened::File(file)),
            // The index of a directory is a file, or there is none.
            Opened::Directory => Err(OpenError::NotFound),
        }
    }

    /// A directory has a slash at its end, so that what its pages point to is found below it.
    #[cold]
    fn directory(&mut self, request: &Request<'_>) -> Result<(Status, u64), NoRoom> {
        self.redirect(Status::MovedPermanently, |response| {
            // The path as it was understood: what was sent may begin with two slashes, which would name another host.
            for byte in request.path {
                if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(byte) {
                    response.put(core::slice::from_ref(byte));
                } else {
                    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' - 10 + nibble };
                    response.put(&[b'%', digit(byte >> 4), digit(byte & 15)]);
                }
            }
            response.put(b"/");
            if let Some(query) = request.query {
                response.put(b"?").put(query);
            }
        })
    }

    #[cold]
    fn unopened(&mut self, request: &Request<'_>, error: OpenError) -> Result<(Status, u64), NoRoom> {
        match error {
            OpenError::NotFound => self.not_found(request),
            OpenError::Forbidden => self.short(Status::Forbidden, &[]),
            OpenError::Failed => self.short(Status::InternalServerError, &[]),
            OpenError::Full => {
                self.counts.count(HttpCounter::FilesFull);
                log::warn!(
                    "listener {}: no file can be opened any more ([Memory] Transfers, [Process] OpenFiles)",
                    request.listener
                );
                self.short(Status::ServiceUnavailable, &[b"Retry-After: 1\r\n"])
            }
        }
    }

    /// The site's own page, if it has one and it can be opened.
    fn not_found(&mut self, request: &Request<'_>) -> Result<(Status, u64), NoRoom> {
        let path = self.site.not_found.as_bytes();
        let opened = if path.is_empty() { Err(OpenError::NotFound) } else { self.open(request, path) };
        match opened {
            Ok(Opened::File(file)) => self.file(request, file, Status::NotFound),
            _ => self.short(Status::NotFound, &[]),
        }
    }

    /// Sends an open file; it is given back here, or by whoever sends the rest.
    #[inline]
    fn file(&mut self, request: &Request<'_>, file: File, status: Status) -> Result<(Status, u64), NoRoom> {
        let from = self.out.written();
        let answered = self.head_of_file(request, &file, status);
        let part = match answered {
            Ok(Part { status, len, .. }) if self.manner.head_only || len == 0 => {
                self.files.release(file.id);
                return Ok((status, len));
            }
            Ok(part) => part,
            Err(refused) => {
                self.files.release(file.id);
                return refused;
            }
        };
        let Part { status, first, len } = part;
        let mut sending = Sending::file(file.id, first, len, file.by_net);
        match sending.go_on(self.files, self.routes, self.site, self.out) {
            Sent::All => {}
            // Nothing has left yet: the client can still be told.
            Sent::Broken => {
                self.out.truncate(from);
                self.counts.count(HttpCounter::Broken);
                return self.short(Status::InternalServerError, &[]);
            }
            Sent::Some => *self.sending = sending,
        }
        Ok((status, len))
    }

    /// Writes the head for a file: the part that follows, or what was answered instead.
    #[inline]
    fn head_of_file(
        &mut self,
        request: &Request<'_>,
        file: &File,
        status: Status,
    ) -> Result<Part, Result<(Status, u64), NoRoom>> {
        let now_s = self.date.now_s();
        // A file from the future was changed by a clock that nobody else has.
        let line = self.modified.get_mut(file.modified_s as usize % MODIFIED_LINES);
        let line = line.filter(|_| now_s == 0 || file.modified_s <= now_s).and_then(|line| line.of(file.modified_s));
        let modified = line.copied();
        let validators = Validators { etag: etag::write(file.version), modified_s: modified.map(|_| file.modified_s) };
        let mut part = Part { status, first: 0, len: file.len };
        if status == Status::Ok && request.head.is_conditional() {
            match validators.judge(request.fields(), now_s) {
                Verdict::Send => {}
                Verdict::NotModified => part = Part { status: Status::NotModified, first: 0, len: 0 },
                Verdict::Failed => return Err(self.short(Status::PreconditionFailed, &[])),
            }
        }
        if part.status == Status::Ok && request.head.has_range() && request.method == Method::Get {
            match self.range(request, file, &validators) {
                Ranged::Whole => {}
                Ranged::Part { first, len } => part = Part { status: Status::PartialContent, first, len },
                Ranged::Unsatisfiable => return Err(self.unsatisfiable(file.len)),
            }
        }
        let mut response = match part.status {
            Status::Ok => Response::begin_ok(self.out, self.date),
            status => Response::begin(self.out, status, self.date),
        };
        response.connection(self.manner.keeps_alive, self.manner.old);
        if let Some(modified) = &modified {
            response.say(modified);
        }
        response.say(&tag_and_ranges(&validators.etag));
        if file.varies || file.gzip {
            response.say(b"Vary: Accept-Encoding\r\n");
        }
        if part.status == Status::NotModified {
            return if response.end() { Ok(part) } else { Err(Err(NoRoom)) };
        }
        if file.gzip {
            response.say(b"Content-Encoding: gzip\r\n");
        }
        if part.status == Status::PartialContent {
            response.say(b"Content-Range: bytes ").number(part.first).say(b"-");
            response.number(part.first.saturating_add(part.len).saturating_sub(1)).say(b"/").number(file.len);
            response.say(b"\r\n");
        }
        let name = if status == Status::Ok { request.path } else { self.site.not_found.as_bytes() };
        let name = if name.ends_with(b"/") { self.site.index.as_bytes() } else { name };
        response.say(b"Content-Type: ").put(mime::of(name).as_bytes()).say(b"\r\nContent-Length: ").number(part.len);
        if response.say(b"\r\n\r\n").is_whole() { Ok(part) } else { Err(Err(NoRoom)) }
    }

    #[cold]
    fn range(&mut self, request: &Request<'_>, file: &File, validators: &Validators) -> Ranged {
        match request.field("Range") {
            Some(value) if validators.range_counts(request.fields(), self.date.now_s()) => range::read(value, file.len),
            _ => Ranged::Whole,
        }
    }

    #[cold]
    fn unsatisfiable(&mut self, len: u64) -> Result<(Status, u64), NoRoom> {
        let mut line = [0; 48];
        let mut room = Outbox::new(&mut line);
        Response::fresh(&mut room).say(b"Content-Range: bytes */").number(len).end();
        let (line, _) = room.finish();
        self.short(Status::RangeNotSatisfiable, &[line])
    }
}

/// Two lines in one piece.
#[inline(always)]
fn tag_and_ranges(tag: &[u8; ETAG_BYTES]) -> [u8; 6 + ETAG_BYTES + 24] {
    let mut lines = *b"ETag: \"................\"\r\nAccept-Ranges: bytes\r\n";
    if let Some(into) = lines.get_mut(6..).and_then(|lines| lines.first_chunk_mut::<ETAG_BYTES>()) {
        *into = *tag;
    }
    lines
}

//! Answering with a file: opened, compared with what the client holds, and sent whole or in part.

use super::answer::{Answering, NoRoom};
use super::heads::Key;
use super::routes::{Request, Routes};
use super::sending::{COPY_BYTES_MAX, Sending, Sent};
use crate::files::{Ask, File, Files, OpenError, Opened};
use crate::http::conditional::{Validators, Verdict};
use crate::http::counts::HttpCounter;
use crate::http::date;
use crate::http::etag;
use crate::http::head::Method;
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
    // Of its own, so that what a file needs and what a request needs do not fight for registers.
    #[inline(never)]
    pub fn get(&mut self, request: &Request<'_>) -> Result<(Status, u64), NoRoom> {
        let mut status = Status::Ok;
        let mut opened = match request.path.ends_with(b"/") {
            false => self.open(request, request.path),
            true => self.open_index(request),
        };
        if opened == Err(OpenError::NotFound) {
            (status, opened) = (Status::NotFound, self.open_error_page(request));
        }
        match opened {
            Ok(Opened::File(file)) => self.file(request, file, status),
            Ok(Opened::Directory) => self.directory(request),
            Err(error) => self.unopened(request, error),
        }
    }

    #[inline(always)]
    fn open(&mut self, request: &Request<'_>, path: &[u8]) -> Result<Opened, OpenError> {
        let path = path.get(1..).unwrap_or(&[]);
        let gzip = request.head.accepts_gzip();
        self.files.open(Ask { listener: request.listener, path, gzip, now_ms: request.now_ms })
    }

    /// Opens what was not asked for by this name.
    #[cold]
    fn open_other(&mut self, request: &Request<'_>, path: &[u8]) -> Result<Opened, OpenError> {
        self.open(request, path)
    }

    /// A directory is its index.
    #[cold]
    fn open_index(&mut self, request: &Request<'_>) -> Result<Opened, OpenError> {
        let mut path = heapless::Vec::<u8, REQUEST_PATH_BYTES_MAX>::new();
        let index = self.site.index.as_bytes();
        if index.is_empty() || path.extend_from_slice(request.path).is_err() || path.extend_from_slice(index).is_err() {
            return Err(OpenError::NotFound);
        }
        match self.open_other(request, &path)? {
            Opened::File(file) => Ok(Opened::File(file)),
            // The index of a directory is a file, or there is none.
            Opened::Directory => Err(OpenError::NotFound),
        }
    }

    /// The site's own page, if it has one and it can be opened.
    #[cold]
    fn open_error_page(&mut self, request: &Request<'_>) -> Result<Opened, OpenError> {
        let path = self.site.not_found.as_bytes();
        let opened = if path.is_empty() { Err(OpenError::NotFound) } else { self.open_other(request, path) };
        match opened {
            Ok(Opened::File(file)) => Ok(Opened::File(file)),
            _ => Err(OpenError::NotFound),
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
            OpenError::NotFound => self.short(Status::NotFound, &[]),
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

    /// Sends an open file; it is given back here, or by whoever sends the rest.
    #[inline]
    fn file(&mut self, request: &Request<'_>, file: File, status: Status) -> Result<(Status, u64), NoRoom> {
        let from = self.out.written();
        let answered = match self.head_of_file(request, &file, status) {
            Ok(part) if self.manner.head_only || part.len == 0 || self.copied(&file, part) => {
                Ok((part.status, part.len))
            }
            Ok(part) => return self.begin(&file, part, from),
            Err(refused) => refused,
        };
        self.files.release(file.id);
        answered
    }

    /// Copies all of a part behind its head. Nearly always it fits, and is all there at once.
    #[inline]
    fn copied(&mut self, file: &File, part: Part) -> bool {
        if part.len > COPY_BYTES_MAX || part.len > self.out.room() as u64 {
            return false;
        }
        let head = self.out.written();
        let len = part.len as usize;
        let read = self.out.fill(len, |into| self.files.read(file.id, part.first, into)).unwrap_or(0);
        if read < len {
            self.out.truncate(head);
        }
        read == len
    }

    /// Begins to send a part that takes more than one step. What was written from `from` on can still be taken back.
    #[cold]
    fn begin(&mut self, file: &File, part: Part, from: usize) -> Result<(Status, u64), NoRoom> {
        let mut sending = Sending::file(file.id, part.first, part.len, file.by_net);
        match sending.go_on(self.files, self.routes, self.site, self.out) {
            Sent::All => {}
            // Nothing has left yet: the client can still be told.
            Sent::Broken => {
                self.out.truncate(from);
                self.counts.count(HttpCounter::Broken);
                return self.short(Status::InternalServerError, &[]);
            }
            Sent::Some => self.sending = sending,
        }
        Ok((part.status, part.len))
    }

    /// Writes the head for a file: the part that follows, or what was answered instead.
    #[inline]
    fn head_of_file(
        &mut self,
        request: &Request<'_>,
        file: &File,
        status: Status,
    ) -> Result<Part, Result<(Status, u64), NoRoom>> {
        let whole = Part { status, first: 0, len: file.len };
        let is_usual = status == Status::Ok && self.manner.keeps_alive && !self.manner.old;
        if !is_usual || request.head.is_conditional() || request.head.has_range() {
            return self.new_head(request, file, whole, None);
        }
        let key = Key::of(file, self.date.now_s());
        match self.heads.get(&key) {
            Some(head) if self.out.write(head) => Ok(whole),
            Some(_) => Err(Err(NoRoom)),
            None => self.new_head(request, file, whole, Some(key)),
        }
    }

    /// The same, where there is none to be copied; kept under its key, if it has one.
    #[cold]
    fn new_head(
        &mut self,
        request: &Request<'_>,
        file: &File,
        mut part: Part,
        key: Option<Key>,
    ) -> Result<Part, Result<(Status, u64), NoRoom>> {
        let now_s = self.date.now_s();
        // A file from the future was changed by a clock that nobody else has.
        let known = file.modified_s > 0 && (now_s == 0 || file.modified_s <= now_s);
        let modified = if known { date::write(file.modified_s) } else { None };
        let validators = Validators { etag: etag::write(file.version), modified_s: modified.map(|_| file.modified_s) };
        if part.status == Status::Ok && request.head.is_conditional() {
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
        let from = self.out.written();
        let mut response = Response::begin(self.out, part.status, self.date);
        response.connection(self.manner.keeps_alive, self.manner.old);
        if let Some(modified) = &modified {
            response.say(b"Last-Modified: ").say(modified).say(b"\r\n");
        }
        response.say(b"ETag: ").say(&validators.etag).say(b"\r\nAccept-Ranges: bytes\r\n");
        if file.varies || file.gzip {
            response.say(b"Vary: Accept-Encoding\r\n");
        }
        if part.status != Status::NotModified {
            if file.gzip {
                response.say(b"Content-Encoding: gzip\r\n");
            }
            if part.status == Status::PartialContent {
                response.say(b"Content-Range: bytes ").number(part.first).say(b"-");
                response.number(part.first.saturating_add(part.len).saturating_sub(1)).say(b"/").number(file.len);
                response.say(b"\r\n");
            }
            response.say(b"Content-Type: ").put(file.kind.text().as_bytes()).say(b"\r\n").length(part.len);
        }
        if !response.end() {
            return Err(Err(NoRoom));
        }
        if let Some(key) = key {
            self.heads.keep(key, response.since(from));
        }
        Ok(part)
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

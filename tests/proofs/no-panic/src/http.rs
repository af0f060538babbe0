//! HTTP: the service over foreign files and foreign routes, and each of its pieces by itself.

use core::mem::MaybeUninit;

use tidegate_core::files::{Ask, File, OpenError, Opened, ReadError};
use tidegate_core::http::chunk::{Chunk, Chunks};
use tidegate_core::http::conditional::{Validators, Verdict};
use tidegate_core::http::fault::Fault;
use tidegate_core::http::fields::Fields;
use tidegate_core::http::head::{Head, Limits};
use tidegate_core::http::range::{self, Ranged};
use tidegate_core::http::recent::Recent;
use tidegate_core::http::response::{DateLine, Response};
use tidegate_core::http::status::Status;
use tidegate_core::http::{accept, date, etag, mime::Kind, target};
use tidegate_core::service::Outbox;
use tidegate_core::service::http::{Access, Answered, Http, HttpCounter, Pages, Piece, Reply, Request, Routes, Site};
use tidegate_core::stats::Stats;

use crate::status::{LentBoard, LentStatus};
use crate::world::{Lent, lent_bytes, number};

unsafe extern "C" {
    fn world_open(
        listener: usize,
        path: *const u8,
        len: usize,
        gzip: bool,
        now_ms: u64,
        file: &mut MaybeUninit<File>,
    ) -> i32;
    fn world_read(id: u32, offset: u64, into: *mut u8, len: usize) -> isize;
    fn world_release(id: u32);
    fn world_route(facts: &[u64; 6]) -> i32;
}

/// Files nobody knows anything about.
pub struct Files;

impl tidegate_core::files::Files for Files {
    fn open(&mut self, ask: Ask<'_>) -> Result<Opened, OpenError> {
        let mut file = MaybeUninit::uninit();
        // SAFETY: foreign and never linked; here and below.
        let code =
            unsafe { world_open(ask.listener, ask.path.as_ptr(), ask.path.len(), ask.gzip, ask.now_ms, &mut file) };
        match code {
            // SAFETY: written by the callee where it says so.
            0 => Ok(Opened::File(unsafe { file.assume_init() })),
            1 => Ok(Opened::Directory),
            2 => Err(OpenError::NotFound),
            3 => Err(OpenError::Forbidden),
            4 => Err(OpenError::Full),
            _ => Err(OpenError::Failed),
        }
    }

    fn read(&mut self, id: u32, offset: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        // SAFETY: as above.
        usize::try_from(unsafe { world_read(id, offset, into.as_mut_ptr(), into.len()) }).map_err(|_| ReadError)
    }

    fn release(&mut self, id: u32) {
        // SAFETY: as above.
        unsafe { world_release(id) }
    }
}

/// Routes that do whatever routes may do, or show the pages about the server.
pub struct Program {
    pages: Pages<'static, LentBoard>,
}

fn text() -> &'static str {
    core::str::from_utf8(lent_bytes()).unwrap_or("")
}

impl Routes for Program {
    fn answer(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Answered {
        if number() == 0 {
            return self.pages.answer(request, reply);
        }
        let body = request.body().fold(0, |sum, piece| sum ^ piece.len() as u64);
        let field = request.field(text()).map_or(0, |value| value.len() as u64);
        let lengths = request.method_name().len() ^ request.target().len() ^ request.fields().count();
        let facts = [
            request.now_ms ^ request.wall_s as u64,
            request.peer().ip().is_some() as u64,
            request.path.len() as u64 ^ request.query.map_or(0, |query| query.len() as u64),
            request.method as u64 ^ request.listener as u64,
            lengths as u64,
            body ^ field,
        ];
        let status = Status::of(number() as u16).unwrap_or(Status::Ok);
        for _ in 0..number() {
            match number() {
                0 => reply.start(status, text()),
                1 => reply.field(text(), text()),
                _ => reply.write(lent_bytes()),
            };
        }
        let _ = ufmt::uwrite!(reply, "{}", number());
        // SAFETY: foreign and never linked.
        match unsafe { world_route(&facts) } {
            0 => Answered::No,
            1 => Answered::Yes,
            page => Answered::Pieces(page as u32),
        }
    }

    fn piece(&mut self, page: u32, at: u32, into: &mut Piece<'_, '_>) -> Option<u32> {
        if number() == 0 {
            return self.pages.piece(page, at, into);
        }
        into.write(lent_bytes());
        let _ = ufmt::uwrite!(into, "{}", page ^ at);
        u32::try_from(number()).ok()
    }

    fn served(&mut self, request: &Request<'_>, status: Status, len: u64) {
        // SAFETY: foreign and never linked.
        unsafe { world_route(&[request.path.len() as u64, status.code().into(), len, 0, 0, 0]) };
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn http_new(
    at: &mut MaybeUninit<Http<'static, Files, Program>>,
    sites: Lent<Site<'static>>,
    access: Lent<Access<'static>>,
    lent: &'static LentStatus,
    stats: &'static Stats,
    draining: bool,
) {
    let mut pages = Pages::new(LentBoard { lent, totals: stats }, access.get());
    pages.draining = draining;
    at.write(Http::new(Files, Program { pages }, sites.get(), &stats.http));
}

#[unsafe(no_mangle)]
pub extern "C" fn http_count(
    http: &Http<'static, Files, Program>,
    counter: HttpCounter,
    fault: Fault,
    status: Status,
) -> u64 {
    let counts = http.counts();
    counts.of(counter) ^ counts.faults(fault) ^ counts.statuses(status)
}

#[unsafe(no_mangle)]
pub extern "C" fn http_head(head: &mut Head, input: Lent<u8>, limits: &Limits, recent: &mut Recent) -> u64 {
    let input = &*input.get();
    let skipped = head.leading_empty_line(input);
    match head.read(input, limits, recent) {
        Ok(complete) => {
            let facts = [head.keeps_alive(), head.expects(), head.is_conditional(), head.has_range(), head.has_body()];
            let facts = facts.iter().fold(u64::from(complete), |bits, fact| bits << 1 | u64::from(*fact));
            let lengths = head.target(input).len() ^ head.method_name(input).len() ^ head.fields(input).count();
            facts ^ (lengths ^ skipped ^ head.len()) as u64 ^ u64::from(head.length())
        }
        Err(fault) => u64::from(fault.status().code()) << 32,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn http_chunks(chunks: &mut Chunks, input: Lent<u8>) -> isize {
    match chunks.next(input.get()) {
        Ok(Chunk::Data(data)) => data.len() as isize,
        Ok(Chunk::Short) => -1,
        Ok(Chunk::End) => -2,
        Err(_) => -3,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn http_path(target: Lent<u8>, into: Lent<u8>) -> isize {
    match target::path(target.get(), into.get()) {
        Ok(path) => (path.path.len() ^ path.query.map_or(0, <[u8]>::len) ^ Kind::of(path.path).text().len()) as isize,
        Err(refused) => -(refused as isize) - 1,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn http_judge(validators: &Validators, lines: Lent<u8>, now_s: i64) -> u8 {
    let fields = Fields::of(lines.get());
    let range = fields.one(b"Range").map_or(Ranged::Whole, |value| range::read(value, number()));
    let range = matches!(range, Ranged::Part { first, len } if first < len);
    let counts = validators.range_counts(fields, now_s) || range || accept::gzip(lent_bytes()) == Some(true);
    (validators.judge(fields, now_s) == Verdict::Send) as u8 ^ counts as u8
}

#[unsafe(no_mangle)]
pub extern "C" fn http_date(text: Lent<u8>, unix_s: i64) -> i64 {
    date::parse(text.get(), unix_s).or(date::write(unix_s).map(|text| text.len() as i64)).unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub extern "C" fn http_response(
    room: Lent<u8>,
    status: Status,
    date: &mut DateLine,
    unix_s: i64,
    version: u64,
) -> bool {
    let mut out = Outbox::new(room.get());
    date.set(unix_s);
    let mut response = Response::begin(&mut out, status, date);
    response.field(text(), text()).length(number()).put(&etag::write(version));
    response.connection(number() == 0, number() == 0).end()
}

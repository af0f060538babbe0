//! The builder a route answers with: status, fields, then the body, each checked and none of it kept elsewhere.

use core::convert::Infallible;

use super::answer::Manner;
use crate::http::response::{DateLine, Response};
use crate::http::status::Status;
use crate::service::Outbox;

/// Digits kept free for a length that is known only at the end.
const LENGTH_DIGITS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Fields,
    Body,
}

/// An answer being written. What does not fit, or is not fit to be sent, is answered with 500 instead.
pub struct Reply<'r> {
    response: Response<'r>,
    date: &'r DateLine,
    manner: Manner,
    stage: Stage,
    status: Status,
    /// Where the length's digits and the body stand.
    length_at: usize,
    body_at: usize,
}

impl<'r> Reply<'r> {
    pub(super) fn new(out: &'r mut Outbox<'_>, date: &'r DateLine, manner: Manner) -> Self {
        let response = Response::fresh(out);
        Self { response, date, manner, stage: Stage::Fresh, status: Status::Ok, length_at: 0, body_at: 0 }
    }

    /// Begins with a status and a content type; empty for none.
    pub fn start(&mut self, status: Status, kind: &str) -> &mut Self {
        if self.stage != Stage::Fresh {
            self.response.fail();
            return self;
        }
        (self.stage, self.status) = (Stage::Fields, status);
        self.response.status(status, self.date).connection(self.manner.keeps_alive, self.manner.old);
        if !kind.is_empty() {
            self.response.field("Content-Type", kind);
        }
        self
    }

    /// Adds a field. `Content-Length`, `Transfer-Encoding`, `Connection` and `Date` are not the route's to write.
    pub fn field(&mut self, name: &str, value: &str) -> &mut Self {
        let ours = ["Content-Length", "Transfer-Encoding", "Connection", "Date"];
        if self.stage != Stage::Fields || ours.iter().any(|field| field.eq_ignore_ascii_case(name)) {
            self.response.fail();
            return self;
        }
        self.response.field(name, value);
        self
    }

    /// Adds to the body.
    pub fn write(&mut self, bytes: &[u8]) -> &mut Self {
        if self.stage == Stage::Fields {
            self.begin_body();
        }
        if self.stage != Stage::Body || self.status.is_bodiless() {
            self.response.fail();
            return self;
        }
        self.response.put(bytes);
        self
    }

    /// Ends an answer that is all here: its status and its body's length, or `None` if it cannot be sent.
    pub(super) fn finish(mut self) -> Option<(Status, u64)> {
        if self.stage == Stage::Fields {
            self.begin_body();
        }
        if self.stage != Stage::Body {
            self.response.fail();
        }
        let end = self.response.at();
        let len = end.saturating_sub(self.body_at) as u64;
        let mut digits = [b' '; LENGTH_DIGITS];
        let mut rest = len;
        // Blanks behind the number are no part of it (RFC 9110, 5.5).
        let count = rest.checked_ilog10().map_or(1, |log| log as usize + 1);
        for digit in digits.iter_mut().take(count).rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if !self.status.is_bodiless() {
            self.response.patch(self.length_at, &digits);
        }
        if self.manner.head_only {
            self.response.truncate(self.body_at);
        }
        self.response.is_whole().then_some((self.status, len))
    }

    /// Ends the head of an answer whose body comes in pieces; the status, or `None` if it cannot be sent.
    pub(super) fn finish_head(mut self) -> Option<Status> {
        if self.stage != Stage::Fields || self.status.is_bodiless() {
            self.response.fail();
        }
        if !self.manner.old {
            self.response.put(b"Transfer-Encoding: chunked\r\n");
        }
        self.response.end().then_some(self.status)
    }

    fn begin_body(&mut self) {
        self.stage = Stage::Body;
        if !self.status.is_bodiless() {
            self.response.put(b"Content-Length: ");
            self.length_at = self.response.at();
            self.response.put(&[b' '; LENGTH_DIGITS]).put(b"\r\n");
        }
        self.response.put(b"\r\n");
        self.body_at = self.response.at();
    }
}

impl ufmt::uWrite for Reply<'_> {
    type Error = Infallible;

    fn write_str(&mut self, text: &str) -> Result<(), Infallible> {
        self.write(text.as_bytes());
        Ok(())
    }
}

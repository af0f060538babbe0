//! A body on its way: what is left of it, and the next part of that.

use super::routes::{Piece, Routes};
use super::site::{Fixed, Site};
use crate::files::Files;
use crate::limits::FILE_PART_BYTES_MAX;
use crate::service::{FilePart, Outbox};

/// A file of at most this many bytes is copied behind its head, so that both leave in one send: a copy of that size
/// costs less than a second system call.
pub const COPY_BYTES_MAX: u64 = 8 * 1024;

/// Pieces of a page asked for in one step, so that one that never says anything cannot hold up the others.
const PIECES_PER_STEP: usize = 64;

/// What is left to send of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sending {
    offset: u64,
    left: u64,
    /// A file, a page, or the number of a route.
    id: u32,
    what: What,
    /// The connection closes after it.
    pub(super) is_last: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum What {
    #[default]
    Nothing,
    /// A file that is read piece by piece, or handed over.
    Copied,
    Handed,
    /// A page, in chunks or to the end of the connection.
    Chunks,
    Plain,
    /// A route's text.
    Text,
}

/// What came of sending on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    All,
    /// The outbox is full, or ends with a file.
    Some,
    /// It cannot be finished.
    Broken,
}

impl Sending {
    pub(super) fn file(id: u32, offset: u64, left: u64, by_net: bool) -> Self {
        let what = if by_net && left > COPY_BYTES_MAX { What::Handed } else { What::Copied };
        Self { offset, left, id, what, is_last: false }
    }

    pub(super) fn page(id: u32, chunked: bool) -> Self {
        Self { id, what: if chunked { What::Chunks } else { What::Plain }, ..Self::default() }
    }

    pub(super) fn text(route: usize, offset: usize, left: usize) -> Self {
        Self { offset: offset as u64, left: left as u64, id: route as u32, what: What::Text, is_last: false }
    }

    #[inline]
    pub(super) fn is_nothing(&self) -> bool {
        self.what == What::Nothing
    }

    /// Whether another answer may follow.
    pub(super) fn followed(self, keeps_alive: bool) -> Self {
        Self { is_last: !keeps_alive, ..self }
    }

    /// A part that was handed over has left.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.offset = self.offset.wrapping_add(bytes as u64);
        self.left = self.left.saturating_sub(bytes as u64);
    }

    /// Forgets the rest; a file is given back.
    #[inline]
    pub(super) fn end<F: Files>(&mut self, files: &mut F) {
        if matches!(self.what, What::Copied | What::Handed) {
            files.release(self.id);
        }
        self.what = What::Nothing;
    }

    /// Writes what fits. When all is written the rest is nothing; a file is given back exactly then, or at
    /// [`Sending::end`].
    #[inline]
    pub(super) fn go_on<F: Files, R: Routes>(
        &mut self,
        files: &mut F,
        routes: &mut R,
        site: &Site<'_>,
        out: &mut Outbox<'_>,
    ) -> Sent {
        let sent = match self.what {
            What::Nothing => Sent::All,
            What::Copied => self.copy(files, out),
            What::Handed => self.hand_over(out),
            What::Chunks | What::Plain => self.pieces(routes, out),
            What::Text => self.text_on(site, out),
        };
        if sent != Sent::Some {
            self.end(files);
        }
        sent
    }

    #[inline]
    fn copy<F: Files>(&mut self, files: &mut F, out: &mut Outbox<'_>) -> Sent {
        while self.left > 0 {
            if out.room() == 0 {
                return Sent::Some;
            }
            let max = self.left.min(usize::MAX as u64) as usize;
            match out.fill(max, |into| files.read(self.id, self.offset, into)) {
                Ok(n) if n > 0 => self.sent(n),
                _ => return Sent::Broken,
            }
        }
        Sent::All
    }

    fn hand_over(&mut self, out: &mut Outbox<'_>) -> Sent {
        if self.left == 0 {
            return Sent::All;
        }
        let len = self.left.min(FILE_PART_BYTES_MAX) as usize;
        out.file(FilePart { id: self.id, offset: self.offset, len });
        Sent::Some
    }

    fn text_on(&mut self, site: &Site<'_>, out: &mut Outbox<'_>) -> Sent {
        let Some(Fixed::Text { text, .. }) = site.routes.get(self.id as usize).map(|route| route.answer) else {
            return Sent::Broken;
        };
        let n = out.write_some(text.as_bytes().get(self.offset as usize..).unwrap_or(&[]));
        self.sent(n);
        if self.left == 0 { Sent::All } else { Sent::Some }
    }

    /// `offset` is the next piece.
    fn pieces<R: Routes>(&mut self, routes: &mut R, out: &mut Outbox<'_>) -> Sent {
        let chunked = self.what == What::Chunks;
        for _ in 0..PIECES_PER_STEP {
            let from = out.written();
            let mut piece = Piece::new(out);
            // The size is written over once it is known; sizes may have leading zeros.
            const SIZE: &[u8] = b"0000\r\n";
            if chunked {
                piece.write(SIZE);
            }
            let next = routes.piece(self.id, self.offset as u32, &mut piece);
            if chunked {
                piece.write(b"\r\n");
                if next.is_none() {
                    piece.write(b"0\r\n\r\n");
                }
            }
            if !piece.is_whole() {
                out.truncate(from);
                return if from == 0 { Sent::Broken } else { Sent::Some };
            }
            let end = if next.is_none() { 7 } else { 2 };
            let len = out.written().saturating_sub(from).saturating_sub(SIZE.len() + end);
            match (chunked, len) {
                (false, _) => {}
                // A chunk of nothing would be the last.
                (true, 0) => {
                    out.truncate(from);
                    if next.is_none() && !out.write(b"0\r\n\r\n") {
                        return Sent::Some;
                    }
                }
                (true, 1..=0xffff) => out.patch(from, &hex(len)),
                _ => return Sent::Broken,
            }
            match next {
                Some(next) => self.offset = u64::from(next),
                None => return Sent::All,
            }
        }
        Sent::Some
    }
}

fn hex(len: usize) -> [u8; 4] {
    [12, 8, 4, 0].map(|shift| {
        let digit = (len >> shift & 15) as u8;
        if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }
    })
}

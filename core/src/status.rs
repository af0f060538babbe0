//! How a server is: the report an operator asks for, as text for a person and as JSON, written without a heap.
//!
//! A [`Status`] borrows what it tells: the counts of all processes added up, the facts that only the one process above
//! them knows, and the names in the configuration. Who can make one is a [`Board`]; the control socket asks one, and a
//! service can. The report is written in [`PARTS`] of bounded length, so that it can leave through a buffer that does
//! not hold the whole: whatever changes between two parts, together they are well formed.

mod escape;
mod json;
mod metrics;
mod text;

use core::net::SocketAddr;

pub use metrics::CONTENT_TYPE as METRICS_CONTENT_TYPE;

use ufmt::{Formatter, uDisplay, uWrite, uwrite};

use crate::http::counts::Counts;
use crate::http::status::Status as HttpStatus;
use crate::limits::LISTENERS_MAX;
use crate::stats::{CLOSES_KEPT, Stats};
use crate::text::write_socket;

/// Parts of a report, in either form. The listeners and closes that are not there are empty ones.
pub const PARTS: usize = LISTENERS_MAX + CLOSES_KEPT + 9;

/// The longest part: three texts of the longest kind, escaped, and the numbers beside them.
pub const PART_BYTES_MAX: usize = 6 * 1024;

/// How the last line of the text begins; the JSON is whole with its last brace.
pub const LAST_WORDS: &str = "allocations after the seal:";

/// How the report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

/// Who knows how the server is.
pub trait Board {
    /// Shows it as it is now. What is shown holds still meanwhile.
    fn look(&self, now_ms: u64, show: &mut dyn FnMut(&Status<'_>));
}

/// What only the process above the workers knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Facts {
    /// When the server started: monotonic milliseconds.
    pub started_ms: u64,
    /// Workers started in place of dead ones.
    pub respawns: u64,
    pub pid: u32,
    /// Configurations taken since the first, and those that were not.
    pub reloads: u32,
    pub reloads_refused: u32,
    /// Upgrades that did not come to be. One that does ends this server.
    pub upgrades_failed: u32,
    pub workers_live: u32,
    pub workers_wanted: u32,
    /// Workers among the living that finish their connections and leave.
    pub draining: u32,
    pub reload_failed: bool,
    /// Another server is starting to take this one's place; the last that tried did not.
    pub upgrading: bool,
    pub upgrade_failed: bool,
    /// Nobody is served until a reload.
    pub parked: bool,
}

/// A server as it is at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    pub now_ms: u64,
    pub version: &'a str,
    /// The configuration in force, by its name.
    pub configuration: &'a str,
    pub facts: Facts,
    /// In the order of the configuration, which is that of their numbers in `totals`.
    pub listeners: &'a [Listener<'a>],
    /// Of each worker.
    pub blocks: u32,
    pub block_bytes: u32,
    pub totals: &'a Stats,
}

/// A listener as the configuration has it.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    /// The section's label; empty for a plain `[Socket]`.
    pub label: &'a str,
    pub service: &'a str,
    pub address: Address<'a>,
    /// Of each worker.
    pub connections: u32,
}

/// Where a listener listens.
#[derive(Clone, Copy, Debug)]
pub enum Address<'a> {
    Ip(SocketAddr),
    /// Every address of the machine.
    All(u16),
    Unix(&'a str),
}

/// What a part tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    Listener(usize),
    Totals,
    Counts,
    Frame,
    Http,
    Replies,
    Lives,
    WakeUps,
    Close(usize),
    End,
}

impl Part {
    const fn of(number: usize) -> Self {
        const TOTALS: usize = LISTENERS_MAX + 1;
        const COUNTS: usize = TOTALS + 1;
        const FRAME: usize = COUNTS + 1;
        const HTTP: usize = FRAME + 1;
        const REPLIES: usize = HTTP + 1;
        const LIVES: usize = REPLIES + 1;
        const WAKE_UPS: usize = LIVES + 1;
        const CLOSES: usize = WAKE_UPS + 1;
        const CLOSES_LAST: usize = CLOSES + CLOSES_KEPT - 1;
        const _: () = assert!(CLOSES_LAST + 2 == PARTS);
        match number {
            0 => Part::Head,
            1..TOTALS => Part::Listener(number - 1),
            TOTALS => Part::Totals,
            COUNTS => Part::Counts,
            FRAME => Part::Frame,
            HTTP => Part::Http,
            REPLIES => Part::Replies,
            LIVES => Part::Lives,
            WAKE_UPS => Part::WakeUps,
            CLOSES..=CLOSES_LAST => Part::Close(number - CLOSES),
            _ => Part::End,
        }
    }
}

impl Status<'_> {
    /// Writes one part, from 0 to [`PARTS`]; at most [`PART_BYTES_MAX`] bytes.
    pub fn write_part<W: uWrite + ?Sized>(&self, form: Form, number: usize, out: &mut W) -> Result<(), W::Error> {
        match form {
            Form::Text => text::write(self, Part::of(number), out),
            Form::Json => json::write(self, Part::of(number), out),
        }
    }

    /// Writes one piece of what Prometheus reads, the first of which is 0; which is next, `None` after the last. A piece
    /// stays below a kilobyte unless a name in the configuration is very long.
    pub fn write_metrics<W: uWrite + ?Sized>(&self, piece: u32, out: &mut W) -> Result<Option<u32>, W::Error> {
        metrics::write(self, piece, out)
    }

    /// Writes the whole.
    pub fn write<W: uWrite + ?Sized>(&self, form: Form, out: &mut W) -> Result<(), W::Error> {
        (0..PARTS).try_for_each(|number| self.write_part(form, number, out))
    }

    fn uptime_ms(&self) -> u64 {
        self.now_ms.saturating_sub(self.facts.started_ms)
    }
}

/// A number as it is written. Its digits are made in one place, which makes the report's code a half of what it was.
struct N(u64);

impl uDisplay for N {
    #[inline(never)]
    fn fmt<W: uWrite + ?Sized>(&self, out: &mut Formatter<'_, W>) -> Result<(), W::Error> {
        self.0.fmt(out)
    }
}

fn n(number: impl Into<u64>) -> N {
    N(number.into())
}

/// The statuses that were ever sent.
fn answered(http: &Counts) -> impl Iterator<Item = HttpStatus> + '_ {
    HttpStatus::ALL.iter().copied().filter(|status| http.statuses(*status) > 0)
}

/// The section as the configuration writes it.
fn write_section<W: uWrite + ?Sized>(out: &mut W, label: &str) -> Result<(), W::Error> {
    if label.is_empty() { out.write_str("[Socket]") } else { uwrite!(out, "[Socket {}]", label) }
}

fn write_address<W: uWrite + ?Sized>(out: &mut W, address: Address<'_>) -> Result<(), W::Error> {
    match address {
        Address::Ip(ip) => write_socket(out, ip),
        Address::All(port) => uwrite!(out, "*:{}", port),
        Address::Unix(path) => uwrite!(out, "unix:{}", path),
    }
}

#[cfg(test)]
mod tests;

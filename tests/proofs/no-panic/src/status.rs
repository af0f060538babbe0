//! The counts and the report of them.

use tidegate_core::histogram::Histogram;
use tidegate_core::limits::LISTENERS_MAX;
use tidegate_core::stats::{Close, Stats};
use tidegate_core::status::{Address, Board, Facts, Form, Listener, Status};
use ufmt::uWrite;

use crate::conf::Page;

#[unsafe(no_mangle)]
pub extern "C" fn histogram(histogram: &Histogram, value: u64, sums: &mut [u64; 4]) {
    histogram.record(value);
    histogram.record_zero();
    let reached = histogram.reaches(value);
    let bound = reached.and_then(Histogram::bound).unwrap_or(0);
    *sums = [histogram.count(), histogram.sum(), reached.map_or(0, |at| at as u64), bound];
}

#[unsafe(no_mangle)]
pub extern "C" fn stats_add(sum: &Stats, part: &Stats, known: &[u8; LISTENERS_MAX], gone: bool) {
    sum.absorb(part, known, gone);
    sum.rename(known);
}

#[unsafe(no_mangle)]
pub extern "C" fn stats_close(stats: &Stats, n: usize, close: &mut Option<Close>) -> (u32, u32) {
    *close = stats.last_close(n);
    stats.active_at(n)
}

#[repr(C)]
pub struct LentStatus {
    now_ms: u64,
    version: &'static str,
    label: &'static str,
    facts: Facts,
    address: Address<'static>,
    listeners: usize,
    numbers: [u32; 3],
}

/// A board that shows whatever there may be.
pub struct LentBoard {
    pub lent: &'static LentStatus,
    pub totals: &'static Stats,
}

impl Board for LentBoard {
    fn look(&self, now_ms: u64, show: &mut dyn FnMut(&Status<'_>)) {
        let Self { lent, totals } = self;
        let (version, label) = (lent.version, lent.label);
        let [connections, blocks, block_bytes] = lent.numbers;
        let listeners = [Listener { label, service: version, address: lent.address, connections }; LISTENERS_MAX];
        show(&Status {
            now_ms,
            version,
            configuration: label,
            facts: lent.facts,
            listeners: listeners.get(..lent.listeners).unwrap_or(&[]),
            blocks,
            block_bytes,
            totals,
        });
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn status_write(
    lent: &'static LentStatus,
    totals: &'static Stats,
    form: Form,
    part: usize,
    any: bool,
) -> bool {
    let mut done = false;
    LentBoard { lent, totals }.look(lent.now_ms, &mut |status| {
        let page: &mut dyn uWrite<Error = ()> = &mut Page;
        done = if any { status.write(form, page).is_ok() } else { status.write_part(form, part, &mut Page).is_ok() };
    });
    done
}

/// The piece of the metrics after this one; 0 after the last.
#[unsafe(no_mangle)]
pub extern "C" fn status_metrics(lent: &'static LentStatus, totals: &'static Stats, piece: u32) -> u32 {
    let mut next = None;
    LentBoard { lent, totals }.look(lent.now_ms, &mut |status| {
        next = status.write_metrics(piece, &mut Page).ok().flatten();
    });
    next.unwrap_or(0)
}

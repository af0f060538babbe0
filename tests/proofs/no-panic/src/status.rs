//! The counts and the report of them.

use tidegate_core::histogram::Histogram;
use tidegate_core::limits::LISTENERS_MAX;
use tidegate_core::stats::{Close, Stats};
use tidegate_core::status::{Address, Facts, Form, Listener, Status};
use ufmt::uWrite;

use crate::conf::Page;
use crate::world::Lent;

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
    version: Lent<u8>,
    label: Lent<u8>,
    facts: Facts,
    address: Address<'static>,
    listeners: usize,
    numbers: [u32; 3],
}

#[unsafe(no_mangle)]
pub extern "C" fn status_write(lent: LentStatus, totals: &'static Stats, form: Form, part: usize, any: bool) -> bool {
    let (version, label) = (lent.version.text(), lent.label.text());
    let [connections, blocks, block_bytes] = lent.numbers;
    let listeners = [Listener { label, service: version, address: lent.address, connections }; LISTENERS_MAX];
    let status = Status {
        now_ms: lent.now_ms,
        version,
        configuration: label,
        facts: lent.facts,
        listeners: listeners.get(..lent.listeners).unwrap_or(&[]),
        blocks,
        block_bytes,
        totals,
    };
    if any {
        let page: &mut dyn uWrite<Error = ()> = &mut Page;
        return status.write(form, page).is_ok();
    }
    status.write_part(form, part, &mut Page).is_ok()
}

//! The report as one JSON object: for programs. Units stand in the names; nothing is left out because it is zero.

use ufmt::{uWrite, uwrite};

use super::escape::{Style, escaped};
use super::{Part, Status, answered, n, write_address, write_section};
use crate::frame::counts::Counter as FrameCounter;
use crate::histogram::Histogram;
use crate::http::counts::HttpCounter;
use crate::http::fault::Fault;
use crate::stats::{Counter, LISTENER_GONE, Reason};
use crate::text::sock_ntop;

pub(super) fn write<W: uWrite + ?Sized>(status: &Status<'_>, part: Part, out: &mut W) -> Result<(), W::Error> {
    match part {
        Part::Head => head(status, out),
        Part::Listener(at) => listener(status, at, out),
        Part::Totals => totals(status, out),
        Part::Counts => counts(status, out),
        Part::Frame => frame(status, out),
        Part::Http => http(status, out),
        Part::Replies => histogram("reply_ms", &status.totals.reply_ms, out),
        Part::Lives => histogram("life_ms", &status.totals.life_ms, out),
        Part::WakeUps => histogram("awake_us", &status.totals.awake_us, out),
        Part::Close(back) => close(status, back, out),
        Part::End => out.write_str("]}\n"),
    }
}

fn head<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let facts = &status.facts;
    out.write_str("{\"version\":")?;
    quoted(out, status.version)?;
    uwrite!(out, ",\"pid\":{},\"uptime_ms\":{},\"configuration\":", n(facts.pid), n(status.uptime_ms()))?;
    quoted(out, status.configuration)?;
    uwrite!(
        out,
        ",\"reloads\":{},\"reloads_refused\":{},\"upgrades_failed\":{},\"last_reload_failed\":{},\"upgrading\":{},\"last_upgrade_failed\":{},\"parked\":{},\"workers\":{{\"live\":{},\"wanted\":{},\
         \"draining\":{},\"respawns\":{}}},\"listeners\":[",
        n(facts.reloads),
        n(facts.reloads_refused),
        n(facts.upgrades_failed),
        facts.reload_failed,
        facts.upgrading,
        facts.upgrade_failed,
        facts.parked,
        n(facts.workers_live),
        n(facts.workers_wanted),
        n(facts.draining),
        n(facts.respawns)
    )
}

fn listener<W: uWrite + ?Sized>(status: &Status<'_>, at: usize, out: &mut W) -> Result<(), W::Error> {
    let Some(listener) = status.listeners.get(at) else { return Ok(()) };
    let count = |counter| status.totals.count_at(at, counter);
    let (active, peak) = status.totals.active_at(at);
    out.write_str(if at > 0 { ",{\"section\":\"" } else { "{\"section\":\"" })?;
    escaped(out, Style::Json, |out| write_section(out, listener.label))?;
    out.write_str("\",\"service\":")?;
    quoted(out, listener.service)?;
    out.write_str(",\"address\":\"")?;
    escaped(out, Style::Json, |out| write_address(out, listener.address))?;
    uwrite!(
        out,
        "\",\"connections\":{},\"active\":{},\"peak\":{},\"accepted\":{},",
        n(listener.connections),
        n(active),
        n(peak),
        n(count(Counter::Accepted))
    )?;
    uwrite!(
        out,
        "\"refused\":{{\"denied\":{},\"per_client\":{},\"full\":{}}},\"waited\":{{\"full\":{},\"rate\":{}}}}}",
        n(count(Counter::RefusedDenied)),
        n(count(Counter::RefusedPerClient)),
        n(count(Counter::RefusedFull)),
        n(count(Counter::SharesFull)),
        n(count(Counter::RatesReached))
    )
}

fn totals<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let totals = status.totals;
    uwrite!(
        out,
        "],\"accepted_by_listeners_gone\":{},\"allocations_after_seal\":{},\"allocated_first_bytes\":{},\
         \"connections\":{{\"active\":{},\"peak\":{},\"closed\":{}}},",
        n(totals.count_at(LISTENER_GONE, Counter::Accepted)),
        n(totals.allocations.get()),
        n(totals.allocated_first_bytes.get()),
        n(totals.taken()),
        n(totals.taken_peak()),
        n(totals.closed_in_all())
    )?;
    uwrite!(
        out,
        "\"blocks\":{{\"a_worker\":{},\"block_bytes\":{},\"taken\":{},\"peak\":{}}},\
         \"log\":{{\"left_out\":{},\"dropped\":{}}}",
        n(status.blocks),
        n(status.block_bytes),
        n(totals.blocks_taken()),
        n(totals.blocks_peak()),
        n(totals.log_left_out.get()),
        n(totals.log_dropped.get())
    )
}

fn counts<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    members(out, "counts", Counter::ALL.iter().map(|counter| (counter.name(), status.totals.count(*counter))))?;
    members(out, "closed", Reason::ALL.iter().map(|reason| (reason.name(), status.totals.closed(*reason))))
}

fn frame<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let counts = FrameCounter::ALL.iter().map(|counter| (counter.name(), status.totals.frame.of(*counter)));
    members(out, "frame", counts)
}

fn http<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let http = &status.totals.http;
    members(out, "http", HttpCounter::ALL.iter().map(|counter| (counter.name(), http.of(*counter))))?;
    members(out, "http_faults", Fault::ALL.iter().map(|fault| (fault.name(), http.faults(*fault))))?;
    out.write_str(",\"http_statuses\":{")?;
    let mut between = "";
    for status in answered(http) {
        uwrite!(out, "{}\"{}\":{}", between, status.code(), n(http.statuses(status)))?;
        between = ",";
    }
    out.write_str("}")
}

fn members<W: uWrite + ?Sized>(
    out: &mut W,
    name: &str,
    members: impl Iterator<Item = (&'static str, u64)>,
) -> Result<(), W::Error> {
    uwrite!(out, ",\"{}\":{{", name)?;
    let mut between = "";
    for (name, count) in members {
        uwrite!(out, "{}\"{}\":{}", between, name, n(count))?;
        between = ",";
    }
    out.write_str("}")
}

fn histogram<W: uWrite + ?Sized>(name: &str, histogram: &Histogram, out: &mut W) -> Result<(), W::Error> {
    let (count, sum) = (histogram.count(), histogram.sum());
    uwrite!(out, ",\"{}\":{{\"count\":{},\"sum\":{},\"below_powers_of_two\":[", name, n(count), n(sum))?;
    let mut between = "";
    for bucket in histogram.buckets() {
        uwrite!(out, "{}{}", between, n(bucket))?;
        between = ",";
    }
    out.write_str("]}")
}

fn close<W: uWrite + ?Sized>(status: &Status<'_>, back: usize, out: &mut W) -> Result<(), W::Error> {
    if back == 0 {
        out.write_str(",\"last_closes\":[")?;
    }
    let Some(close) = status.totals.last_close(back) else { return Ok(()) };
    let ago_ms = status.now_ms.saturating_sub(close.at_ms);
    out.write_str(if back > 0 { "," } else { "" })?;
    uwrite!(
        out,
        "{{\"ago_ms\":{},\"life_ms\":{},\"reason\":\"{}\",",
        n(ago_ms),
        n(close.life_ms),
        close.reason.name()
    )?;
    uwrite!(out, "\"peer\":\"{}\",\"section\":", sock_ntop(close.peer).as_str())?;
    match status.listeners.get(usize::from(close.listener)) {
        Some(listener) => {
            out.write_str("\"")?;
            escaped(out, Style::Json, |out| write_section(out, listener.label))?;
            out.write_str("\"}")
        }
        None => out.write_str("null}"),
    }
}

fn quoted<W: uWrite + ?Sized>(out: &mut W, text: &str) -> Result<(), W::Error> {
    out.write_str("\"")?;
    escaped(out, Style::Json, |out| out.write_str(text))?;
    out.write_str("\"")
}

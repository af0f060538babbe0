//! The report as one JSON object: for programs. Units stand in the names; nothing is left out because it is zero.

use ufmt::{uWrite, uwrite};

use super::escape::{Style, escaped};
use super::{Part, Status, write_address, write_section};
use crate::histogram::Histogram;
use crate::stats::{Counter, LISTENER_GONE, Reason};
use crate::text::sock_ntop;

pub(super) fn write<W: uWrite + ?Sized>(status: &Status<'_>, part: Part, out: &mut W) -> Result<(), W::Error> {
    match part {
        Part::Head => head(status, out),
        Part::Listener(at) => listener(status, at, out),
        Part::Totals => totals(status, out),
        Part::Counts => counts(status, out),
        Part::Replies => histogram("reply_ms", &status.totals.reply_ms, out),
        Part::Lives => histogram("life_ms", &status.totals.life_ms, out),
        Part::WakeUps => histogram("awake_us", &status.totals.awake_us, out),
        Part::Close(n) => close(status, n, out),
        Part::End => out.write_str("]}\n"),
    }
}

fn head<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let facts = &status.facts;
    out.write_str("{\"version\":")?;
    quoted(out, status.version)?;
    uwrite!(out, ",\"pid\":{},\"uptime_ms\":{},\"configuration\":", facts.pid, status.uptime_ms())?;
    quoted(out, status.configuration)?;
    uwrite!(
        out,
        ",\"reloads\":{},\"last_reload_failed\":{},\"parked\":{},\"workers\":{{\"live\":{},\"wanted\":{},\
         \"draining\":{},\"respawns\":{}}},\"listeners\":[",
        facts.reloads,
        facts.reload_failed,
        facts.parked,
        facts.workers_live,
        facts.workers_wanted,
        facts.draining,
        facts.respawns
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
        listener.connections,
        active,
        peak,
        count(Counter::Accepted)
    )?;
    uwrite!(
        out,
        "\"refused\":{{\"denied\":{},\"per_client\":{},\"full\":{}}},\"waited\":{{\"full\":{},\"rate\":{}}}}}",
        count(Counter::RefusedDenied),
        count(Counter::RefusedPerClient),
        count(Counter::RefusedFull),
        count(Counter::SharesFull),
        count(Counter::RatesReached)
    )
}

fn totals<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let totals = status.totals;
    uwrite!(
        out,
        "],\"accepted_by_listeners_gone\":{},\"allocations_after_seal\":{},\"allocated_first_bytes\":{},\
         \"connections\":{{\"active\":{},\"peak\":{},\"closed\":{}}},",
        totals.count_at(LISTENER_GONE, Counter::Accepted),
        totals.allocations.get(),
        totals.allocated_first_bytes.get(),
        totals.taken(),
        totals.taken_peak(),
        totals.closed_in_all()
    )?;
    uwrite!(
        out,
        "\"blocks\":{{\"a_worker\":{},\"block_bytes\":{},\"taken\":{},\"peak\":{}}},\
         \"log\":{{\"left_out\":{},\"dropped\":{}}}",
        status.blocks,
        status.block_bytes,
        totals.blocks_taken(),
        totals.blocks_peak(),
        totals.log_left_out.get(),
        totals.log_dropped.get()
    )
}

fn counts<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    members(out, "counts", Counter::ALL.iter().map(|counter| (counter.name(), status.totals.count(*counter))))?;
    members(out, "closed", Reason::ALL.iter().map(|reason| (reason.name(), status.totals.closed(*reason))))
}

fn members<W: uWrite + ?Sized>(
    out: &mut W,
    name: &str,
    members: impl Iterator<Item = (&'static str, u64)>,
) -> Result<(), W::Error> {
    uwrite!(out, ",\"{}\":{{", name)?;
    let mut between = "";
    for (name, count) in members {
        uwrite!(out, "{}\"{}\":{}", between, name, count)?;
        between = ",";
    }
    out.write_str("}")
}

fn histogram<W: uWrite + ?Sized>(name: &str, histogram: &Histogram, out: &mut W) -> Result<(), W::Error> {
    let (count, sum) = (histogram.count(), histogram.sum());
    uwrite!(out, ",\"{}\":{{\"count\":{},\"sum\":{},\"below_powers_of_two\":[", name, count, sum)?;
    let mut between = "";
    for bucket in histogram.buckets() {
        uwrite!(out, "{}{}", between, bucket)?;
        between = ",";
    }
    out.write_str("]}")
}

fn close<W: uWrite + ?Sized>(status: &Status<'_>, n: usize, out: &mut W) -> Result<(), W::Error> {
    if n == 0 {
        out.write_str(",\"last_closes\":[")?;
    }
    let Some(close) = status.totals.last_close(n) else { return Ok(()) };
    let ago_ms = status.now_ms.saturating_sub(close.at_ms);
    out.write_str(if n > 0 { "," } else { "" })?;
    uwrite!(out, "{{\"ago_ms\":{},\"life_ms\":{},\"reason\":\"{}\",", ago_ms, close.life_ms, close.reason.name())?;
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

//! The report for a person: what matters first, what never happened left out where a list would be long.

use ufmt::{uWrite, uwrite};

use super::escape::{Style, escaped};
use super::{LAST_WORDS, Part, Status, answered, n, write_address, write_section};
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
        Part::Replies => {
            histogram("replies, from the first byte asked to the last answered", &status.totals.reply_ms, "ms", out)
        }
        Part::Lives => histogram("lives of connections", &status.totals.life_ms, "ms", out),
        Part::WakeUps => histogram("wake-ups, each until the next wait", &status.totals.awake_us, "us", out),
        Part::Close(back) => close(status, back, out),
        Part::End => end(status, out),
    }
}

fn head<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let facts = &status.facts;
    uwrite!(out, "tidegate {}, process {}, up ", status.version, n(facts.pid))?;
    span(out, status.uptime_ms())?;
    out.write_str("\nconfiguration ")?;
    escaped(out, Style::Text, |out| out.write_str(status.configuration))?;
    uwrite!(out, ", reloads {}", n(facts.reloads))?;
    for (is_so, note) in [
        (facts.reload_failed, "; the last reload failed"),
        (facts.upgrading, "; an upgrade is under way"),
        (facts.upgrade_failed, "; the last upgrade failed"),
    ] {
        out.write_str(if is_so { note } else { "" })?;
    }
    out.write_str("\n")?;
    if facts.workers_wanted == 0 {
        out.write_str("one process without a master (Workers = 0)\n")
    } else {
        uwrite!(out, "workers {}, wanted {}", n(facts.workers_live), n(facts.workers_wanted))?;
        uwrite!(out, ", draining {}, respawned {}", n(facts.draining), n(facts.respawns))?;
        out.write_str(if facts.parked { "; no workers until a HUP\n" } else { "\n" })
    }
}

fn listener<W: uWrite + ?Sized>(status: &Status<'_>, at: usize, out: &mut W) -> Result<(), W::Error> {
    let Some(listener) = status.listeners.get(at) else { return Ok(()) };
    let count = |counter| status.totals.count_at(at, counter);
    let (active, peak) = status.totals.active_at(at);
    out.write_str("\n")?;
    escaped(out, Style::Text, |out| write_section(out, listener.label))?;
    out.write_str(", ")?;
    escaped(out, Style::Text, |out| out.write_str(listener.service))?;
    out.write_str(" on ")?;
    escaped(out, Style::Text, |out| write_address(out, listener.address))?;
    uwrite!(
        out,
        "\n  connections {}, accepted {}; in one worker at most {} of {}\n",
        n(active),
        n(count(Counter::Accepted)),
        n(peak),
        n(listener.connections)
    )?;
    uwrite!(
        out,
        "  refused by Allow and Deny {}, by PerClient {}, because full {}",
        n(count(Counter::RefusedDenied)),
        n(count(Counter::RefusedPerClient)),
        n(count(Counter::RefusedFull))
    )?;
    uwrite!(
        out,
        "; left waiting because full {} times, by AcceptRate {}\n",
        n(count(Counter::SharesFull)),
        n(count(Counter::RatesReached))
    )
}

fn totals<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let totals = status.totals;
    let gone = totals.count_at(LISTENER_GONE, Counter::Accepted);
    uwrite!(out, "\nall: connections {}, accepted {}", n(totals.taken()), n(totals.count(Counter::Accepted)))?;
    if gone > 0 {
        uwrite!(out, " ({} by listeners that are gone)", n(gone))?;
    }
    uwrite!(out, "; in one worker at most {}\n", n(totals.taken_peak()))?;
    uwrite!(
        out,
        "blocks of {} bytes: {} held; in one worker at most {} of {}\n",
        n(status.block_bytes),
        n(totals.blocks_taken()),
        n(totals.blocks_peak()),
        n(status.blocks)
    )
}

fn counts<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let totals = status.totals;
    out.write_str("counted:")?;
    let counts = Counter::ALL.iter().map(|counter| (counter.name(), totals.count(*counter)));
    happened(out, counts)?;
    out.write_str("\nclosed:")?;
    happened(out, Reason::ALL.iter().map(|reason| (reason.name(), totals.closed(*reason))))?;
    out.write_str("\n")
}

fn frame<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let counts = || FrameCounter::ALL.iter().map(|counter| (counter.name(), status.totals.frame.of(*counter)));
    if counts().all(|(_, count)| count == 0) {
        return Ok(());
    }
    out.write_str("frames:")?;
    happened(out, counts())?;
    out.write_str("\n")
}

fn http<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let http = &status.totals.http;
    if answered(http).next().is_none() {
        return Ok(());
    }
    out.write_str("http:")?;
    happened(out, HttpCounter::ALL.iter().map(|counter| (counter.name(), http.of(*counter))))?;
    happened(out, Fault::ALL.iter().map(|fault| (fault.name(), http.faults(*fault))))?;
    out.write_str("; answered:")?;
    for status in answered(http) {
        uwrite!(out, " {} {} times", status.code(), n(http.statuses(status)))?;
    }
    out.write_str("\n")
}

fn happened<W: uWrite + ?Sized>(
    out: &mut W,
    mut counts: impl Iterator<Item = (&'static str, u64)>,
) -> Result<(), W::Error> {
    counts.try_for_each(|(name, count)| if count > 0 { uwrite!(out, " {} {}", name, n(count)) } else { Ok(()) })
}

fn histogram<W: uWrite + ?Sized>(what: &str, histogram: &Histogram, unit: &str, out: &mut W) -> Result<(), W::Error> {
    uwrite!(out, "{}: {}", what, n(histogram.count()))?;
    for (name, of_thousand) in [("p50", 500), ("p90", 900), ("p99", 990)] {
        match histogram.reaches(of_thousand).map(Histogram::bound) {
            Some(Some(bound)) => uwrite!(out, ", {} up to {} {}", name, n(bound), unit)?,
            Some(None) => uwrite!(out, ", {} beyond all bounds", name)?,
            None => {}
        }
    }
    out.write_str("\n")
}

fn close<W: uWrite + ?Sized>(status: &Status<'_>, back: usize, out: &mut W) -> Result<(), W::Error> {
    let Some(close) = status.totals.last_close(back) else { return Ok(()) };
    out.write_str(if back == 0 { "\nlast closes\n  " } else { "  " })?;
    span(out, status.now_ms.saturating_sub(close.at_ms))?;
    uwrite!(out, " ago: {} of {}", close.reason.name(), sock_ntop(close.peer).as_str())?;
    if let Some(listener) = status.listeners.get(usize::from(close.listener)) {
        out.write_str(" on ")?;
        escaped(out, Style::Text, |out| write_section(out, listener.label))?;
    }
    out.write_str(", after ")?;
    span(out, close.life_ms)?;
    out.write_str("\n")
}

/// The last line is always there, so a reader knows that the report is whole.
fn end<W: uWrite + ?Sized>(status: &Status<'_>, out: &mut W) -> Result<(), W::Error> {
    let totals = status.totals;
    let (left_out, dropped) = (n(totals.log_left_out.get()), n(totals.log_dropped.get()));
    uwrite!(out, "\nlog lines left out {}, that could not be written {}\n", left_out, dropped)?;
    uwrite!(out, "{} {}\n", LAST_WORDS, n(totals.allocations.get()))
}

/// A time as people say it: its two largest units.
pub(super) fn span<W: uWrite + ?Sized>(out: &mut W, ms: u64) -> Result<(), W::Error> {
    let s = ms / 1_000;
    let (large, unit, small, rest) = match s {
        0 => return uwrite!(out, "{} ms", n(ms)),
        1..60 => return uwrite!(out, "{} s", n(s)),
        60..3_600 => (s / 60, "min", s % 60, "s"),
        3_600..86_400 => (s / 3_600, "h", s / 60 % 60, "min"),
        _ => (s / 86_400, "d", s / 3_600 % 24, "h"),
    };
    uwrite!(out, "{} {} {} {}", n(large), unit, n(small), rest)
}

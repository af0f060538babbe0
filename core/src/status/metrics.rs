//! The report as Prometheus reads it: text format 0.0.4. Base units, one `HELP` and `TYPE` a family, `_total` on counts.
//!
//! Written piece by piece, each well below a kilobyte, so that it leaves through any outbox.

use ufmt::{uWrite, uwrite};

use super::escape::{Style, escaped};
use super::{Status, n, write_address, write_section};
use crate::frame::counts::Counter as FrameCounter;
use crate::histogram::{BUCKETS, Histogram};
use crate::http::counts::HttpCounter;
use crate::http::fault::Fault;
use crate::http::status::Status as HttpStatus;
use crate::stats::{Counter, Reason};

/// What a scraper is told the text is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Buckets of a histogram in one piece.
const BUCKETS_PER_PIECE: usize = 8;

/// Statuses in one piece.
const STATUSES_PER_PIECE: usize = 12;

/// One family: its name behind `tidegate_`, its type, what it is, and its samples.
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    samples: Samples,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

#[derive(Clone, Copy)]
enum Samples {
    Version,
    Uptime,
    Workers,
    One(fn(&Status<'_>) -> u64),
    /// One for each listener.
    Listeners(fn(&Status<'_>, usize) -> u64),
    /// Two or more for each listener, told apart by a limit.
    Limits(&'static [(&'static str, Counter)]),
    Reasons,
    Frames,
    HttpStatuses,
    HttpFaults,
    LogLines,
    /// In so many parts of a second.
    Histogram(for<'a> fn(&'a Status<'_>) -> &'a Histogram, u64),
}

const REFUSED: &[(&str, Counter)] =
    &[("denied", Counter::RefusedDenied), ("per_client", Counter::RefusedPerClient), ("full", Counter::RefusedFull)];
const WAITED: &[(&str, Counter)] = &[("full", Counter::SharesFull), ("rate", Counter::RatesReached)];

const fn gauge(name: &'static str, help: &'static str, samples: Samples) -> Family {
    Family { name, kind: Kind::Gauge, help, samples }
}

const fn counter(name: &'static str, help: &'static str, samples: Samples) -> Family {
    Family { name, kind: Kind::Counter, help, samples }
}

const FAMILIES: &[Family] = &[
    gauge("build_info", "Which tidegate this is.", Samples::Version),
    gauge("uptime_seconds", "Time since the server started.", Samples::Uptime),
    gauge("workers", "Worker processes.", Samples::Workers),
    counter("respawns_total", "Workers started in place of dead ones.", Samples::One(|s| s.facts.respawns)),
    counter("reloads_total", "Configurations taken since the first.", Samples::One(|s| s.facts.reloads.into())),
    counter(
        "reloads_refused_total",
        "Configurations that were not taken.",
        Samples::One(|s| s.facts.reloads_refused.into()),
    ),
    counter("upgrades_failed_total", "Upgrades that failed.", Samples::One(|s| s.facts.upgrades_failed.into())),
    gauge("last_reload_failed", "Whether the last reload was refused.", Samples::One(|s| s.facts.reload_failed.into())),
    gauge("last_upgrade_failed", "Whether the last upgrade failed.", Samples::One(|s| s.facts.upgrade_failed.into())),
    gauge("parked", "Whether nobody is served until a reload.", Samples::One(|s| s.facts.parked.into())),
    gauge("connections", "Connections alive.", Samples::Listeners(|s, at| s.totals.active_at(at).0.into())),
    gauge(
        "connections_peak",
        "The most connections one worker ever had.",
        Samples::Listeners(|s, at| s.totals.active_at(at).1.into()),
    ),
    gauge(
        "connections_limit",
        "Connections one worker may have.",
        Samples::Listeners(|s, at| s.listeners.get(at).map_or(0, |listener| listener.connections.into())),
    ),
    counter(
        "accepted_total",
        "Connections taken.",
        Samples::Listeners(|s, at| s.totals.count_at(at, Counter::Accepted)),
    ),
    counter("refused_total", "Newcomers closed at once, by the limit.", Samples::Limits(REFUSED)),
    counter("waited_total", "Times newcomers were left waiting, by the limit.", Samples::Limits(WAITED)),
    counter("closed_total", "Connections closed, by the reason.", Samples::Reasons),
    counter("received_bytes_total", "Bytes received.", Samples::One(|s| s.totals.count(Counter::BytesIn))),
    counter("sent_bytes_total", "Bytes sent.", Samples::One(|s| s.totals.count(Counter::BytesOut))),
    counter("steps_total", "Steps made by services.", Samples::One(|s| s.totals.count(Counter::Steps))),
    counter(
        "accepts_starved_total",
        "Times descriptors or kernel memory ran out.",
        Samples::One(|s| s.totals.count(Counter::AcceptsStarved)),
    ),
    counter(
        "accepts_lost_total",
        "Connections gone before they were taken.",
        Samples::One(|s| s.totals.count(Counter::AcceptsLost)),
    ),
    gauge("blocks", "Blocks held.", Samples::One(|s| s.totals.blocks_taken().into())),
    gauge("blocks_peak", "The most blocks one worker ever held.", Samples::One(|s| s.totals.blocks_peak().into())),
    gauge("blocks_limit", "Blocks of one worker.", Samples::One(|s| s.blocks.into())),
    counter("frames_total", "Frames and what became of them, by what happened.", Samples::Frames),
    counter(
        "http_requests_total",
        "Complete HTTP requests.",
        Samples::One(|s| s.totals.http.of(HttpCounter::Requests)),
    ),
    counter("http_responses_total", "HTTP answers, by the status.", Samples::HttpStatuses),
    counter("http_faults_total", "What was no HTTP request, by what was wrong.", Samples::HttpFaults),
    counter(
        "http_unchanged_total",
        "HTTP answers that a condition made short.",
        Samples::One(|s| s.totals.http.of(HttpCounter::Unchanged)),
    ),
    counter(
        "http_files_full_total",
        "HTTP requests refused because no file could be opened any more.",
        Samples::One(|s| s.totals.http.of(HttpCounter::FilesFull)),
    ),
    counter(
        "http_broken_total",
        "HTTP answers that could not be finished.",
        Samples::One(|s| s.totals.http.of(HttpCounter::Broken)),
    ),
    counter(
        "allocations_after_seal_total",
        "Allocations of serving workers; anything but 0 is a defect.",
        Samples::One(|s| s.totals.allocations.get()),
    ),
    counter("log_lines_lost_total", "Log lines not written, by the cause.", Samples::LogLines),
    gauge(
        "reply_seconds",
        "From a request's first byte to its reply's last.",
        Samples::Histogram(|s| &s.totals.reply_ms, 1_000),
    ),
    gauge("connection_seconds", "How long connections lived.", Samples::Histogram(|s| &s.totals.life_ms, 1_000)),
    gauge(
        "awake_seconds",
        "How long one wake-up of a worker took.",
        Samples::Histogram(|s| &s.totals.awake_us, 1_000_000),
    ),
];

/// Where a writer of pieces stands: the family, and the piece of it.
const FAMILY_SHIFT: u32 = 8;

/// Writes the piece `at`, beginning with 0; which is next, `None` after the last.
pub(super) fn write<W: uWrite + ?Sized>(status: &Status<'_>, at: u32, out: &mut W) -> Result<Option<u32>, W::Error> {
    let (number, piece) = (at >> FAMILY_SHIFT, (at & 0xff) as usize);
    let Some(family) = FAMILIES.get(number as usize) else { return Ok(None) };
    if piece == 0 {
        let kind = match (family.samples, family.kind) {
            (Samples::Histogram(..), _) => "histogram",
            (_, Kind::Counter) => "counter",
            (_, Kind::Gauge) => "gauge",
        };
        let name = family.name;
        uwrite!(out, "# HELP tidegate_{} {}\n# TYPE tidegate_{} {}\n", name, family.help, name, kind)?;
    }
    let goes_on = family.write(status, piece, out)?;
    Ok(Some(if goes_on { at.wrapping_add(1) } else { number.wrapping_add(1) << FAMILY_SHIFT }))
}

impl Family {
    /// Writes one piece of the samples; whether there is another.
    fn write<W: uWrite + ?Sized>(&self, status: &Status<'_>, piece: usize, out: &mut W) -> Result<bool, W::Error> {
        let name = self.name;
        match self.samples {
            Samples::Version => uwrite!(out, "tidegate_{}{{version=\"{}\"}} 1\n", name, status.version)?,
            Samples::Uptime => {
                uwrite!(out, "tidegate_{} ", name)?;
                seconds(out, status.uptime_ms(), 1_000)?;
                out.write_str("\n")?;
            }
            Samples::Workers => {
                let facts = &status.facts;
                for (state, count) in
                    [("live", facts.workers_live), ("wanted", facts.workers_wanted), ("draining", facts.draining)]
                {
                    uwrite!(out, "tidegate_{}{{state=\"{}\"}} {}\n", name, state, n(count))?;
                }
            }
            Samples::One(value) => uwrite!(out, "tidegate_{} {}\n", name, n(value(status)))?,
            Samples::Listeners(value) => {
                self.of_listener(status, piece, None, value(status, piece), out)?;
                return Ok(piece.wrapping_add(1) < status.listeners.len());
            }
            Samples::Limits(limits) => {
                for (limit, counter) in limits {
                    self.of_listener(status, piece, Some(limit), status.totals.count_at(piece, *counter), out)?;
                }
                return Ok(piece.wrapping_add(1) < status.listeners.len());
            }
            Samples::Reasons => {
                for reason in Reason::ALL {
                    uwrite!(out, "tidegate_{}{{reason=\"{}\"}} ", name, reason.name())?;
                    uwrite!(out, "{}\n", n(status.totals.closed(*reason)))?;
                }
            }
            Samples::Frames => {
                for counter in FrameCounter::ALL {
                    uwrite!(out, "tidegate_{}{{event=\"{}\"}} ", name, counter.name())?;
                    uwrite!(out, "{}\n", n(status.totals.frame.of(*counter)))?;
                }
            }
            Samples::HttpStatuses => {
                let statuses = HttpStatus::ALL.iter().skip(piece.saturating_mul(STATUSES_PER_PIECE));
                for code in statuses.clone().take(STATUSES_PER_PIECE) {
                    uwrite!(out, "tidegate_{}{{status=\"{}\"}} ", name, code.code())?;
                    uwrite!(out, "{}\n", n(status.totals.http.statuses(*code)))?;
                }
                return Ok(statuses.len() > STATUSES_PER_PIECE);
            }
            Samples::HttpFaults => {
                for fault in Fault::ALL {
                    uwrite!(out, "tidegate_{}{{fault=\"{}\"}} ", name, fault.name())?;
                    uwrite!(out, "{}\n", n(status.totals.http.faults(*fault)))?;
                }
            }
            Samples::LogLines => {
                let (left_out, dropped) = (status.totals.log_left_out.get(), status.totals.log_dropped.get());
                uwrite!(out, "tidegate_{}{{cause=\"limit\"}} {}\n", name, n(left_out))?;
                uwrite!(out, "tidegate_{}{{cause=\"failed\"}} {}\n", name, n(dropped))?;
            }
            Samples::Histogram(of, parts) => return self.histogram(of(status), parts, piece, out),
        }
        Ok(false)
    }

    fn of_listener<W: uWrite + ?Sized>(
        &self,
        status: &Status<'_>,
        at: usize,
        limit: Option<&str>,
        value: u64,
        out: &mut W,
    ) -> Result<(), W::Error> {
        let Some(listener) = status.listeners.get(at) else { return Ok(()) };
        uwrite!(out, "tidegate_{}{{section=\"", self.name)?;
        escaped(out, Style::Metrics, |out| write_section(out, listener.label))?;
        out.write_str("\",address=\"")?;
        escaped(out, Style::Metrics, |out| write_address(out, listener.address))?;
        if let Some(limit) = limit {
            uwrite!(out, "\",limit=\"{}", limit)?;
        }
        uwrite!(out, "\"}} {}\n", n(value))
    }

    fn histogram<W: uWrite + ?Sized>(
        &self,
        histogram: &Histogram,
        parts: u64,
        piece: usize,
        out: &mut W,
    ) -> Result<bool, W::Error> {
        let from = piece.saturating_mul(BUCKETS_PER_PIECE);
        let mut below = 0_u64;
        for (at, count) in histogram.buckets().enumerate().take(from.saturating_add(BUCKETS_PER_PIECE)) {
            below = below.wrapping_add(count);
            if at < from {
                continue;
            }
            uwrite!(out, "tidegate_{}_bucket{{le=\"", self.name)?;
            match Histogram::bound(at) {
                Some(bound) => seconds(out, bound, parts)?,
                None => out.write_str("+Inf")?,
            }
            uwrite!(out, "\"}} {}\n", n(below))?;
        }
        if from.saturating_add(BUCKETS_PER_PIECE) < BUCKETS {
            return Ok(true);
        }
        uwrite!(out, "tidegate_{}_sum ", self.name)?;
        seconds(out, histogram.sum(), parts)?;
        uwrite!(out, "\ntidegate_{}_count {}\n", self.name, n(below))?;
        Ok(false)
    }
}

/// So many parts of a second, in seconds: `1.5`, `0.003`, `7`.
fn seconds<W: uWrite + ?Sized>(out: &mut W, value: u64, parts: u64) -> Result<(), W::Error> {
    let parts = parts.max(1);
    uwrite!(out, "{}", n(value / parts))?;
    let (mut rest, mut unit) = (value % parts, parts);
    if rest > 0 {
        out.write_str(".")?;
    }
    while rest > 0 {
        unit = (unit / 10).max(1);
        uwrite!(out, "{}", n(rest / unit))?;
        rest %= unit;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;
    use std::string::String;
    use std::vec::Vec;

    use super::super::tests::{Text, with_status};
    use super::*;

    fn pieces(status: &Status<'_>) -> Vec<String> {
        let (mut all, mut next) = (Vec::new(), Some(0));
        while let Some(at) = next {
            let mut out = Text(String::new());
            let Ok(after) = write(status, at, &mut out);
            next = after;
            all.push(out.0);
        }
        all
    }

    #[test]
    fn a_family_has_one_head_and_its_samples_follow_it() {
        with_status(|status| {
            let text = pieces(status).concat();
            let (mut known, mut current) = (BTreeSet::new(), "");
            for line in text.lines() {
                if let Some(rest) = line.strip_prefix("# HELP ") {
                    current = rest.split(' ').next().unwrap();
                    assert!(known.insert(current), "{line}");
                } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                    assert_eq!(rest.split(' ').next(), Some(current));
                } else {
                    assert!(line.starts_with(current), "{line} below {current}");
                    assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
                }
            }
            assert_eq!(known.len(), FAMILIES.len());
            assert!(
                text.contains("tidegate_accepted_total{section=\"[Socket plc]\",address=\"*:5678\"} 1\n"),
                "{text}"
            );
            assert!(text.contains("address=\"unix:/run/a\\\"b\\\\c\\n"), "{text}");
        });
    }

    #[test]
    fn no_piece_is_long_and_the_buckets_grow_to_the_count() {
        with_status(|status| {
            status.totals.reply_ms.record(u64::MAX);
            let pieces = pieces(status);
            assert!(pieces.iter().all(|piece| piece.len() < 1_024), "{:?}", pieces.iter().map(String::len).max());
            let text = pieces.concat();
            let buckets = text.lines().filter(|line| line.starts_with("tidegate_reply_seconds_bucket"));
            let counts: Vec<u64> = buckets.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
            assert!(counts.len() == BUCKETS && counts.is_sorted());
            assert_eq!((counts[2], counts[3], counts[BUCKETS - 1]), (0, 1, 2));
            assert!(text.contains("tidegate_reply_seconds_bucket{le=\"0.007\"} 1\n"));
            assert!(text.contains("tidegate_reply_seconds_count 2\n"));
        });
    }

    #[test]
    fn parts_of_a_second_are_written_without_loss() {
        for (value, parts, shown) in
            [(0, 1_000, "0"), (3, 1_000, "0.003"), (1_500, 1_000, "1.5"), (7_000_000, 1_000_000, "7"), (1, 1, "1")]
        {
            let mut out = Text(String::new());
            let Ok(()) = seconds(&mut out, value, parts);
            assert_eq!(out.0, shown);
        }
    }
}

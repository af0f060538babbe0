//! Counters: one for everything accepted, served, refused and dropped, and why.
//!
//! Only what cannot be derived is counted: totals are sums over listeners, and what lives now is copied from the pool
//! whenever that changes. It is plain numbers in lent memory and all zero is empty, so a world may lend memory that
//! other processes read. The fields are cells, because there someone else looks while the dispatcher counts.

mod closes;

use core::cell::Cell;

use crate::frame::counts::Counts as FrameCounts;
use crate::histogram::Histogram;
use crate::http::counts::Counts;
use crate::limits::LISTENERS_MAX;
use crate::net::PackedPeer;
use crate::tally::{named_enum, sum};
use closes::Closes;

pub use closes::{CLOSES_KEPT, Close};

named_enum! {
    /// What is counted as it happens, first what each listener counts for itself.
    Counter {
        /// Connections taken from a listener.
        Accepted = "accepted",
        /// Times a listener had to wait for a slot of its share.
        SharesFull = "shares_full",
        /// Times a listener had to wait because of `AcceptRate`.
        RatesReached = "rates_reached",
        /// Newcomers closed at once because of `Allow` or `Deny`.
        RefusedDenied = "refused_denied",
        /// Newcomers closed at once because their client has `PerClient` connections.
        RefusedPerClient = "refused_per_client",
        /// Newcomers closed at once because all `Connections` are taken (`WhenFull = refuse`).
        RefusedFull = "refused_full",
        /// Connections that were gone before we could take them.
        AcceptsLost = "accepts_lost",
        /// Accepts refused for want of descriptors or kernel memory; the listeners then rest for a while.
        AcceptsStarved = "accepts_starved",
        /// Bytes received.
        BytesIn = "bytes_in",
        /// Bytes sent.
        BytesOut = "bytes_out",
        /// Steps made by services.
        Steps = "steps",
        /// Events for a connection that was gone.
        EventsStale = "events_stale",
        /// Readiness that turned out to be none.
        EventsSpurious = "events_spurious",
        /// Places in the core that cannot be reached; anything but 0 is a defect.
        Impossible = "impossible",
    }
}

named_enum! {
    /// Why a connection was closed; each close has exactly one.
    Reason {
        /// The service closed, after the peer had ended its direction.
        Ended = "ended",
        /// The service closed.
        Served = "served",
        /// The peer or the network ended it without ceremony.
        Reset = "reset",
        /// Silence for `IdleTimeout`.
        IdleTimeout = "idle_timeout",
        /// A request unfinished for `RequestTimeout`.
        RequestTimeout = "request_timeout",
        /// A file became shorter while it was sent.
        Shortened = "shortened",
        /// Nothing could be sent for `WriteTimeout`.
        WriteTimeout = "write_timeout",
        /// A request longer than the receive buffer.
        InputLimit = "input_limit",
        /// The longest holder of blocks when they ran out (`Blocks`).
        BlocksDry = "blocks_dry",
        /// Silent for longest when its listener was full and another came (`WhenFull = oldest`).
        MadeRoom = "made_room",
        /// The world could not watch it.
        Unwatched = "unwatched",
        /// At rest while draining.
        Drained = "drained",
        /// Still busy when the server stopped.
        Stopped = "stopped",
        /// Alive when its worker died without a word. Counted by whoever adds up.
        WorkerLost = "worker_lost",
    }
}

impl Counter {
    /// So many of them, from the first, are counted for each listener.
    const OF_LISTENERS: usize = Counter::RefusedFull as usize + 1;
}

/// Where what belonged to listeners that are no longer there is counted.
pub const LISTENER_GONE: usize = LISTENERS_MAX;

/// One listener's part.
#[derive(Clone, Debug)]
#[repr(C)]
struct AtListener {
    counts: [Cell<u64>; Counter::OF_LISTENERS],
    active: Cell<u32>,
    peak: Cell<u32>,
}

impl AtListener {
    const fn new() -> Self {
        Self { counts: [const { Cell::new(0) }; Counter::OF_LISTENERS], active: Cell::new(0), peak: Cell::new(0) }
    }

    fn absorb(&self, other: &Self, gone: bool) {
        sum(&self.counts, &other.counts);
        self.peak.set(self.peak.get().max(other.peak.get()));
        if !gone {
            self.active.set(self.active.get().wrapping_add(other.active.get()));
        }
    }
}

/// All counters of one dispatcher, or of several added up. They wrap after 2^64. Peaks are those of one dispatcher.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Stats {
    counts: [Cell<u64>; Counter::COUNT - Counter::OF_LISTENERS],
    closed: [Cell<u64>; Reason::COUNT],
    listeners: [AtListener; LISTENERS_MAX + 1],
    /// From the first byte of a request, or of a reply nobody asked for, to the moment the reply's last byte was handed
    /// to the network.
    pub reply_ms: Histogram,
    /// From accepting a connection to its close.
    pub life_ms: Histogram,
    /// What the world took for all that one wake-up brought. Recorded by the world.
    pub awake_us: Histogram,
    /// What the HTTP service counts.
    pub http: Counts,
    /// What the frame service counts.
    pub frame: FrameCounts,
    closes: Closes,
    /// Allocations after the seal, and the bytes of the first. The world's to set, as the two below.
    pub allocations: Cell<u64>,
    pub allocated_first_bytes: Cell<u64>,
    /// Log lines that a limit left out, and that could not be written.
    pub log_left_out: Cell<u64>,
    pub log_dropped: Cell<u64>,
    blocks_taken: Cell<u32>,
    blocks_peak: Cell<u32>,
    taken_peak: Cell<u32>,
    _unused: u32,
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

impl Stats {
    pub const fn new() -> Self {
        Self {
            counts: [const { Cell::new(0) }; Counter::COUNT - Counter::OF_LISTENERS],
            closed: [const { Cell::new(0) }; Reason::COUNT],
            listeners: [const { AtListener::new() }; LISTENERS_MAX + 1],
            reply_ms: Histogram::new(),
            life_ms: Histogram::new(),
            awake_us: Histogram::new(),
            http: Counts::new(),
            frame: FrameCounts::new(),
            closes: Closes::new(),
            allocations: Cell::new(0),
            allocated_first_bytes: Cell::new(0),
            log_left_out: Cell::new(0),
            log_dropped: Cell::new(0),
            blocks_taken: Cell::new(0),
            blocks_peak: Cell::new(0),
            taken_peak: Cell::new(0),
            _unused: 0,
        }
    }

    // What the dispatcher counts.

    /// Counts what is no listener's.
    #[inline]
    pub(crate) fn add(&self, counter: Counter, n: usize) {
        let at = (counter as usize).wrapping_sub(Counter::OF_LISTENERS);
        debug_assert!(at < self.counts.len(), "{counter:?} is counted for a listener");
        if let Some(count) = self.counts.get(at) {
            count.set(count.get().wrapping_add(n as u64));
        }
    }

    /// Counts one for a listener.
    pub(crate) fn add_at(&self, listener: usize, counter: Counter) {
        let count = self.listeners.get(listener).and_then(|listener| listener.counts.get(counter as usize));
        debug_assert!(count.is_some(), "{counter:?} is no listener's");
        if let Some(count) = count {
            count.set(count.get().wrapping_add(1));
        }
    }

    /// A reply has left; in the same millisecond as a rule.
    #[inline]
    pub(crate) fn replied(&self, took_ms: u64) {
        if took_ms == 0 { self.reply_ms.record_zero() } else { self.reply_ms.record(took_ms) }
    }

    /// What lives now, of one listener and of all.
    pub(crate) fn live(&self, listener: usize, active: u32, in_all: u32) {
        if let Some(listener) = self.listeners.get(listener) {
            listener.active.set(active);
            listener.peak.set(listener.peak.get().max(active));
        }
        self.taken_peak.set(self.taken_peak.get().max(in_all));
    }

    pub(crate) fn hold(&self, blocks: u32) {
        self.blocks_taken.set(blocks);
        self.blocks_peak.set(self.blocks_peak.get().max(blocks));
    }

    pub(crate) fn close(&self, at_ms: u64, life_ms: u64, listener: u8, reason: Reason, peer: PackedPeer) {
        if let Some(count) = self.closed.get(reason as usize) {
            count.set(count.get().wrapping_add(1));
        }
        self.life_ms.record(life_ms);
        self.closes.push(at_ms, life_ms, listener, reason, peer);
    }

    // Adding up.

    /// Adds what another counted; its listener `n` is known here as `known[n]`. Of one that is `gone` the counts
    /// remain, and what it held does not.
    pub fn absorb(&self, other: &Self, known: &[u8; LISTENERS_MAX], gone: bool) {
        let known = |listener: usize| known.get(listener).map_or(LISTENER_GONE, |known| usize::from(*known));
        sum(&self.counts, &other.counts);
        sum(&self.closed, &other.closed);
        for (at, theirs) in other.listeners.iter().enumerate() {
            let Some(ours) = self.listeners.get(known(at)) else { continue };
            ours.absorb(theirs, gone);
        }
        for (ours, theirs) in
            [(&self.reply_ms, &other.reply_ms), (&self.life_ms, &other.life_ms), (&self.awake_us, &other.awake_us)]
        {
            ours.absorb(theirs);
        }
        self.http.absorb(&other.http);
        self.frame.absorb(&other.frame);
        self.closes.absorb(&other.closes, |listener| known(listener.into()) as u8);
        if self.allocations.get() == 0 {
            self.allocated_first_bytes.set(other.allocated_first_bytes.get());
        }
        for (ours, theirs) in [
            (&self.allocations, &other.allocations),
            (&self.log_left_out, &other.log_left_out),
            (&self.log_dropped, &other.log_dropped),
        ] {
            ours.set(ours.get().wrapping_add(theirs.get()));
        }
        if gone {
            let lost = self.closed.get(Reason::WorkerLost as usize);
            lost.iter().for_each(|count| count.set(count.get().wrapping_add(other.taken().into())));
        } else {
            self.blocks_taken.set(self.blocks_taken.get().wrapping_add(other.blocks_taken.get()));
        }
        self.blocks_peak.set(self.blocks_peak.get().max(other.blocks_peak.get()));
        self.taken_peak.set(self.taken_peak.get().max(other.taken_peak.get()));
    }

    /// The listeners have moved: `n` is from now on `known[n]`.
    pub fn rename(&self, known: &[u8; LISTENERS_MAX]) {
        let known = |listener: usize| known.get(listener).map_or(LISTENER_GONE, |known| usize::from(*known));
        let before = self.listeners.clone();
        for listener in &self.listeners {
            listener.counts.iter().for_each(|count| count.set(0));
            listener.active.set(0);
            listener.peak.set(0);
        }
        for (at, theirs) in before.iter().enumerate() {
            if let Some(ours) = self.listeners.get(known(at)) {
                ours.absorb(theirs, false);
            }
        }
        self.closes.rename(|listener| known(listener.into()) as u8);
    }

    // Getters.

    /// A count; of what listeners count, the sum.
    pub fn count(&self, counter: Counter) -> u64 {
        match (counter as usize).checked_sub(Counter::OF_LISTENERS) {
            Some(at) => self.counts.get(at).map_or(0, Cell::get),
            None => (0..=LISTENER_GONE).fold(0, |sum, at| sum.wrapping_add(self.count_at(at, counter))),
        }
    }

    /// What one listener counted, or [`LISTENER_GONE`]; 0 for a counter that is not a listener's.
    pub fn count_at(&self, listener: usize, counter: Counter) -> u64 {
        self.listeners.get(listener).and_then(|listener| listener.counts.get(counter as usize)).map_or(0, Cell::get)
    }

    /// A listener's connections alive now, and the most it ever had at once.
    pub fn active_at(&self, listener: usize) -> (u32, u32) {
        self.listeners.get(listener).map_or((0, 0), |listener| (listener.active.get(), listener.peak.get()))
    }

    /// Connections alive now.
    pub fn taken(&self) -> u32 {
        self.listeners.iter().fold(0, |sum, listener| sum.wrapping_add(listener.active.get()))
    }

    /// The most connections ever alive at once.
    pub fn taken_peak(&self) -> u32 {
        self.taken_peak.get()
    }

    /// Blocks held now.
    pub fn blocks_taken(&self) -> u32 {
        self.blocks_taken.get()
    }

    /// The most blocks ever taken at once.
    pub fn blocks_peak(&self) -> u32 {
        self.blocks_peak.get()
    }

    pub fn closed(&self, reason: Reason) -> u64 {
        self.closed.get(reason as usize).map_or(0, Cell::get)
    }

    /// Closed for any reason.
    pub fn closed_in_all(&self) -> u64 {
        self.closed.iter().fold(0, |sum, count| sum.wrapping_add(count.get()))
    }

    /// The `n`th newest close, from 0, of those remembered.
    pub fn last_close(&self, n: usize) -> Option<Close> {
        self.closes.newest(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(of: impl Fn(usize) -> u8) -> [u8; LISTENERS_MAX] {
        core::array::from_fn(of)
    }

    #[test]
    fn totals_are_the_sums_over_listeners() {
        let stats = Stats::new();
        for listener in 0..LISTENERS_MAX {
            (0..listener).for_each(|_| stats.add_at(listener, Counter::Accepted));
        }
        assert_eq!(stats.count(Counter::Accepted), (0..16).sum());
        assert_eq!((stats.count_at(5, Counter::Accepted), stats.count_at(5, Counter::BytesIn)), (5, 0));
    }

    #[test]
    fn of_the_dead_counts_and_peaks_remain_and_what_they_held_does_not() {
        let (total, worker) = (Stats::new(), Stats::new());
        worker.live(2, 7, 9);
        worker.hold(30);
        worker.add_at(2, Counter::Accepted);
        worker.close(10, 3, 2, Reason::Reset, PackedPeer::UNIX);
        worker.allocations.set(2);
        worker.allocated_first_bytes.set(64);
        total.absorb(&worker, &known(|at| at as u8), true);
        total.absorb(&worker, &known(|at| at as u8), true);
        assert_eq!((total.taken(), total.blocks_taken(), total.active_at(2)), (0, 0, (0, 7)));
        assert_eq!((total.taken_peak(), total.blocks_peak()), (9, 30));
        assert_eq!((total.count(Counter::Accepted), total.closed(Reason::Reset), total.life_ms.count()), (2, 2, 2));
        assert_eq!((total.allocations.get(), total.allocated_first_bytes.get()), (4, 64));
        total.absorb(&worker, &known(|at| at as u8), false);
        assert_eq!((total.taken(), total.blocks_taken()), (7, 30));
    }

    #[test]
    fn listeners_that_moved_keep_their_counts_and_those_that_left_stay_in_the_total() {
        let (total, worker) = (Stats::new(), Stats::new());
        (0..3).for_each(|listener| worker.add_at(listener, Counter::RefusedDenied));
        worker.close(1, 1, 1, Reason::Ended, PackedPeer::UNIX);
        // The first is now the second, the second is gone, the third is the first.
        let moved = known(|at| [1, LISTENER_GONE as u8, 0].get(at).copied().unwrap_or(at as u8));
        total.absorb(&worker, &moved, false);
        let counts = [0, 1, 2, LISTENER_GONE].map(|at| total.count_at(at, Counter::RefusedDenied));
        assert_eq!((counts, total.count(Counter::RefusedDenied)), ([1, 1, 0, 1], 3));
        assert_eq!(total.last_close(0).unwrap().listener, LISTENER_GONE as u8);
        let (later, empty) = (worker.clone(), Stats::new());
        later.rename(&moved);
        empty.absorb(&later, &known(|at| at as u8), false);
        assert_eq!([0, 1, 2, LISTENER_GONE].map(|at| empty.count_at(at, Counter::RefusedDenied)), [1, 1, 0, 1]);
        assert_eq!(later.last_close(0).unwrap().listener, LISTENER_GONE as u8);
    }

    #[test]
    fn one_dispatchers_part_fits_a_page_with_room_for_a_few_words_more() {
        assert!(size_of::<Stats>() <= 4096 - 64, "{}", size_of::<Stats>());
    }
}

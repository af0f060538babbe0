//! Counters: one for everything accepted, served, refused and dropped, and why.
//!
//! Only what cannot be derived is counted; how many connections live is the pool's to say.

macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            pub const COUNT: usize = Self::ALL.len();

            /// The name used in logs and status pages.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

pub(crate) use named_enum;

named_enum! {
    /// What is counted as it happens.
    Counter {
        /// Connections taken from a listener.
        Accepted = "accepted",
        /// Connections that were gone before we could take them.
        AcceptsLost = "accepts_lost",
        /// Accepts refused for want of descriptors or kernel memory; the listeners then rest for a while.
        AcceptsStarved = "accepts_starved",
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
    }
}

/// All counters of one dispatcher. They wrap after 2^64.
#[derive(Clone, Debug)]
pub struct Stats {
    counts: [u64; Counter::COUNT],
    closed: [u64; Reason::COUNT],
    /// The most blocks ever taken at once.
    pub blocks_peak: u32,
    /// The most connections ever alive at once.
    pub taken_peak: u32,
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

impl Stats {
    pub const fn new() -> Self {
        Self { counts: [0; Counter::COUNT], closed: [0; Reason::COUNT], blocks_peak: 0, taken_peak: 0 }
    }

    #[inline]
    pub(crate) fn add(&mut self, counter: Counter, n: usize) {
        if let Some(count) = self.counts.get_mut(counter as usize) {
            *count = count.wrapping_add(n as u64);
        }
    }

    pub(crate) fn close(&mut self, reason: Reason) {
        if let Some(count) = self.closed.get_mut(reason as usize) {
            *count = count.wrapping_add(1);
        }
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.counts.get(counter as usize).copied().unwrap_or(0)
    }

    pub fn closed(&self, reason: Reason) -> u64 {
        self.closed.get(reason as usize).copied().unwrap_or(0)
    }

    /// Closed for any reason.
    pub fn closed_in_all(&self) -> u64 {
        self.closed.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }
}

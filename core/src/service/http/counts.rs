//! What was asked and how it was answered, counted.

use crate::http::fault::Fault;
use crate::http::status::Status;

crate::stats::named_enum! {
    /// What the service counts besides statuses and faults.
    HttpCounter {
        /// Requests whose head and body were complete.
        Requests = "http_requests",
        /// Answers that a condition made short (304).
        Unchanged = "http_unchanged",
        /// Requests refused because no file could be opened any more (503).
        FilesFull = "http_files_full",
        /// Answers that could not be finished: a file that failed or became shorter, a page that could not go on.
        Broken = "http_broken",
        /// Answers that did not fit into an empty outbox: blocks are too small.
        NoRoom = "http_no_room",
        /// Pages or routes whose answer was not fit to be sent.
        RoutesBroken = "http_routes_broken",
    }
}

/// All counters of one HTTP service. They wrap after 2^64.
#[derive(Clone, Debug)]
pub struct Counts {
    counters: [u64; HttpCounter::COUNT],
    faults: [u64; Fault::COUNT],
    statuses: [u64; Status::COUNT],
}

impl Counts {
    pub const fn new() -> Self {
        Self { counters: [0; HttpCounter::COUNT], faults: [0; Fault::COUNT], statuses: [0; Status::COUNT] }
    }

    pub fn of(&self, counter: HttpCounter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or(0)
    }

    /// Requests that were not answered as asked, by reason.
    pub fn faults(&self, fault: Fault) -> u64 {
        self.faults.get(fault as usize).copied().unwrap_or(0)
    }

    /// Answers, by status.
    pub fn statuses(&self, status: Status) -> u64 {
        self.statuses.get(status as usize).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn count(&mut self, counter: HttpCounter) {
        add(self.counters.get_mut(counter as usize));
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        add(self.faults.get_mut(fault as usize));
    }

    #[inline]
    pub(super) fn status(&mut self, status: Status) {
        add(self.statuses.get_mut(status as usize));
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn add(count: Option<&mut u64>) {
    if let Some(count) = count {
        *count = count.wrapping_add(1);
    }
}

//! What was asked and how it was answered, counted: a part of [`Stats`](crate::stats::Stats).

use core::cell::Cell;

use crate::http::fault::Fault;
use crate::http::status::Status;
use crate::tally::sum;

crate::tally::named_enum! {
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
#[repr(C)]
pub struct Counts {
    counters: [Cell<u64>; HttpCounter::COUNT],
    faults: [Cell<u64>; Fault::COUNT],
    statuses: [Cell<u64>; Status::COUNT],
}

impl Counts {
    pub const fn new() -> Self {
        Self {
            counters: [const { Cell::new(0) }; HttpCounter::COUNT],
            faults: [const { Cell::new(0) }; Fault::COUNT],
            statuses: [const { Cell::new(0) }; Status::COUNT],
        }
    }

    pub fn of(&self, counter: HttpCounter) -> u64 {
        self.counters.get(counter as usize).map_or(0, Cell::get)
    }

    /// Requests that were not answered as asked, by reason.
    pub fn faults(&self, fault: Fault) -> u64 {
        self.faults.get(fault as usize).map_or(0, Cell::get)
    }

    /// Answers, by status.
    pub fn statuses(&self, status: Status) -> u64 {
        self.statuses.get(status as usize).map_or(0, Cell::get)
    }

    /// Adds what another counted.
    pub(crate) fn absorb(&self, other: &Self) {
        sum(&self.counters, &other.counters);
        sum(&self.faults, &other.faults);
        sum(&self.statuses, &other.statuses);
    }

    #[inline]
    pub(crate) fn count(&self, counter: HttpCounter) {
        add(self.counters.get(counter as usize));
    }

    pub(crate) fn fault(&self, fault: Fault) {
        add(self.faults.get(fault as usize));
    }

    #[inline]
    pub(crate) fn status(&self, status: Status) {
        add(self.statuses.get(status as usize));
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn add(count: Option<&Cell<u64>>) {
    if let Some(count) = count {
        count.set(count.get().wrapping_add(1));
    }
}

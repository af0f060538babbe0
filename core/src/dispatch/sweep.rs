//! The sweep of debug builds: after a call, every invariant that can be walked is walked.

use super::Dispatcher;
use crate::net::Net;
use crate::service::Service;
#[cfg(debug_assertions)]
use crate::{stats::Counter, timer::NEVER};

impl<N: Net, S: Service> Dispatcher<'_, N, S> {
    #[inline]
    pub(super) fn sweep(&mut self) {
        #[cfg(debug_assertions)]
        {
            // A sweep walks every slot: after each call of a small dispatcher, after some calls of a large one.
            self.calls = self.calls.wrapping_add(1);
            if self.kit.pool.end() <= 64 || self.calls.is_multiple_of(256) {
                self.check();
            }
        }
    }

    /// Walks everything and panics at the first broken invariant (DESIGN 7: 2, 3, 5).
    #[cfg(debug_assertions)]
    pub fn check(&self) {
        self.kit.pool.check();
        self.timers.check();
        let (mut blocks, mut chains) = (0, [0, 0]);
        for at in 0..self.kit.pool.end() {
            let slot = &self.slots[at];
            assert_eq!(slot.conn.is_some(), self.kit.pool.token(at).is_some(), "slot {at}: taken, or connected?");
            if slot.conn.is_none() {
                continue;
            }
            blocks += self.kit.blocks.count(&slot.input) + self.kit.blocks.count(&slot.output);
            chains[0] += !slot.input.is_empty() as usize;
            chains[1] += !slot.output.is_empty() as usize;
            let deadline = slot.deadline(&self.kit.rules_of(slot.listener));
            let armed = self.timers.armed(at).unwrap_or(NEVER);
            assert!(armed <= deadline, "slot {at}: armed for {armed}, due at {deadline}");
            assert_eq!(slot.watched, slot.interest(self.kit.scratch.len()), "slot {at}: interest");
        }
        self.kit.blocks.check(blocks, chains);
        assert!(!self.kit.blocks.short(), "the reserve is held");
        let closed = self.kit.stats.closed_in_all();
        assert_eq!(
            self.kit.stats.count(Counter::Accepted),
            closed + u64::from(self.taken()),
            "accepted = closed + taken"
        );
        assert_eq!(self.kit.stats.count(Counter::Impossible), 0, "an impossible place was reached");
        for (id, listener) in self.listeners.iter().enumerate() {
            let want = self.kit.pool.free(listener.share) > 0 && !self.closed && self.retry_ms == NEVER;
            assert!(listener.watched == want || self.retry_ms != NEVER, "listener {id}: interest");
        }
    }
}

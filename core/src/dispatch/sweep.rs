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
        let mut counted = 0;
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
            let listener = &self.listeners[slot.listener as usize];
            if let Some(elders) = &listener.elders {
                elders.check(at, slot.active_ms);
            }
            counted += u32::from(listener.admission.counted(slot.listener, slot.peer.unpack().ip()).is_some());
            assert_eq!(slot.watched, slot.interest(self.kit.scratch.len()), "slot {at}: interest");
        }
        self.clients.check(counted);
        self.kit.blocks.check(blocks, chains);
        assert!(!self.kit.blocks.short(), "the reserve is held");
        let closed = self.kit.stats.closed_in_all();
        assert_eq!(
            self.kit.stats.count(Counter::Accepted),
            closed + u64::from(self.taken()),
            "accepted = closed + taken"
        );
        let stats = self.kit.stats;
        assert_eq!((stats.taken(), stats.blocks_taken() as usize), (self.taken(), blocks), "what others are shown");
        assert_eq!(stats.life_ms.count(), closed, "a life time for each close");
        assert_eq!(stats.count(Counter::Impossible), 0, "an impossible place was reached");
        for (id, listener) in self.listeners.iter().enumerate() {
            let due = self.retry_ms != NEVER || self.rate_ms <= self.kit.now_ms;
            assert!(listener.watched == self.wants(listener) || due, "listener {id}: interest");
        }
    }
}

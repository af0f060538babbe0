//! A connection's slot: its socket, what it holds, its phase; and the two pure functions of that state, what it
//! wants to hear and when it has waited enough.

use crate::blocks::Chain;
use crate::event::Interest;
use crate::listen::Rules;
use crate::net::PackedPeer;
use crate::stats::Reason;
use crate::timer::NEVER;

/// One connection, or an empty place for one. All zero bytes are a valid empty slot wherever they are a valid `None`
/// of `Option<C>`.
#[repr(C)]
pub struct Slot<C> {
    /// The last byte in either direction.
    pub(crate) active_ms: u64,
    /// The request's deadline, or the end of lingering.
    pub(crate) by_ms: u64,
    /// The time the service asked for.
    pub(crate) wait_ms: u64,
    pub(crate) opened_ms: u64,
    pub(crate) peer: PackedPeer,
    pub(crate) input: Chain,
    pub(crate) output: Chain,
    pub(crate) conn: Option<C>,
    /// When the request began that is not answered yet: milliseconds modulo 2^32, which is 49 days; 0 is none.
    pub(crate) asked_ms: u32,
    pub(crate) listener: u8,
    pub(crate) watched: Interest,
    pub(crate) reason: Reason,
    /// Interest and deadline were last settled while it was at ease.
    pub(crate) settled_at_ease: bool,
    pub(crate) phase: Phase,
    /// The service asked to be called again when the output has left.
    pub(crate) again: bool,
    /// The peer ended its direction.
    pub(crate) ended: bool,
    /// The service waits: unread input is not an unfinished request.
    pub(crate) waiting: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Serving, or an empty slot.
    Open = 0,
    /// The service is done: what is unsent leaves, then we shut down.
    Closing,
    /// Shut down: reads and throws away until the peer ends or the time is up.
    Lingering,
}

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Idle,
    Request,
    Write,
    Wait,
    Linger,
}

impl<C> Default for Slot<C> {
    fn default() -> Self {
        Self {
            active_ms: 0,
            by_ms: NEVER,
            wait_ms: NEVER,
            opened_ms: 0,
            peer: PackedPeer::default(),
            input: Chain::default(),
            output: Chain::default(),
            conn: None,
            asked_ms: 0,
            listener: 0,
            watched: Interest::NONE,
            reason: Reason::Ended,
            settled_at_ease: false,
            phase: Phase::Open,
            again: false,
            ended: false,
            waiting: false,
        }
    }
}

impl<C> Slot<C> {
    pub(crate) fn open(conn: C, peer: PackedPeer, listener: u8, now_ms: u64) -> Self {
        Self { conn: Some(conn), peer, listener, active_ms: now_ms, opened_ms: now_ms, ..Self::default() }
    }

    /// What the world should report. Nobody sets interest by hand. While output waits nothing is read, so that a
    /// peer that does not read stops its own input; errors and hang-ups are still reported with a write interest.
    pub(crate) fn interest(&self, input_max: usize) -> Interest {
        let sending = self.is_sending();
        match self.phase {
            Phase::Open => Interest::of(!sending && !self.ended && self.input.len() < input_max, sending),
            Phase::Closing => Interest::of(false, sending),
            Phase::Lingering => Interest::READ,
        }
    }

    /// When something has to happen although nothing is heard.
    #[inline]
    pub(crate) fn deadline(&self, rules: &Rules) -> u64 {
        match self.phase {
            Phase::Lingering => self.by_ms,
            _ => self.silence_ends(rules).min(self.by_ms).min(self.wait_ms),
        }
    }

    /// Which deadline has passed at `now_ms`, the final ones first.
    pub(crate) fn due(&self, rules: &Rules, now_ms: u64) -> Option<Due> {
        if self.phase == Phase::Lingering {
            return (self.by_ms <= now_ms).then_some(Due::Linger);
        }
        if self.silence_ends(rules) <= now_ms {
            return Some(if self.is_sending() { Due::Write } else { Due::Idle });
        }
        if self.by_ms <= now_ms {
            return Some(Due::Request);
        }
        (self.wait_ms <= now_ms).then_some(Due::Wait)
    }

    /// Open, with nothing unread, unsent, asked for or ended: its interest is to read and its one deadline is
    /// silence, which moves only later. A connection that was settled like this and still is needs no settling.
    #[inline]
    pub(crate) fn is_at_ease(&self) -> bool {
        // One word, one comparison: this is asked on every turn.
        let word = u32::from_ne_bytes([self.phase as u8, self.again as u8, self.ended as u8, self.waiting as u8]);
        word == Phase::Open as u32 && self.input.len() | self.output.len() == 0
    }

    /// Nothing received that is not answered, nothing answered that is not sent.
    pub(crate) fn at_rest(&self) -> bool {
        self.phase == Phase::Open && !self.again && self.input.is_empty() && self.output.is_empty()
    }

    /// Output waits, or the service has more of it: a file, or what did not fit.
    fn is_sending(&self) -> bool {
        !self.output.is_empty() || self.again
    }

    /// After a turn that may not have ended what it began: what is unread or unsent now is waited for since then, unless
    /// it was before. Input that is consumed in silence is not.
    #[inline]
    pub(crate) fn time(&mut self, now_ms: u64) {
        if self.input.len() | self.output.len() == 0 && !self.again {
            self.asked_ms = 0;
        } else if self.asked_ms == 0 {
            self.asked_ms = (now_ms as u32).max(1);
        }
    }

    /// A reply has left; how long it took.
    #[inline]
    pub(crate) fn answer(&mut self, now_ms: u64) -> u64 {
        let asked_ms = core::mem::take(&mut self.asked_ms);
        if asked_ms == 0 { 0 } else { u64::from((now_ms as u32).max(1).wrapping_sub(asked_ms)) }
    }

    fn silence_ends(&self, rules: &Rules) -> u64 {
        let limit = if self.is_sending() { rules.write_ms } else { rules.idle_ms };
        if limit == 0 { NEVER } else { self.active_ms.saturating_add(limit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_costs_what_is_priced() {
        // With marks (12) and timers (12) a connection at rest costs 120 bytes plus its service's state.
        assert_eq!(core::mem::size_of::<Slot<core::num::NonZeroU32>>(), 96);
    }

    #[test]
    fn interest_follows_from_state_alone() {
        let mut slot = Slot::<u8>::default();
        assert_eq!(slot.interest(1), Interest::READ);
        assert_eq!(slot.interest(0), Interest::NONE, "a full input is not read");
        slot.again = true;
        assert_eq!(slot.interest(1), Interest::WRITE);
        slot.again = false;
        slot.ended = true;
        assert_eq!(slot.interest(1), Interest::NONE, "an ended peer reads as ready for ever");
        slot.phase = Phase::Lingering;
        assert_eq!(slot.interest(1), Interest::READ);
    }

    #[test]
    fn a_limit_of_zero_is_no_deadline() {
        let slot = Slot::<u8>::default();
        assert_eq!(slot.deadline(&Rules::default()), NEVER);
        assert_eq!(slot.due(&Rules::default(), NEVER - 1), None);
    }
}

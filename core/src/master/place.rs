//! One worker's place in the supervisor's table.
//!
//! A worker of the configuration in force is staff: it is replaced when it dies. One that was asked to leave, because
//! a reload or the operator said so, is a leaver: it is nobody's loss, and has a bound for its drain of its own, that
//! of the configuration it runs under.

use super::{STOP_MS, Tell};

/// The first pause before a respawn; the one before it is no pause at all.
const BACKOFF_FIRST_MS: u64 = 100;
/// The longest pause before a respawn.
const BACKOFF_LAST_MS: u64 = 5_000;
/// A worker that lived this long starts with a clean sheet; also the window of the respawn limit.
pub(super) const QUIET_MS: u64 = 60_000;

#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Nobody here and nobody wanted.
    Free,
    /// Nobody here; a worker is due at this time, while the server serves.
    Due { due_ms: u64, deaths: u32 },
    /// A worker lives here.
    Live { since_ms: u64, deaths: u32, told: Option<Tell>, leave: Option<Leave> },
}

/// How far a leaver has been pressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leave {
    pub tell: Tell,
    /// When it is pressed harder; `None` is never.
    pub late_ms: Option<u64>,
}

impl Leave {
    fn press(&mut self, now_ms: u64) {
        if self.late_ms.is_none_or(|late_ms| now_ms < late_ms) {
            return;
        }
        (self.tell, self.late_ms) = match self.tell {
            Tell::Quit => (Tell::Term, Some(now_ms.saturating_add(STOP_MS))),
            Tell::Term | Tell::Kill => (Tell::Kill, None),
        };
    }
}

impl Place {
    pub const fn is_free(&self) -> bool {
        matches!(self, Place::Free)
    }

    pub const fn is_live(&self) -> bool {
        matches!(self, Place::Live { .. })
    }

    pub const fn is_leaver(&self) -> bool {
        matches!(self, Place::Live { leave: Some(_), .. })
    }

    /// Staff becomes a leaver, with at most `drain_ms` to go (0 is no bound); nobody is due here any more.
    pub fn dismiss(&mut self, drain_ms: u64, now_ms: u64) {
        match self {
            Place::Free => {}
            Place::Due { .. } => *self = Place::Free,
            Place::Live { leave: Some(_), .. } => {}
            Place::Live { leave, .. } => {
                let late_ms = (drain_ms > 0).then(|| now_ms.saturating_add(drain_ms));
                *leave = Some(Leave { tell: Tell::Quit, late_ms });
            }
        }
    }

    /// Time passed: a leaver that is late is pressed harder.
    pub fn press(&mut self, now_ms: u64) {
        if let Place::Live { leave: Some(leave), .. } = self {
            leave.press(now_ms);
        }
    }

    /// What the worker here must have been told, if it has not yet, given what the server tells everybody.
    pub fn owed(&mut self, everybody: Option<Tell>) -> Option<Tell> {
        let Place::Live { told, leave, .. } = self else { return None };
        let demand = everybody.max(leave.map(|leave| leave.tell));
        if *told >= demand {
            return None;
        }
        *told = demand;
        demand
    }

    /// The place after its worker died; true if that was staff. Due at once the first time, then after a pause that
    /// doubles.
    pub fn vacate(&mut self, now_ms: u64) -> bool {
        let Place::Live { since_ms, deaths, leave, .. } = *self else { return false };
        if leave.is_some() {
            *self = Place::Free;
            return false;
        }
        let deaths = if now_ms.saturating_sub(since_ms) >= QUIET_MS { 0 } else { deaths };
        let pause_ms = match deaths {
            0 => 0,
            n => BACKOFF_FIRST_MS.checked_shl(n - 1).unwrap_or(BACKOFF_LAST_MS).min(BACKOFF_LAST_MS),
        };
        // Six doublings reach the longest pause; counting on would shift bits out.
        *self = Place::Due { due_ms: now_ms.saturating_add(pause_ms), deaths: (deaths + 1).min(7) };
        true
    }
}

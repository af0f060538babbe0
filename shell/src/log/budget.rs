//! `[Log] MaxDaily`: what all processes together may write to the file, held against the wear of a flash.
//!
//! Half of it may be used at once, and comes back evenly over a day: in no 24 hours is more than the whole written.
//! A quarter of that half is kept from what peers cause, and another from the access log, so that no flood hides what
//! breaks or what an operator asked for. It is one word, the time until which the past is paid for, changed by compare and swap: whoever is killed leaves it right.
//! A restart and an upgrade begin with all of it again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::io;

use super::{Role, Severity};
use crate::os::shared::Shared;

static OWN: AtomicUsize = AtomicUsize::new(0);
static SHARED: OnceLock<&AtomicUsize> = OnceLock::new();

/// Makes the word one for this process and every one forked from now on.
pub fn share() -> io::Result<()> {
    if SHARED.get().is_none() {
        let word: &AtomicUsize = Shared::new(1)?.cell(0);
        word.store(OWN.load(Relaxed), Relaxed);
        let _ = SHARED.set(word);
    }
    Ok(())
}

/// What [`Budget::take`] is to take from.
pub fn word() -> &'static AtomicUsize {
    SHARED.get().copied().unwrap_or(&OWN)
}

/// A day in ticks of the word: hundredths of a second fit 32 bits for 497 days.
const DAY_TICKS: u32 = 24 * 60 * 60 * 100;
const TICK_MS: u64 = 10;

/// How much of the half a line may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// A line for each request.
    Access,
    /// What a worker has to say, as a rule of its peers.
    Peers,
    /// Errors and worse, and whatever the master says: it answers to operators alone.
    All,
}

impl Share {
    pub fn of(severity: Severity, role: Role) -> Self {
        if severity <= Severity::Error || role == Role::Master { Self::All } else { Self::Peers }
    }

    const fn ticks(self) -> u32 {
        match self {
            Self::Access => DAY_TICKS / 2,
            Self::Peers => DAY_TICKS / 4 * 3,
            Self::All => DAY_TICKS,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Half of `MaxDaily`: what may be used at once, and what comes back in a day.
    half_bytes: u64,
}

impl Budget {
    /// `None` for 0, no bound.
    pub fn of(daily_bytes: u64) -> Option<Self> {
        (daily_bytes > 0).then_some(Self { half_bytes: (daily_bytes / 2).max(1) })
    }

    /// Takes so many bytes; false, and nothing is taken, if they are not there.
    pub fn take(self, word: &AtomicUsize, bytes: usize, share: Share, now_ms: u64) -> bool {
        let step = |paid: usize| self.after(paid as u32, bytes, share, now_ms).map(|paid| paid as usize);
        word.fetch_update(Relaxed, Relaxed, step).is_ok()
    }

    /// Whether so many bytes are there.
    pub fn has(self, word: &AtomicUsize, bytes: usize, share: Share, now_ms: u64) -> bool {
        self.after(word.load(Relaxed) as u32, bytes, share, now_ms).is_some()
    }

    /// The word once these bytes are paid for. It wraps; one further ahead than a day is a day long gone.
    fn after(self, paid: u32, bytes: usize, share: Share, now_ms: u64) -> Option<u32> {
        let now = (now_ms / TICK_MS) as u32;
        let owed = paid.wrapping_sub(now);
        let owed = if owed > DAY_TICKS { 0 } else { owed };
        let cost = (bytes as u64).saturating_mul(DAY_TICKS.into()).div_ceil(self.half_bytes);
        let owed = u32::try_from(u64::from(owed).saturating_add(cost)).ok().filter(|owed| *owed <= share.ticks())?;
        Some(now.wrapping_add(owed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = DAY_TICKS as u64 * TICK_MS;

    fn flood(budget: Budget, word: &AtomicUsize, share: Share, now_ms: u64) -> u64 {
        (0..).take_while(|_| budget.take(word, 100, share, now_ms)).count() as u64 * 100
    }

    #[test]
    fn no_day_takes_more_than_the_whole_and_errors_have_a_part_that_warnings_leave() {
        let budget = Budget::of(4 << 20).unwrap();
        let word = AtomicUsize::new(0);
        let mut now_ms = 50 * DAY_MS;
        let accessed = flood(budget, &word, Share::Access, now_ms);
        assert!((1_040_000..=1_048_576).contains(&accessed), "{accessed}");
        let warned = accessed + flood(budget, &word, Share::Peers, now_ms);
        assert!((1_560_000..=1_572_864).contains(&warned), "{warned}");
        let failed = flood(budget, &word, Share::All, now_ms);
        assert!((515_000..=524_288).contains(&failed), "{failed}");
        let mut day = warned + failed;
        for _ in 0..24 * 60 {
            now_ms += 60_000;
            day += flood(budget, &word, Share::All, now_ms);
        }
        assert!((4_100_000..=4 << 20).contains(&day), "{day}");
    }

    #[test]
    fn it_is_whole_again_after_a_quiet_day_and_after_a_quiet_year() {
        for days in [1, 100, 248, 249, 365, 496, 497, 498] {
            let budget = Budget::of(64 << 10).unwrap();
            let word = AtomicUsize::new(0);
            let first = flood(budget, &word, Share::Peers, DAY_MS);
            assert!(first >= 24_000, "{first}");
            assert!(!budget.has(&word, 100, Share::Peers, DAY_MS + 1_000));
            let later = flood(budget, &word, Share::Peers, DAY_MS + days * DAY_MS);
            // A word is a day or less ahead of one moment in 497 days, by chance: then a part of it is still owed.
            assert!(later == first || days >= 496, "{days} days: {later} of {first}");
        }
    }
}

//! Two clocks: monotonic milliseconds for deadlines, local civil time for the log line.
//!
//! Local time is libc's `localtime_r`, after one `tzset` at start: a server up for years must follow summer time, so
//! an offset read once would be wrong half of the year. Once the zone is loaded neither glibc nor musl allocates.

use rustix::time::{ClockId, clock_gettime};

/// A moment as a person writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Civil {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    /// How far this is ahead of UTC.
    pub offset_minutes: i32,
}

/// Loads the time zone. Called once, before the allocator is sealed and before any change of root.
pub fn init() {
    unsafe extern "C" {
        fn tzset();
    }
    // SAFETY: takes nothing, and no other thread changes the environment.
    unsafe { tzset() };
    let _ = now_civil();
    let _ = now_ms();
}

/// Milliseconds since some moment before the start. Never runs backwards.
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000 + now.tv_nsec as u64 / 1_000_000
}

/// The same clock in microseconds, for what is shorter.
#[inline]
pub fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// The time of day for a loop: asked for when the second that was told is over.
#[derive(Debug, Default)]
pub struct Wall {
    /// Monotonic.
    told_until_ms: u64,
}

impl Wall {
    /// Seconds since 1970, when there may be others than last time. A clock that is set is noticed within a second.
    #[inline]
    pub fn tick(&mut self, now_ms: u64) -> Option<i64> {
        if now_ms < self.told_until_ms {
            return None;
        }
        let now = clock_gettime(ClockId::Realtime);
        self.told_until_ms = now_ms + 1_000 - now.tv_nsec as u64 / 1_000_000;
        Some(now.tv_sec)
    }
}

/// Seconds since 1970, as the machine has it.
pub fn unix_s() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}

/// The local time of day.
pub fn now_civil() -> Civil {
    civil(clock_gettime(ClockId::Realtime).tv_sec as libc::time_t)
}

fn civil(seconds: libc::time_t) -> Civil {
    // SAFETY: `tm` is plain numbers and a nullable pointer, for which all zero is a value.
    let mut tm: libc::tm = unsafe { core::mem::zeroed() };
    // SAFETY: both pointers are to live locals of the right types.
    if unsafe { libc::localtime_r(&seconds, &mut tm) }.is_null() {
        return Civil::default();
    }
    Civil {
        year: tm.tm_year + 1900,
        month: tm.tm_mon + 1,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
        offset_minutes: (tm.tm_gmtoff / 60) as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_second_is_broken_down_within_a_day_of_utc() {
        // 2001-09-09 01:46:40 UTC, wherever the test runs.
        let then = civil(1_000_000_000);
        assert_eq!((then.year, then.month), (2001, 9));
        assert!((8..=9).contains(&then.day), "{then:?}");
        assert_eq!(then.second, 40);
    }

    #[test]
    fn monotonic_time_does_not_go_back() {
        let first = now_ms();
        assert!(now_ms() >= first);
    }
}

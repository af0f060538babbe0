//! What each call site has said lately: its lines of this second, those it did not get, and repeats of its last one.

use std::hash::{DefaultHasher, Hasher as _};

use super::{SITE_LINES, Severity, TOTAL_LINES};

const WINDOW_MS: u64 = 1_000;
/// Sites remembered at once. With more, the oldest that owes nothing gives way.
pub const SITES: usize = 32;
/// Bytes of a line kept to say what the lines left out were like.
const SAMPLE_BYTES: usize = 64;
/// How long a line that only repeats may go untold: longer the longer it goes on. After so much silence it is news.
const REPEAT_MS: [u64; 3] = [30_000, 120_000, 600_000];

/// A place in the source that logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The address of the file's name: comparing it is enough to tell sites apart, and costs nothing.
    file: usize,
    line: u32,
}

impl Site {
    pub fn at(file: &str, line: u32) -> Self {
        Self { file: file.as_ptr() as usize, line }
    }
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Written,
    LeftOut,
    Repeated,
}

/// The start of a line.
#[derive(Clone, Copy)]
pub struct Sample {
    bytes: [u8; SAMPLE_BYTES],
    len: usize,
}

impl Sample {
    const EMPTY: Self = Self { bytes: [0; SAMPLE_BYTES], len: 0 };

    fn of(text: &str) -> Self {
        let len = text.floor_char_boundary(SAMPLE_BYTES);
        let mut sample = Self { bytes: [0; SAMPLE_BYTES], len };
        sample.bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        sample
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

/// A word owed about lines that were not written one by one.
pub struct Owed {
    pub severity: Severity,
    /// [`Fate::LeftOut`] or [`Fate::Repeated`].
    pub fate: Fate,
    pub count: u64,
    pub sample: Sample,
}

#[derive(Clone, Copy)]
struct Window {
    site: Option<Site>,
    since_ms: u64,
    written: u32,
    left_out: u64,
    severity: Severity,
    sample: Sample,
    /// The line written last, if the next may be a repeat of it; when that or a count of its repeats was written;
    /// repeats since; and how often they have been told.
    last: Option<u64>,
    last_ms: u64,
    repeated: u64,
    told: usize,
}

impl Window {
    const EMPTY: Self = Self {
        site: None,
        since_ms: 0,
        written: 0,
        left_out: 0,
        severity: Severity::Debug,
        sample: Sample::EMPTY,
        last: None,
        last_ms: 0,
        repeated: 0,
        told: 0,
    };

    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.since_ms) >= WINDOW_MS
    }

    /// Counts one more line against a limit; false if it is over.
    fn count(&mut self, limit: u32, now_ms: u64) -> bool {
        if self.is_over(now_ms) {
            self.since_ms = now_ms;
            self.written = 0;
        }
        let admitted = self.written < limit;
        self.written += u32::from(admitted);
        admitted
    }

    fn repeats_until_ms(&self) -> u64 {
        self.last_ms.saturating_add(REPEAT_MS[self.told.min(REPEAT_MS.len() - 1)])
    }

    fn owes(&self) -> bool {
        self.left_out > 0 || self.repeated > 0
    }

    /// When it is time for what it owes.
    fn due_ms(&self) -> Option<u64> {
        let left_out = (self.left_out > 0).then(|| self.since_ms.saturating_add(WINDOW_MS));
        let repeated = (self.repeated > 0).then(|| self.repeats_until_ms());
        [left_out, repeated].into_iter().flatten().min()
    }

    fn take_left_out(&mut self) -> Owed {
        let count = core::mem::take(&mut self.left_out);
        Owed { severity: self.severity, fate: Fate::LeftOut, count, sample: self.sample }
    }

    fn take_repeated(&mut self, now_ms: u64) -> Owed {
        let count = core::mem::take(&mut self.repeated);
        self.last_ms = now_ms;
        self.told = self.told.saturating_add(1);
        Owed { severity: self.severity, fate: Fate::Repeated, count, sample: self.sample }
    }
}

pub struct Sites {
    windows: [Window; SITES],
    /// All sites together, and the lines of sites that found no window.
    total: Window,
    /// Some window may owe a word: spares the look through all of them on every wake-up.
    owing: bool,
}

impl Sites {
    pub const fn new() -> Self {
        Self { windows: [Window::EMPTY; SITES], total: Window::EMPTY, owing: false }
    }

    /// What becomes of this line now; if it is not written it is counted.
    pub fn admit(&mut self, site: Site, severity: Severity, text: &str, now_ms: u64) -> Fate {
        let Some(index) = self.find(site) else {
            return if self.total.count(TOTAL_LINES, now_ms) {
                Fate::Written
            } else {
                self.leave_out(None, severity, text)
            };
        };
        let key = key(severity, text);
        let window = &mut self.windows[index];
        if window.last == Some(key) && now_ms < window.repeats_until_ms() {
            window.repeated = window.repeated.saturating_add(1);
            (window.severity, window.sample) = (severity, Sample::of(text));
            self.owing = true;
            return Fate::Repeated;
        }
        (window.last, window.last_ms, window.told) = (None, now_ms, 0);
        if !self.count(index, now_ms) {
            return self.leave_out(Some(index), severity, text);
        }
        self.windows[index].last = Some(key);
        Fate::Written
    }

    /// The repeats of the site's last line, if this one is another: to be told before it. They cost one of the site's
    /// lines; with none left they are told with what is left out.
    pub fn take_broken(&mut self, site: Site, severity: Severity, text: &str, now_ms: u64) -> Option<Owed> {
        let index = self.windows.iter().position(|window| window.site == Some(site))?;
        let window = &self.windows[index];
        if window.repeated == 0 || window.last == Some(key(severity, text)) {
            return None;
        }
        if self.count(index, now_ms) {
            return Some(self.windows[index].take_repeated(now_ms));
        }
        let window = &mut self.windows[index];
        window.left_out = window.left_out.saturating_add(core::mem::take(&mut window.repeated));
        None
    }

    /// One word that is due (or any, if `all`) about lines that were not written; the longest owed first.
    pub fn take_due(&mut self, now_ms: u64, all: bool) -> Option<Owed> {
        if !self.owing {
            return None;
        }
        let windows = self.windows.iter_mut().chain([&mut self.total]);
        let (due_ms, window) =
            windows.filter_map(|window| Some((window.due_ms()?, window))).min_by_key(|(at, _)| *at)?;
        if due_ms > now_ms && !all {
            return None;
        }
        Some(if window.left_out > 0 && (all || window.is_over(now_ms)) {
            window.take_left_out()
        } else {
            window.take_repeated(now_ms)
        })
    }

    /// What is said next is an answer, even in the same words.
    pub fn forget_last(&mut self) {
        for window in &mut self.windows {
            window.last = None;
        }
    }

    /// When the first word is due.
    pub fn next_deadline(&mut self) -> Option<u64> {
        if !self.owing {
            return None;
        }
        let next = self.windows.iter().chain([&self.total]).filter_map(Window::due_ms).min();
        self.owing = next.is_some();
        next
    }

    /// Counts a line against the site's limit and that of all. The site's own comes first, so that one noisy site
    /// does not use up everybody's lines.
    fn count(&mut self, index: usize, now_ms: u64) -> bool {
        self.windows[index].count(SITE_LINES, now_ms) && self.total.count(TOTAL_LINES, now_ms)
    }

    fn leave_out(&mut self, index: Option<usize>, severity: Severity, text: &str) -> Fate {
        let window = match index {
            Some(index) => &mut self.windows[index],
            None => &mut self.total,
        };
        window.left_out = window.left_out.saturating_add(1);
        (window.severity, window.sample) = (severity, Sample::of(text));
        self.owing = true;
        Fate::LeftOut
    }

    /// The site's window: its own, a free one, or the oldest that owes nothing. `None` if all owe.
    fn find(&mut self, site: Site) -> Option<usize> {
        let own = self.windows.iter().position(|window| window.site == Some(site));
        let index = own.or_else(|| {
            let idle = self.windows.iter().enumerate().filter(|(_, window)| !window.owes());
            idle.min_by_key(|(_, window)| (window.site.is_some(), window.since_ms)).map(|(index, _)| index)
        })?;
        let window = self.windows.get_mut(index)?;
        if window.site != Some(site) {
            *window = Window { site: Some(site), ..Window::EMPTY };
        }
        Some(index)
    }
}

/// Stands for a line. Who finds two texts of one key hides the second of his own, and it is counted.
fn key(severity: Severity, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u8(severity as u8);
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sites_together_stay_within_the_total_and_every_line_is_accounted_for() {
        let mut sites = Sites::new();
        let (mut written, mut told) = (0u64, 0);
        for line in 0..1_000 {
            for text in ["one", "two", "three"] {
                written += u64::from(sites.admit(Site::at("x", line), Severity::Warn, text, 5_010) == Fate::Written);
            }
        }
        assert_eq!(written, u64::from(TOTAL_LINES));
        assert_eq!(sites.next_deadline(), Some(6_010));
        assert!(sites.take_due(5_500, false).is_none());
        while let Some(Owed { fate, count, sample, .. }) = sites.take_due(6_010, false) {
            assert_eq!((fate, sample.text()), (Fate::LeftOut, "three"));
            told += count;
        }
        assert_eq!(written + told, 3_000);
        assert_eq!(sites.next_deadline(), None);
    }

    #[test]
    fn a_line_that_goes_on_for_an_hour_is_told_ever_more_rarely_and_not_one_is_forgotten() {
        let mut sites = Sites::new();
        let site = Site::at("x", 1);
        let (mut written, mut told) = (0, Vec::new());
        for second in 0..3_600 {
            let now_ms = second * 1_000;
            while let Some(owed) = sites.take_due(now_ms, false) {
                assert_eq!(owed.fate, Fate::Repeated);
                told.push((second, owed.count));
            }
            written += u64::from(sites.admit(site, Severity::Warn, "text", now_ms) == Fate::Written);
        }
        assert_eq!(written, 1);
        assert_eq!(told[..4], [(30, 29), (150, 120), (750, 600), (1_350, 600)]);
        let rest = sites.take_due(3_600_000, true).map_or(0, |owed| owed.count);
        assert_eq!(written + told.iter().map(|(_, count)| count).sum::<u64>() + rest, 3_600);
    }

    #[test]
    fn another_line_ends_the_repeats_and_silence_makes_a_line_news() {
        let mut sites = Sites::new();
        let site = Site::at("x", 1);
        let mut admit = |text: &str, now_ms| {
            let broken = sites.take_broken(site, Severity::Warn, text, now_ms).map_or(0, |owed| owed.count);
            (broken, sites.admit(site, Severity::Warn, text, now_ms))
        };
        assert_eq!(admit("a", 0), (0, Fate::Written));
        assert_eq!(admit("a", 1), (0, Fate::Repeated));
        assert_eq!(admit("a", 2), (0, Fate::Repeated));
        assert_eq!(admit("b", 3), (2, Fate::Written));
        assert_eq!(admit("b", 30_002), (0, Fate::Repeated));
        assert_eq!(admit("a", 30_004), (1, Fate::Written));
        assert_eq!(admit("a", 60_004), (0, Fate::Written), "half a minute of silence");
        assert!(sites.take_due(u64::MAX, true).is_none());
    }

    #[test]
    fn short_repeats_in_turns_do_not_get_a_site_more_lines() {
        let mut sites = Sites::new();
        let site = Site::at("x", 1);
        let (mut lines, mut accounted) = (0, 0);
        for round in 0..1_000 {
            let text = if round % 4 < 2 { "a" } else { "b" };
            if let Some(owed) = sites.take_broken(site, Severity::Warn, text, 5) {
                (lines, accounted) = (lines + 1, accounted + owed.count);
            }
            if sites.admit(site, Severity::Warn, text, 5) == Fate::Written {
                (lines, accounted) = (lines + 1, accounted + 1);
            }
        }
        assert_eq!(lines, SITE_LINES);
        while let Some(owed) = sites.take_due(5, true) {
            accounted += owed.count;
        }
        assert_eq!(accounted, 1_000);
    }
}

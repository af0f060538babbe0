//! How many lines each call site has had this second, and how many it did not get.

use super::{SITE_LINES, Severity, TOTAL_LINES};

const WINDOW_MS: u64 = 1_000;
/// Sites remembered at once. With more, the oldest that owes nothing gives way.
const SITES: usize = 32;
/// Bytes of a line kept to say what the lines left out were like.
const SAMPLE_BYTES: usize = 64;

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

#[derive(Clone, Copy)]
struct Window {
    site: Option<Site>,
    since_ms: u64,
    written: u32,
    left_out: u64,
    severity: Severity,
    sample: Sample,
}

impl Window {
    const EMPTY: Self =
        Self { site: None, since_ms: 0, written: 0, left_out: 0, severity: Severity::Debug, sample: Sample::EMPTY };

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

    /// Whether this line may be written now; if not it is counted.
    pub fn admit(&mut self, site: Site, severity: Severity, text: &str, now_ms: u64) -> bool {
        let window = match self.find(site) {
            Some(window) => window,
            None => &mut self.total,
        };
        // A site's own limit comes first, so that one noisy site does not use up everybody's lines.
        let own = window.site.is_none() || window.count(SITE_LINES, now_ms);
        if own && self.total.count(TOTAL_LINES, now_ms) {
            return true;
        }
        let window = match self.windows.iter_mut().find(|window| window.site == Some(site)) {
            Some(window) => window,
            None => &mut self.total,
        };
        self.owing = true;
        window.left_out = window.left_out.saturating_add(1);
        window.severity = severity;
        window.sample = Sample::of(text);
        false
    }

    /// One window that is over (or any, if `all`) and owes a word about lines left out.
    pub fn take_left_out(&mut self, now_ms: u64, all: bool) -> Option<(Severity, u64, Sample)> {
        if !self.owing {
            return None;
        }
        let mut windows = self.windows.iter_mut().chain([&mut self.total]);
        let window = windows.find(|window| window.left_out > 0 && (all || window.is_over(now_ms)))?;
        let count = core::mem::take(&mut window.left_out);
        Some((window.severity, count, window.sample))
    }

    /// When the first window that owes a word is over.
    pub fn next_deadline(&mut self) -> Option<u64> {
        if !self.owing {
            return None;
        }
        let owing = self.windows.iter().chain([&self.total]).filter(|window| window.left_out > 0);
        let next = owing.map(|window| window.since_ms.saturating_add(WINDOW_MS)).min();
        self.owing = next.is_some();
        next
    }

    /// The site's window: its own, a free one, or the oldest that owes nothing. `None` if all owe.
    fn find(&mut self, site: Site) -> Option<&mut Window> {
        let own = self.windows.iter().position(|window| window.site == Some(site));
        let index = own.or_else(|| {
            let idle = self.windows.iter().enumerate().filter(|(_, window)| window.left_out == 0);
            idle.min_by_key(|(_, window)| (window.site.is_some(), window.since_ms)).map(|(index, _)| index)
        })?;
        let window = self.windows.get_mut(index)?;
        if window.site != Some(site) {
            *window = Window { site: Some(site), ..Window::EMPTY };
        }
        Some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sites_together_stay_within_the_total_and_every_line_is_accounted_for() {
        let mut sites = Sites::new();
        let name = "x";
        let mut written = 0u64;
        let mut told = 0;
        for line in 0..1_000 {
            for _ in 0..3 {
                written += u64::from(sites.admit(Site::at(name, line), Severity::Warn, "text", 5_010));
            }
        }
        assert_eq!(written, u64::from(TOTAL_LINES));
        assert_eq!(sites.next_deadline(), Some(6_010));
        assert!(sites.take_left_out(5_500, false).is_none());
        while let Some((_, count, sample)) = sites.take_left_out(6_010, false) {
            assert_eq!(sample.text(), "text");
            told += count;
        }
        assert_eq!(written + told, 3_000);
        assert_eq!(sites.next_deadline(), None);
    }
}

//! What the log may take: of a disk, and of its life, which for a flash is the bytes written.
//!
//! Only a file is ours to bound. What standard error and syslog become is said as lines and bytes a second.

use super::table::size;
use crate::log::{Bound, SECOND_BYTES_MAX};
use crate::settings::{Destination, Settings};

const DAY_SECONDS: u64 = 24 * 60 * 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub file: bool,
    /// The file and the one before it; `None` is no bound.
    pub disk_bytes: Option<u64>,
    /// Written in any 24 hours by all processes.
    pub day_bytes: u64,
    /// Written in a second by all processes.
    pub second_bytes: u64,
}

impl Log {
    pub fn of(settings: &Settings) -> Self {
        let (log, processes) = (&settings.log, settings.process.count_max());
        let file = matches!(log.to, Destination::File(_));
        let second_bytes = processes.saturating_mul(SECOND_BYTES_MAX);
        let most = second_bytes.saturating_mul(DAY_SECONDS);
        Self {
            file,
            disk_bytes: Bound::of(log.max_bytes, processes).filter(|_| file).map(|bound| bound.disk_bytes(processes)),
            day_bytes: if file && log.daily_bytes > 0 { log.daily_bytes.min(most) } else { most },
            second_bytes,
        }
    }

    /// For people.
    pub fn line(self) -> String {
        let (day, second) = (size(self.day_bytes), size(self.second_bytes));
        match (self.file, self.disk_bytes) {
            (true, Some(disk)) => format!(
                "log: FILE and FILE.1 take at most {disk} ([Log] MaxSize), and {day} are written a day (MaxDaily)",
                disk = size(disk)
            ),
            (true, None) => format!("log: FILE grows without bound ([Log] MaxSize = 0), by at most {day} a day"),
            (false, _) => format!("log: no file of ours; at most {second} a second go to who reads it"),
        }
    }

    /// For programs.
    pub fn json(self) -> String {
        let disk = self.disk_bytes.map_or("null".to_string(), |bytes| bytes.to_string());
        format!(
            "{{\"file\":{},\"disk_bytes\":{disk},\"day_bytes\":{},\"second_bytes\":{}}}",
            self.file, self.day_bytes, self.second_bytes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    #[test]
    fn a_file_takes_twice_its_size_and_a_days_share_whatever_the_processes() {
        for workers in [0, 1, 64] {
            let mut settings = settings(workers, &[64], 256);
            settings.log.to = Destination::File("/log".into());
            (settings.log.max_bytes, settings.log.daily_bytes) = (1 << 20, 4 << 20);
            let log = Log::of(&settings);
            assert_eq!((log.disk_bytes, log.day_bytes), (Some(2 << 20), 4 << 20));
            assert!(log.line().len() <= 100, "{}", log.line());
            (settings.log.max_bytes, settings.log.daily_bytes) = (0, 0);
            let log = Log::of(&settings);
            assert_eq!(log.disk_bytes, None);
            assert_eq!(log.day_bytes, (1 + 2 * u64::from(workers)) * 134 * 1_024 * 86_400);
            assert!(log.line().contains("without bound"), "{}", log.line());
        }
    }

    #[test]
    fn where_all_processes_may_pass_a_small_size_in_one_instant_that_is_told() {
        let mut settings = settings(64, &[64], 256);
        settings.log.to = Destination::File("/log".into());
        settings.log.max_bytes = 64 << 10;
        assert_eq!(Log::of(&settings).disk_bytes, Some(2 * (32 + 129) * 1_024));
    }
}

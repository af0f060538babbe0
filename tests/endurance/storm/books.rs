//! Every line of every log, whatever it was renamed to, against what was done: nothing missing, nothing twice.
//!
//! A kind of line that came more than five times in a second is cut there and the rest counted in a line of its own;
//! both are counted here.

use std::fs;
use std::path::Path;

use super::disturbances::Happened;

pub struct Books {
    lines: Vec<String>,
}

impl Books {
    /// The log and all it was renamed to. No line is torn.
    pub fn read(directory: &Path) -> Self {
        let mut lines = Vec::new();
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name == "tg.log" || name.starts_with("old.") {
                let text = fs::read_to_string(entry.path()).unwrap();
                assert!(text.ends_with('\n'), "{name} is cut: {text}");
                lines.extend(text.lines().map(str::to_string));
            }
        }
        for line in &lines {
            let date = line.get(..19).unwrap_or_default();
            let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert!(shape == "0000/00/00 00:00:00" && line[19..].contains("#"), "a torn line: {line}");
        }
        Self { lines }
    }

    /// Lines of the master or a worker that begin so, and those that were left out and would have.
    fn count(&self, role: &str, begin: &str) -> usize {
        let role = format!("#{role}: ");
        let count = |line: &String| {
            let (_, body) = line.split_once(&role)?;
            let (count, sample) = body.strip_prefix("... ")?.split_once(" similar lines left out: ")?;
            sample.starts_with(begin).then(|| count.parse::<usize>().unwrap())
        };
        let whole =
            self.lines.iter().filter(|line| line.split_once(&role).is_some_and(|(_, body)| body.starts_with(begin)));
        whole.count() + self.lines.iter().filter_map(count).sum::<usize>()
    }

    pub fn check(&self, happened: &Happened) {
        let told = self.lines.join("\n");
        let is = |role: &str, begin: &str, count: usize| {
            assert_eq!(self.count(role, begin), count, "{begin:?} of the {role} in\n{told}");
        };
        is("master", "asked to reload", happened.reloads);
        is("master", "reloaded ", happened.reloads);
        is("master", "reopening the log", happened.reopens);
        is("master", "asked to upgrade", happened.upgrades);
        is("master", "stopped", 1 + happened.upgrades);
        let Happened { ended, kills, .. } = *happened;
        is("master", "worker ", ended + kills);
        is("worker", "served ", ended);
        is("worker", "closed:", ended);
        let sealed = self.lines.iter().filter(|line| line.ends_with("allocations after the seal: 0")).count();
        assert_eq!(sealed, ended, "{told}");
        let killed = self.lines.iter().filter(|line| line.ends_with(", killed by signal 9")).count();
        assert_eq!(killed, kills, "{told}");
        for never in ["[error]", "[crit]", "[emerg]", "could not be written", "panicked"] {
            assert!(!told.contains(never), "{never} in\n{told}");
        }
    }
}

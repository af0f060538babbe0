//! From the command line to [`Settings`]: reads the file, applies `-g`, `-p` and `-e`, and gives values their meaning.
//!
//! Every mistake of a file is reported in one run. Paths typed on the command line start from the current directory,
//! paths in the configuration from the prefix; all are made absolute here, so nothing depends on where a daemon runs.

// The core's parser replaces this file by `use tidegate_core::conf::{Document, Problem, Section};`.
mod stand_in;

use std::path::{Path, PathBuf};

use stand_in::{Document, Problem, Section};

use crate::cli::Options;
use crate::exit::{self, Failure};
use crate::log::Severity;
use crate::os::file;
use crate::settings::{self, Log, Memory, Process, Settings, Socket};

/// A configuration is a screenful; this keeps a wrong `-c` from filling the memory.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// What runs without a file.
const BUILT_IN: &str = stand_in::DEFAULT;

/// A configuration without a mistake.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// The file as the operator typed it, for messages to them.
    pub name: String,
    /// The file as anyone can find it, for titles and logs.
    pub full_name: String,
    document: Document,
}

impl Loaded {
    /// The configuration with every default filled in, readable by the parser again.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        stand_in::dump(&self.document, &mut out);
        out
    }
}

/// Every key, with its bounds and default.
pub fn help() -> String {
    let mut out = String::new();
    stand_in::help(&mut out);
    out
}

/// Reads and checks the configuration the command line names.
pub fn load(options: &Options) -> Result<Loaded, Failure> {
    let directory = std::env::current_dir()
        .map_err(|error| Failure::new(exit::OS, format!("the current directory cannot be read: {error}")))?;
    let prefix = options.prefix.as_ref().map_or_else(|| directory.clone(), |prefix| directory.join(prefix));
    let (name, full_name, bytes) = match &options.config {
        Some(path) => {
            let name = path.display().to_string();
            let bytes = file::read_whole(path, FILE_BYTES_MAX)
                .map_err(|errno| Failure::of_errno(exit::NO_INPUT, &name, errno))?;
            (name, directory.join(path).display().to_string(), bytes)
        }
        None => ("built-in".to_string(), "the built-in configuration".to_string(), BUILT_IN.into()),
    };
    let mut mistakes = String::new();
    let document = {
        let report = &mut |problem: &Problem| problem.write(&name, &mut mistakes);
        read(&bytes, &options.set, report)
    };
    let settings = document.and_then(|document| {
        let settings = understand(&document, options, &prefix, &directory, &mut mistakes);
        mistakes.is_empty().then_some((settings, document))
    });
    match settings {
        Some((settings, document)) => Ok(Loaded { settings, name, full_name, document }),
        None => Err(Failure::new(exit::CONFIG, mistakes)),
    }
}

fn read(bytes: &[u8], set: &[String], report: &mut dyn FnMut(&Problem)) -> Option<Document> {
    let mut document = Document::parse(bytes, report).ok()?;
    for assignment in set {
        document.set(assignment, report);
    }
    document.finish(report);
    Some(document)
}

/// Gives the document's values their types; what only Linux can judge is added to the mistakes.
fn understand(
    document: &Document,
    options: &Options,
    prefix: &Path,
    directory: &Path,
    mistakes: &mut String,
) -> Settings {
    let process = document.section("Process");
    let log = document.section("Log");
    let memory = document.section("Memory");
    Settings {
        process: Process {
            daemon: process.switch("Daemon"),
            workers: process.number_or_auto("Workers").map_or_else(processors, narrow),
            pid_file: path(process.text("PidFile"), prefix),
            open_files: narrow(process.number("OpenFiles")),
            drain_ms: process.time_ms("DrainTimeout"),
            respawn_limit: narrow(process.number("RespawnLimit")),
        },
        log: Log {
            file: match options.error_log.as_ref().map(|typed| typed.to_string_lossy()) {
                Some(typed) => settings::log_file(&typed, directory),
                None => settings::log_file(log.text("File"), prefix),
            },
            level: Severity::named(log.text("Level")).unwrap_or_default(),
        },
        memory: Memory { blocks: narrow(memory.number("Blocks")), block_bytes: narrow(memory.size("BlockSize")) },
        sockets: document.sections("Socket").map(|section| socket(&section, prefix, mistakes)).collect(),
    }
}

fn socket(section: &Section<'_>, prefix: &Path, mistakes: &mut String) -> Socket {
    let written = section.text("ListenAddress");
    let address = settings::address(written, narrow(section.number("ListenPort")), prefix).unwrap_or_else(|| {
        let label = section.label();
        mistakes.push_str(&format!(
            "[Socket{}{label}] ListenAddress: '{written}' is no address; write an IPv4 or IPv6 address or unix:PATH\n",
            if label.is_empty() { "" } else { " " },
        ));
        settings::Address::default()
    });
    Socket {
        name: section.label().to_string(),
        address,
        service: section.text("Service").to_string(),
        connections: narrow(section.number("Connections")),
        backlog: narrow(section.number("Backlog")),
        idle_ms: section.time_ms("IdleTimeout"),
        request_ms: section.time_ms("RequestTimeout"),
        write_ms: section.time_ms("WriteTimeout"),
        info: section.text("DBInfo").to_string(),
    }
}

/// The processors this process may use.
fn processors() -> u16 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    count.min(tidegate_core::limits::WORKERS_MAX) as u16
}

fn path(text: &str, prefix: &Path) -> Option<PathBuf> {
    (!text.is_empty()).then(|| prefix.join(text))
}

/// The directive table bounds every number; one that got past it is held at the type's end.
fn narrow<T: TryFrom<u64> + Bounded>(number: u64) -> T {
    T::try_from(number).unwrap_or(T::MAX)
}

trait Bounded {
    const MAX: Self;
}

impl Bounded for u16 {
    const MAX: Self = u16::MAX;
}

impl Bounded for u32 {
    const MAX: Self = u32::MAX;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(name: &str, text: &str, options: Options) -> Result<Loaded, Failure> {
        let path = std::env::temp_dir().join(format!("tidegate-conf-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let loaded = load(&Options { config: Some(path.clone()), ..options });
        std::fs::remove_file(&path).unwrap();
        loaded
    }

    #[test]
    fn the_seeds_three_lines_are_an_echo_service() {
        let text = "[Socket]\nListenPort = 5678\nDBInfo = 127.0.0.1\n";
        let settings = load_text("seed", text, Options::default()).unwrap().settings;
        let [socket] = &settings.sockets[..] else { panic!("{settings:?}") };
        assert_eq!(socket.address.to_string(), "127.0.0.1:5678");
        assert_eq!((socket.service.as_str(), socket.info.as_str()), ("echo", "127.0.0.1"));
    }

    #[test]
    fn without_a_file_the_built_in_configuration_serves_on_loopback_in_the_foreground() {
        let loaded = load(&Options::default()).unwrap();
        assert!(!loaded.settings.process.daemon);
        assert_eq!(loaded.settings.sockets[0].address.to_string(), "127.0.0.1:5678");
    }

    #[test]
    fn the_command_line_wins_and_paths_start_where_they_were_written() {
        let text = "[Process]\nPidFile = run/pid\nWorkers = 2\n[Log]\nFile = log\n[Socket]\nListenPort = 1\n";
        let options = Options {
            prefix: Some("/srv".into()),
            set: vec!["Process.Workers=7".into()],
            error_log: Some("stderr".into()),
            ..Options::default()
        };
        let settings = load_text("paths", text, options).unwrap().settings;
        assert_eq!(settings.process.pid_file, Some("/srv/run/pid".into()));
        assert_eq!(settings.process.workers, 7);
        assert_eq!(settings.log.file, None);
        let options = Options { prefix: Some("/srv".into()), ..Options::default() };
        assert_eq!(load_text("log", text, options).unwrap().settings.log.file, Some("/srv/log".into()));
    }

    #[test]
    fn an_address_that_is_none_is_a_mistake_of_the_configuration() {
        let failure = load_text("address", "[Socket plc]\nListenAddress = here\n", Options::default()).unwrap_err();
        assert_eq!(failure.code, exit::CONFIG);
        assert!(failure.text.contains("[Socket plc] ListenAddress: 'here' is no address"), "{}", failure.text);
    }
}

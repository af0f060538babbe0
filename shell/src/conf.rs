//! From the command line to [`Settings`]: reads the file, applies `-g`, `-p` and `-e`, and gives values their meaning.
//!
//! Every mistake of a file is reported in one run. Paths typed on the command line start from the current directory,
//! paths in the configuration from the prefix; all are made absolute here, so nothing depends on where a daemon runs.

use std::path::{Path, PathBuf};

use tidegate_core::admission::WhenFull;
use tidegate_core::conf::{self, Document, Problem, Section};
use ufmt::uWrite;

use crate::accounts::{self, User};
use crate::cli::Options;
use crate::exit::{self, Failure};
use crate::log::Severity;
use crate::os::{confine, file};
use crate::settings::{
    self, AccessLog, Answer, Control, Frame, Http, Log, Memory, Process, Redirect, Reserve, Settings, Socket,
};

/// A configuration is a screenful; this keeps a wrong `-c` from filling the memory.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// What runs without a file: the very text that is installed.
const BUILT_IN: &str = include_str!("../../conf/tidegate.conf");
/// Problems told of one file; one that is not a configuration at all has as many as it has lines.
const PROBLEMS_TOLD_MAX: u32 = 50;

/// A configuration without a mistake.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// The file as the operator typed it, for messages to them.
    pub name: String,
    /// The file as anyone can find it, for titles and logs.
    pub full_name: String,
    /// Every key with the value in force, readable by the parser again.
    pub dump: String,
}

/// Every key, with its bounds and default.
pub fn help() -> String {
    let mut out = Text::default();
    let _ = conf::help(&mut out);
    out.0
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
    let mut problems = Text::default();
    let Ok(document) = read(&bytes, &options.set, &name, &mut problems) else {
        return Err(Failure::new(exit::CONFIG, problems.0));
    };
    let accounts = accounts(&document.section("Process"), &name, &mut problems);
    let Some((user, group)) = accounts else { return Err(Failure::new(exit::CONFIG, problems.0)) };
    let mut settings = understand(&document, options, &prefix, &directory);
    (settings.process.user, settings.process.group) = (user, group);
    if settings.sockets.is_empty() {
        return Err(Failure::new(
            exit::CONFIG,
            format!("{name}: nothing to serve; add a [Socket] with a ListenPort\n"),
        ));
    }
    let mut dump = Text::default();
    let _ = conf::dump(&document, &mut dump);
    Ok(Loaded { settings, name, full_name, dump: dump.0 })
}

fn read<'t>(bytes: &'t [u8], set: &'t [String], name: &str, out: &mut Text) -> Result<Document<'t>, u32> {
    let mut told = 0;
    let report = &mut |problem: &Problem<'_>| {
        told += 1;
        if told <= PROBLEMS_TOLD_MAX {
            let _ = problem.write(name, out);
        }
    };
    let document = Document::load(bytes, set.iter().map(String::as_str), report);
    if told > PROBLEMS_TOLD_MAX {
        let _ = out.write_str(&format!("{name}: and {} more\n", told - PROBLEMS_TOLD_MAX));
    }
    document
}

/// The accounts that the document names, or every problem with them.
fn accounts(process: &Section<'_, '_>, name: &str, out: &mut Text) -> Option<(Option<User>, Option<u32>)> {
    let mut are_good = true;
    let mut unfit = |key: &str, must: &str| {
        are_good = false;
        if let Some(problem) = process.unfit(key, must) {
            let _ = problem.write(name, out);
        }
    };
    let [user, group] = ["User", "Group"].map(|key| process.text(key));
    let user = (!user.is_empty()).then(|| accounts::user(user).map_err(|must| unfit("User", &must)).ok()).flatten();
    let no_group = group.is_empty();
    let group = (!no_group).then(|| accounts::group(group).map_err(|must| unfit("Group", &must)).ok()).flatten();
    if no_group && user.is_some_and(|user| user.group.is_none()) {
        unfit("User", "in /etc/passwd, where its group stands, or have [Process] Group beside it");
    }
    if process.switch("Confine") {
        if !confine::is_possible() {
            unfit("Confine", &format!("off, as no filter is known for {}", std::env::consts::ARCH));
        } else if process.number_or_auto("Workers") == Some(0) {
            unfit("Confine", "off beside Workers = 0, whose one process does more than serve");
        }
    }
    are_good.then_some((user, group))
}

/// Gives the document's values their types.
fn understand(document: &Document<'_>, options: &Options, prefix: &Path, directory: &Path) -> Settings {
    let process = document.section("Process");
    let log = document.section("Log");
    let memory = document.section("Memory");
    let pid_file = path(process.text("PidFile"), prefix);
    Settings {
        process: Process {
            daemon: process.switch("Daemon"),
            workers: process.number_or_auto("Workers").map_or_else(processors, narrow),
            user: None,
            group: None,
            confine: process.switch("Confine"),
            control: Control::of(path(process.text("ControlSocket"), prefix), pid_file.as_deref()),
            pid_file,
            open_files: narrow(process.number("OpenFiles")),
            drain_ms: process.time_ms("DrainTimeout"),
            upgrade_ms: process.time_ms("UpgradeTimeout"),
            respawn_limit: narrow(process.number("RespawnLimit")),
        },
        log: Log {
            to: match options.error_log.as_ref().map(|typed| typed.to_string_lossy()) {
                Some(typed) => settings::destination(&typed, directory),
                None => settings::destination(log.text("File"), prefix),
            },
            max_bytes: log.size("MaxSize"),
            daily_bytes: log.size("MaxDaily"),
            level: Severity::named(log.text("Level")).unwrap_or_default(),
        },
        memory: Memory {
            limit_bytes: memory.size("Limit"),
            reserve: if memory.text("Reserve") == "start" { Reserve::Start } else { Reserve::Use },
            blocks: narrow(memory.number("Blocks")),
            block_bytes: narrow(memory.size("BlockSize")),
            file_cache_bytes: narrow(memory.size("FileCache")),
            cached_file_bytes: narrow(memory.size("CachedFile")),
            transfers: narrow(memory.number("Transfers")),
        },
        sockets: document.sections("Socket").map(|section| socket(&section, prefix)).collect(),
    }
}

fn socket(section: &Section<'_, '_>, prefix: &Path) -> Socket {
    Socket {
        name: section.label().unwrap_or_default().to_string(),
        address: settings::address(section.address("ListenAddress"), narrow(section.number("ListenPort")), prefix),
        service: section.text("Service").to_string(),
        connections: narrow(section.number("Connections")),
        when_full: match section.text("WhenFull") {
            "refuse" => WhenFull::Refuse,
            "oldest" => WhenFull::Oldest,
            _ => WhenFull::Wait,
        },
        per_client: narrow(section.number("PerClient")),
        accept_rate: narrow(section.number("AcceptRate")),
        allow: section.prefixes("Allow").collect(),
        deny: section.prefixes("Deny").collect(),
        backlog: narrow(section.number("Backlog")),
        idle_ms: section.time_ms("IdleTimeout"),
        request_ms: section.time_ms("RequestTimeout"),
        write_ms: section.time_ms("WriteTimeout"),
        keepalive_ms: section.time_ms("KeepAlive"),
        user_timeout_ms: section.time_ms("UserTimeout"),
        receive_bytes: narrow(section.size("ReceiveBuffer")),
        send_bytes: narrow(section.size("SendBuffer")),
        info: section.text("DBInfo").to_string(),
        http: http(section, prefix),
        frame: Frame {
            frame_bytes_max: narrow(section.size("MaxFrame")),
            heartbeat_ms: section.time_ms("Heartbeat"),
            flood_interval_ms: narrow(section.time_ms("FloodInterval")),
            flood_count: narrow(section.number("FloodCount")),
            unanswered_max: narrow(section.number("MaxUnanswered")),
        },
    }
}

fn http(section: &Section<'_, '_>, prefix: &Path) -> Http {
    Http {
        root: path(section.text("Root"), prefix),
        index: section.text("Index").to_string(),
        listing: section.switch("Listing"),
        error_page: match section.text("ErrorPage").trim_start_matches('/') {
            "" => String::new(),
            page => format!("/{page}"),
        },
        answers: section.answers("Answer").map(answer).collect(),
        redirects: section
            .redirects("Redirect")
            .map(|redirect| Redirect { path: redirect.path.to_string(), to: redirect.to.to_string() })
            .collect(),
        status: section.switch("Status"),
        status_allow: section.prefixes("StatusAllow").collect(),
        head_bytes: narrow(section.size("HeadSize")),
        fields: narrow(section.number("HeaderCount")),
        target_bytes: narrow(section.size("TargetLength")),
        body_bytes: narrow(section.size("BodySize")),
        cache_valid_ms: section.time_ms("CacheValid"),
        access_log: match section.text("AccessLog") {
            "common" => AccessLog::Common,
            "json" => AccessLog::Json,
            _ => AccessLog::Off,
        },
    }
}

fn answer(written: conf::Answer<'_>) -> Answer {
    Answer {
        path: written.path.to_string(),
        status: written.status,
        media_type: written.media_type.to_string(),
        text: written.text.to_string(),
    }
}

/// A `String` for the core's writers, which know no heap.
#[derive(Default)]
struct Text(String);

impl uWrite for Text {
    type Error = core::convert::Infallible;

    fn write_str(&mut self, text: &str) -> Result<(), Self::Error> {
        self.0.push_str(text);
        Ok(())
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

impl Bounded for u8 {
    const MAX: Self = u8::MAX;
}

impl Bounded for u32 {
    const MAX: Self = u32::MAX;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Destination;

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
        assert_eq!(socket.address.to_string(), "*:5678");
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
        assert_eq!(settings.process.control.unwrap().path, Path::new("/srv/run/pid.sock"));
        assert_eq!(settings.process.workers, 7);
        assert_eq!(settings.log.to, Destination::Stderr);
        let options = Options { prefix: Some("/srv".into()), ..Options::default() };
        assert_eq!(load_text("log", text, options).unwrap().settings.log.to, Destination::File("/srv/log".into()));
    }

    #[test]
    fn a_configuration_that_serves_nothing_is_refused() {
        let failure = load_text("empty", "[Process]\nWorkers = 1\n", Options::default()).unwrap_err();
        assert_eq!(failure.code, exit::CONFIG);
        assert!(failure.text.contains("nothing to serve"), "{}", failure.text);
    }

    #[test]
    fn a_file_that_is_no_configuration_does_not_flood_the_terminal() {
        let failure = load_text("noise", &"noise\n".repeat(1_000), Options::default()).unwrap_err();
        assert!(failure.text.lines().count() < 200, "{}", failure.text.lines().count());
        assert!(failure.text.ends_with("and 950 more\n"), "{}", failure.text);
    }
}

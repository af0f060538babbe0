//! What the configuration says, typed, with every default filled in and every path made whole.
//!
//! The document knows lines, bounds and names; this knows what they mean to Linux: addresses, paths, processors.

use std::fmt;
use std::net::{SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};

use tidegate_core::admission::WhenFull;
use tidegate_core::conf;
use tidegate_core::http::status::Status;
use tidegate_core::prefix::Prefix;

use crate::accounts::User;
use crate::log::Severity;
use crate::os::privilege::Account;

/// Where the machine's syslog daemon listens.
const SYSLOG: &str = "/dev/log";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub process: Process,
    pub log: Log,
    pub memory: Memory,
    pub sockets: Vec<Socket>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub daemon: bool,
    /// 0 is one process without a master.
    pub workers: u16,
    /// Who workers become; `None` is who started the server.
    pub user: Option<User>,
    /// Their group if it is not the user's own.
    pub group: Option<u32>,
    /// Whether the kernel is to hold workers to what serving needs.
    pub confine: bool,
    pub pid_file: Option<PathBuf>,
    pub control: Option<Control>,
    pub open_files: u32,
    pub drain_ms: u64,
    pub upgrade_ms: u64,
    pub respawn_limit: u32,
}

/// Where the running server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub path: PathBuf,
    /// It is written in the configuration, and not made from the pid file's path.
    pub written: bool,
}

impl Control {
    pub fn of(written: Option<PathBuf>, pid_file: Option<&Path>) -> Option<Self> {
        let beside = || {
            let mut path = pid_file?.as_os_str().to_os_string();
            path.push(".sock");
            Some(Self { path: path.into(), written: false })
        };
        written.map(|path| Self { path, written: true }).or_else(beside)
    }
}

impl Process {
    /// Whom workers become.
    pub fn account(&self) -> Account {
        Account { user: self.user.map(|user| user.id), group: self.group.or(self.user.and_then(|user| user.group)) }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    pub to: Destination,
    pub level: Severity,
    /// Of a file; 0 is no bound.
    pub max_bytes: u64,
    /// To a file, of all processes, in a day; 0 is no bound.
    pub daily_bytes: u64,
}

/// Where the log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    #[default]
    Stderr,
    File(PathBuf),
    /// The socket of a syslog daemon.
    Syslog(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Stderr => out.write_str("standard error"),
            Destination::File(path) | Destination::Syslog(path) => write!(out, "{}", path.display()),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// For all processes at full load; 0 is none.
    pub limit_bytes: u64,
    pub reserve: Reserve,
    pub blocks: u32,
    pub block_bytes: u32,
    /// What a worker keeps of small files; 0 is nothing.
    pub file_cache_bytes: u32,
    pub cached_file_bytes: u32,
    /// Files a worker has open at one time to send them.
    pub transfers: u32,
}

/// When a worker's memory is taken from the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reserve {
    /// Page by page, as connections first need it.
    #[default]
    Use,
    /// All of it before the first connection.
    Start,
}

/// One listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// The section's label; empty for a plain `[Socket]`.
    pub name: String,
    pub address: Address,
    pub service: String,
    pub connections: u32,
    pub when_full: WhenFull,
    /// Connections of one client; 0 is no limit.
    pub per_client: u32,
    /// Connections let in a second; 0 is no limit.
    pub accept_rate: u32,
    pub allow: Vec<Prefix>,
    pub deny: Vec<Prefix>,
    pub backlog: u32,
    pub idle_ms: u64,
    pub request_ms: u64,
    pub write_ms: u64,
    /// Silence before the kernel asks whether the peer is still there; 0 is never.
    pub keepalive_ms: u64,
    /// How long the kernel waits for an acknowledgement; 0 is its own limit.
    pub user_timeout_ms: u64,
    /// The kernel's buffers of a connection; 0 is its own choice.
    pub receive_bytes: u32,
    pub send_bytes: u32,
    /// `DBInfo`: free text for the service.
    pub info: String,
    /// For `Service = http`.
    pub http: Http,
    /// For `Service = frame`.
    pub frame: Frame,
}

/// What a socket's frame service is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub frame_bytes_max: u16,
    /// How long a client may be silent; 0 is no limit of its own.
    pub heartbeat_ms: u64,
    pub flood_interval_ms: u32,
    /// Frames in that time; 0 is no limit.
    pub flood_count: u32,
    pub unanswered_max: u32,
}

/// What a socket's HTTP service is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    pub root: Option<PathBuf>,
    /// The name that stands for its folder; empty for none.
    pub index: String,
    pub listing: bool,
    /// The path of a file; empty for none.
    pub error_page: String,
    pub answers: Vec<Answer>,
    pub redirects: Vec<Redirect>,
    pub status: bool,
    /// Who may see it; empty is everyone.
    pub status_allow: Vec<Prefix>,
    pub head_bytes: u16,
    pub fields: u8,
    pub target_bytes: u16,
    pub body_bytes: u16,
    /// How long a file is served without a look at it.
    pub cache_valid_ms: u64,
    pub access_log: AccessLog,
}

/// A fixed answer to a path and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub path: String,
    pub status: Status,
    pub media_type: String,
    pub text: String,
}

/// Another place for a path and all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    pub path: String,
    pub to: String,
}

/// The form of a line for each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    #[default]
    Off,
    Common,
    Json,
}

impl Process {
    /// Processes that are there at a time: while a reload replaces the workers, twice as many of them.
    pub fn count_max(&self) -> u64 {
        1 + 2 * u64::from(self.workers)
    }
}

impl Socket {
    /// Whether files are served here.
    pub fn has_files(&self) -> bool {
        self.service == "http" && self.http.root.is_some()
    }

    /// Silence before a connection is closed; 0 is no limit. Devices keep theirs with heartbeats.
    pub fn silence_ms(&self) -> u64 {
        match self.frame.heartbeat_ms {
            heartbeat_ms if heartbeat_ms > 0 && self.service == "frame" => match self.idle_ms {
                0 => heartbeat_ms,
                idle_ms => idle_ms.min(heartbeat_ms),
            },
            _ => self.idle_ms,
        }
    }

    /// The section as the configuration writes it.
    pub fn section(&self) -> String {
        if self.name.is_empty() { "[Socket]".to_string() } else { format!("[Socket {}]", self.name) }
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Ip(SocketAddr),
    /// Every address of the box, IPv6 and IPv4 through one socket.
    All(u16),
    Unix(PathBuf),
}

impl Address {
    /// The port; `None` for a path.
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Ip(ip) => Some(ip.port()),
            Address::All(port) => Some(*port),
            Address::Unix(_) => None,
        }
    }
}

impl Default for Address {
    fn default() -> Self {
        Address::Ip(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(ip) => ip.fmt(out),
            Address::All(port) => write!(out, "*:{port}"),
            Address::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// An address as the configuration gives it, with its port; a path starts from the prefix.
pub fn address(address: conf::Address<'_>, port: u16, prefix: &Path) -> Address {
    match address {
        conf::Address::Any => Address::All(port),
        conf::Address::V4(ip) => Address::Ip(SocketAddr::from((ip, port))),
        conf::Address::V6(ip, scope) => Address::Ip(SocketAddrV6::new(ip, port, 0, scope).into()),
        conf::Address::Unix(path) => Address::Unix(prefix.join(path)),
    }
}

/// A log's name as the configuration or `-e` writes it.
pub fn destination(text: &str, prefix: &Path) -> Destination {
    match (text, text.strip_prefix("syslog:")) {
        ("stderr" | "", _) => Destination::Stderr,
        ("syslog" | "syslog:", _) => Destination::Syslog(SYSLOG.into()),
        (_, Some(path)) => Destination::Syslog(prefix.join(path)),
        (path, None) => Destination::File(prefix.join(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, shown) in [
            ("127.0.0.1", "127.0.0.1:80"),
            ("::1", "[::1]:80"),
            ("fe80::1%2", "[fe80::1%2]:80"),
            ("*", "*:80"),
            ("unix:run/s", "unix:/p/run/s"),
            ("unix:/run/s", "unix:/run/s"),
        ] {
            let read = conf::Address::read(text).unwrap();
            assert_eq!(address(read, 80, Path::new("/p")).to_string(), shown);
        }
    }

    #[test]
    fn a_log_is_standard_error_syslog_or_a_path_from_the_prefix() {
        for (text, to) in [
            ("stderr", Destination::Stderr),
            ("a.log", Destination::File("/p/a.log".into())),
            ("/a.log", Destination::File("/a.log".into())),
            ("./syslog", Destination::File("/p/./syslog".into())),
            ("syslog", Destination::Syslog("/dev/log".into())),
            ("syslog:run/log", Destination::Syslog("/p/run/log".into())),
        ] {
            assert_eq!(destination(text, Path::new("/p")), to);
        }
    }
}

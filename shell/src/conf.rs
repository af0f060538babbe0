//! From a configuration file to [`Settings`]. (Stand-in parser until the core's arrives.)
use crate::cli::Options;
use crate::exit::{self, Failure};
use crate::log::Severity;
use crate::os::file;
use crate::settings::{self, *};
use std::path::PathBuf;

pub struct Loaded {
    pub settings: Settings,
    pub name: String,
    pub full_name: String,
}
impl Loaded {
    pub fn dump(&self) -> String {
        format!("{:#?}\n", self.settings)
    }
}
pub fn help() -> String {
    "help\n".into()
}
pub fn load(options: &Options) -> Result<Loaded, Failure> {
    let directory = std::env::current_dir().map_err(|_| Failure::new(exit::OS, "no current directory"))?;
    let prefix: PathBuf = options.prefix.as_ref().map_or(directory.clone(), |p| directory.join(p));
    let (name, bytes) = match &options.config {
        Some(path) => (
            path.display().to_string(),
            file::read_whole(path, 65536).map_err(|e| Failure::of_errno(exit::NO_INPUT, path.display(), e))?,
        ),
        None => ("the built-in configuration".into(), b"[Socket]\nListenPort=5678\n".to_vec()),
    };
    let mut s = Settings::default();
    s.process.open_files = 1024;
    s.process.workers = 1;
    s.process.drain_ms = 30_000;
    s.process.respawn_limit = 10;
    s.log.level = Severity::Notice;
    let mut section = String::new();
    let mut addr = String::from("127.0.0.1");
    for line in String::from_utf8_lossy(&bytes).lines() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line.to_string();
            if let Some(l) = line.strip_prefix("[Socket") {
                s.sockets.push(Socket {
                    service: "echo".into(),
                    backlog: 128,
                    name: l.trim_matches(']').trim().to_string(),
                    ..Socket::default()
                });
            }
            continue;
        }
        let Some((k, v)) = line.split_once('=') else { continue };
        let (k, v) = (k.trim(), v.trim());
        match (section.as_str(), k) {
            (_, "Daemon") => s.process.daemon = v == "on",
            (_, "Workers") => s.process.workers = v.parse().unwrap(),
            (_, "PidFile") => s.process.pid_file = Some(prefix.join(v)),
            (_, "RespawnLimit") => s.process.respawn_limit = v.parse().unwrap(),
            (_, "DrainTimeout") => s.process.drain_ms = v.parse::<u64>().unwrap() * 1000,
            (_, "File") => s.log.file = settings::log_file(v, &prefix),
            (_, "ListenAddress") => {
                addr = v.into();
                if let Some(a) = settings::address(v, 0, &prefix) {
                    s.sockets.last_mut().unwrap().address = a;
                }
            }
            (_, "ListenPort") => {
                s.sockets.last_mut().unwrap().address = settings::address(&addr, v.parse().unwrap(), &prefix).unwrap()
            }
            _ => return Err(Failure::new(exit::CONFIG, format!("{name}: unknown key {k}"))),
        }
    }
    let full_name = options.config.as_ref().map_or(name.clone(), |path| directory.join(path).display().to_string());
    Ok(Loaded { settings: s, name, full_name })
}

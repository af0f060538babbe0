//! A server under test: its directory, its processes, and the promise that nothing outlives the test.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No wait in a test is longer. A wait that ends well costs nothing, and the machine may be busy with other things.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A directory with a configuration, and what was started in it.
pub struct Server {
    pub directory: PathBuf,
    pub port: u16,
    /// What is run.
    pub program: PathBuf,
    /// What the program is started through: another program and its words, in front of it.
    pub through: Vec<OsString>,
    /// The process started last in the foreground.
    pub last_pid: i32,
    pub child: Option<Child>,
    /// Processes that are not our children but must not stay.
    strays: Vec<i32>,
}

impl Server {
    /// Writes the configuration: `process` stands in its `[Process]` section.
    pub fn with(process: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir()
            .join(format!("tidegate-process-test-with-a-long-directory-name-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let port = free_port();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_tidegate"));
        let through = Vec::new();
        let server = Self { directory, port, program, through, last_pid: 0, child: None, strays: Vec::new() };
        server.write_conf(&format!(
            "[Process]\nPidFile = tg.pid\n{process}\n\n[Socket]\nListenAddress = 127.0.0.1\nListenPort = {port}\n"
        ));
        server
    }

    pub fn write_conf(&self, text: &str) {
        fs::write(self.directory.join("tg.conf"), text).unwrap();
    }

    /// The program, in the directory, as someone at a shell there would start it.
    pub fn command(&self, words: &[&str]) -> Command {
        let first = self.through.first().map_or(self.program.as_os_str(), OsString::as_os_str);
        let mut command = Command::new(first);
        match self.through.get(1..) {
            Some(words) => command.args(words).arg(&self.program),
            None => command.arg0("./tidegate"),
        };
        command.args(words).current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        let child = self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        finish(child)
    }

    /// Starts it in the foreground and waits until its pid file is written.
    pub fn start(mut self) -> Self {
        let child = self.command(&["-c", "tg.conf"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.last_pid = child.id() as i32;
        self.child = Some(child);
        // A killed predecessor may have left its own behind.
        wait_until("the pid file", || self.pid_file() == Some(self.last_pid));
        self
    }

    /// Starts it as a daemon; the pid of the daemon.
    pub fn start_daemon(&mut self) -> i32 {
        // No pipes: a daemon that kept one open would hold the test up instead of failing it.
        let mut command = self.command(&["-c", "tg.conf"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        assert_eq!(finish(child).status.code(), Some(0));
        let pid = self.pid_file().expect("the pid is written before the parent leaves");
        self.strays.push(pid);
        self.strays.extend(children(pid));
        pid
    }

    pub fn pid(&self) -> i32 {
        self.child.as_ref().unwrap().id() as i32
    }

    pub fn pid_file(&self) -> Option<i32> {
        fs::read_to_string(self.directory.join("tg.pid")).ok()?.trim().parse().ok()
    }

    /// The workers, once there are `count` that have begun to work.
    pub fn workers(&mut self, count: usize) -> Vec<i32> {
        let mut workers = Vec::new();
        let pid = self.pid();
        wait_until("the workers", || {
            workers = children(pid);
            workers.len() == count && workers.iter().all(|worker| title(*worker) == "tidegate: worker process")
        });
        self.strays.extend(&workers);
        workers
    }

    /// Waits for the end; exit code and what was said.
    pub fn end(&mut self) -> (Option<i32>, String) {
        let output = finish(self.child.take().unwrap());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been replaced by a process that is not our child.
        if let Some(pid) = self.pid_file() {
            self.strays.push(pid);
            self.strays.extend(children(pid));
        }
        if let Some(child) = &mut self.child {
            self.strays.extend(children(child.id() as i32));
            let _ = child.kill();
            let _ = child.wait();
        }
        for pid in self.strays.drain(..).filter(|pid| title(*pid).starts_with("tidegate: ")) {
            send(pid, Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process title as `ps` shows it; empty if the process is gone.
pub fn title(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_string()
}

/// The fields of `/proc/PID/stat` behind the name: state, parent, group, session.
pub fn stat(pid: i32) -> Option<(char, i32, i32, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let mut number = || fields.next()?.parse().ok();
    Some((state, number()?, number()?, number()?))
}

pub fn is_gone(pid: i32) -> bool {
    matches!(stat(pid), None | Some(('Z', ..)))
}

pub fn children(parent: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut children: Vec<i32> =
        pids.filter(|pid| matches!(stat(*pid), Some((state, of, ..)) if of == parent && state != 'Z')).collect();
    children.sort_unstable();
    children
}

/// A port nobody listens on and no other test is given. Below the range from which the kernel serves others.
pub fn free_port() -> u16 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + ((std::process::id() * 64 + number) % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Waits for a child within the deadline; kills it and fails otherwise.
fn finish(mut child: Child) -> Output {
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > DEADLINE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the program did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout).unwrap();
    }
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_end(&mut stderr).unwrap();
    }
    Output { status, stdout, stderr }
}

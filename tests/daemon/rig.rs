//! A running server with a log to look into, a watchdog, and an end that is checked.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::server::{DEADLINE, Server, children, is_gone, send, wait_until};

/// No test lasts longer, those of endurance at their full length included: then its server is killed and every client
/// of it fails.
const WATCHDOG: Duration = Duration::from_secs(600);
/// Worth of a line in any log that means a worker did not do what it promises.
const BROKEN: [&str; 4] = ["after the seal\n", "killed by signal 6", "panicked", "exited with code 1"];

pub struct Rig {
    pub server: Server,
    /// The workers that were there at the start.
    pub workers: Vec<i32>,
    watchdog: Option<Sender<()>>,
    has_ended: bool,
}

/// A configuration of one echo listener: lines for its sections.
#[derive(Clone, Copy)]
pub struct Echo<'a> {
    pub workers: usize,
    pub process: &'a str,
    pub memory: &'a str,
    pub socket: &'a str,
}

/// One worker, room for everyone.
pub const ECHO: Echo<'_> = Echo { workers: 1, process: "OpenFiles = 4096", memory: "Blocks = 1024", socket: "" };

impl Rig {
    /// Starts a server with one echo listener.
    pub fn echo(echo: Echo<'_>) -> Self {
        let Echo { workers, process, memory, socket } = echo;
        Self::start(workers, process, |server| {
            let here = if socket.contains("ListenAddress") { "" } else { "ListenAddress = 127.0.0.1" };
            format!("[Memory]\n{memory}\n[Socket]\nListenPort = {}\n{here}\n{socket}\n", server.port)
        })
    }

    /// Starts a server; `rest` prepares it and writes what stands behind the process and the log sections.
    pub fn start(workers: usize, process: &str, rest: impl FnOnce(&mut Server) -> String) -> Self {
        raise_open_files();
        let mut server = Server::with("");
        let rest = rest(&mut server);
        server.write_conf(&format!(
            "[Process]\nPidFile = tg.pid\nWorkers = {workers}\n{process}\n[Log]\nFile = tg.log\nLevel = info\n{rest}"
        ));
        let mut server = server.start();
        let workers = server.workers(workers);
        let watchdog = Some(watch(server.pid()));
        Self { server, workers, watchdog, has_ended: false }
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.port).into()
    }

    /// The only worker.
    pub fn worker(&self) -> i32 {
        assert_eq!(self.workers.len(), 1);
        self.workers[0]
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.address()).unwrap()
    }

    /// A client whose kernel takes no more than a little for it while it does not read. Without this the kernels keep
    /// many megabytes between the two, and the server never has to wait.
    pub fn connect_narrow(&self) -> TcpStream {
        let stream = self.connect();
        sockopt::set_socket_recv_buffer_size(&stream, 64 * 1024).unwrap();
        stream
    }

    pub fn connect_many(&self, count: usize) -> Vec<TcpStream> {
        (0..count).map(|_| self.connect()).collect()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.server.directory.join("tg.log")).unwrap()
    }

    /// Takes descriptors away from a worker that serves; the limit it had.
    pub fn limit_files(&self, worker: i32, files: u64) -> u64 {
        let limit = Rlimit { current: Some(files), maximum: getrlimit(Resource::Nofile).maximum };
        prlimit(Pid::from_raw(worker), Resource::Nofile, limit).unwrap().current.unwrap_or(u64::MAX)
    }

    /// Ends the server with this signal and checks how it went; the whole log.
    pub fn stop(mut self, signal: Signal) -> String {
        send(self.server.pid(), signal);
        self.ended()
    }

    /// Waits for an end already asked for.
    pub fn ended(&mut self) -> String {
        let master = self.server.pid();
        let mut family = children(master);
        family.extend(&self.workers);
        self.has_ended = true;
        let (code, said) = self.server.end();
        let log = self.log();
        assert_eq!(code, Some(0), "{said}{log}");
        assert!(is_gone(master) && family.iter().all(|pid| is_gone(*pid)), "a process was left behind");
        for text in BROKEN {
            assert!(!log.contains(text) && !said.contains(text), "{text}: {said}{log}");
        }
        let counts = log.lines().filter_map(|line| line.split_once("allocations after the seal: "));
        for (_, count) in counts {
            assert_eq!(count, "0", "{log}");
        }
        log
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.watchdog = None;
        if thread::panicking() && !self.has_ended {
            let log = fs::read_to_string(self.server.directory.join("tg.log")).unwrap_or_default();
            children(self.server.pid()).into_iter().for_each(|worker| send(worker, Signal::KILL));
            send(self.server.pid(), Signal::KILL);
            eprintln!("the server's log:\n{log}\nits standard error:\n{}", self.server.end().1);
        }
    }
}

/// Kills a master, and with it its workers, when a test takes too long.
fn watch(master: i32) -> Sender<()> {
    let (keep, dropped) = channel();
    thread::spawn(move || {
        if dropped.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Timeout) {
            eprintln!("the test takes too long: killing its server");
            send(master, Signal::KILL);
        }
    });
    keep
}

/// Connects with a deadline on whatever follows. Waits for a port of our own if all are in use.
pub fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let mut connected = None;
    wait_until("a free local port", || {
        connected = Some(TcpStream::connect(to));
        !matches!(&connected, Some(Err(error)) if error.kind() == ErrorKind::AddrNotAvailable)
    });
    let stream = connected.into_iter().next().ok_or(ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// As many files as this process may have: the tests of one program run side by side.
fn raise_open_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

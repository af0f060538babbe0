//! Who serves, what it can no longer do, and that the server does without what a box may not have.
//!
//! Most of it can only be shown by root; where someone else runs these tests, each says what it leaves out.

mod account;
mod confine;
mod log;
mod place;
#[allow(dead_code)]
#[path = "../process/server.rs"]
mod server;
mod traced;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use server::{Server, children, send, wait_until};

/// Everybody's and nobody's account: `nobody` wherever there is one.
const NOBODY: u32 = 65_534;

/// Whether the test may go on: only root can show what it promises.
fn is_root() -> bool {
    let is = rustix::process::geteuid().is_root();
    if !is {
        println!("skipped: only root can show this");
    }
    is
}

/// Whether this outcome of something the machine may not have lets the test go on.
fn is_there(what: &str, there: bool) -> bool {
    assert!(there || std::env::var_os("TIDEGATE_REQUIRE_CLIENTS").is_none(), "{what} is required here");
    if !there {
        println!("skipped: there is no {what} here");
    }
    there
}

fn has(program: &str) -> bool {
    let probe = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    is_there(program, probe.is_ok_and(|status| status.success()))
}

/// `process` stands in the `[Process]` section; the log is `tg.log`.
fn conf(process: &str, port: u16) -> String {
    format!(
        "[Process]\nPidFile = tg.pid\n{process}\n[Log]\nFile = tg.log\nLevel = info\n\
         [Socket]\nListenAddress = 127.0.0.1\nListenPort = {port}\n"
    )
}

fn serving(process: &str) -> Server {
    let server = Server::with("");
    server.write_conf(&conf(process, server.port));
    server.start()
}

fn log_of(server: &Server) -> String {
    fs::read_to_string(server.directory.join("tg.log")).unwrap_or_default()
}

fn stop(server: &mut Server) {
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end(), (Some(0), String::new()));
}

/// The line of `/proc/PID/status` with this name.
fn status(pid: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Real, effective, saved and file system's.
fn four(id: u32) -> String {
    [id.to_string(), id.to_string(), id.to_string(), id.to_string()].join(" ")
}

/// That the process is this user and group alone, and can become no one else.
fn assert_lowered(pid: i32, user: u32, group: u32) {
    assert_eq!(status(pid, "Uid"), four(user));
    assert_eq!(status(pid, "Gid"), four(group));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(pid, set), "0000000000000000", "{set}");
    }
    assert_eq!(status(pid, "NoNewPrivs"), "1");
}

fn echoes(ip: impl Into<IpAddr>, port: u16) -> bool {
    let Ok(mut client) = TcpStream::connect((ip.into(), port)) else { return false };
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 4];
    client.write_all(b"ping").is_ok() && client.read_exact(&mut answer).is_ok() && answer == *b"ping"
}

fn echoes_here(port: u16) -> bool {
    echoes(Ipv4Addr::LOCALHOST, port)
}

/// A program that is killed with its children when the test is over, however it ends.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// Waits for the end; exit code and what was said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut code = None;
        wait_until("the end", || {
            code = self.0.try_wait().unwrap();
            code.is_some()
        });
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code.unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in children(self.pid()) {
            children(child).into_iter().for_each(|grandchild| send(grandchild, Signal::KILL));
            send(child, Signal::KILL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program where every user can execute it, in the server's directory.
fn public_program(server: &Server) -> std::path::PathBuf {
    let path = server.directory.join("program");
    fs::copy(env!("CARGO_BIN_EXE_tidegate"), &path).unwrap();
    path
}

/// A command run by `setpriv`, as nobody and without anything to fall back on.
fn as_nobody(server: &Server) -> Command {
    let mut command = Command::new("setpriv");
    let id = NOBODY.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]);
    command.arg("--no-new-privs").arg(public_program(server)).current_dir(&server.directory);
    command
}

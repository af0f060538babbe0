//! A server whose program lies in its own directory, where it can be replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::server::{Server, children, exists, free_port, is_gone, title, wait_until};

/// A configuration with the log in a file of the directory.
pub fn conf(process: &str, sockets: &[String]) -> String {
    let mut text = format!("[Process]\nPidFile = tg.pid\n{process}\n[Log]\nFile = tg.log\nLevel = info\n");
    for (number, socket) in sockets.iter().enumerate() {
        text.push_str(&format!("[Socket s{number}]\n{socket}\n"));
    }
    text
}

pub fn on_port(port: u16) -> String {
    format!("ListenAddress = 127.0.0.1\nListenPort = {port}")
}

pub fn on_path(name: &str) -> String {
    format!("ListenAddress = unix:{name}")
}

/// A server that is about to be upgraded, and the pid of the process that serves now.
pub struct Upgradable {
    pub server: Server,
    pub port: u16,
    pub pid: i32,
}

impl Upgradable {
    /// Serves on one port, and on whatever else.
    pub fn start(process: &str, sockets: &[String]) -> Self {
        let mut server = Server::with("");
        let port = free_port();
        let sockets: Vec<String> = [on_port(port)].into_iter().chain(sockets.iter().cloned()).collect();
        server.write_conf(&conf(process, &sockets));
        server.program = server.directory.join("tidegate");
        put_program(&server, Path::new(env!("CARGO_BIN_EXE_tidegate")));
        let server = server.start();
        let pid = server.pid();
        let rig = Self { server, port, pid };
        wait_until("the start", || rig.log().contains("started with"));
        rig
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.server.directory.join("tg.log")).unwrap_or_default()
    }

    /// The title's notes: what stands behind the configuration's name.
    pub fn notes(&self) -> String {
        let title = title(self.pid);
        title.split_once("tg.conf").map(|(_, notes)| notes.to_string()).unwrap_or(title)
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.server.directory.join(name)
    }

    /// The real program lies in its place again, as a new file.
    pub fn put_program(&self) {
        put_program(&self.server, Path::new(env!("CARGO_BIN_EXE_tidegate")));
    }

    /// A script lies in the program's place; `$REAL` in it is the real one.
    pub fn put_script(&self, text: &str, mode: u32) {
        let script = self.path("script");
        let text = text.replace("$REAL", env!("CARGO_BIN_EXE_tidegate"));
        fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(mode)).unwrap();
        put_program(&self.server, &script);
    }

    /// `-s WORD`: exit code and what was said.
    pub fn control(&self, word: &str) -> (Option<i32>, String) {
        // Whatever lies in the program's place by now: the operator's command is the real one.
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = command.args(["-c", "tg.conf", "-s", word]).current_dir(&self.server.directory).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Whether the server's own report says that the last upgrade failed.
    pub fn tells_failed_upgrade(&self) -> bool {
        self.report().contains("\"last_upgrade_failed\":true")
    }

    /// The process that answers for the server on the control socket.
    pub fn answers(&self) -> i32 {
        let text = self.report();
        let number = text.split("\"pid\":").nth(1).unwrap_or_default().trim_start();
        number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap_or(0)
    }

    fn report(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let words = ["-c", "tg.conf", "-s", "status", "--json"];
        let output = command.args(words).current_dir(&self.server.directory).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Upgrades, and waits until the old server has left and the new one alone is there.
    pub fn upgrade(&mut self) {
        assert_eq!(self.control("upgrade"), (Some(0), String::new()));
        self.wait_replaced();
    }

    pub fn wait_replaced(&mut self) {
        let old = self.pid;
        wait_until("the new server", || self.server.pid_file().is_some_and(|pid| pid != old));
        self.pid = self.server.pid_file().unwrap();
        wait_until("the old server to leave", || is_gone(old));
        // Where the old one was killed the new one removes it, a moment after it has written its own.
        wait_until("the old pid file to go", || !exists(&self.path("tg.pid.oldbin")));
        assert!(!exists(&self.path("tg.pid.newbin")));
    }

    /// The first server's exit code. What it said is not waited for: its successor holds the same pipe.
    pub fn end_of_first(&mut self) -> Option<i32> {
        let mut child = self.server.child.take().unwrap();
        let mut code = None;
        wait_until("the first server's end", || {
            code = child.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code()
    }

    pub fn wait_log(&self, text: &str) {
        wait_until(text, || self.log().contains(text));
    }

    /// Stops what serves now; nothing may be left.
    pub fn stop(self) {
        let workers = children(self.pid);
        assert_eq!(self.control("stop"), (Some(0), String::new()));
        wait_until("the end", || is_gone(self.pid) && workers.iter().all(|worker| is_gone(*worker)));
        for name in ["tg.pid", "tg.pid.oldbin", "tg.pid.newbin", "tg.pid.sock", "a.sock", "b.sock"] {
            assert!(!exists(&self.path(name)), "{name} is left");
        }
    }
}

/// By another process and a rename: a file that someone has open for writing cannot be run.
fn put_program(server: &Server, from: &Path) {
    let new = server.directory.join("tidegate.new");
    assert!(Command::new("cp").arg("-p").arg(from).arg(&new).status().unwrap().success());
    fs::rename(new, server.directory.join("tidegate")).unwrap();
}

//! Clients that others wrote. Each test is skipped where its program is missing, unless `TIDEGATE_REQUIRE_CLIENTS` is
//! set, as the gate does.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;

use crate::client::{hear, pattern};
use crate::rig::{ECHO, Echo, Rig};
use crate::server::{DEADLINE, send};

/// Whether the program runs here at all: a name on the path may still be an empty shell.
pub fn is_installed(name: &str, harmless: &str) -> bool {
    let mut probe = Command::new(name);
    probe.arg(harmless).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let runs = probe.status().is_ok_and(|status| status.code().is_some_and(|code| code < 126));
    assert!(runs || std::env::var_os("TIDEGATE_REQUIRE_CLIENTS").is_none(), "{name} is required here");
    if !runs {
        println!("skipped: {name} is not installed");
    }
    runs
}

/// A client that is killed when it takes too long or the test fails.
pub struct Client(Child);

impl Client {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Gives it all input and the end of it; everything it wrote.
    pub fn converse(mut self, input: &[u8]) -> Vec<u8> {
        let (mut stdin, mut stdout) = (self.0.stdin.take().unwrap(), self.0.stdout.take().unwrap());
        let mut output = Vec::new();
        thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            let reader = scope.spawn(|| stdout.read_to_end(&mut output));
            let start = Instant::now();
            while !reader.is_finished() && start.elapsed() < DEADLINE {
                thread::sleep(std::time::Duration::from_millis(5));
            }
            if !reader.is_finished() {
                send(self.0.id() as i32, Signal::KILL);
            }
        });
        let status = self.0.wait().unwrap();
        let mut said = String::new();
        let _ = self.0.stderr.take().unwrap().read_to_string(&mut said);
        assert!(status.success(), "{status}: {said}");
        output
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn python() {
    if !is_installed("python3", "--version") {
        return;
    }
    let rig = Rig::echo(Echo { workers: 2, ..ECHO });
    let port = rig.server.port.to_string();
    let script = ["-c", include_str!("echo_client.py"), "127.0.0.1", &port];
    assert_eq!(Client::start(Command::new("python3").args(script)).converse(b""), b"the same\n");
    rig.stop(Signal::QUIT);
}

#[test]
fn netcat() {
    if !is_installed("nc", "-h") {
        return;
    }
    let rig = Rig::echo(ECHO);
    let help = Command::new("nc").arg("-h").output().unwrap();
    let help = String::from_utf8_lossy(&[help.stdout, help.stderr].concat()).into_owned();
    // How to end the own direction at the end of the input: OpenBSD's, the traditional one's; others do so anyway.
    let end: &[&str] = match help.contains("-N") || help.contains("[-46CDdFhklN") {
        true => &["-N"],
        false if help.contains("-q ") => &["-q", "30"],
        false => &[],
    };
    let message = pattern(21, 0, 60_000);
    let mut command = Command::new("nc");
    command.args(end).args(["127.0.0.1", &rig.server.port.to_string()]);
    assert!(Client::start(&mut command).converse(message) == message);
    rig.stop(Signal::QUIT);
}

#[test]
fn socat() {
    if !is_installed("socat", "-V") {
        return;
    }
    let rig = Rig::start(1, "", |server| {
        format!("[Socket]\nListenPort = {}\n[Socket local]\nListenAddress = unix:tg.sock\n", server.port)
    });
    let message = pattern(22, 0, 60_000);
    let tcp = format!("TCP:127.0.0.1:{}", rig.server.port);
    let unix = format!("UNIX-CONNECT:{}", rig.server.directory.join("tg.sock").display());
    for address in [tcp, unix] {
        // `-t`: how long to wait for the rest once one direction has ended.
        assert!(Client::start(Command::new("socat").args(["-t", "60", "-", &address])).converse(message) == message);
    }
    rig.stop(Signal::QUIT);
}

#[test]
fn curl() {
    if !is_installed("curl", "--version") {
        return;
    }
    let rig = Rig::echo(ECHO);
    let url = format!("telnet://127.0.0.1:{}", rig.server.port);
    let mut client = Client::start(Command::new("curl").args(["-sN", "--max-time", "60", &url]));
    // What it does at the end of its input differs by version: it is answered while the input is open, then ended.
    for line in [&b"one line\r\n"[..], b"and another\r\n"] {
        client.0.stdin.as_mut().unwrap().write_all(line).unwrap();
        hear(client.0.stdout.as_mut().unwrap(), line);
    }
    drop(client);
    rig.stop(Signal::QUIT);
}

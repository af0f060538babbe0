//! Syslog and the journal.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use super::server::{send, wait_until};
use super::{Logged, refused};

struct Daemon(UnixDatagram);

impl Daemon {
    fn at(logged: &Logged) -> Self {
        let path = logged.path("dev.log");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(socket)
    }

    /// Lines up to the one that has this text.
    fn until(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.contains(text)) {
            let mut bytes = [0; 4_096];
            let count = self.0.recv(&mut bytes).unwrap_or_else(|error| panic!("{text}: {error} after {lines:?}"));
            lines.push(String::from_utf8(bytes[..count].to_vec()).unwrap());
        }
        lines
    }
}

#[test]
fn syslog_gets_every_line_in_its_own_form() {
    let logged = Logged::with("Workers = 1", "File = syslog:dev.log");
    let daemon = Daemon::at(&logged);
    let mut logged = logged.start();
    let worker = logged.server.workers(1)[0];
    let master = logged.server.pid();
    let conf = logged.path("tg.conf");
    assert_eq!(daemon.until("started"), [format!("<29>tidegate[{master}]: started with {}", conf.display())]);
    logged.refuse(3);
    let line = daemon.until("refused").pop().unwrap();
    assert!(line.starts_with(&format!("<28>tidegate[{worker}]: {}", refused(3))), "{line}");
    send(worker, Signal::KILL);
    let line = daemon.until("killed").pop().unwrap();
    assert_eq!(line, format!("<25>tidegate[{master}]: worker 0, process {worker}, killed by signal 9"));
    send(master, Signal::TERM);
    daemon.until("stopped");
    assert_eq!(logged.server.end(), (Some(0), String::new()));
}

#[test]
fn lines_that_syslog_did_not_take_are_on_standard_error_and_counted() {
    let mut logged = Logged::with("Workers = 1", "File = syslog:dev.log").start();
    logged.server.workers(1);
    assert!(logged.serves());
    logged.refuse(1);
    let daemon = Daemon::at(&logged);
    let lost = |why: &str| format!(" lines could not be written ({why}");
    // Where workers are root the master says so, beside that it started.
    let root = rustix::process::geteuid().is_root();
    // The master has no line of its own to bring it: it tells by itself.
    let lines = [daemon.until(&lost("2: ENOENT")), daemon.until(&lost("2: ENOENT"))].concat();
    let count = |line: &str| line.split_once("... ").unwrap().1.split_once(' ').unwrap().0.parse::<u32>().unwrap();
    assert_eq!(lines.iter().map(|line| count(line)).sum::<u32>(), 2 + u32::from(root), "{lines:?}");
    // The daemon restarts; the next line of each process reaches it.
    drop(daemon);
    let daemon = Daemon::at(&logged);
    logged.refuse(2);
    assert!(daemon.until("refused")[0].contains(&refused(2)));
    drop(daemon);
    logged.refuse(3);
    send(logged.server.pid(), Signal::TERM);
    let (code, said) = logged.server.end();
    assert_eq!(code, Some(0));
    assert!(said.contains("cannot open the log ") && said.contains("dev.log ([Log] File) (2: ENOENT"), "{said}");
    for text in ["#master: started with", &refused(1), &refused(3), "#master: stopped\n"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(!said.contains(&refused(2)), "{said}");
}

#[test]
fn a_reload_moves_the_log_to_syslog_and_refuses_one_that_is_not_there() {
    let mut logged = Logged::with("Workers = 1", "File = tg.log").start();
    logged.server.workers(1);
    logged.write_conf("Workers = 1", "File = syslog:dev.log");
    send(logged.server.pid(), Signal::HUP);
    wait_until("the refusal", || logged.log().contains("dev.log ([Log] File) (2: ENOENT"));
    let daemon = Daemon::at(&logged);
    send(logged.server.pid(), Signal::HUP);
    daemon.until("reloaded");
    logged.write_conf("Workers = 1", "File = tg.log");
    send(logged.server.pid(), Signal::HUP);
    wait_until("the file again", || logged.log().contains("reloaded"));
}

#[test]
fn the_journal_gets_priorities_and_no_dates_and_only_the_journal() {
    for journal in [true, false] {
        let logged = Logged::with("Workers = 1", "Level = info");
        let (mut reader, writer) = std::io::pipe().unwrap();
        let pipe = fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer))).unwrap();
        let inode = if journal { pipe.ino() } else { pipe.ino() + 1 };
        let mut command = logged.server.command(&["-c", "tg.conf"]);
        command.env("JOURNAL_STREAM", format!("{}:{inode}", pipe.dev())).stdout(Stdio::null()).stderr(writer);
        let mut child = command.spawn().unwrap();
        drop(command);
        wait_until("the start", || logged.server.pid_file() == Some(child.id() as i32));
        logged.refuse(9);
        send(child.id() as i32, Signal::QUIT);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        let pid = child.id();
        if journal {
            assert!(said.contains(&format!("<5>{pid}#master: started with ")), "{said}");
            assert!(
                said.lines().any(|line| line.starts_with("<4>") && line.contains("#worker: listener 1: ")),
                "{said}"
            );
            assert!(said.lines().all(|line| line.starts_with('<') && line[2..].starts_with('>')), "{said}");
        } else {
            assert!(said.contains(&format!(" [notice] {pid}#master: started with ")), "{said}");
            assert!(!said.contains('<'), "{said}");
        }
    }
}

#[test]
fn a_confined_worker_turns_its_log_over_and_finds_a_syslog_daemon_that_restarted() {
    let mut logged = Logged::with("Workers = 1\nConfine = on", "File = tg.log\nMaxSize = 64K");
    if logged.server.run(&["-t", "-q", "-c", "tg.conf"]).status.code() == Some(78) {
        println!("skipped: nothing is confined on this kind of machine");
        return;
    }
    logged = logged.start();
    let worker = logged.server.workers(1)[0];
    fs::OpenOptions::new().append(true).open(logged.path("tg.log")).unwrap().set_len(47 * 1_024).unwrap();
    logged.refuse(1);
    wait_until("the rotation", || logged.path("tg.log.1").exists() && logged.path("tg.log").exists());
    logged.refuse(2);
    wait_until("the new log", || logged.log().contains(&refused(2)));
    let daemon = Daemon::at(&logged);
    logged.write_conf("Workers = 1\nConfine = on", "File = syslog:dev.log");
    send(logged.server.pid(), Signal::HUP);
    wait_until("the old worker to go", || super::server::is_gone(worker));
    let worker = logged.server.workers(1)[0];
    drop(daemon);
    let daemon = Daemon::at(&logged);
    send(worker, Signal::USR1);
    logged.refuse(3);
    assert!(daemon.until(&refused(3))[0].contains(&format!("tidegate[{worker}]: ")));
    assert_eq!(logged.server.workers(1), [worker]);
}

//! Upgrades: a new program on the same sockets, under load, and every way in which it may not come to that.

#[path = "../reload/clients.rs"]
mod clients;
mod rig;
#[allow(dead_code)]
#[path = "../process/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clients::{Clients, echoes, slow_reader};
use rig::{Upgradable, conf, on_path, on_port};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use server::{children, exists, free_port, is_gone, send, stat, title, wait_until};
use tidegate::os::file::PidFile;

/// What each descriptor of a process is. A pipe or socket is told with its inode.
fn descriptors(pid: i32) -> Vec<String> {
    let links =
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.display().to_string()).collect()
}

fn sockets(pid: i32) -> BTreeSet<String> {
    descriptors(pid).into_iter().filter(|link| link.starts_with("socket:")).collect()
}

/// A line of `/proc/PID/status`.
fn status(pid: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    text.lines().find(|line| line.starts_with(name)).unwrap().to_string()
}

fn workers(pid: i32, count: usize) -> Vec<i32> {
    let mut found = Vec::new();
    wait_until("the workers", || {
        found = children(pid);
        found.len() == count && found.iter().all(|worker| title(*worker) == "tidegate: worker process")
    });
    found
}

/// Looks at the pid file all the time; ends with how often, and how often nobody held it.
fn watch_pid_file(path: PathBuf) -> impl FnOnce() -> (usize, usize) {
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    let thread = std::thread::spawn(move || {
        let (mut looks, mut free) = (0, 0);
        while !told.load(Ordering::Relaxed) {
            looks += 1;
            free += usize::from(PidFile::holder(&path).unwrap().is_none());
            std::thread::sleep(Duration::from_micros(200));
        }
        (looks, free)
    });
    move || {
        over.store(true, Ordering::Relaxed);
        thread.join().unwrap()
    }
}

#[test]
fn ten_upgrades_under_load_refuse_and_break_nothing_and_leave_nothing_behind() {
    let mut rig = Upgradable::start("Workers = 2", &[on_path("a.sock")]);
    workers(rig.pid, 2);
    let inode = fs::metadata(rig.path("a.sock")).unwrap().ino();
    // What workers have too: not the control socket.
    let listening: BTreeSet<String> =
        sockets(rig.pid).intersection(&sockets(workers(rig.pid, 2)[0])).cloned().collect();
    assert_eq!(listening.len(), 2);
    let masks = ["SigBlk", "SigIgn", "SigCgt"].map(|name| status(rig.pid, name));
    let clients = Clients::start(rig.port);
    let watch = watch_pid_file(rig.path("tg.pid"));
    let mut after_first = 0;
    for round in 0..10 {
        let old = children(rig.pid);
        rig.put_program();
        rig.upgrade();
        assert!(old.iter().all(|worker| is_gone(*worker)));
        assert!(listening.is_subset(&sockets(rig.pid)), "the same sockets");
        assert_eq!(rig.answers(), rig.pid);
        if round == 0 {
            after_first = descriptors(rig.pid).len();
        }
    }
    let told = clients.end();
    assert_eq!((told.refused, told.wrong, told.lost), (0, 0, 0), "{told:?}");
    assert!(told.echoes > 500, "{told:?}");
    let (looks, free) = watch();
    assert!(looks > 500 && free == 0, "of {looks} looks {free} found the pid file missing or free");
    assert_eq!(descriptors(rig.pid).len(), after_first, "{:?}", descriptors(rig.pid));
    assert_eq!(["SigBlk", "SigIgn", "SigCgt"].map(|name| status(rig.pid, name)), masks);
    workers(rig.pid, 2);
    assert_eq!((rig.end_of_first(), rig.notes().as_str()), (Some(0), ""));
    assert_eq!(fs::metadata(rig.path("a.sock")).unwrap().ino(), inode);
    UnixStream::connect(rig.path("a.sock")).unwrap();
    rig.stop();
}

#[test]
fn a_program_that_cannot_take_over_leaves_the_old_server_as_it_was() {
    let mut rig = Upgradable::start("Workers = 1\nUpgradeTimeout = 1s", &[on_path("a.sock")]);
    let (pid, port) = (rig.pid, rig.port);
    let worker = workers(pid, 1);
    let before = descriptors(pid).len();
    let cases = [
        ("exit 1", 0o755, "exited with code 1"),
        ("exit 0", 0o755, "exited with code 0"),
        ("kill -SEGV $$", 0o755, "killed by signal 11"),
        ("exit 0", 0o644, "(13: EACCES, Permission denied)"),
        ("exec sleep 1000", 0o755, "did not serve within 1000 ms ([Process] UpgradeTimeout) and was killed"),
        // One that says nothing more, but does not end either.
        ("exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- sleep 1000", 0o755, "did not serve within 1000 ms"),
    ];
    for (script, mode, reason) in cases {
        let said = rig.log().len();
        rig.put_script(script, mode);
        assert_eq!(rig.control("upgrade"), (Some(0), String::new()));
        let news = || rig.log()[said..].to_string();
        wait_until(reason, || news().contains("this server goes on as it was"));
        assert!(news().contains(reason), "{script}: {}", news());
        wait_until("the mark", || rig.notes() == " (last upgrade failed)" && rig.tells_failed_upgrade());
        assert_eq!((rig.server.pid_file(), workers(pid, 1)), (Some(pid), worker.clone()), "{script}");
        assert!(!exists(&rig.path("tg.pid.oldbin")) && !exists(&rig.path("tg.pid.newbin")), "{script}");
        assert!(echoes(port));
        assert_eq!(rig.answers(), pid);
        UnixStream::connect(rig.path("a.sock")).unwrap();
        assert_eq!(descriptors(pid).len(), before, "{script}");
    }
    rig.put_program();
    rig.upgrade();
    assert!(rig.notes().is_empty() && !rig.tells_failed_upgrade());
    assert!(echoes(port));
    rig.stop();
}

#[test]
fn what_the_new_program_says_against_its_start_is_in_the_log() {
    let mut rig = Upgradable::start("Workers = 1", &[on_path("a.sock")]);
    let good = conf("Workers = 1", &[on_port(rig.port), on_path("a.sock")]);
    let holder = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).unwrap();
    let taken = holder.local_addr().unwrap().port();
    // Two gigabytes are more than it may have.
    let blocks = "[Memory]\nBlocks = 65535\nBlockSize = 32K\n";
    let room = Rlimit { current: Some(1 << 30), maximum: None };
    prlimit(Pid::from_raw(rig.pid), Resource::As, room).unwrap();
    // One of them fits, both do not: a debug build's program is the larger.
    let limit_kib = if cfg!(debug_assertions) { 5_120 } else { 3_072 };
    let (b_sock, limit) = (on_path("b.sock"), format!("[Memory]\nLimit = {limit_kib}K\n"));
    let over = format!("over [Memory] Limit = {limit_kib}K");
    let cases = [
        (format!("{good}Wrong = 1\nWorse = 2\n"), vec!["\"Wrong\"", "\"Worse\"", "exited with code 78"]),
        (
            conf("Workers = 1", &[b_sock, on_port(taken)]),
            vec!["is taken ([Socket s1] ListenPort)", "exited with code 69"],
        ),
        (format!("{good}{limit}"), vec!["both need", &over, "exited with code 78"]),
        (good.replace("tg.log", "no/such/log"), vec!["cannot open the log", "exited with code 73"]),
        (format!("{good}{blocks}"), vec!["ENOMEM", "no worker can serve", "exited with code 71"]),
    ];
    for (text, parts) in cases {
        let said = rig.log().len();
        rig.server.write_conf(&text);
        send(rig.pid, Signal::USR2);
        let news = || rig.log()[said..].to_string();
        wait_until("the end", || news().contains("this server goes on as it was"));
        for part in parts {
            assert!(news().contains(part), "{part} in {}", news());
        }
        rig.server.write_conf(&good);
        assert_eq!((rig.server.pid_file(), rig.answers()), (Some(rig.pid), rig.pid));
        assert!(echoes(rig.port) && exists(&rig.path("a.sock")) && !exists(&rig.path("b.sock")));
    }
    // The control side sends nothing for a file that it can see to be bad.
    rig.server.write_conf(&format!("{good}Wrong = 1\n"));
    assert_eq!(rig.control("upgrade").0, Some(78));
    rig.server.write_conf(&good);
    rig.upgrade();
    rig.stop();
}

#[test]
fn while_an_upgrade_is_under_way_requests_have_their_answers_and_a_stop_means_both() {
    let mut rig = Upgradable::start("Workers = 1\nUpgradeTimeout = 0", &[]);
    let first = workers(rig.pid, 1);
    rig.put_script("exec sleep 1000", 0o755);
    assert_eq!(rig.control("upgrade").0, Some(0));
    wait_until("the note", || rig.notes() == " (upgrading)");
    let sleeper = || children(rig.pid).into_iter().find(|pid| title(*pid).starts_with("sleep"));
    wait_until("the new program", || sleeper().is_some());
    let new = sleeper().unwrap();
    for word in ["stop", "reload", "upgrade"] {
        let (code, said) = rig.control(word);
        assert_eq!(code, Some(69));
        assert!(said.contains("the server is still starting; try again"), "{said}");
    }
    assert_eq!(rig.answers(), rig.pid);
    assert_eq!(fs::read_to_string(rig.path("tg.pid.oldbin")).unwrap().trim(), rig.pid.to_string());
    send(rig.pid, Signal::USR2);
    rig.wait_log("an upgrade is under way; asked for another, ignored");
    send(rig.pid, Signal::HUP);
    rig.wait_log("asked to reload, ignored");
    assert_eq!(children(rig.pid).len(), 2, "the worker and the new program");
    // nginx's way back: WINCH, and HUP without a look at the configuration.
    send(rig.pid, Signal::WINCH);
    wait_until("the worker to go", || is_gone(first[0]));
    rig.server.write_conf("Wrong = 1\n");
    send(rig.pid, Signal::HUP);
    rig.wait_log("the workers are back as they were");
    wait_until("a worker", || children(rig.pid).len() == 2);
    assert!(echoes(rig.port));
    assert_eq!(rig.notes(), " (upgrading)");
    send(rig.pid, Signal::QUIT);
    assert_eq!(rig.server.end(), (Some(0), String::new()));
    assert!(is_gone(new));
    assert!(!exists(&rig.path("tg.pid")) && !exists(&rig.path("tg.pid.oldbin")));
}

#[test]
fn a_connection_is_served_to_its_end_across_an_upgrade_and_no_longer_than_drain_timeout() {
    let mut rig = Upgradable::start("Workers = 1\nDrainTimeout = 20s", &[]);
    let old = rig.pid;
    let (mut client, sent) = slow_reader(rig.port);
    assert_eq!(rig.control("upgrade").0, Some(0));
    let note = || title(old);
    wait_until("the note", || note().contains("replaced by process") && rig.server.pid_file() != Some(old));
    rig.pid = rig.server.pid_file().unwrap();
    assert!(note().contains(&format!("replaced by process {}", rig.pid)), "{}", note());
    assert!(echoes(rig.port));
    // The next upgrade waits for the end of this one.
    assert_eq!(rig.control("upgrade").0, Some(0));
    rig.wait_log(&format!("the server before this one, process {old}, still drains"));
    wait_until("the mark", || rig.notes() == " (last upgrade failed)");
    // The slow reader gets every byte of what was accepted from it, then an orderly end.
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!((65_536..=sent).contains(&answer.len()) && answer.iter().all(|byte| *byte == b'x'), "{}", answer.len());
    drop(client);
    wait_until("the old server to leave", || is_gone(old));
    rig.server.write_conf(&conf("Workers = 1\nDrainTimeout = 1s", &[on_port(rig.port)]));
    rig.upgrade();
    // One who never reads is cut.
    let (client, _) = slow_reader(rig.port);
    let start = Instant::now();
    rig.upgrade();
    assert!((900..6_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    drop(client);
    rig.stop();
}

#[test]
fn the_new_configuration_decides_what_is_kept_opened_and_closed() {
    let mut rig = Upgradable::start("Workers = 1", &[on_path("a.sock"), on_path("b.sock")]);
    let inode = fs::metadata(rig.path("a.sock")).unwrap().ino();
    let [new, other] = [(); 2].map(|()| free_port());
    let sockets = [on_port(new), on_path("a.sock"), format!("{}\nBacklog = 7", on_port(rig.port))];
    rig.server.write_conf(&conf("Workers = 2", &sockets));
    rig.upgrade();
    workers(rig.pid, 2);
    assert!(echoes(new) && echoes(rig.port));
    assert!(!exists(&rig.path("b.sock")), "nobody serves it");
    assert_eq!(fs::metadata(rig.path("a.sock")).unwrap().ino(), inode);
    // Another pid file: the old one is not left behind, and the other is what `-s` goes by.
    let moved = conf("Workers = 1", &[on_port(other), on_path("a.sock")]).replace("tg.pid", "new.pid");
    let old = rig.pid;
    rig.server.write_conf(&moved);
    send(old, Signal::USR2);
    wait_until("the old server to leave", || is_gone(old));
    assert!(!exists(&rig.path("tg.pid")) && !exists(&rig.path("tg.pid.oldbin")));
    assert!(echoes(other) && !echoes(rig.port) && !echoes(new));
    rig.pid = fs::read_to_string(rig.path("new.pid")).unwrap().trim().parse().unwrap();
    rig.stop();
}

#[test]
fn a_daemon_stays_one_and_in_the_foreground_the_session_stays() {
    let mut rig = Upgradable::start("Workers = 1", &[]);
    let (_, _, group, session) = stat(rig.pid).unwrap();
    // `Daemon` is what a server becomes when it starts, not when it is upgraded.
    rig.server.write_conf(&conf("Workers = 1\nDaemon = on", &[on_port(rig.port)]));
    rig.upgrade();
    let (_, _, new_group, new_session) = stat(rig.pid).unwrap();
    assert_eq!((new_group, new_session), (group, session));
    let log = rig.log();
    let (pid, port) = (rig.pid, rig.port);
    assert_eq!(rig.control("stop").0, Some(0));
    wait_until("the end", || is_gone(pid));
    assert!(log.contains("started with"));
    rig.server.end();
    rig.pid = rig.server.start_daemon();
    let session = rig.pid;
    for _ in 0..2 {
        rig.upgrade();
        assert_eq!(stat(rig.pid).unwrap().3, session, "no new session");
        for number in 0..3 {
            assert_eq!(fs::read_link(format!("/proc/{}/fd/{number}", rig.pid)).unwrap().to_str(), Some("/dev/null"));
        }
        assert!(echoes(port));
    }
    rig.stop();
}

#[test]
fn when_the_old_server_dies_before_the_new_one_serves_the_new_one_takes_over_all_the_same() {
    let mut rig = Upgradable::start("Workers = 1", &[on_path("a.sock")]);
    let worker = workers(rig.pid, 1)[0];
    rig.put_script("sleep 1; exec $REAL \"$@\"", 0o755);
    assert_eq!(rig.control("upgrade").0, Some(0));
    wait_until("the note", || rig.notes() == " (upgrading)");
    let old = rig.pid;
    send(old, Signal::KILL);
    assert_eq!(rig.end_of_first(), None);
    wait_until("its worker to go", || is_gone(worker));
    // Nobody serves; who comes now waits.
    let mut early = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).unwrap();
    early.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    early.write_all(b"early").unwrap();
    assert!(rig.control("stop").1.contains("still starting"));
    rig.wait_replaced();
    let mut answer = [0; 5];
    early.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"early");
    UnixStream::connect(rig.path("a.sock")).unwrap();
    // It has nobody before it any more, so it can be upgraded.
    rig.upgrade();
    rig.stop();
}

#[test]
fn when_the_new_server_dies_after_it_served_the_old_one_says_so_and_ends() {
    let mut rig = Upgradable::start("Workers = 1\nDrainTimeout = 2s", &[on_path("a.sock")]);
    let (client, _) = slow_reader(rig.port);
    assert_eq!(rig.control("upgrade").0, Some(0));
    wait_until("the new server", || rig.server.pid_file().is_some_and(|pid| pid != rig.pid));
    let new = rig.server.pid_file().unwrap();
    wait_until("its place", || title(rig.pid).contains("replaced by process"));
    send(new, Signal::KILL);
    rig.wait_log(&format!("process {new}, which replaced this server, killed by signal 9"));
    let (code, said) = rig.control("reload");
    assert!(code == Some(69) && said.contains("no server is running"), "{said}");
    assert_eq!(rig.server.end(), (Some(0), String::new()));
    drop(client);
    assert!(!exists(&rig.path("tg.pid.oldbin")) && !exists(&rig.path("a.sock")));
    // What is left keeps nobody out.
    rig.server = rig.server.start();
    rig.pid = rig.server.pid();
    assert!(echoes(rig.port));
    rig.stop();
}

#[test]
fn a_server_of_one_process_cannot_be_upgraded_but_can_be_what_is_upgraded_to() {
    let mut rig = Upgradable::start("Workers = 1", &[on_path("a.sock")]);
    rig.server.write_conf(&conf("Workers = 0", &[on_port(rig.port), on_path("a.sock")]));
    rig.upgrade();
    assert!(title(rig.pid).starts_with("tidegate: server process /"), "{}", title(rig.pid));
    assert!(echoes(rig.port));
    UnixStream::connect(rig.path("a.sock")).unwrap();
    assert_eq!(rig.control("upgrade").0, Some(0));
    rig.wait_log("Usr2 needs a master, which Workers = 0 does without; ignored");
    assert!(echoes(rig.port));
    rig.stop();
}

#[test]
fn a_variable_that_names_what_is_not_there_is_no_start() {
    let rig = Upgradable::start("Workers = 1", &[]);
    for value in ["listen 77 127.0.0.1:1", "listen 0 127.0.0.1:1", "nonsense"] {
        let output = rig.server.command(&["-c", "tg.conf"]).env("TIDEGATE_UPGRADE", value).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(71), "{said}");
        assert_eq!(said, format!("tidegate: TIDEGATE_UPGRADE names what is not there: {value}\n"));
    }
    rig.stop();
}

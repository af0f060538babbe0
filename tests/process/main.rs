//! The program from outside: its processes, signals, titles, files and exit codes.

mod limits;
mod server;

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Output, Stdio};
use std::time::Instant;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use server::{Server, children, exists, free_port, is_gone, send, stat, title, wait_until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn failed(output: &Output, code: i32) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn master_and_workers_have_titles_longer_than_their_arguments_and_names_that_tell_them_apart() {
    let mut server = Server::with("Workers = 2").start();
    let workers = server.workers(2);
    let conf = server.directory.join("tg.conf");
    let master = format!("tidegate: master process {}", conf.display());
    assert!(master.len() > 60);
    assert_eq!(title(server.pid()), master);
    let name = |pid: i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(name(server.pid()), "tidegate\n");
    wait_until("the worker's name", || name(workers[0]) == "tidegate-worker\n");
}

#[test]
fn with_an_empty_environment_the_title_is_cut_and_the_server_runs() {
    let server = Server::with("Workers = 1");
    let mut child = server.command(&["-c", "tg.conf"]).env_clear().stderr(Stdio::null()).spawn().unwrap();
    wait_until("the title", || title(child.id() as i32).starts_with("tidegate: mas"));
    send(child.id() as i32, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn term_int_and_quit_stop_the_server_and_remove_its_pid_file() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut server = Server::with("Workers = 2").start();
        let workers = server.workers(2);
        send(server.pid(), signal);
        let (code, said) = server.end();
        assert_eq!(code, Some(0), "{signal:?}: {said}");
        assert!(workers.iter().all(|worker| is_gone(*worker)), "{signal:?}");
        assert!(!exists(&server.directory.join("tg.pid")), "{signal:?}");
    }
}

#[test]
fn a_server_of_one_process_has_no_children_and_stops_alike() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut server = Server::with("Workers = 0").start();
        wait_until("the title", || title(server.pid()).starts_with("tidegate: server process /"));
        assert_eq!(children(server.pid()), []);
        send(server.pid(), signal);
        let (code, said) = server.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(!exists(&server.directory.join("tg.pid")));
    }
}

#[test]
fn a_master_ignores_a_signal_that_means_nothing_here() {
    let mut server = Server::with("Workers = 1").start();
    server.workers(1);
    send(server.pid(), Signal::PIPE);
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_killed_worker_is_replaced() {
    let mut server = Server::with("Workers = 2").start();
    let before = server.workers(2);
    send(before[0], Signal::KILL);
    wait_until("the death", || is_gone(before[0]));
    let after = server.workers(2);
    assert!(!after.contains(&before[0]) && after.contains(&before[1]));
}

#[test]
fn workers_leave_when_their_master_is_killed() {
    let mut server = Server::with("Workers = 3").start();
    let workers = server.workers(3);
    send(server.pid(), Signal::KILL);
    server.end();
    wait_until("the workers to go", || workers.iter().all(|worker| is_gone(*worker)));
    // Nobody holds the lock any more: the file left behind keeps no one out.
    assert_eq!(failed(&server.run(&["-c", "tg.conf", "-s", "stop"]), 69).lines().count(), 1);
    let mut server = server.start();
    server.workers(3);
}

#[test]
fn a_crash_loop_ends_the_server_with_a_sentence() {
    let mut server = Server::with("Workers = 1\nRespawnLimit = 3").start();
    let mut last = 0;
    for _ in 0..3 {
        wait_until("a new worker", || children(server.pid()).iter().any(|pid| *pid != last));
        last = children(server.pid()).into_iter().find(|pid| *pid != last).unwrap();
        send(last, Signal::KILL);
    }
    let (code, said) = server.end();
    assert_eq!(code, Some(70), "{said}");
    assert!(said.contains("giving up: workers died 3 times within a minute ([Process] RespawnLimit)"), "{said}");
    assert!(!exists(&server.directory.join("tg.pid")));
}

#[test]
fn a_worker_that_does_not_stop_is_killed_after_five_seconds() {
    let mut server = Server::with("Workers = 1").start();
    let worker = server.workers(1)[0];
    send(worker, Signal::STOP);
    let start = Instant::now();
    // A drain of half a minute is under way when the second, stronger word comes.
    send(server.pid(), Signal::QUIT);
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert!((4..15).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(is_gone(worker));
}

#[test]
fn a_second_start_says_who_is_running() {
    let mut server = Server::with("Workers = 1").start();
    server.workers(1);
    let said = failed(&server.run(&["-c", "tg.conf"]), 69);
    let pid = server.pid();
    let path = server.directory.join("tg.pid");
    assert_eq!(said, format!("tidegate: already running as process {pid} ({}, [Process] PidFile)\n", path.display()));
    assert_eq!(server.pid_file(), Some(pid), "the second start left the pid file alone");
}

#[test]
fn the_control_side_stops_and_quits_a_server_and_says_when_there_is_none() {
    for word in ["stop", "quit"] {
        let mut server = Server::with("Workers = 1").start();
        server.workers(1);
        assert_eq!(server.run(&["-c", "tg.conf", "-s", word]).status.code(), Some(0));
        assert_eq!(server.end().0, Some(0));
        let said = failed(&server.run(&["-c", "tg.conf", "-s", word]), 69);
        assert!(said.ends_with("tg.pid: no server is running\n"), "{said}");
    }
}

#[test]
fn a_pid_file_nobody_holds_is_not_believed() {
    let mut server = Server::with("Workers = 1");
    let mut bystander = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(server.directory.join("tg.pid"), format!("{}\n", bystander.id())).unwrap();
    failed(&server.run(&["-c", "tg.conf", "-s", "stop"]), 69);
    assert!(bystander.try_wait().unwrap().is_none(), "a process that is no server was signalled");
    let _ = bystander.kill();
    let _ = bystander.wait();
    fs::remove_file(server.directory.join("tg.pid")).unwrap();
    server = server.start();
    server.workers(1);
}

#[test]
fn a_daemon_has_its_own_session_null_descriptors_and_no_mask() {
    let mut server = Server::with("Workers = 1\nDaemon = on");
    let pid = server.start_daemon();
    let (_, parent, _, session) = stat(pid).unwrap();
    assert_eq!(session, pid);
    assert_ne!(parent, std::process::id() as i32);
    for number in 0..3 {
        assert_eq!(fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap().to_str(), Some("/dev/null"));
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Umask:\t0000"), "{status}");
    let workers = children(pid);
    assert_eq!(workers.len(), 1, "workers live before the parent leaves");
    assert_eq!(server.run(&["-c", "tg.conf", "-s", "stop"]).status.code(), Some(0));
    wait_until("the daemon to go", || is_gone(pid) && workers.iter().all(|worker| is_gone(*worker)));
    assert!(!exists(&server.directory.join("tg.pid")));
}

#[test]
fn a_server_that_cannot_serve_says_so_instead_of_having_started() {
    for process in ["", "Daemon = on", "Workers = 0"] {
        let server =
            Server::with(&format!("{process}\n[Log]\nFile = tg.log\n[Memory]\nBlocks = 65535\nBlockSize = 32K"));
        let mut command = server.command(&["-c", "tg.conf"]);
        let room = Rlimit { current: Some(1 << 30), maximum: Some(1 << 30) };
        // SAFETY: between fork and exec only `setrlimit` is called, which takes no lock and allocates nothing.
        unsafe { command.pre_exec(move || Ok(setrlimit(Resource::As, room)?)) };
        let said = failed(&command.output().unwrap(), 71);
        let log = fs::read_to_string(server.directory.join("tg.log")).unwrap();
        assert!(log.contains("ENOMEM"), "{process}: {said}{log}");
        assert!(!exists(&server.directory.join("tg.pid")), "a failed start leaves no pid file");
    }
}

#[test]
fn a_worker_holds_neither_the_lock_nor_its_masters_descriptors() {
    let mut server = Server::with("Workers = 2").start();
    for worker in server.workers(2) {
        let links: Vec<String> = fs::read_dir(format!("/proc/{worker}/fd"))
            .unwrap()
            .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        assert!(!links.iter().any(|link| link.ends_with("tg.pid")), "{links:?}");
        assert_eq!(links.iter().filter(|link| link.contains("[signalfd]")).count(), 1, "{links:?}");
    }
}

#[test]
fn a_taken_port_is_told_with_its_key_and_a_way_to_look() {
    for daemon in ["", "Daemon = on"] {
        let server = Server::with(daemon);
        let holder = TcpListener::bind(("127.0.0.1", server.port)).unwrap();
        let said = failed(&server.run(&["-c", "tg.conf"]), 69);
        let port = server.port;
        assert!(said.contains(&format!("127.0.0.1:{port} is taken ([Socket] ListenPort)")), "{said}");
        assert!(said.contains("ss -ltnp"), "{said}");
        assert!(!exists(&server.directory.join("tg.pid")), "a failed start leaves no pid file");
        drop(holder);
    }
}

#[test]
fn a_low_port_without_privilege_is_told_as_such() {
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first_free.trim() != "1024" {
        println!("skipped: this machine gives low ports to everyone");
        return;
    }
    let server = Server::with("");
    server.write_conf("[Socket]\nListenPort = 7\n");
    let mut command = server.command(&["-c", "tg.conf"]);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: another user cannot run the program here ({error})");
            return;
        }
    };
    let said = failed(&output, 77);
    assert!(said.contains("*:7: ports below 1024 need a privilege ([Socket] ListenPort)"), "{said}");
}

#[test]
fn a_pid_file_that_cannot_be_made_is_told() {
    let server = Server::with("");
    let port = free_port();
    server.write_conf(&format!("[Process]\nPidFile = no/such/dir/tg.pid\n[Socket]\nListenPort = {port}\n"));
    let said = failed(&server.run(&["-c", "tg.conf"]), 73);
    assert!(said.contains("no/such/dir") && said.contains("ENOENT") && said.contains("[Process] PidFile"), "{said}");
}

#[test]
fn a_missing_configuration_is_told() {
    let server = Server::with("");
    let said = failed(&server.run(&["-c", "nowhere.conf"]), 66);
    assert!(said.starts_with("tidegate: nowhere.conf (2: ENOENT, "), "{said}");
}

#[test]
fn help_and_version_go_to_standard_output_and_mistakes_to_standard_error() {
    let server = Server::with("");
    for words in [&["-h"][..], &["--help"], &["-v"], &["--version"], &["-V"], &["--help-conf"]] {
        let output = server.run(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(output.stdout.ends_with(b"\n") && output.stderr.is_empty(), "{words:?}");
    }
    for words in [&["-x"][..], &["-s", "fly"], &["stray"], &["-c"], &["-t", "-s", "stop"]] {
        let output = server.run(words);
        assert!(output.stdout.is_empty(), "{words:?}");
        assert!(failed(&output, 64).contains("usage:"), "{words:?}");
    }
}

#[test]
fn a_good_configuration_is_called_good_and_can_be_dumped_and_read_back() {
    let server = Server::with("Workers = 3");
    let output = server.run(&["-t", "-c", "tg.conf"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout).lines().next(), Some("configuration tg.conf is good"));
    assert!(server.run(&["-q", "-t", "-c", "tg.conf"]).stdout.is_empty());
    let dump = server.run(&["-T", "-c", "tg.conf"]);
    assert_eq!(dump.status.code(), Some(0));
    fs::write(server.directory.join("again.conf"), &dump.stdout).unwrap();
    let again = server.run(&["-T", "-c", "again.conf"]);
    assert_eq!(text(&again.stdout).replace("again.conf", "tg.conf"), text(&dump.stdout));
}

#[test]
fn a_bad_configuration_is_told_by_place_all_at_once_and_starts_nothing() {
    let server = Server::with("");
    server.write_conf("[Process]\nWorker = 2\n\n[Sockets]\n");
    for words in [&["-c", "tg.conf"][..], &["-t", "-c", "tg.conf"], &["-s", "stop", "-c", "tg.conf"]] {
        let output = server.run(words);
        assert!(output.stdout.is_empty(), "{words:?}");
        let said = failed(&output, 78);
        let expected = [
            "tg.conf:2:1: unknown key \"Worker\" in [Process]; did you mean \"Workers\"?",
            "    Worker = 2",
            "    ^^^^^^",
            "tg.conf:4:2: unknown section \"Sockets\"; did you mean \"Socket\"?",
            "    [Sockets]",
            "     ^^^^^^^",
            "",
        ];
        assert_eq!(said, expected.join("\n"));
    }
}

#[test]
fn a_log_file_gets_the_lines_and_standard_error_none() {
    let mut server = Server::with("Workers = 1");
    let port = server.port;
    server.write_conf(&format!(
        "[Process]\nPidFile = tg.pid\nWorkers = 1\n[Log]\nFile = tg.log\n[Socket]\nListenPort = {port}\n"
    ));
    server = server.start();
    let worker = server.workers(1)[0];
    send(worker, Signal::KILL);
    wait_until("the death", || is_gone(worker));
    server.workers(1);
    let second = failed(&server.run(&["-c", "tg.conf"]), 69);
    send(server.pid(), Signal::TERM);
    let (code, said) = server.end();
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let log = fs::read_to_string(server.directory.join("tg.log")).unwrap();
    assert!(
        log.contains(&format!("[alert] {}#master: worker 0, process {worker}, killed by signal 9\n", server.last_pid)),
        "{log}"
    );
    let reason = second.strip_prefix("tidegate: ").unwrap();
    assert!(log.contains(&format!("#main: {reason}")), "a failed start is in the log too: {log}");
    assert!(log.ends_with("#master: stopped\n"), "{log}");
}

#[test]
fn a_renamed_log_is_reopened_by_every_process_and_loses_no_line() {
    let mut server = Server::with("Workers = 2");
    let port = server.port;
    server.write_conf(&format!(
        "[Process]\nPidFile = tg.pid\nWorkers = 2\n[Log]\nFile = tg.log\nLevel = info\n[Socket]\nListenPort = {port}\n"
    ));
    server = server.start();
    let log = server.directory.join("tg.log");
    let mut died = Vec::new();
    // Four deaths: a fifth line of one kind within a second is the last that the log takes.
    for round in 0..4 {
        let workers = server.workers(2);
        fs::rename(&log, server.directory.join(format!("old.{round}"))).unwrap();
        if round % 2 == 0 {
            send(server.pid(), Signal::USR1);
        } else {
            assert_eq!(server.run(&["-c", "tg.conf", "-s", "reopen"]).status.code(), Some(0));
        }
        send(workers[0], Signal::KILL);
        died.push(workers[0]);
        wait_until("the death", || is_gone(workers[0]));
        wait_until("the new log", || exists(&log));
    }
    let last = server.workers(2);
    wait_until("the workers to have reopened", || {
        last.iter().all(|worker| {
            let links = fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
            links.filter_map(|link| fs::read_link(link.ok()?.path()).ok()).any(|link| link == log)
        })
    });
    send(server.pid(), Signal::QUIT);
    assert_eq!(server.end().0, Some(0));
    let newest = fs::read_to_string(&log).unwrap();
    for worker in last {
        assert!(newest.contains(&format!("[info] {worker}#worker: served 0 connections")), "{newest}");
    }
    let all: String =
        (0..4).map(|round| fs::read_to_string(server.directory.join(format!("old.{round}"))).unwrap()).collect();
    for pid in died {
        let line = format!("process {pid}, killed by signal 9\n");
        assert_eq!((all.clone() + &newest).matches(&line).count(), 1, "{line}");
    }
}

#[test]
fn a_log_that_cannot_be_reopened_is_still_written() {
    let mut server = Server::with("Workers = 1");
    let port = server.port;
    let logs = server.directory.join("logs");
    fs::create_dir(&logs).unwrap();
    server.write_conf(&format!(
        "[Process]\nPidFile = tg.pid\nWorkers = 1\n[Log]\nFile = logs/tg.log\n[Socket]\nListenPort = {port}\n"
    ));
    server = server.start();
    server.workers(1);
    let moved = server.directory.join("moved");
    fs::rename(&logs, &moved).unwrap();
    send(server.pid(), Signal::USR1);
    let log = moved.join("tg.log");
    let told = "cannot reopen the log; the old file is still written (2: ENOENT";
    // The master and its worker both say so.
    wait_until("the sentence", || fs::read_to_string(&log).unwrap().matches(told).count() == 2);
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert!(fs::read_to_string(&log).unwrap().ends_with("#master: stopped\n"));
}

#[test]
fn a_unix_socket_is_there_while_the_server_is() {
    let mut server = Server::with("");
    server.write_conf("[Process]\nPidFile = tg.pid\nWorkers = 1\n[Socket]\nListenAddress = unix:tg.sock\n");
    let path = server.directory.join("tg.sock");
    server = server.start();
    let worker = server.workers(1)[0];
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    send(server.pid(), Signal::KILL);
    server.end();
    wait_until("the worker to go", || is_gone(worker));
    assert!(exists(&path), "a killed master cannot clean up");
    // The next start takes the stale path over, and a clean stop removes it.
    server = server.start();
    server.workers(1);
    send(server.pid(), Signal::TERM);
    server.end();
    assert!(!exists(&path));
}

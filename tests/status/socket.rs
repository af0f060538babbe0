//! The control socket: whose it is, what it refuses, and that nobody who uses it badly holds the server up.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::process::Output;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::ask::{asked, configure, connect, control, is_served, json, log, number, ports, serve, stop, visit};
use crate::server::{Server, is_gone, send, title, wait_until};

fn failed(output: &Output, code: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{said}");
    said
}

const STATUS: [&str; 4] = ["-c", "tg.conf", "-s", "status"];

#[test]
fn without_a_server_or_a_way_to_it_the_sentence_says_so() {
    let server = Server::with("");
    let said = failed(&server.run(&STATUS), 69);
    assert!(said.contains("tg.pid.sock: no server answers there ([Process] ControlSocket)"), "{said}");
    server.write_conf("[Socket]\nListenPort = 1\n");
    assert!(failed(&server.run(&STATUS), 78).contains("no [Process] PidFile and no ControlSocket"));
    // Someone else listens there and says something else.
    let path = server.directory.join("other.sock");
    let other = UnixListener::bind(&path).unwrap();
    server.write_conf("[Process]\nControlSocket = other.sock\n[Socket]\nListenPort = 1\n");
    let speaker = std::thread::spawn(move || other.accept().unwrap().0.write_all(b"hello\n"));
    let said = failed(&server.run(&STATUS), 69);
    assert!(said.contains("not a whole report"), "{said}");
    speaker.join().unwrap().unwrap();
    assert!(failed(&server.run(&["-s", "reload", "--json"]), 64).contains("--json goes with -t and with -s status"));
}

#[test]
fn it_is_its_owners_alone() {
    let [port] = ports();
    let server = serve("Workers = 1", &[("a", port, "")]);
    let path = server.directory.join("tg.pid.sock");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    if rustix::process::geteuid().is_root() {
        // A copy of the program that everyone can run, wherever it was built.
        let program = server.directory.join("everyones-tidegate");
        fs::copy(env!("CARGO_BIN_EXE_tidegate"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = std::process::Command::new(&program);
        command.args(STATUS).current_dir(&server.directory).uid(65_534).gid(65_534);
        let said = failed(&command.output().unwrap(), 77);
        assert!(said.contains("EACCES"), "{said}");
    }
    stop(server);
}

#[test]
fn clients_that_say_nothing_read_nothing_or_talk_nonsense_hold_nobody_up() {
    let [port] = ports();
    let mut server = serve("Workers = 1", &[("a", port, "")]);
    // More than are heard at a time, some of which will never read what they asked for.
    let silent: Vec<UnixStream> = (0..8).map(|_| control(&server)).collect();
    let mut deaf: Vec<UnixStream> = (0..4).map(|_| control(&server)).collect();
    deaf.iter_mut().for_each(|client| client.write_all(b"status json\n").unwrap());
    let mut nonsense = control(&server);
    nonsense.write_all(b"reboot the box please, now\n").unwrap();
    let worker = server.workers(1);
    let start = Instant::now();
    send(server.pid(), Signal::HUP);
    wait_until("the reload", || is_gone(worker[0]));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    visit(port, 1);
    // Two crowds of four are heard out, two seconds each, and then everybody is served.
    assert!(number(&json(&server), &["reloads"]) == 1);
    let mut answer = String::new();
    let _ = nonsense.read_to_string(&mut answer);
    assert!(answer.starts_with("not known"), "{answer}");
    for mut client in silent {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    let ticks = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<u64> = stat.rsplit_once(')').unwrap().1.split(' ').filter_map(|n| n.parse().ok()).collect();
        // User and system time stand at 14 and 15; the name and the state before them are no numbers.
        fields[10] + fields[11]
    };
    let before = ticks(server.pid());
    let _silent = control(&server);
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(ticks(server.pid()) - before < 20, "the master spins");
    stop(server);
}

#[test]
fn one_process_without_a_master_answers_too_and_asks_for_no_memory_to_do_so() {
    let [port] = ports();
    let server = serve("Workers = 0", &[("a", port, "Connections = 9")]);
    wait_until("the title", || title(server.pid()).starts_with("tidegate: server process"));
    visit(port, 5);
    let held = connect(1, port);
    assert!(is_served(&held));
    let _silent = control(&server);
    for _ in 0..20 {
        let now = json(&server);
        assert_eq!((number(&now, &["counts", "accepted"]), number(&now, &["[Socket a]", "active"])), (6, 1));
        assert_eq!(number(&now, &["allocations_after_seal"]), 0);
    }
    let text = asked(&server, &[]);
    assert!(text.contains("one process without a master (Workers = 0)"), "{text}");
    assert!(text.contains("in one worker at most ") && text.contains(" of 9\n"), "{text}");
    drop(held);
    stop(server);
}

#[test]
fn a_path_left_by_a_crash_is_taken_over_and_a_foreign_file_is_not_touched() {
    let [port] = ports();
    let mut server = serve("Workers = 1", &[("a", port, "")]);
    let path = server.directory.join("tg.pid.sock");
    let worker = server.workers(1)[0];
    send(server.pid(), Signal::KILL);
    server.end();
    wait_until("the worker's end", || is_gone(worker));
    assert!(path.exists());
    let server = server.start();
    assert_eq!(number(&json(&server), &["pid"]), server.pid() as u64);
    // Someone puts another file in its place: it is not ours to remove.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let mut server = server;
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    // A path that was only made up is done without, one that was asked for is not.
    let server = server.start();
    assert!(log(&server).contains("tg.pid.sock is taken ([Process] ControlSocket)"), "{}", log(&server));
    visit(port, 1);
    let mut server = server;
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    configure(&server, "Workers = 1\nControlSocket = tg.pid.sock", &[("a", port, "")]);
    assert!(failed(&server.run(&["-c", "tg.conf"]), 69).contains("is taken"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
}

#[test]
fn its_path_is_the_configurations_and_changes_only_by_a_restart() {
    let [port] = ports();
    let mut server = serve("Workers = 1\nControlSocket = here.sock", &[("a", port, "")]);
    assert!(!server.directory.join("tg.pid.sock").exists());
    assert_eq!(number(&json(&server), &["reloads"]), 0);
    let worker = server.workers(1)[0];
    configure(&server, "Workers = 1\nControlSocket = there.sock", &[("a", port, "")]);
    send(server.pid(), Signal::HUP);
    wait_until("the reload", || is_gone(worker));
    assert!(log(&server).contains("[Process] ControlSocket changes only by a restart"), "{}", log(&server));
    assert!(!server.directory.join("there.sock").exists());
    configure(&server, "Workers = 1\nControlSocket = here.sock", &[("a", port, "")]);
    assert_eq!(number(&json(&server), &["reloads"]), 1);
    stop(server);
}

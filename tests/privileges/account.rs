//! `[Process] User` and `Group`, from what `-t` says to the worker that a reload brings.

use std::fs;

use rustix::process::Signal;

use crate::server::{Server, children, is_gone, send, title, wait_until};
use crate::{
    NOBODY, Running, as_nobody, assert_lowered, conf, echoes_here, four, has, is_root, log_of, serving, status, stop,
};

#[test]
fn a_name_that_nobody_has_is_a_mistake_of_the_configuration_in_the_check_the_start_and_a_reload() {
    let server = Server::with("User = nobody-at-all\nGroup = no-group");
    let expected = [
        "tg.conf:3:8: User must be a name in /etc/passwd or a number, not \"nobody-at-all\"",
        "    User = nobody-at-all",
        "           ^^^^^^^^^^^^^",
        "tg.conf:4:9: Group must be a name in /etc/group or a number, not \"no-group\"",
        "    Group = no-group",
        "            ^^^^^^^^",
        "",
    ];
    for words in [&["-c", "tg.conf", "-t"][..], &["-c", "tg.conf"]] {
        let output = server.run(words);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected.join("\n"));
        assert_eq!(output.status.code(), Some(78));
    }
    let mut server = serving("");
    let worker = server.workers(1);
    server.write_conf(&conf("User = nobody-at-all", server.port));
    send(server.pid(), Signal::HUP);
    wait_until("the sentence", || log_of(&server).contains("tg.conf:3:8: User must be a name in /etc/passwd"));
    assert_eq!(server.workers(1), worker, "nothing has changed");
    stop(&mut server);
}

#[test]
fn a_number_needs_no_entry_but_a_group() {
    let server = Server::with("User = 3999999999");
    let said = String::from_utf8(server.run(&["-c", "tg.conf", "-t"]).stderr).unwrap();
    let first = "tg.conf:3:8: User must be in /etc/passwd, where its group stands, or have [Process] Group beside it, \
                 not \"3999999999\"\n";
    assert!(said.starts_with(first), "{said}");
    let set = |assignment: &str| server.run(&["-c", "tg.conf", "-g", assignment, "-t", "-q"]).status.code();
    assert_eq!(set("Process.Group=3999999999"), Some(0));
    assert_eq!(set("Process.Group=4294967295"), Some(78), "the number that means no change");
}

#[test]
fn workers_are_the_user_alone_and_stay_so_when_they_are_replaced() {
    if !is_root() {
        return;
    }
    let mut server = serving(&format!("Workers = 2\nUser = {NOBODY}\nGroup = 3999999998"));
    let workers = server.workers(2);
    for worker in &workers {
        assert_lowered(*worker, NOBODY, 3_999_999_998);
        assert_eq!(status(*worker, "Groups"), "");
        // A process that others of its user could trace is owned by that user.
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{worker}/mem")).unwrap());
        assert_eq!(owner, 0, "its memory is nobody's to read");
    }
    assert_eq!(status(server.pid(), "Uid"), four(0), "the master stays");
    assert!(echoes_here(server.port));
    assert!(!log_of(&server).contains("workers run as root"), "{}", log_of(&server));
    send(workers[0], Signal::KILL);
    wait_until("the death", || is_gone(workers[0]));
    for worker in server.workers(2) {
        assert_lowered(worker, NOBODY, 3_999_999_998);
    }
    // The kernel forgets who is to die with its parent when a process changes its user.
    let workers = server.workers(2);
    send(server.pid(), Signal::KILL);
    wait_until("the workers to follow", || workers.iter().all(|worker| is_gone(*worker)));
}

#[test]
fn a_server_of_one_process_becomes_the_user_once_everything_is_open() {
    if !is_root() {
        return;
    }
    let mut server = serving(&format!("Workers = 0\nUser = {NOBODY}\nGroup = {NOBODY}"));
    wait_until("the title", || title(server.pid()).starts_with("tidegate: server process"));
    assert_lowered(server.pid(), NOBODY, NOBODY);
    assert!(echoes_here(server.port));
    stop(&mut server);
    let left = fs::read(server.directory.join("tg.pid")).unwrap();
    assert!(left.is_empty(), "what it may no longer remove names no process");
    // And keeps nobody out.
    let mut server = server.start();
    stop(&mut server);
}

#[test]
fn workers_without_a_user_keep_no_privilege_and_root_is_told_which_key_changes_it() {
    let mut server = serving("");
    let worker = server.workers(1)[0];
    let user = rustix::process::geteuid().as_raw();
    assert_eq!(status(worker, "NoNewPrivs"), "1");
    assert_eq!(status(worker, "CapPrm"), "0000000000000000");
    let told = "[notice] ".to_string() + &format!("{}#master: workers run as root", server.pid());
    assert_eq!(log_of(&server).contains(&told), user == 0, "{}", log_of(&server));
    if user == 0 {
        assert_lowered(worker, 0, rustix::process::getegid().as_raw());
        assert!(log_of(&server).contains("[Process] User makes them someone else"));
    }
    stop(&mut server);
}

#[test]
fn a_user_can_be_named_without_root_only_if_it_is_whoever_starts_the_server() {
    if !is_root() || !has("setpriv") {
        return;
    }
    let server = Server::with("");
    let run = |process: &str| {
        let socket = format!("[Socket]\nListenAddress = 127.0.0.1\nListenPort = {}\n", server.port);
        server.write_conf(&format!("[Process]\n{process}\n{socket}"));
        Running::start(as_nobody(&server).args(["-c", "tg.conf"]))
    };
    for (process, told) in [
        ("User = 1\nGroup = 1", "[Process] User = 1 can only be set where the server is started as root; this is user"),
        ("Group = 1", "[Process] Group = 1 can only be set where the server is started as root; this is group"),
    ] {
        let (code, said) = run(process).end();
        assert_eq!((code, said), (Some(77), format!("tidegate: {told} {NOBODY}\n")));
    }
    let running = run(&format!("User = {NOBODY}\nGroup = {NOBODY}"));
    wait_until("an echo", || echoes_here(server.port));
    assert_lowered(children(running.pid())[0], NOBODY, NOBODY);
    send(running.pid(), Signal::TERM);
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_root_that_may_not_change_its_user_does_not_start() {
    if !is_root() || !has("setpriv") {
        return;
    }
    for (missing, daemon) in [("setuid", ""), ("setgid", ""), ("setuid", "Daemon = on")] {
        let server = Server::with(&format!("User = {NOBODY}\nGroup = {NOBODY}\n{daemon}"));
        let mut command = std::process::Command::new("setpriv");
        command.arg(format!("--bounding-set=-{missing}")).arg(env!("CARGO_BIN_EXE_tidegate"));
        let (code, said) = Running::start(command.args(["-c", "tg.conf"]).current_dir(&server.directory)).end();
        let told = format!(
            "tidegate: a worker cannot become user {NOBODY} and group {NOBODY} ([Process] User, Group) (1: EPERM, "
        );
        assert!(code == Some(77) && said.lines().any(|line| line.starts_with(&told)), "{code:?} {said}");
        assert_eq!(server.pid_file(), None);
    }
}

#[test]
fn a_reload_makes_the_new_workers_someone_else() {
    if !is_root() {
        return;
    }
    let mut server = serving(&format!("User = {NOBODY}\nGroup = {NOBODY}"));
    let old = server.workers(1);
    assert_lowered(old[0], NOBODY, NOBODY);
    server.write_conf(&conf("User = 3999999997\nGroup = 3999999996", server.port));
    send(server.pid(), Signal::HUP);
    wait_until("the old worker to go", || is_gone(old[0]));
    let new = server.workers(1)[0];
    assert_lowered(new, 3_999_999_997, 3_999_999_996);
    assert!(echoes_here(server.port));
    stop(&mut server);
}

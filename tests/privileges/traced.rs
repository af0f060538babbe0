//! What the kernel was asked, and what becomes of a worker to whom it says no.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::server::{Server, children, is_gone, send, title, wait_until};
use crate::{NOBODY, Running, conf, echoes_here, has, is_root, log_of, serving, status};

/// Calls in the order in which a worker makes them before it serves.
const STEPS: [&str; 10] = [
    "prctl(PR_CAPBSET_DROP",
    "setgroups(0, ",
    "setresgid(65534, 65534, 65534) = 0",
    "setresuid(65534, 65534, 65534) = 0",
    "setuid(0) = -1 EPERM",
    "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL",
    "capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {effective=0, permitted=0, inheritable=0}) = 0",
    "prctl(PR_SET_NO_NEW_PRIVS, 1",
    "prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE) = 0",
    "prctl(PR_SET_PDEATHSIG, SIGTERM) = 0",
];

#[test]
fn a_worker_gives_up_every_privilege_before_it_accepts() {
    if !is_root() || !has("strace") {
        return;
    }
    let server = Server::with("");
    server.write_conf(&conf(&format!("User = {NOBODY}\nGroup = {NOBODY}"), server.port));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-a0", "-o", "trace", env!("CARGO_BIN_EXE_tidegate"), "-c", "tg.conf"]);
    let running = Running::start(strace.current_dir(&server.directory));
    wait_until("the start and an echo", || server.pid_file().is_some() && echoes_here(server.port));
    let master = server.pid_file().unwrap();
    let worker = children(master)[0];
    send(master, Signal::TERM);
    assert_eq!(running.end().0, Some(0));
    let trace = fs::read_to_string(server.directory.join("trace")).unwrap();
    let asked: Vec<&str> = trace.lines().filter_map(|line| line.strip_prefix(&format!("{worker} "))).collect();
    let find = |step: &str| asked.iter().position(|call| call.trim_start().starts_with(step));
    let mut places: Vec<usize> =
        STEPS.iter().map(|step| find(step).unwrap_or_else(|| panic!("{step}: {trace}"))).collect();
    places.push(find("accept4(").expect("it served"));
    assert!(places.is_sorted(), "{places:?} {trace}");
    let again =
        |step: &&str| asked.iter().rposition(|call| call.trim_start().starts_with(step)) > places.last().copied();
    assert!(!["set", "cap"].iter().any(again), "nothing is regained afterwards: {trace}");
}

#[test]
fn a_worker_that_cannot_give_up_its_privileges_does_not_serve_and_a_reload_to_it_is_refused() {
    if !is_root() || !has("strace") {
        return;
    }
    let process = format!("RespawnLimit = 2\nUser = {NOBODY}\nGroup = {NOBODY}");
    let mut server = serving(&process);
    let worker = server.workers(1)[0];
    // From here on the kernel refuses the change.
    let pid = server.pid().to_string();
    let inject = ["-f", "-p", &pid, "-e", "trace=setresuid", "-e", "inject=setresuid:error=EAGAIN"];
    let strace = Running::start(Command::new("strace").args(inject));
    wait_until("the tracer", || status(server.pid(), "TracerPid") == strace.pid().to_string());
    send(server.pid(), Signal::HUP);
    let told = format!("a worker cannot become user {NOBODY} and group {NOBODY} ([Process] User, Group)");
    wait_until("the refusal", || log_of(&server).contains(&format!("{told} (11: EAGAIN, ")));
    wait_until("the mark", || title(server.pid()).ends_with("(last reload failed)"));
    assert_eq!(server.workers(1), [worker], "nothing has changed");
    assert!(echoes_here(server.port));
    send(worker, Signal::KILL);
    wait_until("the death", || is_gone(worker));
    let (code, _) = server.end();
    assert_eq!(code, Some(70), "the second death is the last");
    let said = log_of(&server);
    assert!(said.contains(&format!("#worker: {told}: setresuid failed (11: EAGAIN, ")), "{said}");
    assert!(said.contains("exited with code 77"), "{said}");
}

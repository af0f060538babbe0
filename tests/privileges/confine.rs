//! `[Process] Confine`: what serving needs goes on, anything else ends the worker, and a kernel without it is told.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::server::{Server, exists, is_gone, send, wait_until};
use crate::{Running, conf, echoes_here, has, log_of, serving, status, stop};

/// Where filters are known at all (`os/confine.rs`).
const KNOWN: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"));

#[test]
fn a_confined_worker_serves_reopens_its_log_drains_and_ends() {
    if !KNOWN {
        return;
    }
    let mut server = serving("Confine = on");
    let worker = server.workers(1)[0];
    wait_until("the filter", || status(worker, "Seccomp") == "2");
    assert_eq!(status(server.pid(), "Seccomp"), "0", "the master is not confined");
    assert!(echoes_here(server.port));
    let log = server.directory.join("tg.log");
    fs::rename(&log, server.directory.join("old.log")).unwrap();
    send(server.pid(), Signal::USR1);
    wait_until("the new log", || exists(&log));
    // A stop and its end interrupt the wait for events.
    send(worker, Signal::STOP);
    send(worker, Signal::CONT);
    assert!(echoes_here(server.port));
    send(server.pid(), Signal::HUP);
    wait_until("the old worker to drain", || is_gone(worker));
    let worker = server.workers(1)[0];
    stop(&mut server);
    let said = log_of(&server);
    assert!(said.contains(&format!("{worker}#worker: served ")), "{said}");
    assert!(!said.contains("killed by signal"), "{said}");
}

#[test]
fn a_worker_that_the_kernel_ended_for_a_forbidden_call_is_told_with_the_key() {
    let mut server = serving("");
    let worker = server.workers(1)[0];
    send(worker, Signal::SYS);
    let told = format!(
        "process {worker}, killed by signal {}: it asked for what [Process] Confine does not allow",
        Signal::SYS.as_raw()
    );
    wait_until("the sentence", || log_of(&server).contains(&told));
    server.workers(1);
    stop(&mut server);
}

#[test]
fn confinement_is_refused_where_it_cannot_be_had_for_certain() {
    let server = Server::with("");
    let check = |process: &str| {
        server.write_conf(&conf(process, server.port));
        let output = server.run(&["-c", "tg.conf", "-t", "-q"]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check("Confine = on").0, Some(if KNOWN { 0 } else { 78 }));
    if KNOWN {
        let (code, said) = check("Confine = on\nWorkers = 0");
        let first = "tg.conf:3:11: Confine must be off beside Workers = 0, whose one process does more than serve, \
                     not \"on\"\n";
        assert!(code == Some(78) && said.starts_with(first), "{said}");
    }
}

#[test]
fn a_kernel_without_filters_is_told_and_the_worker_serves_all_the_same() {
    if !KNOWN || !has("strace") {
        return;
    }
    let server = Server::with("");
    server.write_conf(&conf("Confine = on", server.port));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", "trace=seccomp", "-e", "inject=seccomp:error=ENOSYS"]);
    strace.args([env!("CARGO_BIN_EXE_tidegate"), "-c", "tg.conf"]).current_dir(&server.directory);
    let running = Running::start(&mut strace);
    wait_until("the start and an echo", || server.pid_file().is_some() && echoes_here(server.port));
    wait_until("the sentence", || {
        log_of(&server).contains("#worker: this kernel does not confine the worker; it serves all the same ([Process] Confine) (38: ENOSYS, ")
    });
    send(server.pid_file().unwrap(), Signal::TERM);
    assert_eq!(running.end().0, Some(0));
}

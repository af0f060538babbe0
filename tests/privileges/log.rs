//! The log of workers who may not open what root may: theirs from its making, and nothing else becomes theirs.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::process::Signal;

use crate::server::{Server, exists, send, wait_until};
use crate::{NOBODY, is_root, serving, stop};

fn owner(path: &Path) -> (u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.gid())
}

fn holds(pid: i32, path: &Path) -> bool {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    links.filter_map(|link| fs::read_link(link.ok()?.path()).ok()).any(|link| link == path)
}

/// A server of one worker, its log and that log's name once renamed.
fn with_user() -> (Server, i32, std::path::PathBuf, std::path::PathBuf) {
    let mut server = serving(&format!("User = {NOBODY}\nGroup = {NOBODY}"));
    let worker = server.workers(1)[0];
    let (log, old) = (server.directory.join("tg.log"), server.directory.join("old.log"));
    fs::rename(&log, &old).unwrap();
    (server, worker, log, old)
}

#[test]
fn a_renamed_log_is_made_anew_for_the_workers_who_open_it_themselves() {
    if !is_root() {
        return;
    }
    let (mut server, worker, log, old) = with_user();
    assert_eq!(owner(&old), (NOBODY, NOBODY), "theirs from the start");
    send(server.pid(), Signal::USR1);
    wait_until("the new log", || exists(&log) && holds(server.pid(), &log) && holds(worker, &log));
    assert_eq!(owner(&log), (NOBODY, NOBODY));
    stop(&mut server);
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains(&format!("{worker}#worker: served 0 connections")), "{said}");
    assert!(!said.contains("cannot reopen"), "{said}");
}

#[test]
fn a_worker_cannot_open_the_private_file_of_root_that_its_master_can() {
    if !is_root() {
        return;
    }
    let (mut server, worker, log, old) = with_user();
    fs::write(&log, "private\n").unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).unwrap();
    send(server.pid(), Signal::USR1);
    let told = format!("{worker}#worker: cannot reopen the log; the old file is still written (13: EACCES, ");
    wait_until("the worker's sentence in the old log", || fs::read_to_string(&old).unwrap().contains(&told));
    assert!(holds(server.pid(), &log) && !holds(worker, &log) && holds(worker, &old));
    assert_eq!(owner(&log), (0, 0), "a file that was there is not given away");
    stop(&mut server);
    assert!(fs::read_to_string(&log).unwrap().starts_with("private\n"), "and kept");
}

#[test]
fn a_link_or_a_pipe_in_the_logs_place_leads_root_nowhere() {
    if !is_root() {
        return;
    }
    let (mut server, worker, log, old) = with_user();
    let target = server.directory.join("precious");
    fs::write(&target, "precious").unwrap();
    for (name, plant) in [("ELOOP", true), ("ENXIO", false)] {
        match plant {
            true => std::os::unix::fs::symlink(&target, &log).unwrap(),
            false => {
                rustix::fs::mkfifoat(rustix::fs::CWD, &log, 0o666.into()).unwrap();
                fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
            }
        }
        send(server.pid(), Signal::USR1);
        let both = |said: &str| {
            [server.pid(), worker].iter().all(|pid| {
                said.lines().any(|line| line.contains(&format!("{pid}#")) && line.contains(&format!(": {name}, ")))
            })
        };
        wait_until("both sentences", || both(&fs::read_to_string(&old).unwrap()));
        fs::remove_file(&log).unwrap();
    }
    assert_eq!((fs::read(&target).unwrap(), owner(&target)), (b"precious".to_vec(), (0, 0)));
    stop(&mut server);
}

//! `MaxSize`, `MaxDaily` and repeats: what a file takes, and what becomes of lines it does not.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::process::Signal;

use super::server::{send, wait_until};
use super::{Logged, refused};

const SIZE: u64 = 64 * 1024;

/// Adds lines of no one to a log until it is so long.
fn fill(path: &Path, bytes: u64) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    let have = file.metadata().unwrap().len();
    let line = [b"an old line".as_slice(), b"\n"].concat();
    let text: Vec<u8> = line.iter().copied().cycle().take((bytes - have) as usize - 1).collect();
    file.write_all(&text).unwrap();
    file.write_all(b"\n").unwrap();
}

/// Ends the keeper of names, also when the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Keeps a name for every file that the log ever was, and sees that none is too long. Counts its rounds.
fn keep_all(directory: &Path, ended: &AtomicBool, rounds: &AtomicU32) -> Vec<PathBuf> {
    let mut kept = BTreeMap::new();
    loop {
        let last = ended.load(Ordering::Relaxed);
        for name in ["tg.log.1", "tg.log"] {
            let Ok(found) = fs::metadata(directory.join(name)) else { continue };
            assert!(found.len() <= SIZE, "{name} has {} bytes", found.len());
            // The name may be another file's by now.
            let new = directory.join("kept");
            if !kept.contains_key(&found.ino()) && fs::hard_link(directory.join(name), &new).is_ok() {
                let inode = fs::metadata(&new).unwrap().ino();
                let known = directory.join(format!("kept.{inode}"));
                fs::rename(&new, &known).unwrap();
                let _ = fs::remove_file(&new);
                kept.insert(inode, known);
            }
        }
        rounds.fetch_add(1, Ordering::Relaxed);
        if last {
            return kept.into_values().collect();
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn a_log_turned_over_and_reopened_under_load_never_outgrows_its_size_and_loses_no_line() {
    let mut logged = Logged::with("Workers = 2", "File = tg.log\nMaxSize = 64K\nMaxDaily = 0").start();
    logged.server.workers(2);
    let directory = logged.server.directory.clone();
    let (ended, kept_rounds) = (AtomicBool::new(false), AtomicU32::new(0));
    let rounds = 40;
    let problems = 50;
    let mut clients = 0;
    let kept = std::thread::scope(|scope| {
        let end = End(&ended);
        let keeper = scope.spawn(|| keep_all(&directory, &ended, &kept_rounds));
        for round in 0..rounds {
            // Every problem of a bad file is a line of the master, beside those of the workers.
            let bad: String = (0..problems).map(|problem| format!("Wrong{round}x{problem} = 1\n")).collect();
            logged.server.write_conf(&format!("[Socket]\n{bad}"));
            send(logged.server.pid(), Signal::HUP);
            for _ in 0..3 {
                logged.refuse(clients);
                clients += 1;
            }
            let told = format!("Wrong{round}x{} = 1", problems - 1);
            let has = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default().contains(&told);
            wait_until("the problems", || has("tg.log") || has("tg.log.1"));
            // A round does not fill two files: whoever looks once in each has seen all.
            let seen = kept_rounds.load(Ordering::Relaxed) + 2;
            wait_until("the keeper of names", || kept_rounds.load(Ordering::Relaxed) >= seen);
            if round % 10 == 9 {
                // A hand renames too, in between.
                fs::rename(directory.join("tg.log"), directory.join("by-hand")).unwrap();
                send(logged.server.pid(), Signal::USR1);
                wait_until("the new log", || directory.join("tg.log").exists());
            }
        }
        send(logged.server.pid(), Signal::QUIT);
        assert_eq!(logged.server.end(), (Some(0), String::new()));
        drop(end);
        keeper.join().unwrap()
    });
    assert!(kept.len() > 6, "{kept:?}");
    let all: String = kept.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for round in 0..rounds {
        for problem in 0..problems {
            let name = format!("Wrong{round}x{problem} = 1\n");
            assert_eq!(all.matches(&name).count(), 1, "{name}");
        }
    }
    let written = (0..clients).map(|client| all.matches(&refused(client)).count() as u64);
    let left_out =
        all.lines().filter_map(|line| line.split_once("... ")?.1.split_once(" similar lines left out: list"));
    let left_out: u64 = left_out.map(|(count, _)| count.parse::<u64>().unwrap()).sum();
    // The word about lines left out ends with one of them.
    let words = all.matches("similar lines left out: listener 1").count() as u64;
    assert_eq!(written.sum::<u64>() - words + left_out, u64::from(clients));
    assert!(!all.contains("could not be written"), "{all}");
}

#[test]
fn a_server_of_one_process_turns_its_log_over_by_itself() {
    let logged = Logged::with("Workers = 0", "File = tg.log\nMaxSize = 64K");
    fill(&logged.path("tg.log"), 46 * 1024);
    fs::write(logged.path("tg.log.1"), "older\n").unwrap();
    let mut logged = logged.start();
    for client in 0..5 {
        logged.refuse(client);
        fill(&logged.path("tg.log"), fs::metadata(logged.path("tg.log")).unwrap().len() + 512);
    }
    wait_until("the new log", || logged.log().contains("listener 1: 127.1.0.4:"));
    let before = fs::read_to_string(logged.path("tg.log.1")).unwrap();
    assert!(before.starts_with("an old line\n") && before.contains("started with"), "the older one is gone");
    assert!(logged.serves());
    send(logged.server.pid(), Signal::TERM);
    assert_eq!(logged.server.end(), (Some(0), String::new()));
    let all = before + &logged.log();
    assert!((0..5).all(|client| all.matches(&refused(client)).count() == 1), "{all}");
}

#[test]
fn the_next_log_belongs_to_whom_the_full_one_belonged() {
    use std::os::unix::fs::PermissionsExt as _;
    let logged = Logged::with("Workers = 1", "File = tg.log\nMaxSize = 64K");
    fill(&logged.path("tg.log"), SIZE - 512);
    fs::set_permissions(logged.path("tg.log"), fs::Permissions::from_mode(0o604)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(logged.path("tg.log"), Some(12_345), Some(54_321)).unwrap();
    }
    let full = fs::metadata(logged.path("tg.log")).unwrap();
    let mut logged = logged.start();
    logged.server.workers(1);
    wait_until("the new log", || logged.log().contains("started with"));
    let new = fs::metadata(logged.path("tg.log")).unwrap();
    assert_ne!(new.ino(), full.ino());
    assert_eq!((new.uid(), new.gid(), new.mode()), (full.uid(), full.gid(), full.mode()));
}

#[test]
fn a_link_stays_a_link_and_its_file_is_what_is_turned_over() {
    let logged = Logged::with("Workers = 1", "File = tg.log\nMaxSize = 64K");
    fs::create_dir(logged.path("disk")).unwrap();
    fill(&logged.path("disk/real.log"), SIZE - 512);
    std::os::unix::fs::symlink("disk/real.log", logged.path("tg.log")).unwrap();
    let logged = logged.start();
    wait_until("the new log", || logged.log().contains("started with"));
    assert!(fs::symlink_metadata(logged.path("tg.log")).unwrap().is_symlink());
    assert!(fs::read_to_string(logged.path("disk/real.log.1")).unwrap().starts_with("an old line\n"));
    assert!(!logged.path("tg.log.1").exists());
}

#[test]
fn a_log_that_cannot_be_renamed_is_emptied_and_says_so() {
    let logged = Logged::with("Workers = 1", "File = tg.log\nMaxSize = 64K");
    // Nothing can take the name of a directory.
    fs::create_dir_all(logged.path("tg.log.1/full")).unwrap();
    fill(&logged.path("tg.log"), SIZE - 512);
    let logged = logged.start();
    wait_until("the sentence", || logged.log().contains("started with"));
    let said = logged.log();
    assert!(!said.contains("an old line"), "{said}");
    assert!(said.contains("emptied at [Log] MaxSize, for it cannot be renamed (21: EISDIR, "), "{said}");
    logged.refuse(7);
    wait_until("the next line", || logged.log().contains(&refused(7)));
    assert!(logged.serves());
}

#[test]
fn while_nobody_turns_it_over_lines_stop_at_the_size_and_are_counted() {
    let mut logged = Logged::with("Workers = 1", "File = tg.log\nMaxSize = 64K").start();
    logged.server.workers(1);
    send(logged.server.pid(), Signal::STOP);
    fill(&logged.path("tg.log"), SIZE - 3_584);
    let mut clients = 0;
    let mut refuse_for = |seconds: u64| {
        for _ in 0..4 * seconds {
            logged.refuse(clients);
            clients += 1;
            std::thread::sleep(std::time::Duration::from_millis(250));
        }
    };
    // Some five lines fit.
    refuse_for(4);
    let full = fs::metadata(logged.path("tg.log")).unwrap().len();
    assert!((SIZE - 3_584 + 80..=SIZE).contains(&full), "{full}");
    assert!(!logged.path("tg.log.1").exists());
    send(logged.server.pid(), Signal::CONT);
    wait_until("the rotation", || logged.path("tg.log.1").exists());
    refuse_for(1);
    let mut logged = logged;
    send(logged.server.pid(), Signal::QUIT);
    assert_eq!(logged.server.end(), (Some(0), String::new()));
    let said = logged.log();
    let all = fs::read_to_string(logged.path("tg.log.1")).unwrap() + &said;
    let told = said.lines().find_map(|line| line.split_once("... ")?.1.split_once(" lines could not be written (the"));
    let (lost, why) = told.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(why, " file was at [Log] MaxSize)");
    let written = (0..clients).filter(|client| all.contains(&refused(*client))).count();
    assert_eq!(written + lost.parse::<usize>().unwrap(), usize::from(clients), "{said}");
}

#[test]
fn a_days_share_is_kept_by_all_processes_together_and_trouble_is_still_told() {
    let mut logged = Logged::with("Workers = 2", "File = tg.log\nMaxSize = 0\nMaxDaily = 64K").start();
    logged.server.workers(2);
    // Ten bad files are some 80 KB of errors; half of a day's share can be written at once.
    for round in 0..10 {
        let bad: String = (0..50).map(|problem| format!("Wrong{round}x{problem} = 1\n")).collect();
        logged.server.write_conf(&format!("[Socket]\n{bad}"));
        send(logged.server.pid(), Signal::HUP);
        wait_until("the reload", || {
            let lost = logged.log().len() > 30_000;
            lost || logged.log().contains(&format!("Wrong{round}x49 = 1"))
        });
    }
    logged.refuse(1);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let bytes = logged.log().len();
    assert!((30_000..=32_768).contains(&bytes), "{bytes}");
    assert!(!logged.log().contains(&refused(1)), "the workers have no more than the master left");
    assert!(logged.serves());
    // A byte and a half comes back in a second: the word about what was lost is as long in coming.
    send(logged.server.pid(), Signal::QUIT);
    assert_eq!(logged.server.end(), (Some(0), String::new()));
}

#[test]
fn a_line_in_the_same_words_is_counted_and_told_in_one() {
    let logged = Logged::with("", "");
    // Who comes through a path has no address of its own to be told apart by.
    logged.server.write_conf(
        "[Process]\nPidFile = tg.pid\nWorkers = 1\n[Log]\nFile = tg.log\n\
         [Socket]\nListenAddress = unix:tg.sock\nDeny = unix:\n",
    );
    let mut logged = logged.start();
    let worker = logged.server.workers(1)[0];
    let socket = logged.path("tg.sock");
    let refused = || {
        let mut client = UnixStream::connect(&socket).unwrap();
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    };
    (0..30).for_each(|_| refused());
    // Told at the latest after half a minute, though nothing else is said.
    let told = format!("[warn] {worker}#worker: ... repeated 29 times: listener 0: unix refused");
    wait_until("the count", || logged.log().contains(&told));
    refused();
    send(logged.server.pid(), Signal::QUIT);
    assert_eq!(logged.server.end(), (Some(0), String::new()));
    let said = logged.log();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("unix refused")).collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].contains(&format!("[warn] {worker}#worker: listener 0: unix refused")), "{said}");
    assert!(lines[1].contains(&told) && lines[2].contains("#worker: ... repeated 1 times: listener 0: "), "{said}");
}

#[test]
fn a_reload_changes_the_size_and_the_place() {
    let mut logged = Logged::with("Workers = 1", "File = tg.log").start();
    logged.server.workers(1);
    fill(&logged.path("tg.log"), 100 * 1024);
    logged.write_conf("Workers = 1", "File = tg.log\nMaxSize = 64K");
    send(logged.server.pid(), Signal::HUP);
    wait_until("the rotation", || logged.path("tg.log.1").exists() && logged.log().contains("reloaded"));
    logged.write_conf("Workers = 1", "File = other.log");
    send(logged.server.pid(), Signal::HUP);
    let other = || fs::read_to_string(logged.path("other.log")).unwrap_or_default();
    wait_until("the other log", || other().contains("reloaded"));
    // What the command line says holds whatever the file says.
    let output = logged.server.run(&["-c", "tg.conf", "-t", "-e", "typed.log", "-g", "Log.MaxSize=2M"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let told = "log: FILE and FILE.1 take at most 4096K ([Log] MaxSize), and 4096K are written a day (MaxDaily)\n";
    assert!(said.contains(told), "{said}");
}

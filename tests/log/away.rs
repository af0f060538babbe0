//! A log that is not there, or not to be written: the server serves, and the log is whole again when it can be.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::server::{send, wait_until};
use super::{Logged, refused};

#[test]
fn a_directory_that_is_missing_at_the_start_is_found_when_it_comes() {
    for process in ["Workers = 1", "Workers = 0"] {
        let mut logged = Logged::with(process, "File = no/such/tg.log").start();
        assert!(logged.serves());
        logged.refuse(1);
        fs::create_dir_all(logged.path("no/such")).unwrap();
        let log = || fs::read_to_string(logged.path("no/such/tg.log")).unwrap_or_default();
        let lost = " lines could not be written (2: ENOENT, No such file or directory)";
        // The master has nothing to say but this, and says it by itself.
        let tellers = if process.ends_with('1') { 2 } else { 1 };
        wait_until("the word about lost lines", || log().matches(lost).count() == tellers);
        logged.refuse(2);
        wait_until("the next line", || log().contains(&refused(2)));
        send(logged.server.pid(), Signal::TERM);
        let (code, said) = logged.server.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("cannot open the log ") && said.contains("it is tried again"), "{said}");
        assert!(said.contains("started with") && said.contains(&refused(1)) && !said.contains(&refused(2)), "{said}");
    }
}

#[test]
fn a_reload_for_another_reason_is_taken_while_the_log_is_away() {
    let mut logged = Logged::with("Workers = 1", "File = no/such/tg.log").start();
    let old = logged.server.workers(1);
    send(logged.server.pid(), Signal::HUP);
    wait_until("the new worker", || {
        let new = super::server::children(logged.server.pid());
        new.len() == 1 && new != old
    });
    fs::create_dir_all(logged.path("no/such")).unwrap();
    send(logged.server.pid(), Signal::USR1);
    let log = || fs::read_to_string(logged.path("no/such/tg.log")).unwrap_or_default();
    wait_until("the word about lost lines", || log().contains("#master: ... "));
    assert!(logged.serves());
}

#[test]
fn a_log_that_is_a_directory_or_a_device_without_room_stops_no_one() {
    for log in ["File = .", "File = /dev/full", "File = tg.pid/x"] {
        let mut logged = Logged::with("Workers = 1", log).start();
        logged.server.workers(1);
        logged.refuse(1);
        assert!(logged.serves(), "{log}");
        send(logged.server.pid(), Signal::TERM);
        assert_eq!(logged.server.end().0, Some(0), "{log}");
    }
}

#[test]
fn a_pipe_without_a_reader_stops_no_one_and_is_written_when_one_comes() {
    let logged = Logged::with("Workers = 1", "File = tg.log");
    rustix::fs::mkfifoat(rustix::fs::CWD, logged.path("tg.log"), rustix::fs::Mode::RWXU).unwrap();
    let mut logged = logged.start();
    assert!(logged.serves());
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut reader = fs::File::options().read(true).custom_flags(nonblock).open(logged.path("tg.log")).unwrap();
    let mut said = String::new();
    wait_until("lines", || {
        let mut bytes = [0; 4_096];
        if let Ok(count) = reader.read(&mut bytes) {
            said.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        said.contains(" lines could not be written (6: ")
    });
    send(logged.server.pid(), Signal::TERM);
    assert_eq!(logged.server.end().0, Some(0));
}

#[test]
fn a_disk_that_fills_up_costs_lines_that_are_counted_and_told_when_there_is_room() {
    let mut logged = Logged::with("Workers = 1", "File = tg.log").start();
    let worker = logged.server.workers(1)[0];
    logged.refuse(1);
    wait_until("the first line", || logged.log().contains(&refused(1)));
    // The kernel cuts this worker's next line in the middle and refuses the rest, as a full disk does.
    let room = logged.log().len() as u64 + 30;
    let pid = Pid::from_raw(worker);
    let before = prlimit(pid, Resource::Fsize, Rlimit { current: Some(room), maximum: None }).unwrap();
    for client in 2..5 {
        logged.refuse(client);
    }
    wait_until("the torn line", || logged.log().len() as u64 == room);
    assert!(logged.serves());
    prlimit(pid, Resource::Fsize, before).unwrap();
    logged.refuse(5);
    wait_until("the line after", || logged.log().contains(&refused(5)));
    let said = logged.log();
    let lines: Vec<&str> = said.lines().collect();
    let [.., torn, told, last] = lines[..] else { panic!("{said}") };
    assert_eq!(torn.len(), 30, "{said}");
    assert!(told.contains("#worker: ... 3 lines could not be written (27: EFBIG"), "{said}");
    assert!(last.contains(&refused(5)), "{said}");
    send(logged.server.pid(), Signal::TERM);
    assert_eq!(logged.server.end(), (Some(0), String::new()));
}

/// Starts the server where `logs` is a small file system of its own, full or read-only; the log as it is seen there.
struct Mounted {
    child: std::process::Child,
    logged: Logged,
}

impl Mounted {
    fn start(options: &str) -> Option<Self> {
        let logged = Logged::with("Workers = 1", "File = logs/tg.log");
        fs::create_dir(logged.path("logs")).unwrap();
        let program = env!("CARGO_BIN_EXE_tidegate");
        let script = format!("mount -t tmpfs -o {options} tmpfs logs && exec {program} -c tg.conf 2>said");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .current_dir(&logged.server.directory);
        let Ok(mut child) = command.spawn() else {
            println!("skipped: no unshare here");
            return None;
        };
        let mut left = false;
        wait_until("the start", || {
            left = child.try_wait().unwrap().is_some();
            left || logged.server.pid_file() == Some(child.id() as i32)
        });
        if left {
            println!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self { child, logged })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        let directory = self.logged.server.directory.strip_prefix("/").unwrap();
        std::path::Path::new("/proc").join(self.child.id().to_string()).join("root").join(directory).join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("logs/tg.log")).unwrap_or_default()
    }

    fn remount(&self, options: &str) {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.child.id().to_string(), "mount", "-o", options]);
        assert!(command.arg(self.logged.path("logs")).status().unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        send(self.child.id() as i32, Signal::TERM);
        let _ = self.child.wait();
    }
}

#[test]
fn a_full_file_system_costs_lines_until_something_is_removed() {
    let Some(mounted) = Mounted::start("size=64k") else { return };
    wait_until("the first line", || mounted.log().contains("started with"));
    // What is left of the log's own page is room, and no more.
    let mut filler = fs::File::create(mounted.path("logs/filler")).unwrap();
    while std::io::Write::write(&mut filler, &[0; 4_096]).is_ok_and(|count| count > 0) {}
    let mut client = 0;
    let mut refuse = || {
        mounted.logged.refuse(client);
        client += 1;
        std::thread::sleep(std::time::Duration::from_millis(210));
    };
    while mounted.log().len() < 4_096 {
        refuse();
    }
    refuse();
    assert!(mounted.logged.serves());
    assert_eq!(mounted.log().len(), 4_096);
    fs::remove_file(mounted.path("logs/filler")).unwrap();
    drop(filler);
    refuse();
    wait_until("the word about lost lines", || mounted.log().contains(" lines could not be written (28: ENOSPC"));
}

#[test]
fn a_read_only_file_system_is_served_from_and_the_log_begins_once_it_can_be_written() {
    let Some(mounted) = Mounted::start("size=64k,ro") else { return };
    mounted.logged.refuse(1);
    assert!(mounted.logged.serves());
    assert_eq!(mounted.log(), "");
    mounted.remount("remount,rw");
    wait_until("the word about lost lines", || mounted.log().contains(" lines could not be written (30: EROFS"));
    // And it may become read-only again while it is open.
    mounted.logged.refuse(2);
    wait_until("a line", || mounted.log().contains(&refused(2)));
    let said = fs::read_to_string(mounted.logged.path("said")).unwrap();
    assert!(said.contains("cannot open the log ") && said.contains(&refused(1)), "{said}");
}

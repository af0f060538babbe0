//! Change without loss: reloads and reopened logs under load, bad files, listeners that come, stay and go.

mod clients;
#[allow(dead_code)]
#[path = "../process/server.rs"]
mod server;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use clients::{Clients, echoes, slow_reader};
use rustix::process::Signal;
use server::{Server, children, exists, free_port, is_gone, send, title, wait_until};

/// Ten lines of configuration, the log in a file of the directory.
fn conf(process: &str, sockets: &[String]) -> String {
    let mut text = format!("[Process]\nPidFile = tg.pid\n{process}\n[Log]\nFile = tg.log\nLevel = info\n");
    for (number, socket) in sockets.iter().enumerate() {
        text.push_str(&format!("[Socket s{number}]\n{socket}\n"));
    }
    text
}

fn on_port(port: u16) -> String {
    format!("ListenAddress = 127.0.0.1\nListenPort = {port}")
}

fn serving(process: &str, sockets: &[String]) -> Server {
    let server = Server::with("");
    server.write_conf(&conf(process, sockets));
    server.start()
}

fn log(server: &Server) -> String {
    fs::read_to_string(server.directory.join("tg.log")).unwrap_or_default()
}

/// The title's notes: what stands behind the configuration's name.
fn notes(server: &Server) -> String {
    let title = title(server.pid());
    title.split_once("tg.conf").map(|(_, notes)| notes.to_string()).unwrap_or(title)
}

/// HUP, and the workers once they are all new and the old are gone.
fn reload(server: &mut Server, count: usize) -> Vec<i32> {
    let old = children(server.pid());
    send(server.pid(), Signal::HUP);
    wait_until("the old workers to go", || old.iter().all(|worker| is_gone(*worker)));
    server.workers(count)
}

fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Kilobytes of a process's own memory.
fn anonymous_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn thirty_reloads_and_reopened_logs_under_load_refuse_and_break_nothing() {
    let port = free_port();
    let mut server = serving("Workers = 2", &[on_port(port)]);
    // The start is over for certain once a reload has been carried out.
    server.workers(2);
    reload(&mut server, 2);
    let before = descriptors(server.pid());
    let clients = Clients::start(port);
    for round in 0..30 {
        if round % 6 == 0 {
            fs::rename(server.directory.join("tg.log"), server.directory.join(format!("old.{round}"))).unwrap();
            send(server.pid(), Signal::USR1);
            wait_until("the new log", || exists(&server.directory.join("tg.log")));
        }
        reload(&mut server, 2);
    }
    let told = clients.end();
    assert_eq!((told.refused, told.wrong, told.lost), (0, 0, 0), "{told:?}");
    assert!(told.echoes > 1_000, "{told:?}");
    assert_eq!(server.workers(2).len(), 2, "no process is left behind");
    assert_eq!(descriptors(server.pid()), before);
    send(server.pid(), Signal::QUIT);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn killed_workers_between_reloads_cost_only_the_connections_they_held() {
    let port = free_port();
    let mut server = serving("Workers = 2\nRespawnLimit = 0", &[on_port(port)]);
    let mut workers = server.workers(2);
    let clients = Clients::start(port);
    let kills = 6;
    for _ in 0..kills {
        send(workers[0], Signal::KILL);
        wait_until("the death", || is_gone(workers[0]));
        workers = reload(&mut server, 2);
    }
    let told = clients.end();
    assert_eq!((told.refused, told.wrong), (0, 0), "{told:?}");
    assert!(told.lost <= kills * Clients::COUNT, "{told:?}");
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn a_bad_file_keeps_the_old_configuration_and_tells_every_problem_until_a_good_one_comes() {
    let port = free_port();
    let mut server = serving("Workers = 1", &[on_port(port)]);
    let worker = server.workers(1);
    let good = fs::read_to_string(server.directory.join("tg.conf")).unwrap();
    let wrong: String = (0..20).map(|number| format!("Wrong{number} = 1\n")).collect();
    server.write_conf(&format!("{good}{wrong}"));
    send(server.pid(), Signal::HUP);
    wait_until("the mark", || notes(&server) == " (last reload failed)");
    let said = log(&server);
    for number in 0..20 {
        assert!(said.contains(&format!("unknown key \"Wrong{number}\" in [Socket]")), "{said}");
    }
    assert!(said.contains("reload failed; the old configuration stays in force"), "{said}");
    assert_eq!(server.workers(1), worker, "the worker stays too");
    assert!(echoes(port));
    // A listener that cannot be opened, and a log that cannot: nothing changes either.
    let holder = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).unwrap();
    let taken = holder.local_addr().unwrap().port();
    let fresh = free_port();
    server.write_conf(&conf("Workers = 1", &[on_port(fresh), on_port(taken)]));
    send(server.pid(), Signal::HUP);
    wait_until("the sentence", || log(&server).contains(&format!("127.0.0.1:{taken} is taken")));
    assert!(!echoes(fresh), "all or nothing");
    server.write_conf(&good.replace("tg.log", "no/such/log"));
    send(server.pid(), Signal::HUP);
    wait_until("the sentence", || log(&server).contains("cannot open the log"));
    assert_eq!((server.workers(1), notes(&server).as_str()), (worker, " (last reload failed)"));
    assert!(echoes(port));
    server.write_conf(&good);
    reload(&mut server, 1);
    wait_until("the mark to go", || notes(&server).is_empty());
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn a_reload_that_does_not_fit_beside_the_old_workers_is_refused_with_the_figure() {
    let port = free_port();
    let mut server = serving("Workers = 1", &[on_port(port)]);
    let worker = server.workers(1);
    let good = fs::read_to_string(server.directory.join("tg.conf")).unwrap();
    let priced = String::from_utf8(server.run(&["-c", "tg.conf", "-t", "--json"]).stdout).unwrap();
    let figure = |name: &str| -> u64 {
        let rest = priced.split(&format!("\"{name}\":")).nth(1).unwrap();
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let (alone, beside) = (figure("full_load_bytes"), figure("reload_bytes"));
    assert!(beside > alone + 4_096, "{priced}");
    server.write_conf(&format!("{good}[Memory]\nLimit = {}\n", (alone + beside) / 2));
    send(server.pid(), Signal::HUP);
    wait_until("the mark", || notes(&server) == " (last reload failed)");
    assert!(log(&server).contains("until the old workers have left, both need"), "{}", log(&server));
    assert_eq!(server.workers(1), worker);
    assert!(echoes(port));
    server.write_conf(&format!("{good}[Memory]\nLimit = {}\n", beside + 4_096));
    reload(&mut server, 1);
    wait_until("the mark to go", || notes(&server).is_empty());
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn the_control_side_reloads_a_good_file_and_refuses_to_signal_for_a_bad_one() {
    let port = free_port();
    let mut server = serving("Workers = 1", &[on_port(port)]);
    let first = server.workers(1);
    let good = fs::read_to_string(server.directory.join("tg.conf")).unwrap();
    server.write_conf(&format!("{good}Wrong = 1\nWorse = 2\n"));
    let output = server.run(&["-c", "tg.conf", "-s", "reload"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("\"Wrong\"") && said.contains("\"Worse\""), "{said}");
    server.write_conf(&good);
    assert_eq!(server.run(&["-c", "tg.conf", "-s", "reload"]).status.code(), Some(0));
    wait_until("the old worker to go", || is_gone(first[0]));
    server.workers(1);
    assert!(!log(&server).contains("reload failed"), "the bad file never reached the server");
}

#[test]
fn listeners_come_and_go_and_one_that_stays_is_never_closed() {
    let [kept, gone, new] = [(); 3].map(|()| free_port());
    let unix = "ListenAddress = unix:a.sock".to_string();
    let mut server = serving("Workers = 2", &[on_port(kept), on_port(gone), unix.clone()]);
    server.workers(2);
    let path = server.directory.join("a.sock");
    UnixStream::connect(&path).unwrap();
    let clients = Clients::start(kept);
    server.write_conf(&conf("Workers = 1", &[on_port(new), format!("{}\nBacklog = 7", on_port(kept))]));
    reload(&mut server, 1);
    assert!(echoes(new) && echoes(kept));
    assert!(!echoes(gone) && !exists(&path));
    let said = log(&server);
    assert!(said.contains("listeners: 1 kept, 1 opened, 2 closed"), "{said}");
    server.write_conf(&conf("Workers = 2", &[on_port(kept), on_port(gone), unix]));
    reload(&mut server, 2);
    assert!(echoes(gone) && echoes(kept) && !echoes(new));
    UnixStream::connect(&path).unwrap();
    let told = clients.end();
    assert_eq!((told.refused, told.wrong, told.lost), (0, 0, 0), "{told:?}");
    // The same port on other addresses cannot be opened beside the old one, and is told as what it is.
    server.write_conf(&conf("Workers = 2", &[format!("ListenPort = {kept}"), on_port(gone)]));
    send(server.pid(), Signal::HUP);
    wait_until("the sentence", || log(&server).contains(&format!("this server's own 127.0.0.1:{kept} ([Socket s0]")));
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end(), (Some(0), String::new()));
    assert!(!exists(&path));
}

#[test]
fn a_reload_changes_the_log_and_says_what_it_cannot_change() {
    let port = free_port();
    let mut server = serving("Workers = 1", &[on_port(port)]);
    server.workers(1);
    let text = conf("Workers = 0\nDaemon = on", &[on_port(port)]);
    server.write_conf(&text.replace("tg.log", "new.log").replace("PidFile = tg.pid", "PidFile = new.pid"));
    reload(&mut server, 1);
    let said = log(&server);
    for key in ["Daemon", "PidFile", "Workers = 0"] {
        assert!(said.contains(&format!("[Process] {key} changes only by a restart")), "{said}");
    }
    assert_eq!(server.pid_file(), Some(server.pid()));
    assert!(!exists(&server.directory.join("new.pid")));
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end(), (Some(0), String::new()));
    let newer = fs::read_to_string(server.directory.join("new.log")).unwrap();
    assert!(newer.contains("reloaded ") && newer.ends_with("stopped\n"), "{newer}");
}

#[test]
fn winch_drains_the_workers_and_hup_brings_them_back() {
    let port = free_port();
    let mut server = serving("Workers = 2", &[on_port(port)]);
    let workers = server.workers(2);
    send(server.pid(), Signal::WINCH);
    wait_until("the workers to go", || workers.iter().all(|worker| is_gone(*worker)));
    wait_until("the note", || notes(&server) == " (no workers until a HUP)");
    // Who comes in between waits and is served after all.
    let mut early = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    early.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    early.write_all(b"early").unwrap();
    assert_eq!(children(server.pid()), []);
    send(server.pid(), Signal::HUP);
    server.workers(2);
    let mut answer = [0; 5];
    early.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"early");
    wait_until("the note to go", || notes(&server).is_empty());
    send(server.pid(), Signal::WINCH);
    send(server.pid(), Signal::QUIT);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn old_workers_drain_side_by_side_and_are_counted_in_the_title() {
    let port = free_port();
    let mut server = serving("Workers = 1", &[on_port(port)]);
    server.workers(1);
    let (mut first, sent) = slow_reader(port);
    send(server.pid(), Signal::HUP);
    wait_until("one to drain", || notes(&server) == " (1 draining)");
    assert!(echoes(port));
    let (second, _) = slow_reader(port);
    send(server.pid(), Signal::HUP);
    wait_until("two to drain", || notes(&server) == " (2 draining)");
    assert_eq!(children(server.pid()).len(), 3);
    // The first gets every byte of what was accepted from it, then an orderly end.
    let mut answer = Vec::new();
    first.read_to_end(&mut answer).unwrap();
    assert!((65_536..=sent).contains(&answer.len()) && answer.iter().all(|byte| *byte == b'x'), "{}", answer.len());
    drop(first);
    wait_until("the first to leave", || notes(&server) == " (1 draining)");
    drop(second);
    wait_until("the second to leave", || notes(&server).is_empty());
    server.workers(1);
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn a_drain_lasts_no_longer_than_the_configuration_it_runs_under_allows() {
    let port = free_port();
    let mut server = serving("Workers = 1\nDrainTimeout = 1s", &[on_port(port)]);
    let old = server.workers(1);
    let (client, _) = slow_reader(port);
    server.write_conf(&conf("Workers = 1\nDrainTimeout = 1h", &[on_port(port)]));
    let start = Instant::now();
    send(server.pid(), Signal::HUP);
    wait_until("the old worker to go", || is_gone(old[0]));
    let took = start.elapsed();
    assert!((900..4_000).contains(&took.as_millis()), "{took:?}");
    drop(client);
    // One that does not even hear is killed, five seconds after its bound.
    server.write_conf(&conf("Workers = 1\nDrainTimeout = 1s", &[on_port(port)]));
    let deaf = reload(&mut server, 1);
    send(deaf[0], Signal::STOP);
    send(server.pid(), Signal::HUP);
    wait_until("the deaf worker to go", || is_gone(deaf[0]));
    server.workers(1);
    assert!(!log(&server).contains("giving up"));
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn a_thousand_reloads_leave_the_master_as_it_was() {
    let port = free_port();
    let mut server = serving("Workers = 1", &[on_port(port), "ListenAddress = unix:a.sock".into()]);
    let mut worker = server.workers(1);
    let pid = server.pid();
    let mut after_warm_up = (0, 0);
    for round in 0..1_000 {
        if round == 100 {
            after_warm_up = (anonymous_kib(pid), descriptors(pid));
        }
        let old = std::mem::take(&mut worker);
        send(pid, Signal::HUP);
        wait_until("another worker", || {
            let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            worker = match list {
                Ok(list) => list.split_whitespace().map(|pid| pid.parse().unwrap()).collect(),
                Err(_) => children(pid),
            };
            worker.len() == 1 && worker != old
        });
    }
    let (kib, files) = after_warm_up;
    server.workers(1);
    assert_eq!(descriptors(pid), files);
    assert!(anonymous_kib(pid) <= kib + 64, "{} KiB, {kib} after a hundred", anonymous_kib(pid));
    assert!(echoes(port));
}

//! slowhttptest against the server, while somebody else asks for a file again and again. It takes its time, so it runs
//! only where `TIDEGATE_ATTACK_S` says how many seconds each kind of attack may last.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::site::Web;

const SECONDS: &str = "TIDEGATE_ATTACK_S";
/// Attackers; more than there are blocks, fewer than there are slots.
const ATTACKERS: &str = "800";
/// What `at once` means on a machine with other things to do.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Runs one kind of attack; what the attacker saw and how long others waited are printed.
fn attack(kind: &str, path: &str, words: &[&str]) {
    let Ok(seconds) = std::env::var(SECONDS) else {
        println!("skipped: {kind}, {SECONDS} is not set");
        return;
    };
    let web = Web::with("", "Status = on\nRequestTimeout = 5s\nWriteTimeout = 5s\nIdleTimeout = 10s", |root| {
        crate::site::write(root, "large.bin", vec![b'x'; 3_000_000]);
    });
    let url = format!("http://127.0.0.1:{}{path}", web.rig.server.port);
    let mut command = Command::new("timeout");
    command.args([
        "60",
        "slowhttptest",
        "-c",
        ATTACKERS,
        "-r",
        "400",
        "-p",
        "3",
        "-v",
        "1",
        "-l",
        &seconds,
        "-u",
        &url,
    ]);
    let mut attacker = command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut waits = Vec::new();
    while attacker.try_wait().unwrap().is_none() {
        let start = Instant::now();
        let (status, body) = web.get("/1k.txt");
        waits.push(start.elapsed());
        assert_eq!((status, body.len()), (200, 1_024));
        thread::sleep(Duration::from_millis(10));
    }
    let output = attacker.wait_with_output().unwrap();
    let said = plain(&output.stdout);
    assert!(output.status.success(), "{said}");
    waits.sort_unstable();
    let (count, worst) = (waits.len(), waits[waits.len() - 1]);
    let verdicts: Vec<&str> = said.lines().filter(|line| line.contains("service available")).collect();
    let ended = said
        .lines()
        .filter(|line| line.starts_with("Test ended") || line.starts_with("Exit status"))
        .collect::<Vec<_>>();
    println!(
        "{kind}: {}; available {} of {} times; {count} others waited at most {worst:?}, half of them {:?}",
        ended.join(", "),
        verdicts.iter().filter(|line| line.ends_with("YES")).count(),
        verdicts.len(),
        waits[count / 2]
    );
    assert!(!verdicts.is_empty() && verdicts.iter().all(|line| line.ends_with("YES")), "{said}");
    assert!(count > 100 && worst < AT_ONCE, "{kind}: {count} others waited at most {worst:?}");
    assert_eq!(web.get("/healthz"), (200, "ok\n".into()));
    web.stop();
}

/// Without the colours.
fn plain(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, part) in String::from_utf8_lossy(bytes).split('\x1b').enumerate() {
        let rest = part.find(|c: char| c.is_ascii_alphabetic()).map_or("", |end| &part[end + 1..]);
        text.push_str(if at == 0 { part } else { rest });
    }
    text
}

#[test]
fn slow_headers_leave_the_server_serving() {
    attack("slow headers", "/", &["-H", "-i", "2", "-x", "24"]);
}

#[test]
fn slow_bodies_leave_the_server_serving() {
    attack("slow bodies", "/", &["-B", "-i", "2", "-s", "8000", "-x", "10"]);
}

#[test]
fn slow_readers_leave_the_server_serving() {
    attack("slow readers", "/large.bin", &["-X", "-w", "1", "-y", "16", "-n", "2", "-z", "5", "-k", "3"]);
}

#[test]
fn ranges_without_end_leave_the_server_serving() {
    attack("many ranges", "/large.bin", &["-R", "-t", "HEAD", "-a", "10", "-b", "3000"]);
}

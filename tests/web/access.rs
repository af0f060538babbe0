//! The access log.

use crate::site::Web;

/// The lines that are no messages of the server's own.
fn lines(log: &str) -> Vec<&str> {
    log.lines().filter(|line| !line.starts_with("20")).collect()
}

#[test]
fn the_common_form_has_a_line_for_each_request_and_no_limit_of_lines() {
    let web = Web::start("AccessLog = common");
    let mut client = web.connect();
    for _ in 0..300 {
        client.get("/1k.txt");
    }
    client.ask("HEAD", "/none", "");
    client.ask("GET", "/1k.txt?a=\"b\"", "Range: bytes=0-9\r\n");
    let log = web.stop();
    let lines = lines(&log);
    assert_eq!(lines.len(), 302, "{log}");
    let (who, rest) = lines[0].split_once(" - - [").unwrap();
    let (when, what) = rest.split_once("] ").unwrap();
    assert_eq!((who, what), ("127.0.0.1", "\"GET /1k.txt HTTP/1.1\" 200 1024"));
    let shape: String = when.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert!(shape.starts_with("00/") && shape[6..].starts_with("/0000:00:00:00 ") && shape.ends_with("0000"), "{when}");
    assert!(lines[300].contains("\"HEAD /none HTTP/1.1\" 404 "), "{}", lines[300]);
    assert!(lines[301].ends_with("\"GET /1k.txt?a=\\x22b\\x22 HTTP/1.1\" 206 10"), "{}", lines[301]);
}

#[test]
fn the_json_form_is_json_whatever_a_peer_says() {
    let web = Web::start("AccessLog = json");
    let mut client = web.connect();
    let agent = format!("User-Agent: a\"b\\c\u{7f}\u{e9}{}\r\n", "x".repeat(500));
    assert_eq!(client.ask("GET", "/1k.txt", &agent.replace('\u{7f}', "")).status, 200);
    client.ask("GET", "/", "Referer: http://elsewhere/\r\n");
    let log = web.stop();
    let lines = lines(&log);
    assert_eq!(lines.len(), 2, "{log}");
    assert!(
        lines[0].contains("\"agent\":\"a\\u0022b\\u005cc\\u00c3\\u00a9xxx") && lines[0].ends_with("xxx...\"}"),
        "{}",
        lines[0]
    );
    for part in [
        "{\"time\":1",
        ",\"client\":\"127.0.0.1\",",
        "\"target\":\"/\",",
        "\"status\":200,\"bytes\":13,",
        "\"referer\":\"http://elsewhere/\",",
    ] {
        assert!(lines[1].contains(part), "{part} in {}", lines[1]);
    }
    let python = std::process::Command::new("python3")
        .args(["-c", "import json, sys; [json.loads(line) for line in sys.argv[1:]]"])
        .args(&lines)
        .output();
    if let Ok(output) = python {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_log_that_takes_no_line_holds_nobody_up() {
    let web = Web::with("", "AccessLog = json", |root| {
        let fifo = root.parent().unwrap().join("tg.log");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode).unwrap();
        // Both ends, so that opening it waits for nobody; nothing is ever read.
        let kept = std::fs::File::options().read(true).write(true).open(fifo).unwrap();
        std::mem::forget(kept);
    });
    let mut client = web.connect();
    for _ in 0..2_000 {
        assert_eq!(client.get("/1k.txt").status, 200);
    }
    let log = web.rig.server.directory.join("tg.log");
    std::fs::remove_file(&log).unwrap();
    std::fs::write(&log, "").unwrap();
    web.stop();
}

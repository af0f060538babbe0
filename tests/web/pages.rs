//! The pages about the server itself: right for programs, bounded for strangers, true over the life of the server.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::client::Client;
use crate::clients_of_others::is_installed;
use crate::rig::connect;
use crate::server::{Server, free_port, is_gone, send, wait_until};
use crate::site::Web;

/// The body of a chunked answer.
fn chunked(client: &mut Client) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.extend(client.read(1));
        }
        let size = usize::from_str_radix(str::from_utf8(&size).unwrap().trim_end(), 16).unwrap();
        body.extend(client.read(size));
        assert_eq!(client.read(2), b"\r\n");
        if size == 0 {
            return body;
        }
    }
}

/// One page on a connection that goes on: its content type and its body.
fn page(client: &mut Client, path: &str) -> (String, String) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: box\r\n\r\n"));
    let head = client.head();
    assert_eq!((head.status, head.field("Transfer-Encoding")), (200, Some("chunked")), "{path} {:?}", head.fields);
    assert_eq!(head.field("Cache-Control"), Some("no-store"));
    (head.field("Content-Type").unwrap().to_string(), String::from_utf8(chunked(client)).unwrap())
}

/// The value of a sample whose line begins like this.
fn sample(metrics: &str, begins: &str) -> u64 {
    let line = metrics.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{begins}: {metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// What a program says to this on its standard input; it must be content.
fn judged(program: &str, words: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{program}: {said}\n{input}");
    said
}

const JSON: &str = "
import json, sys
status = json.load(sys.stdin)
print(*(l['section'] + ' ' + l['service'] for l in status['listeners']), sep=', ')
print(status['http']['http_requests'], status['http_statuses'], status['http_faults']['syntax'])
";

#[test]
fn the_json_has_every_listener_and_what_http_counted() {
    let other = free_port();
    let web = Web::start(&format!(
        "Status = on\n[Socket q\"\\]\nListenAddress = 127.0.0.1\nListenPort = {other}\n[Socket u]\nListenAddress = unix:u.sock"
    ));
    let mut client = web.connect();
    assert_eq!((client.get("/").status, client.get("/none").status, client.get("/none").status), (200, 404, 404));
    let mut bad = web.connect();
    bad.send("GET / HTTP/1.1\nHost: box\n\n");
    assert_eq!(bad.answer(false).status, 400);
    let (kind, json) = page(&mut client, "/status.json");
    assert_eq!(kind, "application/json");
    if is_installed("python3", &["--version"]) {
        assert_eq!(
            judged("python3", &["-c", JSON], &json),
            "[Socket] http, [Socket q\"\\] echo, [Socket u] echo\n4 {'200': 2, '400': 1, '404': 2} 1\n"
        );
    }
    web.stop();
}

#[test]
fn the_metrics_are_what_prometheus_wants() {
    let web = Web::start("Status = on");
    let mut client = web.connect();
    client.get("/none");
    let (kind, metrics) = page(&mut client, "/metrics");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let mut heads: Vec<&str> = metrics.lines().filter(|line| line.starts_with('#')).collect();
    let all = heads.len();
    let name = |line: &&str| line.split(' ').take(3).collect::<Vec<_>>().join(" ");
    heads.sort_unstable();
    heads.dedup_by_key(|line| name(line));
    assert!(all > 20 && heads.len() == all, "HELP and TYPE once: {metrics}");
    assert!(metrics.ends_with('\n') && !metrics.contains('\r'));
    if is_installed("promtool", &["--version"]) {
        assert_eq!(judged("promtool", &["check", "metrics"], &metrics), "");
    }
    web.stop();
}

#[test]
fn health_is_a_word_until_the_worker_drains_and_then_a_503_on_the_same_connection() {
    let mut web = Web::start("Status = on");
    let mut kept = web.connect();
    let well = kept.get("/healthz");
    assert_eq!((well.status, well.text()), (200, "ok\n"));
    // A request that is half here when the end is asked for is still answered.
    kept.send("GET /healthz HTTP/1.1\r\nHost: box\r\n");
    let (port, worker) = (web.rig.address(), web.rig.worker());
    send(web.rig.server.pid(), Signal::QUIT);
    wait_until("the listener to close", || connect(port).is_err());
    assert!(!is_gone(worker));
    kept.send("\r\n");
    let ill = kept.answer(false);
    assert_eq!((ill.status, ill.text(), ill.field("Connection")), (503, "draining\n", Some("close")));
    assert_eq!(kept.rest(), b"", "and the connection ends");
    web.rig.ended();
}

#[test]
fn who_is_not_in_status_allow_gets_403_for_the_pages_and_everything_else() {
    let web = Web::start("Status = on\nStatusAllow = 192.0.2.0/24");
    let mut client = web.connect();
    for path in ["/status", "/status.json", "/metrics", "/healthz"] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text()), (403, "403 Forbidden (StatusAllow)\n"), "{path}");
    }
    assert_eq!(client.get("/").text(), "<p>start</p>\n");
    assert_eq!((client.get("/1k.txt").body.len(), client.get("/status/").status), (1_024, 404));
    web.stop();
    let web = Web::start("Status = on\nStatusAllow = 192.0.2.0/24, 127.0.0.1");
    page(&mut web.connect(), "/status");
    web.stop();
}

#[test]
fn without_status_there_are_no_pages() {
    let other = free_port();
    let web = Web::start(&format!(
        "Root = www\n[Socket other]\nListenPort = {other}\nListenAddress = 127.0.0.1\nService = http\nRoot = www\nStatus = on"
    ));
    for path in ["/status", "/status.json", "/metrics", "/healthz"] {
        assert_eq!(web.get(path).0, 404, "{path}");
    }
    page(&mut Client::new(connect(([127, 0, 0, 1], other).into()).unwrap()), "/status");
    web.write("healthz", "a file of that name");
    wait_until("the file", || web.get("/healthz") == (200, "a file of that name".into()));
    web.stop();
}

#[test]
fn other_methods_and_the_old_version_get_what_they_are_due() {
    let web = Web::start("Status = on");
    let mut client = web.connect();
    for path in ["/status", "/status.json", "/metrics", "/healthz"] {
        let head = client.ask("HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        let post = client.ask("POST", path, "Content-Length: 0\r\n");
        assert_eq!((post.status, post.field("Allow")), (405, Some("GET, HEAD, OPTIONS")), "{path}");
        let mut old = web.connect();
        old.send(format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        let answer = old.head();
        assert_eq!((answer.status, answer.field("Transfer-Encoding")), (200, None), "{path}");
        if path != "/healthz" {
            assert_eq!((answer.field("Content-Length"), answer.field("Connection")), (None, Some("close")), "{path}");
            let body = String::from_utf8(old.rest()).unwrap();
            assert!(body.starts_with(['<', '{', '#']) && body.ends_with('\n'), "{path}: {body}");
        }
    }
    web.stop();
}

#[test]
fn pages_take_their_turn_among_pipelined_requests() {
    let web = Web::start("Status = on");
    let mut client = web.connect();
    let paths = ["/1k.txt", "/status", "/none", "/status.json", "/", "/metrics", "/healthz", "/1k.txt"];
    let all: String = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: box\r\n\r\n")).collect();
    for _ in 0..20 {
        client.send(&all);
        for path in paths {
            let head = client.head();
            assert_eq!(head.status, if path == "/none" { 404 } else { 200 }, "{path}");
            let body = match head.field("Content-Length") {
                Some(len) => client.read(len.parse().unwrap()),
                None => chunked(&mut client),
            };
            let first = body[0];
            let expected = match path {
                "/status" | "/" => b'<',
                "/status.json" => b'{',
                "/metrics" => b'#',
                "/healthz" => b'o',
                "/none" => b'4',
                _ => b'0',
            };
            assert_eq!(first, expected, "{path}");
        }
    }
    web.stop();
}

#[test]
fn many_pages_at_once_need_few_blocks_and_each_comes_whole() {
    let web = Web::with("Blocks = 8\nBlockSize = 1K", "Status = on", |_| ());
    let mut clients: Vec<(Client, &str)> = Vec::new();
    for path in ["/status", "/metrics", "/status.json"].repeat(40) {
        clients.push((web.connect(), path));
    }
    for _ in 0..3 {
        for (client, path) in &mut clients {
            client.send(format!("GET {path} HTTP/1.1\r\nHost: box\r\n\r\n"));
        }
        for (client, path) in &mut clients {
            assert_eq!(client.head().status, 200);
            let body = String::from_utf8(chunked(client)).unwrap();
            let (first, last) = match *path {
                "/status" => ("<!doctype html>", "</script>\n"),
                "/metrics" => ("# HELP ", "\n"),
                _ => ("{\"version\":", "]}\n"),
            };
            assert!(body.starts_with(first) && body.ends_with(last) && body.len() > 1_500, "{path}: {body}");
        }
    }
    let (_, metrics) = page(&mut web.connect(), "/metrics");
    assert!(sample(&metrics, "tidegate_http_requests_total") >= 360);
    let log = web.stop();
    assert!(!log.contains("blocks taken"), "{log}");
}

#[test]
fn counts_go_up_and_survive_a_worker_that_is_killed() {
    let mut web = Web::start("Status = on");
    let requests = |web: &Web| {
        let (_, metrics) = page(&mut web.connect(), "/metrics");
        (sample(&metrics, "tidegate_http_requests_total"), sample(&metrics, "tidegate_respawns_total"))
    };
    (0..50).for_each(|_| assert_eq!(web.get("/1k.txt").0, 200));
    let (before, respawns) = requests(&web);
    assert!(before >= 50 && respawns == 0, "{before} {respawns}");
    let worker = web.rig.worker();
    send(worker, Signal::KILL);
    wait_until("the worker's end", || is_gone(worker));
    web.rig.workers = web.rig.server.workers(1);
    (0..50).for_each(|_| assert_eq!(web.get("/1k.txt").0, 200));
    let (after, respawns) = requests(&web);
    assert!(after >= before + 50 && respawns == 1, "{before} {after} {respawns}");
    web.stop();
}

#[test]
fn the_built_in_configuration_has_the_page() {
    let [echo, port] = [free_port(), free_port()];
    let mut server = Server::with("");
    let sets = [format!("Socket.ListenPort={echo}"), format!("Socket status.ListenPort={port}")];
    let mut command = server.command(&["-g", &sets[0], "-g", &sets[1]]);
    server.child = Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    server.workers(1);
    let (kind, html) = page(&mut Client::new(connect(([127, 0, 0, 1], port).into()).unwrap()), "/status");
    assert_eq!(kind, "text/html; charset=utf-8");
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</script>\n"), "{html}");
    assert!(html.len() <= 12 * 1_024, "12 KB compressed is the bound; it is {} before that", html.len());
    send(server.pid(), Signal::TERM);
    let (code, said) = server.end();
    assert!(code == Some(0) && said.contains("started with the built-in configuration"), "{said}");
}

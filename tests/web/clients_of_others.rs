//! Clients that others wrote. Each test is skipped where its program is missing, unless `TIDEGATE_REQUIRE_CLIENTS` is
//! set, as the gate does.

use std::process::{Command, Stdio};

use crate::site::Web;

/// Whether the program runs here at all.
pub fn is_installed(name: &str, harmless: &[&str]) -> bool {
    is_installed_or("TIDEGATE_REQUIRE_CLIENTS", name, harmless)
}

/// The same; where this variable is set it must.
pub fn is_installed_or(required: &str, name: &str, harmless: &[&str]) -> bool {
    let mut probe = Command::new(name);
    probe.args(harmless).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let runs = probe.status().is_ok_and(|status| status.success());
    assert!(runs || std::env::var_os(required).is_none(), "{name} is required here");
    if !runs {
        println!("skipped: {name} does not run here ({harmless:?})");
    }
    runs
}

/// Runs it to its end; what it wrote to its standard output.
pub fn run(name: &str, words: &[&str]) -> Vec<u8> {
    let output = Command::new("timeout").arg("60").arg(name).args(words).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {words:?}: {said}");
    output.stdout
}

fn web() -> (Web, String) {
    let web = Web::with("", "Status = on", |root| {
        crate::site::write(root, "large.bin", (0..3_000_000_u32).map(|at| (at % 251) as u8).collect::<Vec<u8>>());
        // A gzip member of "zipped\n", stored.
        let zipped = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x07\0\xf8\xffzipped\n\xac\0\x3a\xc7\x07\0\0\0";
        crate::site::write(root, "page.txt", "plain\n");
        crate::site::write(root, "page.txt.gz", zipped);
    });
    let url = format!("http://127.0.0.1:{}", web.rig.server.port);
    (web, url)
}

#[test]
fn curl() {
    if !is_installed("curl", &["--version"]) {
        return;
    }
    let (web, url) = web();
    let large = std::fs::read(web.root().join("large.bin")).unwrap();
    let at = |path: &str| format!("{url}{path}");
    assert!(run("curl", &["-sSf", &at("/large.bin")]) == large);
    assert!(run("curl", &["-sSf", "-r", "1000-1999", &at("/large.bin")]) == large[1_000..2_000]);
    assert!(run("curl", &["-sSf", "-r", "-5", &at("/large.bin")]) == large[2_999_995..]);
    let both = run("curl", &["-sSf", &at("/page.txt"), &at("/index.html")]);
    assert_eq!(both, b"plain\n<p>start</p>\n");
    let code = run(
        "curl",
        &["-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_redirects}", "-L", "--path-as-is", &at("/../x")],
    );
    assert_eq!(code, b"400 0");
    assert_eq!(run("curl", &["-sSf", "--http1.0", &at("/page.txt")]), b"plain\n");
    assert!(run("curl", &["-sSfI", &at("/page.txt")]).starts_with(b"HTTP/1.1 200 OK\r\n"));
    let part = web.rig.server.directory.join("part");
    std::fs::write(&part, &large[..1_234_567]).unwrap();
    run("curl", &["-sSf", "-C", "-", "-o", part.to_str().unwrap(), &at("/large.bin")]);
    assert!(std::fs::read(&part).unwrap() == large, "a download that was broken off goes on where it ended");
    web.stop();
}

#[test]
fn wget() {
    if !is_installed("wget", &["--version"]) {
        return;
    }
    let (web, url) = web();
    let (directory, large) = (web.rig.server.directory.clone(), std::fs::read(web.root().join("large.bin")).unwrap());
    let to = directory.join("got");
    let to = to.to_str().unwrap();
    run("wget", &["-q", "-O", to, &format!("{url}/large.bin")]);
    assert!(std::fs::read(to).unwrap() == large);
    std::fs::write(to, &large[..100_000]).unwrap();
    run("wget", &["-q", "-c", "-O", to, &format!("{url}/large.bin")]);
    assert!(std::fs::read(to).unwrap() == large);
    let mirror = directory.join("mirror");
    run("wget", &["-q", "-N", "-P", mirror.to_str().unwrap(), &format!("{url}/page.txt")]);
    run("wget", &["-q", "-N", "-P", mirror.to_str().unwrap(), &format!("{url}/page.txt")]);
    assert_eq!(std::fs::read(mirror.join("page.txt")).unwrap(), b"plain\n");
    web.stop();
}

#[test]
fn python() {
    if !is_installed("python3", &["--version"]) {
        return;
    }
    let (web, _) = web();
    let (port, root) = (web.rig.server.port.to_string(), web.root());
    let script = ["-c", include_str!("http_client.py"), &port, root.to_str().unwrap()];
    assert_eq!(run("python3", &script), b"all is well\n");
    web.stop();
}

#[test]
fn ab() {
    if !is_installed("ab", &["-V"]) {
        return;
    }
    let (web, url) = web();
    let said = run("ab", &["-q", "-n", "2000", "-c", "50", "-k", &format!("{url}/1k.txt")]);
    let said = String::from_utf8_lossy(&said);
    for line in ["Complete requests:      2000", "Failed requests:        0", "Keep-Alive requests:    2000"] {
        assert!(said.contains(line), "{line} in {said}");
    }
    web.stop();
}

#[test]
fn wrk() {
    if !is_installed("sh", &["-c", "command -v wrk"]) {
        return;
    }
    let (web, url) = web();
    for path in ["/1k.txt", "/status", "/metrics"] {
        let said = run("wrk", &["-t2", "-c40", "-d1s", &format!("{url}{path}")]);
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("Requests/sec:"), "{said}");
        assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{path}: {said}");
    }
    web.stop();
}

#[test]
fn h2load() {
    if !is_installed("h2load", &["--version"]) {
        return;
    }
    let (web, url) = web();
    for path in ["/1k.txt", "/status", "/metrics"] {
        let said = run("h2load", &["--h1", "-n2000", "-c50", "-m8", &format!("{url}{path}")]);
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{path}: {said}");
        assert!(said.contains("status codes: 2000 2xx"), "{path}: {said}");
    }
    web.stop();
}

/// Debian's, whose packages these are.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn httpx_and_h11_as_a_strict_judge() {
    if !is_installed(PYTHON, &["-c", "import h11, httpx"]) {
        return;
    }
    let (web, _) = web();
    let (port, root) = (web.rig.server.port.to_string(), web.root());
    let script = ["-c", include_str!("strict_clients.py"), &port, root.to_str().unwrap()];
    assert_eq!(run(PYTHON, &script), b"all is well\n");
    web.stop();
}

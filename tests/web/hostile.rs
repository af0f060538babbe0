//! Paths that are meant to lead out of the root.

use std::fs;
use std::os::unix::fs::symlink;

use crate::client::Client;
use crate::site::Web;

/// As they are sent; none of them may bring a secret or end the server.
const PATHS: &[&str] = &[
    "/../secret",
    "/../../secret",
    "/../../../../../../../../etc/passwd",
    "/./../secret",
    "/sub/../../secret",
    "/sub/./../../secret",
    "/sub/deep/../../../secret",
    "/sub//..//../secret",
    "//../secret",
    "///../secret",
    "/..",
    "/../",
    "/sub/..",
    "/sub/../..",
    "/%2e%2e/secret",
    "/%2E%2E/secret",
    "/%2e./secret",
    "/.%2e/secret",
    "/%2e%2e%2fsecret",
    "/..%2fsecret",
    "/..%2Fsecret",
    "/sub/..%2f..%2fsecret",
    "/%252e%252e/secret",
    "/%252e%252e%252fsecret",
    "/..%252fsecret",
    "/..%5csecret",
    "/..\\secret",
    "/sub\\..\\..\\secret",
    "/%5c..%5c..%5csecret",
    "/..%c0%afsecret",
    "/%c0%ae%c0%ae/secret",
    "/%uff0e%uff0e/secret",
    "/..%00/secret",
    "/../secret%00.txt",
    "/1k.txt%00.html",
    "/%00",
    "/%0a../secret",
    "/%0d%0aX: y",
    "/.hidden",
    "/%2ehidden",
    "/sub/.hidden",
    "/.git/config",
    "/sub/%2e/.hidden",
    "/...",
    "/.../secret",
    "/..;/secret",
    "/..;/..;/secret",
    "/out",
    "/sub/out",
    "/absolute",
    "/chain",
    "/loop",
    "/up/secret",
    "/up/../secret",
    "/folder/secret",
    "/root/etc/passwd",
    "/proc/self/environ",
    "/magic/etc/passwd",
    "/null",
    "/fifo",
    "/socket",
    "/etc/passwd",
    "http://box/../secret",
    "http://box/%2e%2e/secret",
    "http://box/out",
    "file:///etc/passwd",
    "*/../secret",
    "../secret",
    "secret",
    "",
];

#[test]
fn no_path_and_no_link_leads_out_of_the_root() {
    assert!(PATHS.len() >= 60);
    let web = Web::with("", "Listing = on\nCacheValid = 0", |root| {
        let top = root.parent().unwrap();
        for (folder, name) in [(top, "secret"), (top, "outside/secret"), (root, ".hidden"), (root, "sub/.hidden")] {
            crate::site::write(folder, name, "SECRET");
        }
        crate::site::write(root, ".git/config", "SECRET");
        crate::site::write(root, "sub/deep/file", "file");
        let absolute = top.join("secret");
        for (to, at) in [
            ("../secret", "out"),
            ("../../secret", "sub/out"),
            (absolute.to_str().unwrap(), "absolute"),
            ("sub/hop", "chain"),
            ("../out", "sub/hop"),
            ("loop", "loop"),
            ("..", "up"),
            ("../outside", "folder"),
            ("/", "root"),
            ("/proc", "proc"),
            ("/proc/self/root", "magic"),
            ("/dev/null", "null"),
        ] {
            symlink(to, root.join(at)).unwrap();
        }
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
    });
    for path in PATHS {
        let mut client = Client::new(web.rig.connect());
        client.send(format!("GET {path} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n"));
        let answer = String::from_utf8_lossy(&client.rest()).into_owned();
        let is_start = answer.ends_with("<p>start</p>\n");
        let is_refused = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 30");
        assert!(is_refused || is_start, "{path}: {answer}");
        assert!(!answer.contains("SECRET") && !answer.contains("root:"), "{path}: {answer}");
    }
    let listing = web.get("/").1;
    assert!(listing.contains("<p>start</p>"), "an index is there: {listing}");
    let listing = web.get("/sub/").1;
    assert!(listing.contains("deep/") && !listing.contains("hidden"), "{listing}");
    web.stop();
}

#[test]
fn links_that_stay_beneath_the_root_are_followed_where_the_kernel_resolves_them() {
    let web = Web::with("", "", |root| {
        crate::site::write(root, "releases/2/page.html", "two");
        symlink("releases/2", root.join("current")).unwrap();
        symlink("1k.txt", root.join("same.txt")).unwrap();
    });
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let resolves = (numbers.next().unwrap(), numbers.next().unwrap()) >= (5, 6);
    let expected = if resolves { 200 } else { 403 };
    assert_eq!((web.get("/current/page.html").0, web.get("/same.txt").0), (expected, expected));
    web.stop();
}

#[test]
fn a_long_path_and_a_deep_one_are_refused_and_the_server_goes_on() {
    let web = Web::start("TargetLength = 8K\nHeadSize = 16K");
    for (path, expected) in [
        (format!("/{}", "x".repeat(300)), 404),
        (format!("/{}", "x".repeat(1_000)), 404),
        (format!("/{}", "x/".repeat(500)), 404),
        (format!("/{}", "x".repeat(2_000)), 414),
        (format!("/{}", "x".repeat(9_000)), 414),
    ] {
        assert_eq!(web.get(&path).0, expected, "{} bytes", path.len());
    }
    assert_eq!(web.get("/1k.txt").0, 200);
    web.stop();
}

//! What is remembered of files, and for how long.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::thread;
use std::time::{Duration, Instant};

use crate::site::{Web, set_modified};

/// What the sockets are configured with, and long enough past it.
const VALID: &str = "CacheValid = 300ms";
const LATER: Duration = Duration::from_millis(600);

#[test]
fn a_file_that_changes_appears_or_vanishes_is_seen_once_the_cache_is_no_longer_valid() {
    let web = Web::start(VALID);
    web.write("page.html", "first");
    assert_eq!((web.get("/page.html"), web.get("/new.html").0), ((200, "first".into()), 404));
    web.write("page.html", "other");
    web.write("new.html", "new");
    thread::sleep(LATER);
    assert_eq!((web.get("/page.html").1, web.get("/new.html")), ("other".into(), (200, "new".into())));
    fs::remove_file(web.root().join("page.html")).unwrap();
    fs::remove_file(web.root().join("new.html")).unwrap();
    fs::create_dir(web.root().join("new.html")).unwrap();
    thread::sleep(LATER);
    assert_eq!((web.get("/page.html").0, web.get("/new.html").0), (404, 301));
    web.stop();
}

#[test]
fn a_file_changed_in_the_same_instant_with_the_same_length_and_time_is_still_seen() {
    let web = Web::start(VALID);
    let old = 1_000_000_000;
    for round in 0..20 {
        let text = format!("round {round:02}");
        web.write("page.html", &text);
        set_modified(&web.root(), "page.html", old);
        thread::sleep(Duration::from_millis(310));
        assert_eq!(web.get("/page.html").1, text);
    }
    web.stop();
}

#[test]
fn within_its_validity_a_file_is_answered_from_memory_even_if_it_is_gone() {
    let web = Web::start("CacheValid = 1h");
    let mut client = web.connect();
    let first = client.get("/1k.txt");
    fs::remove_file(web.root().join("1k.txt")).unwrap();
    for _ in 0..100 {
        assert!(client.get("/1k.txt").body == first.body);
    }
    assert_eq!(client.get("/none").status, 404);
    web.write("none", "now there");
    assert_eq!(client.get("/none").status, 404);
    web.stop();
}

#[test]
fn a_release_put_in_place_by_a_rename_or_a_link_is_served_without_a_reload() {
    let web = Web::with("", &format!("{VALID}\nRoot = current"), |root| {
        let top = root.parent().unwrap();
        crate::site::write(top, "one/page.html", "one");
        crate::site::write(top, "two/page.html", "two");
        symlink("one", top.join("current")).unwrap();
    });
    let top = web.rig.server.directory.clone();
    assert_eq!(web.get("/page.html").1, "one");
    symlink("two", top.join("next")).unwrap();
    fs::rename(top.join("next"), top.join("current")).unwrap();
    thread::sleep(LATER);
    assert_eq!(web.get("/page.html").1, "two");
    fs::remove_file(top.join("current")).unwrap();
    thread::sleep(LATER);
    assert_eq!(web.get("/page.html").0, 404);
    symlink("one", top.join("current")).unwrap();
    thread::sleep(LATER);
    assert_eq!(web.get("/page.html").1, "one");
    assert!(web.stop().contains("current ([Socket] Root)"));
}

#[test]
fn a_thousand_files_pass_through_a_small_cache_and_each_comes_right() {
    let web = Web::with("FileCache = 32K", "CacheValid = 1h", |root| {
        for at in 0..1_000 {
            crate::site::write(root, &format!("{at}.txt"), format!("{at} ").repeat(1 + at % 300));
        }
    });
    let mut client = web.connect();
    for round in 0..3 {
        for at in 0..1_000 {
            let at = (at * 37 + round) % 1_000;
            assert_eq!(client.get(&format!("/{at}.txt")).text(), format!("{at} ").repeat(1 + at % 300));
        }
    }
    web.stop();
}

#[test]
fn a_file_that_may_not_be_read_is_forbidden_until_it_may() {
    let web = Web::start("CacheValid = 0");
    if rustix::process::geteuid().is_root() {
        println!("skipped: root may read everything");
    } else {
        let path = web.root().join("1k.txt");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(web.get("/1k.txt").0, 403);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    assert_eq!(web.get("/1k.txt").0, 200);
    web.stop();
}

#[test]
fn a_file_written_over_while_it_is_served_is_never_sent_in_a_mixture() {
    let web = Web::start("CacheValid = 0");
    let page = |letter: u8| vec![letter; 6_000];
    web.write("page.html", page(b'a'));
    let root = web.root();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            for letter in (b'a'..=b'z').cycle() {
                if start.elapsed() > Duration::from_secs(2) {
                    break;
                }
                // As editors and package managers do it: whole, then in place by a rename.
                crate::site::write(&root, "next", page(letter));
                fs::rename(root.join("next"), root.join("page.html")).unwrap();
            }
        });
        let mut client = web.connect();
        while start.elapsed() < Duration::from_secs(2) {
            let body = client.get("/page.html").body;
            assert!(body.len() == 6_000 && body.iter().all(|byte| *byte == body[0]));
        }
    });
    web.stop();
}

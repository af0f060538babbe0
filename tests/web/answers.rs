//! What a file is answered with, over real sockets.

use std::fs;

use crate::site::{Web, set_modified};

/// 2001-09-09 01:46:40 UTC.
const THEN_S: u64 = 1_000_000_000;

#[test]
fn a_file_comes_whole_with_the_facts_that_caches_need() {
    let web = Web::with("", "", |root| set_modified(root, "1k.txt", THEN_S));
    let mut client = web.connect();
    let answer = client.get("/1k.txt");
    assert_eq!((answer.status, answer.body), (200, fs::read(web.root().join("1k.txt")).unwrap()));
    let answer = client.get("/1k.txt");
    assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.field("Last-Modified"), Some("Sun, 09 Sep 2001 01:46:40 GMT"));
    assert_eq!(answer.field("Accept-Ranges"), Some("bytes"));
    assert!(answer.field("Date").is_some_and(|date| date.ends_with(" GMT")), "{:?}", answer.fields);
    let etag = answer.field("ETag").unwrap().to_string();
    let head = client.ask("HEAD", "/1k.txt", "");
    assert_eq!((head.status, head.field("Content-Length"), head.field("ETag")), (200, Some("1024"), Some(&*etag)));
    for fields in [format!("If-None-Match: {etag}\r\n"), "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n".into()]
    {
        assert_eq!(client.ask("GET", "/1k.txt", &fields).status, 304, "{fields}");
    }
    assert_eq!(client.ask("GET", "/1k.txt", "If-None-Match: \"other\"\r\n").status, 200);
    assert_eq!(client.get("/").text(), "<p>start</p>\n");
    web.stop();
}

#[test]
fn every_size_comes_whole_from_memory_from_the_disk_and_in_parts() {
    let sizes = [0, 1, 1_023, 1_024, 1_025, 8_191, 8_192, 8_193, 16_383, 16_384, 16_385, 65_536, 65_537, 1_000_003];
    let file = |size: usize| -> Vec<u8> { (0..size).map(|at| (at * 31 + at / 251) as u8).collect() };
    for memory in ["", "FileCache = 0", "CachedFile = 1M\nFileCache = 4M", "Blocks = 8\nBlockSize = 1K"] {
        let web = Web::with(memory, "", |root| {
            for size in sizes {
                crate::site::write(root, &format!("{size}.bin"), file(size));
            }
        });
        let mut client = web.connect();
        for size in sizes {
            let path = format!("/{size}.bin");
            for _ in 0..2 {
                let answer = client.get(&path);
                assert_eq!(answer.status, 200, "{memory} {size}");
                assert!(answer.body == file(size), "{memory} {size}");
            }
            if size > 10 {
                let (first, last) = (size / 3, size - 2);
                let answer = client.ask("GET", &path, &format!("Range: bytes={first}-{last}\r\n"));
                assert_eq!(answer.field("Content-Range"), Some(&*format!("bytes {first}-{last}/{size}")));
                assert!(answer.status == 206 && answer.body == file(size)[first..=last], "{memory} {size}");
            }
            let answer = client.ask("GET", &path, &format!("Range: bytes={size}-\r\n"));
            assert_eq!((answer.status, answer.field("Content-Range")), (416, Some(&*format!("bytes */{size}"))));
        }
        web.stop();
    }
}

#[test]
fn requests_in_one_packet_are_answered_in_order_whatever_they_ask_for() {
    let web = Web::with("", "", |root| crate::site::write(root, "large.bin", vec![7; 300_000]));
    let mut client = web.connect();
    let paths = ["/1k.txt", "/large.bin", "/none", "/", "/large.bin", "/1k.txt"];
    let lens = [1_024, 300_000, 14, 13, 300_000, 1_024];
    let requests: String = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: box\r\n\r\n")).collect();
    client.send(requests.repeat(5));
    for round in 0..5 {
        for (path, len) in paths.iter().zip(lens) {
            assert_eq!(client.answer(false).body.len(), len, "{path} in round {round}");
        }
    }
    client.send("GET / HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n");
    assert_eq!(client.answer(false).field("Connection"), Some("close"));
    assert_eq!(client.rest(), b"");
    web.stop();
}

#[test]
fn a_compressed_sibling_is_sent_to_who_takes_it_unless_it_is_the_older() {
    let web = Web::with("", "CacheValid = 0", |root| {
        for name in ["a.css", "a.css.gz", "stale.css", "stale.css.gz", "large.js", "large.js.gz"] {
            let size = if name.starts_with("large") { 50_000 } else { 100 };
            crate::site::write(root, name, vec![if name.ends_with(".gz") { b'z' } else { b'p' }; size]);
            set_modified(root, name, THEN_S + u64::from(name == "stale.css"));
        }
    });
    let mut client = web.connect();
    for name in ["a.css", "large.js"] {
        for _ in 0..2 {
            let path = format!("/{name}");
            let plain = client.get(&path);
            assert_eq!((plain.field("Content-Encoding"), plain.field("Vary")), (None, Some("Accept-Encoding")));
            let zipped = client.ask("GET", &path, "Accept-Encoding: gzip\r\n");
            assert_eq!(
                (zipped.field("Content-Encoding"), zipped.field("Vary")),
                (Some("gzip"), Some("Accept-Encoding"))
            );
            assert_eq!(zipped.field("Content-Type"), plain.field("Content-Type"));
            assert!(plain.body.iter().all(|byte| *byte == b'p') && zipped.body.iter().all(|byte| *byte == b'z'));
            assert_ne!(plain.field("ETag"), zipped.field("ETag"));
        }
    }
    let stale = client.ask("GET", "/stale.css", "Accept-Encoding: gzip\r\n");
    assert_eq!((stale.field("Content-Encoding"), stale.field("Vary"), &stale.body[..1]), (None, None, &b"p"[..]));
    fs::remove_file(web.root().join("a.css.gz")).unwrap();
    let gone = client.ask("GET", "/a.css", "Accept-Encoding: gzip\r\n");
    assert_eq!((gone.field("Content-Encoding"), gone.field("Vary")), (None, None));
    fs::remove_file(web.root().join("large.js")).unwrap();
    assert_eq!(client.ask("GET", "/large.js", "Accept-Encoding: gzip\r\n").status, 404, "no sibling without its file");
    web.stop();
}

//! Large files on their way: to slow readers, to greedy ones, and from files that change meanwhile.

use std::fs::{self, File};
use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::proc::{descriptors, resident_kib};
use crate::server::wait_until;
use crate::site::Web;

/// Set for the sizes of the real thing: 1 GiB to 100 readers.
const FULL_SIZE: &str = "TIDEGATE_WEB_FULL_SIZE";

fn full_size() -> bool {
    std::env::var_os(FULL_SIZE).is_some()
}

/// A file of zeros that takes no room on the disk.
fn sparse(root: &std::path::Path, name: &str, bytes: u64) {
    File::create(root.join(name)).unwrap().set_len(bytes).unwrap();
}

/// A client that asks for a file and reads nothing but the head of the answer.
fn stalled(web: &Web, path: &str) -> Client {
    let mut client = Client::new(web.rig.connect_narrow());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: box\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    client
}

#[test]
fn a_large_file_to_many_slow_readers_takes_no_memory_one_descriptor_and_nobody_elses_turn() {
    let (bytes, readers) = if full_size() { (1 << 30, 100) } else { (64 << 20, 40) };
    let web = Web::with("", "WriteTimeout = 2m", |root| sparse(root, "large.bin", bytes));
    let mut other = web.connect();
    assert_eq!(other.get("/1k.txt").status, 200);
    let rest = descriptors(web.rig.worker());
    stalled(&web, "/large.bin").read(1_000);
    wait_until("the first reader to be gone", || descriptors(web.rig.worker()) == rest);
    let (memory, files) = (resident_kib(web.rig.worker()), descriptors(web.rig.worker()));
    let mut slow: Vec<Client> = (0..readers).map(|_| stalled(&web, "/large.bin")).collect();
    assert_eq!(descriptors(web.rig.worker()), files + readers + 1, "all are sent from one open file");
    let mut times = Vec::new();
    for round in 0..400 {
        let start = Instant::now();
        assert_eq!(other.get("/1k.txt").body.len(), 1_024);
        times.push(start.elapsed());
        slow[round % readers].read(20_000);
    }
    times.sort();
    println!("others are answered within {:?} (p99), {:?} at most", times[395], times[399]);
    assert!(times[380] < Duration::from_millis(100), "{:?}", times[380]);
    let grown = resident_kib(web.rig.worker()).saturating_sub(memory);
    assert!(grown < 200, "{grown} KiB for {readers} readers of {bytes} bytes");
    // One of them reads all of it, the rest leave.
    let mut last = slow.swap_remove(1);
    let had = 20_000 * (400 / readers as u64 + u64::from(400 % readers > 1));
    drop(slow);
    let mut left = bytes - had;
    while left > 0 {
        let n = left.min(1 << 20);
        assert!(last.read(n as usize).iter().all(|byte| *byte == 0));
        left -= n;
    }
    assert_eq!(last.get("/1k.txt").status, 200, "and the connection goes on");
    wait_until("the file to be closed", || descriptors(web.rig.worker()) <= files + 1);
    web.stop();
}

#[test]
fn greedy_readers_leave_turns_to_the_others() {
    let web = Web::with("", "", |root| sparse(root, "large.bin", 1 << 30));
    let start = Instant::now();
    let answered = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = stalled(&web, "/large.bin");
                let mut bytes = vec![0; 1 << 20];
                while start.elapsed() < Duration::from_secs(2) && client.socket().read(&mut bytes).unwrap() > 0 {}
            });
        }
        let mut client = web.connect();
        let mut answered = 0;
        while start.elapsed() < Duration::from_secs(2) {
            assert_eq!(client.get("/1k.txt").status, 200);
            answered += 1;
        }
        answered
    });
    println!("{answered} answers beside four greedy readers");
    assert!(answered > 50, "{answered}");
    web.stop();
}

#[test]
fn with_all_places_taken_other_files_are_answered_503_and_counted_until_one_is_free() {
    let web = Web::with("Transfers = 2\nFileCache = 64K", "", |root| {
        ["a", "b", "c"].iter().for_each(|name| sparse(root, name, 50 << 20));
    });
    let held = [stalled(&web, "/a"), stalled(&web, "/b")];
    let shared = stalled(&web, "/a");
    let mut client = web.connect();
    for _ in 0..3 {
        let answer = client.get("/c");
        assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")));
        assert_eq!(client.get("/1k.txt").status, 200, "what is in memory needs no place");
    }
    drop((held, shared));
    wait_until("a place", || client.ask("HEAD", "/c", "").status == 200);
    let log = web.stop();
    assert!(log.contains("([Memory] Transfers, [Process] OpenFiles)") && log.contains(" http_files_full "), "{log}");
}

#[test]
fn a_file_that_becomes_shorter_ends_the_connection_and_no_length_is_a_lie() {
    let web = Web::with("", "", |root| sparse(root, "large.bin", 50 << 20));
    let mut client = stalled(&web, "/large.bin");
    client.read(10_000);
    File::options().write(true).open(web.root().join("large.bin")).unwrap().set_len(1_000_000).unwrap();
    let rest = client.rest().len();
    assert!(rest < 49 << 20, "{rest} bytes of what is no longer there");
    let mut client = web.connect();
    assert_eq!(client.get("/large.bin").body.len(), 1_000_000);
    assert!(web.stop().contains(" shortened 1"));
}

#[test]
fn a_file_that_is_replaced_or_removed_while_it_is_sent_is_sent_to_its_end() {
    let web = Web::with("", "CacheValid = 0", |root| {
        fs::write(root.join("large.bin"), vec![b'o'; 4 << 20]).unwrap();
        fs::write(root.join("next"), vec![b'n'; 4 << 20]).unwrap();
    });
    let mut old = stalled(&web, "/large.bin");
    old.read(1_000);
    fs::rename(web.root().join("next"), web.root().join("large.bin")).unwrap();
    let mut new = stalled(&web, "/large.bin");
    fs::remove_file(web.root().join("large.bin")).unwrap();
    assert_eq!(web.get("/large.bin").0, 404);
    assert!(old.read((4 << 20) - 1_000).iter().all(|byte| *byte == b'o'));
    assert!(new.read(4 << 20).iter().all(|byte| *byte == b'n'));
    web.stop();
}

#[test]
fn a_reader_that_stops_is_closed_after_write_timeout_and_its_file_with_it() {
    let web = Web::with("", "WriteTimeout = 1s", |root| sparse(root, "large.bin", 50 << 20));
    let before = descriptors(web.rig.worker());
    let client = stalled(&web, "/large.bin");
    wait_until("it to be closed", || descriptors(web.rig.worker()) == before);
    drop(client);
    assert!(web.stop().contains(" write_timeout 1"));
}

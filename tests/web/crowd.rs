//! Many connections that keep still, and many that keep their requests to themselves.

use crate::client::Client;
use crate::proc::resident_kib;
use crate::server::wait_until;
use crate::site::Web;

/// How many; the real thing is 9900.
const COUNT: &str = "TIDEGATE_WEB_CONNECTIONS";

fn count() -> usize {
    std::env::var(COUNT).map_or(1_000, |count| count.parse().unwrap())
}

/// What a worker takes, once that no longer moves.
fn settled_kib(worker: i32) -> u64 {
    let mut kib = 0;
    wait_until("the memory to settle", || {
        let before = std::mem::replace(&mut kib, resident_kib(worker));
        std::thread::sleep(std::time::Duration::from_millis(100));
        before == kib
    });
    kib
}

/// Pages that are begun: one at the end of each table, and what a worker met for the first time meanwhile.
const SLACK_BYTES: u64 = 64 * 1_024;

#[test]
fn an_idle_connection_takes_at_most_160_bytes_and_half_a_request_its_block() {
    let count = count();
    let memory = format!("Blocks = {}\nBlockSize = 2K", count + 64);
    let web = Web::with(&memory, &format!("Connections = {}\nBacklog = 4096", count + 8), |_| ());
    let worker = web.rig.worker();
    let mut first = web.connect();
    for path in ["/1k.txt", "/", "/none"] {
        first.get(path);
    }
    first.send("GET /1k.txt HTTP/1.1\r\nHo");
    let mut warm = web.connect();
    warm.get("/");
    let before = settled_kib(worker);
    let mut clients: Vec<Client> = (0..count).map(|_| web.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/1k.txt").status, 200);
    }
    let idle = (settled_kib(worker) - before) * 1_024;
    println!("{count} idle connections: {} bytes each", idle / count as u64);
    assert!(idle <= 160 * count as u64 + SLACK_BYTES, "{idle} bytes for {count}");
    clients.iter_mut().for_each(|client| client.send("GET /1k.txt HTTP/1.1\r\nHost: box\r\nX-Half: "));
    let half = (settled_kib(worker) - before) * 1_024;
    println!("{count} half requests: {} bytes each", half / count as u64);
    assert!(half <= 2_300 * count as u64 + SLACK_BYTES, "{half} bytes for {count}");
    for client in &mut clients {
        client.send("done\r\n\r\n");
        assert_eq!(client.answer(false).body.len(), 1_024);
    }
    web.stop();
}

#[test]
fn with_fewer_blocks_than_half_requests_whole_ones_are_still_answered_at_once() {
    let web = Web::with("Blocks = 32", "", |_| ());
    let mut other = web.connect();
    let mut halves: Vec<Client> = (0..200).map(|_| web.connect()).collect();
    for (at, half) in halves.iter_mut().enumerate() {
        half.send("GET /1k.txt HTTP/1.1\r\nHost: box\r\nX-Half: ");
        if at % 10 == 0 {
            assert_eq!(other.get("/1k.txt").body.len(), 1_024);
        }
    }
    assert_eq!(other.get("/1k.txt").body.len(), 1_024);
    assert!(web.stop().contains("blocks but the reserve taken ([Memory] Blocks)"));
}

//! What `-t` says a server costs, beside what a server under full load takes.
//!
//! Full load is every slot and every block taken: all clients speak, and some send without reading until blocks run
//! out. Two things are held to: the proportional share of all processes is never above the price; and the price is at
//! most a tenth above what they take when the program's own pages are counted whole in both, for the price counts all of
//! them and a server touches what it has met so far. The same holds for what they write to alone.

#[allow(dead_code, reason = "shared with the tests of the process model")]
#[path = "../process/server.rs"]
mod server;

mod refused;

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use server::{DEADLINE, Server, send, wait_until};

/// One field of a server's processes, summed, in bytes.
fn measured(pids: &[i32], field: &str) -> u64 {
    let of = |pid: &i32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    };
    pids.iter().map(of).sum()
}

/// A number of the price.
fn priced(json: &str, part: &str, name: &str) -> u64 {
    let part = json.split_once(&format!("\"{part}\":")).unwrap().1;
    let value = part.split_once(&format!("\"{name}\":")).unwrap().1;
    value.split([',', '}']).next().unwrap().parse().unwrap()
}

fn configured(workers: u16, connections: usize, memory: &str) -> Server {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let server = Server::with("");
    server.write_conf(&format!(
        "[Process]\nPidFile = tg.pid\nWorkers = {workers}\n[Memory]\n{memory}\n\
         [Socket]\nListenAddress = unix:tg.sock\nConnections = {connections}\n"
    ));
    server
}

fn price(server: &Server) -> String {
    let output = server.run(&["-t", "--json", "-c", "tg.conf"]);
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// Takes every slot, and then more blocks than there are.
fn load(server: &Server, connections: usize, blocks: u64) -> Vec<UnixStream> {
    let path = server.directory.join("tg.sock");
    let mut clients: Vec<UnixStream> = (0..connections).map(|_| UnixStream::connect(&path).unwrap()).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
    }
    for client in &mut clients {
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
    }
    // One holds 32 KiB at most, and no more than a sixteenth of what is free, or a block.
    let floods = (blocks as usize / 4).max(64).min(connections);
    for client in clients.iter_mut().take(floods) {
        client.set_nonblocking(true).unwrap();
        let mut refusals = 0;
        while refusals < 20 {
            match client.write(&[b'x'; 16 * 1_024]) {
                Ok(_) => refusals = 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    refusals += 1;
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(_) => break,
            }
        }
    }
    clients
}

fn family(server: &mut Server, workers: usize) -> Vec<i32> {
    let mut pids = server.workers(workers);
    pids.push(server.pid());
    pids
}

fn price_holds(connections: usize) {
    if getrlimit(Resource::Nofile).maximum.is_some_and(|files| files < connections as u64 + 100) {
        println!("skipped: {connections} connections are more than the files allowed here");
        return;
    }
    let mut server = configured(1, connections, "");
    let json = price(&server);
    let (rest, full) = (priced(&json, "memory", "at_rest_bytes"), priced(&json, "memory", "full_load_bytes"));
    let files = priced(&json, "memory", "files_bytes");
    server = server.start();
    let pids = family(&mut server, 1);
    let resting = measured(&pids, "Pss:");
    assert!(resting <= rest, "at rest {resting}, priced {rest}");
    let clients = load(&server, connections, priced(&json, "worker", "blocks"));
    let written = full - files;
    let (mut total, mut anonymous) = (0, 0);
    wait_until("the load to be there and stay", || {
        let before = (total, anonymous);
        std::thread::sleep(Duration::from_millis(200));
        total = measured(&pids, "Pss:");
        // The pages of the statistics are anonymous and shared.
        anonymous = measured(&pids, "Pss_Anon:") + measured(&pids, "Pss_Shmem:");
        before == (total, anonymous)
    });
    println!("{connections}: rest {resting}/{rest} full {total}/{full} written {anonymous}/{written}");
    assert!(total <= full, "{connections} connections take {total} bytes, priced {full}");
    assert!(anonymous <= written, "{connections} connections write to {anonymous} bytes, priced {written}");
    assert!(full * 10 <= (anonymous + files) * 11, "{connections} connections: {anonymous} + {files}, priced {full}");
    assert!(anonymous * 11 >= written * 10, "{connections} connections write to {anonymous} bytes, priced {written}");
    drop(clients);
    send(server.pid(), Signal::TERM);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn the_price_of_64_connections_holds() {
    price_holds(64);
}

#[test]
fn the_price_of_1024_connections_holds() {
    price_holds(1_024);
}

#[test]
fn the_price_of_9900_connections_holds() {
    price_holds(9_900);
}

#[test]
fn memory_reserved_at_the_start_is_there_before_the_first_connection() {
    for (reserve, is_there) in [("use", false), ("start", true)] {
        let mut server = configured(2, 12_000, &format!("Reserve = {reserve}\nBlocks = 1024"));
        let json = price(&server);
        let (rest, mapping) = (priced(&json, "memory", "at_rest_bytes"), priced(&json, "worker", "mapping_bytes"));
        server = server.start();
        let pids = family(&mut server, 2);
        if is_there {
            wait_until("the memory", || pids[..2].iter().all(|worker| measured(&[*worker], "Rss:") > mapping));
        }
        let resting = measured(&pids, "Pss:");
        assert!(resting <= rest, "{resting} of {rest}");
        assert_eq!(resting > 2 * mapping, is_there, "{resting} bytes at rest, mappings of {mapping}");
    }
}

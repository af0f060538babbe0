//! What `/proc` says about a process: time, memory, descriptors, and whose connection is whose.

use std::collections::HashMap;
use std::fs;
use std::net::TcpStream;
use std::time::Duration;

/// Time on a processor so far.
pub fn cpu(pid: i32) -> Duration {
    if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/schedstat"))
        && let Some(nanos) = text.split_whitespace().next().and_then(|field| field.parse().ok())
    {
        return Duration::from_nanos(nanos);
    }
    // A kernel without it counts in ticks of ten milliseconds.
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = text.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    Duration::from_millis(10 * fields.map(|field| field.parse::<u64>().unwrap()).sum::<u64>())
}

/// Resident memory in KiB. The roll-up is exact where the status page is rounded by a batch of pages per processor.
pub fn resident_kib(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .or_else(|_| fs::read_to_string(format!("/proc/{pid}/status")))
        .unwrap();
    let line = text.lines().find(|line| line.starts_with("Rss:") || line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Descriptors open.
pub fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Which of these processes serves each of our connections (by its place in `streams`).
pub fn servers_of(streams: &[TcpStream], pids: &[i32]) -> Vec<Option<i32>> {
    let mut owners = HashMap::new();
    for pid in pids {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
            if let Ok(link) = fs::read_link(entry.path()) {
                owners.insert(link.to_string_lossy().into_owned(), *pid);
            }
        }
    }
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut inodes = HashMap::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        inodes.insert((port(fields[1]), port(fields[2])), format!("socket:[{}]", fields[9]));
    }
    let owner = |stream: &TcpStream| {
        let ends = (stream.peer_addr().ok()?.port(), stream.local_addr().ok()?.port());
        owners.get(inodes.get(&ends)?).copied()
    };
    streams.iter().map(owner).collect()
}

/// Bytes we sent that the other side's kernel has not acknowledged.
pub fn unacknowledged(stream: &TcpStream) -> u64 {
    let ends = (stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let of_stream = table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (sending, _) = fields[4].split_once(':')?;
        ((port(fields[1]), port(fields[2])) == ends).then(|| u64::from_str_radix(sending, 16).unwrap())
    });
    of_stream.expect("the connection is in the table")
}

fn port(address: &str) -> u16 {
    address.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok()).unwrap()
}

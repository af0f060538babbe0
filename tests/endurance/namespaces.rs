//! Two network namespaces of the test's own, joined by one cable that can be pulled. Nothing of the machine's network
//! is touched.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The server's end of the cable, and the clients'. From the block for benchmarks of devices (RFC 2544).
pub const HERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
pub const THERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

pub struct Namespaces {
    here: String,
    there: String,
}

impl Namespaces {
    /// `None`, and a word about it, where this may not be done: without root.
    pub fn make(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: network namespaces need root");
            return None;
        }
        let own = |side| format!("tidegate-{}-{name}-{side}", std::process::id());
        let made = Self { here: own("here"), there: own("there") };
        let (here, there) = (&made.here, &made.there);
        for side in [here, there] {
            ip(&format!("netns add {side}"));
            ip(&format!("-n {side} link set lo up"));
        }
        ip(&format!("-n {here} link add cable type veth peer name cable netns {there}"));
        for (side, address) in [(here, HERE), (there, THERE)] {
            ip(&format!("-n {side} address add {address}/30 dev cable"));
            ip(&format!("-n {side} link set cable up"));
        }
        Some(made)
    }

    /// Does something on the server's side, in a thread that ends with it.
    pub fn here<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        inside(&self.here, act)
    }

    /// Does something on the clients' side. Sockets made there stay there.
    pub fn there<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        inside(&self.there, act)
    }

    /// Pulls the cable out of the clients: not one packet more, either way.
    pub fn pull(&self) {
        ip(&format!("-n {} link set cable down", self.there));
    }

    /// The clients' packets are lost on their way, while the server's arrive.
    pub fn lose(&self) {
        ip(&format!("-n {} route add blackhole {HERE}/32", self.there));
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for side in [&self.here, &self.there] {
            let _ = Command::new("ip").args(["netns", "del", side]).status();
        }
    }
}

fn inside<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> T {
    let space = File::open(format!("/run/netns/{name}")).unwrap();
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            act()
        });
        work.join().unwrap()
    })
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("iproute2");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

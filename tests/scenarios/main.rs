//! The scenarios of `tests/sim/scenarios.rs` on real sockets: the dispatcher over Linux's epoll and loopback, its
//! clients in the same thread. What the pretend network promises must hold here too.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use tidegate::files::open::Open;
use tidegate::net::Linux;
use tidegate::os::clock;
use tidegate::os::conn::Conn;
use tidegate::os::epoll::{Epoll, Events};
use tidegate::os::socket::{self, Options};
use tidegate::settings::Address;
use tidegate_core::dispatch::Dispatcher;
use tidegate_core::stats::Stats;

#[path = "../sim/audit.rs"]
mod audit;
#[path = "../sim/house.rs"]
#[allow(dead_code)]
mod house;
#[path = "../sim/pages.rs"]
#[allow(dead_code)]
mod pages;
#[path = "../sim/rng.rs"]
#[allow(dead_code)]
mod rng;
#[path = "../sim/scenarios.rs"]
mod scenarios;
#[path = "../sim/services.rs"]
mod services;

use scenarios::{Bed, Got, Setup};

/// A server and its clients on this machine's loopback.
struct Loopback {
    net: Linux,
    server: Dispatcher<'static, Linux, audit::Audited<services::Mixed>>,
    events: Events,
    port: u16,
    buffer: Vec<u8>,
}

impl Loopback {
    /// Waits for events for so long at the most, and serves them. Returns whether there were any.
    fn turn(&mut self, ms: u64) -> bool {
        let until = self.server.next_deadline().map_or(u64::MAX, |at| at.saturating_sub(clock::now_ms()));
        let ready: Vec<_> = self.net.epoll.wait(&mut self.events, Some(ms.min(until))).unwrap().collect();
        let now_ms = clock::now_ms();
        for event in &ready {
            self.server.on_event(&mut self.net, now_ms, *event);
        }
        if self.server.next_deadline().is_some_and(|at| at <= now_ms) {
            self.server.on_time(&mut self.net, now_ms);
        }
        !ready.is_empty()
    }
}

impl Bed for Loopback {
    type Client = TcpStream;

    fn start(setup: Setup) -> Self {
        let Setup { protocol, connections, rules, blocks, block_bytes, scratch, outbox } = setup;
        let memory: &mut house::Memory<Conn, _> =
            Box::leak(Box::new(house::Memory::new(connections as usize, blocks, block_bytes, scratch, outbox)));
        let listener: OwnedFd =
            socket::listen(&Address::Ip((Ipv4Addr::LOCALHOST, 0).into()), 16, Options::default()).unwrap();
        let port = SocketAddr::try_from(rustix::net::getsockname(&listener).unwrap()).unwrap().port();
        let mut net = Linux::new(Epoll::new().unwrap(), None, Rc::new(Open::new(&mut [])));
        let mut server = Dispatcher::new(memory.lend(), house::services(&[protocol]));
        assert!(server.listen(&mut net, listener, connections, rules).is_ok());
        Self { net, server, events: Events::default(), port, buffer: vec![0; 65_536] }
    }

    fn open(&mut self) -> TcpStream {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        client.set_nonblocking(true).unwrap();
        client.set_nodelay(true).unwrap();
        self.wait(0);
        client
    }

    fn offer(&mut self, client: &mut TcpStream, bytes: &[u8]) -> Option<usize> {
        match client.write(bytes) {
            Ok(n) => Some(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    fn look(&mut self, client: &mut TcpStream) -> Got {
        match client.read(&mut self.buffer) {
            Ok(0) => Got::End,
            Ok(n) => Got::Bytes(self.buffer[..n].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Got::Nothing,
            Err(_) => Got::Reset,
        }
    }

    fn half_close(&mut self, client: &mut TcpStream) {
        client.shutdown(Shutdown::Write).unwrap();
    }

    fn close(&mut self, client: TcpStream) {
        drop(client);
    }

    fn reset(&mut self, client: TcpStream) {
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    }

    fn wait(&mut self, ms: u64) {
        let until = clock::now_ms() + ms;
        loop {
            let left = until.saturating_sub(clock::now_ms());
            if !self.turn(left) && clock::now_ms() >= until {
                return;
            }
        }
    }

    fn drain(&mut self) {
        self.server.drain(&mut self.net, clock::now_ms());
        self.wait(0);
    }

    fn stop(&mut self) {
        self.server.stop(&mut self.net, clock::now_ms());
    }

    fn stats(&self) -> Stats {
        self.server.stats().clone()
    }

    fn taken(&self) -> u32 {
        self.server.taken()
    }

    fn blocks_taken(&self) -> usize {
        self.server.blocks_taken()
    }
}

#[test]
fn every_scenario_holds_on_linux() {
    let threads: Vec<_> = scenarios::all::<Loopback>()
        .into_iter()
        .map(|(name, run, setup)| (name, std::thread::spawn(move || run(&mut Loopback::start(setup)))))
        .collect();
    let failed: Vec<_> = threads.into_iter().filter_map(|(name, thread)| thread.join().err().map(|_| name)).collect();
    assert!(failed.is_empty(), "failed: {failed:?}");
}

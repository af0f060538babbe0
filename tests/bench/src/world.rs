//! A network in memory that costs next to nothing, so that what is counted is the core.

use std::num::NonZeroU32;

use tidegate_core::blocks::BlockMark;
use tidegate_core::conn::Slot;
use tidegate_core::dispatch::{Dispatcher, Storage};
use tidegate_core::event::{Event, Interest, Ready, Token};
use tidegate_core::files::{Ask, File, Files, OpenError, Opened, ReadError};
use tidegate_core::http::mime;
use tidegate_core::listen::Rules;
use tidegate_core::net::{Answer, Gone, Net, Peer};
use tidegate_core::pool::Mark;
use tidegate_core::service::http::{Http, HttpState};
use tidegate_core::service::{Discard, Echo, Service};

pub const MESSAGE: [u8; 64] = [b'm'; 64];

type Conn = NonZeroU32;

tidegate_core::service_set! {
    /// As many services as a server has: one of them costs more among others than alone.
    pub struct Shipped<'m>, Kind, ShippedState {
        echo: Echo = "echo",
        discard: Discard = "discard",
        http: Http<'m, OneFile>: HttpState = "http",
    }
}

/// One file of 1 KiB, found as in a cache.
pub struct OneFile {
    pub bytes: [u8; 1024],
    pub kind: mime::Kind,
}

impl Files for OneFile {
    fn open(&mut self, ask: Ask<'_>) -> Result<Opened, OpenError> {
        if ask.path != b"1k.txt" {
            return Err(OpenError::NotFound);
        }
        let (len, modified_s, version) = (self.bytes.len() as u64, 1_700_000_000, 0x1234_5678_9abc_def0);
        let kind = self.kind;
        Ok(Opened::File(File { id: 0, len, modified_s, version, kind, gzip: false, varies: false, by_net: false }))
    }

    fn read(&mut self, _: u32, offset: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let rest = self.bytes.get(offset as usize..).ok_or(ReadError)?;
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn release(&mut self, _: u32) {}
}

/// Hands out one connection for each `waiting`, one message for each `message`, the end of data when `ended`.
#[derive(Default)]
pub struct Memory {
    pub waiting: u32,
    pub message: Option<&'static [u8]>,
    pub ended: bool,
    /// Bytes sent by the server.
    pub sent: usize,
    pub closed: u32,
    /// The token of the connection watched last.
    pub last: Option<Token>,
    listener: Option<Token>,
}

impl Net for Memory {
    type Listener = ();
    type Conn = Conn;

    fn accept(&mut self, _: &()) -> Answer<(Conn, Peer)> {
        let conn = Conn::new(self.waiting).ok_or(nb::Error::WouldBlock)?;
        self.waiting -= 1;
        Ok((conn, Peer::Ip(([127, 0, 0, 1], 5678).into())))
    }

    fn recv(&mut self, _: &Conn, into: &mut [u8]) -> Answer<usize> {
        if let Some(message) = self.message.take() {
            into[..message.len()].copy_from_slice(message);
            return Ok(message.len());
        }
        if self.ended { Ok(0) } else { Err(nb::Error::WouldBlock) }
    }

    fn send(&mut self, _: &Conn, parts: &[&[u8]]) -> Answer<usize> {
        let n = parts.iter().map(|part| part.len()).sum();
        self.sent += n;
        Ok(n)
    }

    fn shutdown(&mut self, _: &Conn) {}

    fn close(&mut self, _: Conn) {
        self.closed += 1;
    }

    fn close_listener(&mut self, _: ()) {}

    fn watch(&mut self, _: &Conn, token: Token, _: Interest, _: Interest) -> Result<(), Gone> {
        self.last = Some(token);
        Ok(())
    }

    fn watch_listener(&mut self, _: &(), token: Token, _: bool) -> Result<(), Gone> {
        self.listener = Some(token);
        Ok(())
    }
}

/// A server with one listener, and the world it lives in.
pub struct Rig<S: Service<State: 'static>> {
    pub server: Dispatcher<'static, Memory, S>,
    pub net: Memory,
    pub now_ms: u64,
}

/// All services, the listener's of this kind.
pub fn shipped(kind: Kind) -> Shipped<'static> {
    let file = OneFile { bytes: [b'x'; 1024], kind: mime::Kind::of(b"1k.txt") };
    let mut services = Shipped::new(Echo, Discard, Http::new(file, (), &[], Box::leak(Box::default())));
    assert!(services.assign(0, kind));
    services
}

impl<S: Service<State: 'static>> Rig<S> {
    pub fn new(connections: usize, services: S) -> Self {
        let storage = Storage {
            marks: many::<Mark>(connections),
            slots: many::<Slot<Conn>>(connections),
            states: many::<S::State>(connections),
            timer_cells: many(connections),
            timer_places: many(connections),
            block_marks: many::<BlockMark>(64),
            block_memory: many(64 * 4096),
            block_bytes: 4096,
            scratch: many(16 * 1024),
            outbox: many(16 * 1024),
            clients: &mut [],
            seed: [0; 2],
            elder_cells: &mut [],
            elder_places: &mut [],
            stats: Box::leak(Box::default()),
        };
        let (mut server, mut net) = (Dispatcher::new(storage, services), Memory::default());
        server.set_wall(1_784_000_000);
        let rules = Rules { idle_ms: 60_000, request_ms: 10_000, write_ms: 30_000, info: "" };
        server.listen(&mut net, (), connections as u32, rules).expect("room for one listener");
        Self { server, net, now_ms: 1 }
    }

    /// `n` clients connect; the last one's token.
    pub fn connect(&mut self, n: u32) -> Token {
        self.net.waiting = n;
        self.ready(self.net.listener.expect("a listener"));
        self.net.last.expect("a connection")
    }

    /// A client sends one message, which is answered.
    pub fn say(&mut self, token: Token, message: &'static [u8]) {
        self.net.message = Some(message);
        self.ready(token);
    }

    /// A client ends its direction, and with that the connection.
    pub fn end(&mut self, token: Token) {
        self.net.ended = true;
        self.ready(token);
        self.net.ended = false;
    }

    fn ready(&mut self, token: Token) {
        self.now_ms += 1;
        let event = Event { token, ready: Ready::READ };
        self.server.on_event(&mut self.net, self.now_ms, event);
    }
}

/// Memory lent for good.
pub fn many<T: Default>(n: usize) -> &'static mut [T] {
    Vec::leak((0..n).map(|_| T::default()).collect())
}

//! The pretend network: the simulator's [`Net`].
//!
//! Kinder than Linux nowhere: reads and writes are short, readiness lies, descriptors run out, registrations fail,
//! and events come for connections that are gone. Each call is checked against what a caller may do, counted, and
//! noted in a hash, so that a seed played twice can be compared.

use std::collections::VecDeque;

use nb::Error::{Other, WouldBlock};
use tidegate_core::admission::Admission;
use tidegate_core::event::{Event, Interest, Ready, Token};
use tidegate_core::net::{Answer, Gone, Net, Peer};
use tidegate_core::stats::Counter;

use crate::gate::{peer_of, refuses};
use crate::link::{Heard, Link, Stage};
use crate::rng::Rng;

/// The server's handle of a connection: not to be copied, so that a second close does not compile.
#[derive(Debug)]
pub struct Conn(usize);

/// The server's handle of a listener.
#[derive(Debug)]
pub struct Door(usize);

/// What goes wrong, each so many times in a thousand chances.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub short_reads: u32,
    pub short_writes: u32,
    /// `WouldBlock` although it was reported ready.
    pub blocked: u32,
    /// A connection breaks under the server's hands.
    pub breaks: u32,
    /// A waiting connection is gone when it is accepted.
    pub aborts: u32,
    /// A file became shorter while it is sent.
    pub shortens: u32,
    /// A registration that is asked for is refused.
    pub unwatched: u32,
    /// Events for connections that are gone, for nobody, and for no reason, for each look.
    pub stale: u32,
    pub foreign: u32,
    pub spurious: u32,
}

struct Listening {
    queue: VecDeque<usize>,
    token: Option<Token>,
    open: bool,
    terms: Admission<'static>,
    connections: usize,
    /// When someone was let in.
    taken_ms: Vec<u64>,
    /// It is still watched because the world refused not to.
    stuck: bool,
}

impl Listening {
    /// In no stretch of time more than the burst and what the rate allows.
    fn keep_rate(&mut self, now_ms: u64) {
        self.taken_ms.push(now_ms);
        let rate = u64::from(self.terms.per_second);
        for (count, since_ms) in (1..).zip(self.taken_ms.iter().rev()).filter(|_| rate > 0) {
            assert!(
                count * 1000 <= rate * (1000 + now_ms - since_ms),
                "{count} let in since {since_ms}: over the rate"
            );
        }
    }
}

pub struct World {
    pub links: Vec<Link>,
    pub faults: Faults,
    /// The time the dispatcher knows: the latest it was ever told.
    pub seen_ms: u64,
    /// Accepting finds no descriptor: now, or with so many connections open.
    pub starving: bool,
    pub descriptors: usize,
    pub backlog: usize,
    /// Hosts that connect; 0 is a new one each time.
    pub hosts: usize,
    /// The one that connects next, where a test wants to say.
    pub next_host: Option<usize>,
    /// The kernel's buffers of new connections.
    pub buffers: (usize, usize),
    pub accepted: u64,
    pub closed: u64,
    /// Taken and closed at once, as they must be.
    pub refused: [u64; Counter::COUNT],
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Accepts that found no descriptor.
    pub starved: u64,
    /// Calls that changed something, and faults that were put in.
    pub progress: u64,
    pub injected: u64,
    /// Closed during the dispatcher's last call; the caller empties it.
    pub closed_now: Vec<usize>,
    pub trace: u64,
    pub rng: Rng,
    listening: Vec<Listening>,
    alive: Vec<usize>,
    gone_tokens: Vec<Token>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            links: Vec::new(),
            faults: Faults::default(),
            seen_ms: 0,
            starving: false,
            descriptors: usize::MAX,
            backlog: 16,
            hosts: 0,
            next_host: None,
            buffers: (4096, 4096),
            accepted: 0,
            closed: 0,
            refused: [0; Counter::COUNT],
            bytes_in: 0,
            bytes_out: 0,
            starved: 0,
            progress: 0,
            injected: 0,
            closed_now: Vec::new(),
            trace: 0xcbf2_9ce4_8422_2325,
            rng: Rng::new(seed ^ 0x5eed),
            listening: Vec::new(),
            alive: Vec::new(),
            gone_tokens: Vec::new(),
        }
    }

    pub fn door(&mut self) -> Door {
        self.door_with(Admission::default(), usize::MAX)
    }

    /// A listener with these terms, for so many connections.
    pub fn door_with(&mut self, terms: Admission<'static>, connections: usize) -> Door {
        self.listening.push(Listening {
            queue: VecDeque::new(),
            token: None,
            open: true,
            terms,
            connections,
            taken_ms: Vec::new(),
            stuck: false,
        });
        Door(self.listening.len() - 1)
    }

    /// A client connects; `None` while the backlog is full, or nobody listens.
    pub fn connect(&mut self, listener: usize) -> Option<usize> {
        let listening = &mut self.listening[listener];
        if !listening.open || listening.queue.len() >= self.backlog {
            return None;
        }
        listening.queue.push_back(self.links.len());
        let host = self.next_host.take().or_else(|| (self.hosts > 0).then(|| self.rng.below(self.hosts)));
        let peer = peer_of(host, self.links.len());
        self.links.push(Link::new(listener, peer, self.buffers.0, self.buffers.1, self.seen_ms));
        Some(self.links.len() - 1)
    }

    pub fn read(&mut self, link: usize, max: usize) -> Heard {
        self.links[link].read(max)
    }

    pub fn watched(&self, listener: usize) -> bool {
        self.listening[listener].token.is_some()
    }

    pub fn stuck(&self, listener: usize) -> bool {
        self.listening[listener].stuck
    }

    /// Links the server holds.
    pub fn alive(&self) -> &[usize] {
        &self.alive
    }

    /// What is ready now, in any order, and whatever the faults add.
    pub fn poll(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for listening in self.listening.iter().filter(|l| !l.queue.is_empty()) {
            if let Some(token) = listening.token {
                events.push(Event { token, ready: Ready::READ });
            }
        }
        for at in &self.alive {
            let link = &self.links[*at];
            let Some((token, interest)) = link.registered else { continue };
            let readable = link.hung_up() || interest.read() && link.readable();
            let writable = link.hung_up() || interest.write() && link.writable();
            if readable || writable {
                events.push(Event { token, ready: Ready::of(readable, writable) });
            }
        }
        let any = Ready::of(self.rng.chance(700), self.rng.chance(700));
        if self.rng.chance(self.faults.spurious) && !self.alive.is_empty() {
            let at = self.rng.pick(&self.alive);
            self.inject(&mut events, self.links[at].token, any);
        }
        if self.rng.chance(self.faults.stale) && !self.gone_tokens.is_empty() {
            let token = self.rng.pick(&self.gone_tokens);
            self.inject(&mut events, Some(token), any);
        }
        if self.rng.chance(self.faults.foreign) {
            let slot = self.rng.next() % 70;
            let words = [self.rng.next(), slot, slot | 2 << 32, slot | 0xffff_fffe << 32, u64::MAX];
            let word = self.rng.pick(&words);
            self.inject(&mut events, Some(Token::from_bits(word)), any);
        }
        for at in (1..events.len()).rev() {
            events.swap(at, self.rng.below(at + 1));
        }
        events
    }

    /// The dispatcher is being told the time.
    pub fn see(&mut self, told_ms: u64) {
        self.seen_ms = self.seen_ms.max(told_ms);
    }

    /// Puts an event in the trace, as it is handed over.
    pub fn hand_over(&mut self, event: Event) {
        let ready = (event.ready.read() as u64) << 1 | event.ready.write() as u64;
        self.note(b'E', event.token.to_bits(), ready);
    }

    pub fn note(&mut self, kind: u8, a: u64, b: u64) {
        for word in [kind as u64, a, b] {
            self.trace = (self.trace ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(23);
        }
    }

    fn inject(&mut self, events: &mut Vec<Event>, token: Option<Token>, ready: Ready) {
        if let Some(token) = token {
            self.injected += 1;
            events.push(Event { token, ready });
        }
    }

    fn fault(&mut self, per_mille: u32) -> bool {
        let hit = self.rng.chance(per_mille);
        self.injected += hit as u64;
        hit
    }

    /// What recv and send have in common: is the call allowed, and does the connection still stand?
    fn touch(&mut self, conn: &Conn) -> Result<(), nb::Error<Gone>> {
        assert_eq!(self.links[conn.0].stage, Stage::Taken, "link {} is used while it is not the server's", conn.0);
        assert!(self.links[conn.0].unwelcome.is_none(), "link {} is used although it must be refused", conn.0);
        assert!(!self.links[conn.0].failure_told, "link {} is used after it failed", conn.0);
        if self.fault(self.faults.breaks) {
            let link = &mut self.links[conn.0];
            (link.broken, link.reset_by_client, link.failure_told) = (true, true, true);
            link.be_reset();
            self.note(b'!', conn.0 as u64, 0);
            return Err(Other(if self.rng.chance(500) { Gone::Reset } else { Gone::Other }));
        }
        let link = &mut self.links[conn.0];
        if link.reset_by_client {
            link.failure_told = true;
            self.progress += 1;
            return Err(Other(Gone::Reset));
        }
        if self.fault(self.faults.blocked) { Err(WouldBlock) } else { Ok(()) }
    }
}

impl Net for World {
    type Listener = Door;
    type Conn = Conn;

    fn accept(&mut self, door: &Door) -> Answer<(Conn, Peer)> {
        self.note(b'A', door.0 as u64, self.listening[door.0].queue.len() as u64);
        if self.listening[door.0].queue.is_empty() || self.fault(self.faults.blocked) {
            return Err(WouldBlock);
        }
        if self.starving || self.alive.len() >= self.descriptors {
            self.starved += 1;
            return Err(Other(Gone::NoRoom));
        }
        let at = self.listening[door.0].queue.pop_front().expect("looked at above");
        self.progress += 1;
        if self.fault(self.faults.aborts) {
            self.links[at].stage = Stage::Lost;
            self.links[at].be_reset();
            return Err(Other(Gone::Reset));
        }
        let welcome = |at: &&usize| self.links[**at].listener == door.0 && self.links[**at].unwelcome.is_none();
        let connected = self.alive.iter().filter(welcome).map(|at| self.links[*at].peer);
        let Listening { terms, connections, .. } = &self.listening[door.0];
        let unwelcome = refuses(terms, *connections, self.links[at].peer, connected);
        let link = &mut self.links[at];
        (link.stage, link.unwelcome) = (Stage::Taken, unwelcome);
        (link.opened_ms, link.moved_ms, link.tried_ms) = (self.seen_ms, self.seen_ms, self.seen_ms);
        self.alive.push(at);
        if unwelcome.is_none() {
            self.listening[door.0].keep_rate(self.seen_ms);
        }
        self.accepted += u64::from(unwelcome.is_none());
        Ok((Conn(at), self.links[at].peer))
    }

    fn recv(&mut self, conn: &Conn, into: &mut [u8]) -> Answer<usize> {
        self.note(b'R', conn.0 as u64, into.len() as u64);
        assert!(!into.is_empty(), "recv with an empty buffer");
        assert!(!self.links[conn.0].end_told, "recv after the end");
        self.touch(conn)?;
        let mut max = into.len();
        if self.fault(self.faults.short_reads) {
            max = 1 + self.rng.below(max.min(9));
        }
        let link = &mut self.links[conn.0];
        let n = max.min(link.up.bytes.len());
        if n == 0 && !link.up.ended {
            return Err(WouldBlock);
        }
        for (to, byte) in into.iter_mut().zip(link.up.bytes.drain(..n)) {
            *to = byte;
        }
        link.tried_ms = self.seen_ms;
        if n == 0 {
            link.end_told = true;
        } else {
            link.moved_ms = self.seen_ms;
            link.received += n as u64;
        }
        // What a lingering connection throws away is no input.
        if link.shut_ms.is_none() {
            self.bytes_in += n as u64;
        }
        self.progress += 1;
        self.note(b'r', n as u64, into[0] as u64);
        Ok(n)
    }

    fn send(&mut self, conn: &Conn, parts: &[&[u8]]) -> Answer<usize> {
        let mut max: usize = parts.iter().map(|part| part.len()).sum();
        self.note(b'S', conn.0 as u64, max as u64);
        assert!(max > 0, "nothing to send");
        assert!(self.links[conn.0].shut_ms.is_none(), "link {}: sent after the shutdown", conn.0);
        self.links[conn.0].tried_ms = self.seen_ms;
        self.touch(conn)?;
        if self.fault(self.faults.short_writes) {
            max = 1 + self.rng.below(max.min(9));
        }
        let link = &mut self.links[conn.0];
        if link.client_gone {
            // The bytes leave; the answer is a reset.
            link.reset_by_client = true;
            link.up.bytes.clear();
        }
        let n = max.min(link.down.room());
        if n == 0 {
            return Err(WouldBlock);
        }
        link.down.bytes.extend(parts.iter().copied().flatten().take(n));
        link.moved_ms = self.seen_ms;
        link.sent += n as u64;
        self.bytes_out += n as u64;
        self.progress += 1;
        self.note(b's', n as u64, parts[0][0] as u64);
        Ok(n)
    }

    fn send_file(&mut self, conn: &Conn, id: u32, offset: u64, len: usize) -> Answer<usize> {
        self.note(b'F', conn.0 as u64, offset);
        assert!(len > 0, "nothing to send");
        assert!(self.links[conn.0].shut_ms.is_none(), "link {}: sent after the shutdown", conn.0);
        self.links[conn.0].tried_ms = self.seen_ms;
        self.touch(conn)?;
        if self.fault(self.faults.shortens) {
            (self.links[conn.0].broken, self.links[conn.0].failure_told) = (true, true);
            return Ok(0);
        }
        let max = if self.fault(self.faults.short_writes) { 1 + self.rng.below(len.min(9)) } else { len };
        let link = &mut self.links[conn.0];
        if link.client_gone {
            link.reset_by_client = true;
            link.up.bytes.clear();
        }
        let n = max.min(link.down.room());
        if n == 0 {
            return Err(WouldBlock);
        }
        link.down.bytes.extend((offset..).take(n).map(|at| crate::pages::byte(id, at)));
        link.moved_ms = self.seen_ms;
        link.sent += n as u64;
        self.bytes_out += n as u64;
        self.progress += 1;
        self.note(b'f', n as u64, offset);
        Ok(n)
    }

    fn shutdown(&mut self, conn: &Conn) {
        self.note(b'D', conn.0 as u64, 0);
        let link = &mut self.links[conn.0];
        assert_eq!((link.stage, link.shut_ms), (Stage::Taken, None), "link {}: shut down twice, or too late", conn.0);
        link.shut_ms = Some(self.seen_ms);
        link.down.ended = true;
        self.progress += 1;
    }

    fn close(&mut self, conn: Conn) {
        self.note(b'C', conn.0 as u64, 0);
        let link = &mut self.links[conn.0];
        assert_eq!(link.stage, Stage::Taken, "link {} closed twice", conn.0);
        link.closed_ms = self.seen_ms;
        self.gone_tokens.extend(link.token);
        link.give_back();
        self.alive.retain(|at| *at != conn.0);
        if let Some(counter) = self.links[conn.0].unwelcome {
            self.refused[counter as usize] += 1;
        } else {
            self.closed_now.push(conn.0);
            self.closed += 1;
        }
        self.progress += 1;
    }

    fn close_listener(&mut self, door: Door) {
        let listening = &mut self.listening[door.0];
        (listening.open, listening.token) = (false, None);
        for at in std::mem::take(&mut listening.queue) {
            self.links[at].stage = Stage::Lost;
            self.links[at].be_reset();
        }
        self.progress += 1;
    }

    fn watch(&mut self, conn: &Conn, token: Token, from: Interest, to: Interest) -> Result<(), Gone> {
        self.note(b'W', conn.0 as u64, (from.read() as u64) << 3 | (from.write() as u64) << 2);
        self.note(b'w', token.to_bits(), (to.read() as u64) << 3 | (to.write() as u64) << 2);
        if self.fault(self.faults.unwatched) {
            self.links[conn.0].unwatched = true;
            return Err(Gone::NoRoom);
        }
        let link = &mut self.links[conn.0];
        assert_eq!(link.stage, Stage::Taken);
        assert_eq!(link.registered.map_or(Interest::NONE, |(_, now)| now), from, "link {}: from", conn.0);
        assert_ne!(from, to, "link {}: a change that changes nothing", conn.0);
        assert!(link.token.is_none_or(|first| first == token), "link {}: its token changed", conn.0);
        link.token = Some(token);
        // No interest is no registration: a hang-up on an idle one would report for ever.
        link.registered = (to != Interest::NONE).then_some((token, to));
        self.progress += 1;
        assert!(!self.gone_tokens.contains(&token), "a token was given twice");
        Ok(())
    }

    fn watch_listener(&mut self, door: &Door, token: Token, on: bool) -> Result<(), Gone> {
        self.note(b'L', door.0 as u64, on as u64);
        let refused = self.fault(self.faults.unwatched);
        self.listening[door.0].stuck = refused && !on;
        if refused {
            return Err(Gone::NoRoom);
        }
        let listening = &mut self.listening[door.0];
        assert_ne!(listening.token.is_some(), on, "listener {}: a change that changes nothing", door.0);
        listening.token = on.then_some(token);
        self.progress += 1;
        Ok(())
    }
}

//! One pretend connection: two bounded byte queues, how each end left, and what the world has been asked to report.
//!
//! It behaves as TCP does at its worst: closing with unread input, or sending to someone who has closed, is a reset,
//! and a reset destroys whatever the other end has not read yet.

use std::collections::VecDeque;

use tidegate_core::event::{Interest, Token};
use tidegate_core::net::Peer;
use tidegate_core::stats::{Counter, Reason};

/// One direction.
pub struct Flow {
    pub bytes: VecDeque<u8>,
    pub capacity: usize,
    /// No more bytes will be put in.
    pub ended: bool,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let end = if self.ended { " and the end" } else { "" };
        write!(f, "{} of {}{end}", self.bytes.len(), self.capacity)
    }
}

impl Flow {
    fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, ended: false }
    }

    pub fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In the listener's queue.
    Waiting,
    /// Accepted.
    Taken,
    /// The server closed it.
    GivenBack,
    /// It was gone before the server took it.
    Lost,
}

/// What a client's read brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Reset,
}

#[derive(Debug)]
pub struct Link {
    pub listener: usize,
    pub peer: Peer,
    /// To the server, and to the client.
    pub up: Flow,
    pub down: Flow,
    pub stage: Stage,
    pub reset_by_client: bool,
    pub reset_by_server: bool,
    /// The client closed its socket: what is sent to it is answered with a reset.
    pub client_gone: bool,
    pub registered: Option<(Token, Interest)>,
    /// Given with the first registration.
    pub token: Option<Token>,
    /// When the server ended its direction.
    pub shut_ms: Option<u64>,
    /// The server was told the end, or a failure: it has no more business here but to close.
    pub end_told: bool,
    pub failure_told: bool,
    /// The last byte that moved at the server, and the last time it tried to move one.
    pub moved_ms: u64,
    pub tried_ms: u64,
    pub opened_ms: u64,
    pub closed_ms: u64,
    pub received: u64,
    pub sent: u64,
    /// The world itself broke this link, or failed to watch it: its client is excused.
    pub broken: bool,
    pub unwatched: bool,
    /// It must be refused, closed at once and untouched, and counted as this.
    pub unwelcome: Option<Counter>,
    /// Why it may have been closed: all reasons counted during the dispatcher call that closed it.
    pub reasons: Vec<Reason>,
}

impl Link {
    pub fn new(listener: usize, peer: Peer, up: usize, down: usize, now_ms: u64) -> Self {
        Self {
            listener,
            peer,
            up: Flow::new(up),
            down: Flow::new(down),
            stage: Stage::Waiting,
            reset_by_client: false,
            reset_by_server: false,
            client_gone: false,
            registered: None,
            token: None,
            shut_ms: None,
            end_told: false,
            failure_told: false,
            moved_ms: now_ms,
            tried_ms: now_ms,
            opened_ms: now_ms,
            closed_ms: 0,
            received: 0,
            sent: 0,
            broken: false,
            unwatched: false,
            unwelcome: None,
            reasons: Vec::new(),
        }
    }

    // The client's side.

    /// Sends what fits; `None` when the connection was reset.
    pub fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.reset_by_server || self.reset_by_client {
            return None;
        }
        if self.stage == Stage::GivenBack {
            self.be_reset();
            return Some(bytes.len());
        }
        let n = bytes.len().min(self.up.room());
        self.up.bytes.extend(&bytes[..n]);
        Some(n)
    }

    pub fn read(&mut self, max: usize) -> Heard {
        if self.reset_by_server || self.reset_by_client {
            return Heard::Reset;
        }
        let n = max.min(self.down.bytes.len());
        match n {
            0 if self.down.bytes.is_empty() && self.down.ended => Heard::End,
            0 => Heard::Nothing,
            n => Heard::Bytes(self.down.bytes.drain(..n).collect()),
        }
    }

    /// Ends the client's direction only.
    pub fn half_close(&mut self) {
        self.up.ended = true;
    }

    pub fn reset(&mut self) {
        self.reset_by_client = true;
        self.client_gone = true;
        self.up.bytes.clear();
        self.down.bytes.clear();
    }

    /// The client closes its socket: politely, or with a reset when it has not read everything.
    pub fn close(&mut self) {
        if self.down.bytes.is_empty() {
            self.up.ended = true;
            self.client_gone = true;
        } else {
            self.reset();
        }
    }

    // The server's side.

    /// The server's close: a reset if it leaves something unread.
    pub fn give_back(&mut self) {
        self.stage = Stage::GivenBack;
        self.registered = None;
        if self.up.bytes.is_empty() { self.down.ended = true } else { self.be_reset() }
    }

    pub fn be_reset(&mut self) {
        self.reset_by_server = true;
        self.down.bytes.clear();
        self.up.bytes.clear();
    }

    /// What can be done at the server without waiting, whether or not anyone asked.
    pub fn readable(&self) -> bool {
        !self.up.bytes.is_empty() || self.up.ended || self.reset_by_client
    }

    pub fn writable(&self) -> bool {
        self.down.room() > 0 || self.reset_by_client
    }

    /// An error or a hang-up, which the world reports to any registration.
    pub fn hung_up(&self) -> bool {
        self.reset_by_client || self.up.ended && self.shut_ms.is_some()
    }
}

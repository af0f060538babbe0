//! What a protocol is: a pure step from a cause and the unread input to a reply and what next.
//!
//! A service sees no socket, no clock and no pool. It is called with *all* unread input every time, so a message cut
//! anywhere and ten messages in one read are the same loop: consume what is complete, reply, say [`Next::More`].
//! Its state for a connection lies beside the slots; its own fields are shared by all connections of a worker.
//! Nothing a peer sends may make a step run long: a step is a function, and the dispatcher calls it a bounded number
//! of times a wake-up.
//!
//! The trait leaves room for what is to come without a change to the services there are: a peer to dial and be paired
//! with is one more [`Next`].

mod discard;
mod echo;
pub mod frame;
pub mod http;
mod set;

pub use discard::Discard;
pub use echo::Echo;
pub use set::{BuiltIn, BuiltInState, Kind};

use crate::blocks::copy;
use crate::event::Token;
use crate::listen::Rules;
use crate::net::{PackedPeer, Peer};
use crate::pool::Pool;

/// A protocol. One value serves all connections of a dispatcher.
pub trait Service {
    /// What is kept for each connection; set to its default when a connection opens.
    type State: Default;

    /// Does one step. `input` is everything received and not yet consumed.
    fn step(
        &mut self,
        state: &mut Self::State,
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Step;

    /// So many bytes have left of the file that the last step asked for with [`Outbox::file`]. A step follows.
    fn sent(&mut self, _state: &mut Self::State, _bytes: usize) {}

    /// The connection is gone, for whatever reason; called exactly once. Others can be woken to hear of it.
    fn closed(&mut self, _state: &mut Self::State, _context: &mut Context<'_, '_>) {}
}

/// Why a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The connection was accepted; nothing was received yet.
    Opened,
    /// More input came.
    Bytes,
    /// The peer ended its direction: no more input will come. Told once; [`Context::ended`] remembers.
    End,
    /// All output has left, after the service answered [`Next::Again`]; of a file, what could leave so far.
    Drained,
    /// The time asked for with [`Next::Wait`] has come.
    Time,
    /// Someone called [`Context::wake`] with this connection's token.
    Woken,
    /// The request was not complete within `RequestTimeout`: the last word. The connection closes after this step.
    Timeout,
}

/// The answer of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How much of the input is done with, from its start.
    pub consumed: usize,
    pub next: Next,
}

/// What the connection does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Reads on: what is left unread is an unfinished request.
    More,
    /// The outbox was too small: call again ([`Cause::Drained`]) when it has left.
    Again,
    /// Closes once everything has left.
    Close,
    /// As `More`, and calls again at this time (monotonic milliseconds; [`NEVER`](crate::timer::NEVER) to wait for a
    /// wake alone). Unread input is not an unfinished request meanwhile: it may stay, and reading pauses when it
    /// fills the receive buffer. A service that owes a reply leaves the request unread until it answers: with nothing
    /// unread a waiting connection is at rest, and a drain closes it.
    Wait(u64),
}

impl Step {
    pub const fn more(consumed: usize) -> Self {
        Self { consumed, next: Next::More }
    }

    pub const fn again(consumed: usize) -> Self {
        Self { consumed, next: Next::Again }
    }

    pub const fn close(consumed: usize) -> Self {
        Self { consumed, next: Next::Close }
    }

    pub const fn wait(consumed: usize, at_ms: u64) -> Self {
        Self { consumed, next: Next::Wait(at_ms) }
    }
}

/// Where a step writes its reply. What is written leaves in order, once, even when the step closes.
pub struct Outbox<'a> {
    room: &'a mut [u8],
    len: usize,
    reflected: usize,
    file: Option<FilePart>,
}

/// A part of a file that follows what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePart {
    pub id: u32,
    pub offset: u64,
    pub len: usize,
}

impl<'a> Outbox<'a> {
    /// An outbox over `room`; services are unit-tested with one.
    pub fn new(room: &'a mut [u8]) -> Self {
        Self { room, len: 0, reflected: 0, file: None }
    }

    /// Bytes that [`Outbox::write`] can still take in this step.
    pub fn room(&self) -> usize {
        if self.reflected > 0 || self.file.is_some() { 0 } else { self.room.len().saturating_sub(self.len) }
    }

    /// Bytes written in this step.
    pub fn written(&self) -> usize {
        self.len
    }

    /// Writes all of `bytes`, or nothing and says `false`.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        bytes.len() <= self.room() && self.write_some(bytes) == bytes.len()
    }

    /// Writes as much of `bytes` as there is room for; returns how much.
    pub fn write_some(&mut self, bytes: &[u8]) -> usize {
        if self.reflected > 0 || self.file.is_some() {
            return 0;
        }
        let n = self.room.get_mut(self.len..).map_or(0, |room| copy(room, bytes));
        self.len = self.len.wrapping_add(n);
        n
    }

    /// Sends the first `n` bytes of the step's input after what was written, without copying them. They must be
    /// consumed by the same step; nothing can be written after them.
    pub fn reflect(&mut self, n: usize) {
        self.reflected = n;
    }

    /// Lets `fill` write into at most `max` bytes of the room that is left; it answers how many it wrote.
    pub fn fill<E>(&mut self, max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        let end = self.len.saturating_add(max.min(self.room()));
        let into = self.room.get_mut(self.len..end).unwrap_or_default();
        let n = fill(into)?.min(end.saturating_sub(self.len));
        self.len = self.len.wrapping_add(n);
        Ok(n)
    }

    /// All the room and how much of it is written, for one who keeps count by himself.
    pub(crate) fn parts(&mut self) -> (&mut [u8], &mut usize) {
        let open = self.reflected == 0 && self.file.is_none();
        let end = if open { self.room.len() } else { self.len };
        (self.room.get_mut(..end).unwrap_or_default(), &mut self.len)
    }

    /// Takes back what was written behind the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Writes over what was written at `at`, as far as it reaches.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        copy(self.room.get_mut(at..self.len).unwrap_or_default(), bytes);
    }

    /// Lets [`Net::send_file`](crate::net::Net::send_file) send from a file once everything before has left; nothing
    /// can be written after it, and the step has to answer [`Next::Again`]. [`Service::sent`] tells how much left.
    pub fn file(&mut self, part: FilePart) {
        self.file = Some(part);
    }

    /// The file that follows what was written, if the step asked for one.
    pub fn file_part(&self) -> Option<FilePart> {
        self.file
    }

    /// What was written, and how much of the input follows it.
    pub fn finish(self) -> (&'a [u8], usize) {
        (self.room.get(..self.len).unwrap_or(&[]), self.reflected)
    }
}

/// What a step may know and ask besides its input.
pub struct Context<'a, 'm> {
    pub(crate) now_ms: u64,
    pub(crate) wall_s: i64,
    pub(crate) me: Token,
    pub(crate) listener: u8,
    pub(crate) peer: &'a PackedPeer,
    pub(crate) rules: &'a [Rules<'m>],
    pub(crate) ended: bool,
    pub(crate) pool: &'a mut Pool<'m>,
}

impl<'a, 'm> Context<'a, 'm> {
    /// A context without a dispatcher, to test a service with: no listener's rules, a unix peer that has not ended.
    pub fn detached(pool: &'a mut Pool<'m>, me: Token, now_ms: u64) -> Self {
        Self { now_ms, wall_s: 0, me, listener: 0, peer: &PackedPeer::UNIX, rules: &[], ended: false, pool }
    }

    /// The same at a time of day, for a listener, before or after the peer's end.
    pub fn at(self, wall_s: i64, listener: usize, ended: bool) -> Self {
        Self { wall_s, listener: listener as u8, ended, ..self }
    }
}

impl Context<'_, '_> {
    /// Monotonic milliseconds; the same throughout a wake-up.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Seconds since 1970 by the world's calendar, as far as it was told; 0 if it was not.
    pub fn wall_s(&self) -> i64 {
        self.wall_s
    }

    /// This connection's token, to be kept by whoever will wake it.
    pub fn me(&self) -> Token {
        self.me
    }

    /// The listener that accepted this connection, in the order they were added.
    pub fn listener(&self) -> usize {
        self.listener as usize
    }

    pub fn peer(&self) -> Peer {
        self.peer.unpack()
    }

    /// The listener's `DBInfo`.
    pub fn info(&self) -> &str {
        self.rules.get(self.listener()).map_or("", |rules| rules.info)
    }

    /// Whether the peer has ended its direction.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Has a connection of this dispatcher called with [`Cause::Woken`] soon. `false` if it is gone. Cannot overflow.
    pub fn wake(&mut self, token: Token) -> bool {
        self.pool.wake(token)
    }
}

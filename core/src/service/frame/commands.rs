//! What a program adds to the frame service: its own codes.

use crate::frame::Frame as Message;
use crate::service::{Context, Outbox};

/// A program's commands, from [`CODE_FREE_MIN`](crate::frame::CODE_FREE_MIN) on. One value serves all connections.
pub trait Commands {
    /// What is kept for each connection: up to 12 bytes leave the price of a connection as it is.
    type State: Default;

    /// Answers a frame with zero or more of its own. Where one of them does not fit, all of them are taken back and
    /// the frame comes again: what a command changes, it changes after its last reply.
    fn command(
        &mut self,
        state: &mut Self::State,
        message: &Message<'_>,
        replies: &mut Replies<'_, '_>,
        context: &mut Context<'_, '_>,
    ) -> Known;

    /// Someone called [`Context::wake`], or there is room again: writes what is due, also unasked, and says how many of
    /// the questions left for later are now done with. What did not fit is written when this is called next.
    fn woken(
        &mut self,
        _state: &mut Self::State,
        _replies: &mut Replies<'_, '_>,
        _context: &mut Context<'_, '_>,
    ) -> u16 {
        0
    }

    /// The connection is gone; a token kept of it wakes nobody any more.
    fn closed(&mut self, _state: &mut Self::State, _context: &mut Context<'_, '_>) {}
}

/// What a program made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Answered,
    /// The answer comes later, after a wake: keep [`Context::me`]. Asked first is [`Replies::may_wait`].
    Later,
    Unknown,
}

/// Where answers are written.
pub struct Replies<'o, 'a> {
    out: &'o mut Outbox<'a>,
    may_wait: bool,
    pub(super) written: u32,
    pub(super) fits: bool,
}

impl<'o, 'a> Replies<'o, 'a> {
    pub(super) fn new(out: &'o mut Outbox<'a>, may_wait: bool) -> Self {
        Self { out, may_wait, written: 0, fits: true }
    }

    /// Writes a frame, or says `false`: it does not fit now, nor will what follows.
    pub fn write(&mut self, code: u16, body: &[u8]) -> bool {
        self.fits &= Message { code, body }.write(self.out);
        self.written = self.written.wrapping_add(u32::from(self.fits));
        self.fits
    }

    /// Whether this frame may be answered later; otherwise the client is told that the server is busy.
    pub fn may_wait(&self) -> bool {
        self.may_wait
    }
}

/// No commands: every code but the service's own is unknown.
impl Commands for () {
    type State = ();

    fn command(
        &mut self,
        _state: &mut (),
        _message: &Message<'_>,
        _replies: &mut Replies<'_, '_>,
        _context: &mut Context<'_, '_>,
    ) -> Known {
        Known::Unknown
    }
}

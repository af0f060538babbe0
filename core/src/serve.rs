//! One turn of one connection: receive, let the service step, send.
//!
//! The path every request takes. Nothing in here closes a connection: a turn ends in a [`Fate`], and the dispatcher
//! alone acts on it. In the common case a turn is one `recv` into the scratch, one step, and one `send` straight
//! from the scratch or the outbox; blocks are touched only for what is left over.
//!
//! What a turn may leave behind always fits: input is received and replies are written only up to what the free
//! blocks (at the least the reserve) can hold if not a byte of it leaves.

use nb::Error::{Other, WouldBlock};

use crate::blocks::{Blocks, Held, PARTS_MAX};
use crate::conn::{Phase, Slot};
use crate::event::Token;
use crate::limits::{LINGER_MS, STEPS_PER_EVENT};
use crate::listen::Rules;
use crate::net::Net;
use crate::pool::Pool;
use crate::service::{Cause, Context, Next, Outbox, Service};
use crate::stats::{Counter, Reason, Stats};
use crate::timer::NEVER;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Live,
    /// Alive, and there was nothing to receive.
    Quiet,
    Dead(Reason),
}

/// What a turn works with, apart from the connection's own slot and state.
pub(crate) struct Kit<'a, 'm, N: Net, S: Service> {
    pub net: &'a mut N,
    pub service: &'a mut S,
    pub pool: &'a mut Pool<'m>,
    pub blocks: &'a mut Blocks<'m>,
    pub scratch: &'a mut [u8],
    pub outbox: &'a mut [u8],
    pub stats: &'a mut Stats,
    pub rules: &'a Rules<'m>,
    pub now_ms: u64,
}

impl<N: Net, S: Service> Kit<'_, '_, N, S> {
    /// There may be something to receive.
    #[inline]
    pub fn on_readable(&mut self, token: Token, slot: &mut Slot<N::Conn>, state: &mut S::State) -> Fate {
        let Some(conn) = &slot.conn else { return self.impossible() };
        if slot.phase == Phase::Lingering {
            return match self.net.recv(conn, self.scratch) {
                Ok(0) | Err(Other(_)) => Fate::Dead(slot.reason),
                Ok(_) => Fate::Live,
                Err(WouldBlock) => Fate::Quiet,
            };
        }
        if !slot.interest(self.scratch.len()).read() {
            return Fate::Live;
        }
        let held = if slot.input.is_empty() { 0 } else { self.blocks.copy_out(&slot.input, self.scratch) };
        let room = self.scratch.len().saturating_sub(held).min(self.blocks.step_room());
        let Some(into) = self.scratch.get_mut(held..held.wrapping_add(room)).filter(|into| !into.is_empty()) else {
            return self.impossible();
        };
        match self.net.recv(conn, into) {
            Ok(0) => {
                slot.ended = true;
                self.run(token, slot, state, Cause::End, held, held)
            }
            Ok(n) => {
                let n = n.min(room);
                self.stats.add(Counter::BytesIn, n);
                slot.active_ms = self.now_ms;
                self.run(token, slot, state, Cause::Bytes, held, held.wrapping_add(n))
            }
            Err(WouldBlock) => {
                self.stats.add(Counter::EventsSpurious, 1);
                Fate::Quiet
            }
            Err(Other(_)) => Fate::Dead(Reason::Reset),
        }
    }

    /// There may be room to send.
    pub fn on_writable(&mut self, token: Token, slot: &mut Slot<N::Conn>, state: &mut S::State) -> Fate {
        if !slot.output.is_empty() {
            let Some(conn) = &slot.conn else { return self.impossible() };
            let mut parts = [&[][..]; PARTS_MAX];
            let count = self.blocks.parts(&slot.output, &mut parts);
            match self.net.send(conn, parts.get(..count).unwrap_or(&[])) {
                Ok(n) => {
                    self.stats.add(Counter::BytesOut, n);
                    slot.active_ms = self.now_ms;
                    self.blocks.consume(&mut slot.output, Held::Output, n);
                }
                Err(WouldBlock) => self.stats.add(Counter::EventsSpurious, 1),
                Err(Other(_)) => return Fate::Dead(Reason::Reset),
            }
        }
        match slot.phase {
            _ if !slot.output.is_empty() => Fate::Live,
            Phase::Open if slot.again => self.step(token, slot, state, Cause::Drained),
            Phase::Closing => self.shut_down(slot),
            _ => Fate::Live,
        }
    }

    /// Lets the service step for a reason that is not the network's.
    pub fn step(&mut self, token: Token, slot: &mut Slot<N::Conn>, state: &mut S::State, cause: Cause) -> Fate {
        if slot.phase != Phase::Open {
            return Fate::Live;
        }
        let held = self.blocks.copy_out(&slot.input, self.scratch);
        self.run(token, slot, state, cause, held, held)
    }

    /// Ends our direction once everything has left, for a reason that will be counted at the close.
    pub fn begin_close(&mut self, slot: &mut Slot<N::Conn>, reason: Reason) -> Fate {
        self.blocks.clear(&mut slot.input, Held::Input);
        slot.phase = Phase::Closing;
        slot.reason = reason;
        slot.again = false;
        (slot.by_ms, slot.wait_ms) = (NEVER, NEVER);
        if slot.output.is_empty() { self.shut_down(slot) } else { Fate::Live }
    }

    /// Steps until the service wants to wait. The scratch holds `filled` bytes of input, of which the first `held`
    /// are in the slot's blocks too.
    #[inline]
    fn run(
        &mut self,
        token: Token,
        slot: &mut Slot<N::Conn>,
        state: &mut S::State,
        mut cause: Cause,
        held: usize,
        filled: usize,
    ) -> Fate {
        let last_word = cause == Cause::Timeout;
        let mut used = 0;
        let mut steps = 0;
        slot.again = false;
        let next = loop {
            let input = self.scratch.get(used..filled).unwrap_or(&[]);
            let room = self.outbox.len().min(self.blocks.step_room()).saturating_sub(slot.output.len());
            let mut out = Outbox::new(self.outbox.get_mut(..room).unwrap_or_default());
            let mut context = Context {
                now_ms: self.now_ms,
                me: token,
                listener: slot.listener as usize,
                peer: &slot.peer,
                info: self.rules.info,
                ended: slot.ended,
                pool: self.pool,
            };
            let step = self.service.step(state, cause, input, &mut out, &mut context);
            let (written, reflected) = out.finish();
            let consumed = step.consumed.min(input.len());
            used = used.wrapping_add(consumed);
            steps += 1;
            if consumed > 0 && held > 0 {
                self.blocks.clear(&mut slot.input, Held::Input);
            }
            let reflected = input.get(..reflected.min(consumed)).unwrap_or(&[]);
            let progress = consumed > 0 || !written.is_empty() || !slot.output.is_empty();
            if !(written.is_empty() && reflected.is_empty()) {
                let owner = token.slot;
                let sent = send(self.net, self.blocks, self.stats, slot, owner, self.now_ms, [written, reflected]);
                if let Err(reason) = sent {
                    self.stats.add(Counter::Steps, steps);
                    return Fate::Dead(reason);
                }
            }
            match step.next {
                Next::Again if !progress || last_word => break if last_word { Next::Close } else { Next::More },
                Next::Again if slot.output.is_empty() && steps < STEPS_PER_EVENT => cause = Cause::Drained,
                next => break next,
            }
        };
        self.stats.add(Counter::Steps, steps);
        if next == Next::Close || last_word {
            let served = if slot.ended { Reason::Ended } else { Reason::Served };
            return self.begin_close(slot, if last_word { Reason::RequestTimeout } else { served });
        }
        slot.again = next == Next::Again;
        slot.waiting = matches!(next, Next::Wait(_));
        slot.wait_ms = if let Next::Wait(at_ms) = next { at_ms } else { NEVER };
        if filled == used {
            slot.by_ms = NEVER;
            return Fate::Live;
        }
        self.keep_unread(token, slot, if used == 0 { held } else { used }, filled, used > 0)
    }

    /// Puts what the service left unread into blocks, and sets the request's deadline.
    fn keep_unread(
        &mut self,
        token: Token,
        slot: &mut Slot<N::Conn>,
        from: usize,
        filled: usize,
        new_request: bool,
    ) -> Fate {
        let fresh = self.scratch.get(from..filled).unwrap_or(&[]);
        if self.blocks.append(&mut slot.input, Held::Input, token.slot, fresh) < fresh.len() {
            self.stats.add(Counter::Impossible, 1);
            return Fate::Dead(Reason::BlocksDry);
        }
        if slot.waiting || slot.again {
            slot.by_ms = NEVER;
        } else if slot.input.len() >= self.scratch.len() {
            return Fate::Dead(Reason::InputLimit);
        } else if (new_request || slot.by_ms == NEVER) && self.rules.request_ms > 0 {
            slot.by_ms = self.now_ms.saturating_add(self.rules.request_ms);
        }
        Fate::Live
    }

    /// Everything has left: a peer that has ended can be closed, another is given time to read what was sent.
    fn shut_down(&mut self, slot: &mut Slot<N::Conn>) -> Fate {
        if slot.ended {
            return Fate::Dead(slot.reason);
        }
        let Some(conn) = &slot.conn else { return self.impossible() };
        self.net.shutdown(conn);
        slot.phase = Phase::Lingering;
        slot.by_ms = self.now_ms.saturating_add(LINGER_MS);
        Fate::Live
    }

    /// The arm that cannot be reached: counted, and harmless.
    #[cold]
    fn impossible(&mut self) -> Fate {
        self.stats.add(Counter::Impossible, 1);
        Fate::Live
    }
}

/// Sends two parts at once if nothing waits before them; what does not leave goes to the slot's blocks.
#[inline]
fn send<N: Net>(
    net: &mut N,
    blocks: &mut Blocks<'_>,
    stats: &mut Stats,
    slot: &mut Slot<N::Conn>,
    owner: u32,
    now_ms: u64,
    parts: [&[u8]; 2],
) -> Result<(), Reason> {
    let [first, second] = parts;
    let mut sent = 0;
    if let (true, Some(conn)) = (slot.output.is_empty(), &slot.conn) {
        let answer = match (first.is_empty(), second.is_empty()) {
            (true, _) => net.send(conn, &[second]),
            (_, true) => net.send(conn, &[first]),
            _ => net.send(conn, &parts),
        };
        match answer {
            Ok(n) => sent = n,
            Err(WouldBlock) => {}
            Err(Other(_)) => return Err(Reason::Reset),
        }
        stats.add(Counter::BytesOut, sent);
        slot.active_ms = now_ms;
    }
    for part in parts {
        let left = part.get(sent.min(part.len())..).unwrap_or(&[]);
        sent = sent.saturating_sub(part.len());
        if !left.is_empty() && blocks.append(&mut slot.output, Held::Output, owner, left) < left.len() {
            stats.add(Counter::Impossible, 1);
            return Err(Reason::BlocksDry);
        }
    }
    Ok(())
}

//! One turn of one connection: receive, let the service step, send.
//!
//! The path every request takes. Nothing in here closes a connection: a turn ends in a [`Fate`], and the dispatcher
//! alone acts on it. In the common case a turn is one `recv` into the scratch, one step, and one `send` straight
//! from the scratch or the outbox; blocks are touched only for what is left over.
//!
//! What a turn may leave behind always fits: input is received and replies are written only up to what the free
//! blocks (at the least the reserve) can hold if not a byte of it leaves.

mod send;

use heapless::Vec;
use nb::Error::{Other, WouldBlock};

use crate::blocks::{Blocks, Held, PARTS_MAX};
use crate::conn::{Due, Phase, Slot};
use crate::event::{Ready, Token};
use crate::limits::{FILE_PARTS_PER_EVENT, LINGER_MS, LISTENERS_MAX, STEPS_PER_EVENT};
use crate::listen::Rules;
use crate::net::Net;
use crate::pool::Pool;
use crate::service::{Cause, Context, Next, Outbox, Service};
use crate::stats::{Counter, Reason, Stats};
use crate::timer::NEVER;
use send::{send, send_file};

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Live,
    /// Alive, and there was nothing to receive.
    Quiet,
    Dead(Reason),
}

/// What all turns of a dispatcher share.
pub(crate) struct Kit<'m, S: Service> {
    pub service: S,
    pub pool: Pool<'m>,
    pub blocks: Blocks<'m>,
    pub scratch: &'m mut [u8],
    pub outbox: &'m mut [u8],
    /// One for each listener, in their order.
    pub rules: Vec<Rules<'m>, LISTENERS_MAX>,
    pub stats: &'m Stats,
    pub now_ms: u64,
    pub wall_s: i64,
}

impl<'m, S: Service> Kit<'m, S> {
    /// What holds for the connections of a listener.
    pub fn rules_of(&self, listener: u8) -> Rules<'m> {
        self.rules.get(listener as usize).copied().unwrap_or_default()
    }
}

/// One connection's turn: its own slot and state, and all it may touch besides.
pub(crate) struct Turn<'a, 'm, N: Net, S: Service> {
    pub kit: &'a mut Kit<'m, S>,
    pub net: &'a mut N,
    pub token: Token,
    pub slot: &'a mut Slot<N::Conn>,
    pub state: &'a mut S::State,
}

/// Why a connection gets a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// The world reported it.
    Ready(Ready),
    /// To read what may be here, unasked.
    Read,
    /// Its deadline may have passed.
    Deadline,
    /// A reason that is not the network's.
    Step(Cause),
}

/// What the service is called with: the scratch holds `filled` bytes of input, of which the first `held` are in the
/// slot's blocks too.
struct Input {
    cause: Cause,
    held: usize,
    filled: usize,
}

impl<N: Net, S: Service> Turn<'_, '_, N, S> {
    /// Takes the turn. While draining, a connection at rest is asked again for what may already be here, then closed.
    #[inline]
    pub fn take(&mut self, mut why: Why, draining: bool) -> Fate {
        let mut tries = STEPS_PER_EVENT;
        loop {
            let fate = match self.gather(why) {
                Ok(input) => self.run(input),
                Err(fate) => fate,
            };
            if !draining || !self.slot.at_rest() || matches!(fate, Fate::Dead(_)) {
                return fate;
            }
            if fate == Fate::Quiet || self.slot.ended {
                return self.begin_close(Reason::Drained);
            }
            if tries == 0 {
                return fate;
            }
            (why, tries) = (Why::Read, tries - 1);
        }
    }

    /// Finds out what there is for the service, or that there is nothing.
    #[inline]
    fn gather(&mut self, why: Why) -> Result<Input, Fate> {
        match why {
            Why::Ready(ready) => match ready.asked(self.slot.watched) {
                Ready::READ => self.receive(),
                asked if asked.write() => self.flush(),
                _ => Err(Fate::Live),
            },
            Why::Read if self.slot.at_rest() && !self.slot.ended => self.receive(),
            Why::Read => Err(Fate::Live),
            Why::Deadline => match self.slot.due(&self.kit.rules_of(self.slot.listener), self.kit.now_ms) {
                None => Err(Fate::Live),
                Some(Due::Idle) => Err(Fate::Dead(Reason::IdleTimeout)),
                Some(Due::Write) => Err(Fate::Dead(Reason::WriteTimeout)),
                Some(Due::Linger) => Err(Fate::Dead(self.slot.reason)),
                Some(Due::Request) => self.held_input(Cause::Timeout),
                Some(Due::Wait) => {
                    self.slot.wait_ms = NEVER;
                    self.held_input(Cause::Time)
                }
            },
            Why::Step(cause) => self.held_input(cause),
        }
    }

    /// Receives once, behind what is still unread.
    #[inline]
    fn receive(&mut self) -> Result<Input, Fate> {
        let held = self.held();
        let end = self.kit.scratch.len().min(held.saturating_add(self.kit.blocks.step_room()));
        let (Some(into), Some(conn)) = (self.kit.scratch.get_mut(held..end), &self.slot.conn) else {
            return Err(self.impossible());
        };
        let room = into.len();
        if room == 0 {
            return Err(self.impossible());
        }
        let (cause, n) = match self.net.recv(conn, into) {
            Ok(0) | Err(Other(_)) if self.slot.phase == Phase::Lingering => return Err(Fate::Dead(self.slot.reason)),
            Ok(_) if self.slot.phase == Phase::Lingering => return Err(Fate::Live),
            Ok(0) => {
                self.slot.ended = true;
                (Cause::End, 0)
            }
            Ok(n) => (Cause::Bytes, n.min(room)),
            Err(WouldBlock) => {
                self.kit.stats.add(Counter::EventsSpurious, 1);
                return Err(Fate::Quiet);
            }
            Err(Other(_)) => return Err(Fate::Dead(Reason::Reset)),
        };
        self.kit.stats.add(Counter::BytesIn, n);
        self.slot.active_ms = self.kit.now_ms;
        Ok(Input { cause, held, filled: held.wrapping_add(n) })
    }

    /// Sends what waits. Once all has left, a service that has more is called, and one that is done is shut down.
    fn flush(&mut self) -> Result<Input, Fate> {
        if !self.slot.output.is_empty() {
            let Some(conn) = &self.slot.conn else { return Err(self.impossible()) };
            let mut parts = [&[][..]; PARTS_MAX];
            let count = self.kit.blocks.parts(&self.slot.output, &mut parts);
            match self.net.send(conn, parts.get(..count).unwrap_or(&[])) {
                Ok(n) => {
                    self.kit.stats.add(Counter::BytesOut, n);
                    self.slot.active_ms = self.kit.now_ms;
                    self.kit.blocks.consume(&mut self.slot.output, Held::Output, n);
                }
                Err(WouldBlock) => self.kit.stats.add(Counter::EventsSpurious, 1),
                Err(Other(_)) => return Err(Fate::Dead(Reason::Reset)),
            }
        }
        if self.slot.output.is_empty() && !self.slot.again && self.slot.asked_ms != 0 {
            self.kit.stats.replied(self.slot.answer(self.kit.now_ms));
        }
        match self.slot.phase {
            _ if !self.slot.output.is_empty() => Err(Fate::Live),
            Phase::Open if self.slot.again => self.held_input(Cause::Drained),
            Phase::Closing => Err(self.shut_down()),
            _ => Err(Fate::Live),
        }
    }

    /// What is still unread, for a step that no input caused.
    fn held_input(&mut self, cause: Cause) -> Result<Input, Fate> {
        if self.slot.phase != Phase::Open {
            return Err(Fate::Live);
        }
        let held = self.held();
        Ok(Input { cause, held, filled: held })
    }

    /// Brings the unread input back into the scratch; returns how much that is.
    #[inline]
    fn held(&mut self) -> usize {
        if self.slot.input.is_empty() { 0 } else { self.kit.blocks.copy_out(&self.slot.input, self.kit.scratch) }
    }

    /// Ends our direction once everything has left, for a reason that will be counted at the close.
    fn begin_close(&mut self, reason: Reason) -> Fate {
        self.kit.blocks.clear(&mut self.slot.input, Held::Input);
        self.slot.phase = Phase::Closing;
        self.slot.reason = reason;
        self.slot.again = false;
        (self.slot.by_ms, self.slot.wait_ms) = (NEVER, NEVER);
        if self.slot.output.is_empty() { self.shut_down() } else { Fate::Live }
    }

    /// Steps until the service wants to wait, and sends what it replies.
    #[inline]
    fn run(&mut self, Input { mut cause, held, filled }: Input) -> Fate {
        let Self { kit, net, token, slot, state } = self;
        let kit = &mut **kit;
        let last_word = cause == Cause::Timeout;
        let room = kit.outbox.len().min(kit.blocks.step_room()).saturating_sub(slot.output.len());
        let mut input = kit.scratch.get(..filled).unwrap_or(&[]);
        let (mut steps, mut file_parts) = (0, 0);
        let next = loop {
            let mut out = Outbox::new(kit.outbox.get_mut(..room).unwrap_or_default());
            let mut context = Context {
                now_ms: kit.now_ms,
                wall_s: kit.wall_s,
                me: *token,
                listener: slot.listener,
                peer: &slot.peer,
                rules: &kit.rules,
                ended: slot.ended,
                pool: &mut kit.pool,
            };
            kit.stats.add(Counter::Steps, 1);
            let step = kit.service.step(state, cause, input, &mut out, &mut context);
            let file = out.file_part();
            let (written, reflected) = out.finish();
            let (consumed, unread) = input.split_at_checked(step.consumed).unwrap_or((input, &[]));
            let reflected = consumed.get(..reflected).unwrap_or(consumed);
            input = unread;
            steps += 1;
            if !consumed.is_empty() && held > 0 {
                kit.blocks.clear(&mut slot.input, Held::Input);
            }
            let moved = !(consumed.is_empty() && written.is_empty() && slot.output.is_empty());
            if !(written.is_empty() && reflected.is_empty()) {
                let parts = [written, reflected];
                match send(*net, &mut kit.blocks, kit.stats, slot, token.slot, kit.now_ms, parts) {
                    Ok(true) if step.next != Next::Again => kit.stats.replied(slot.answer(kit.now_ms)),
                    Ok(_) => {}
                    Err(reason) => {
                        return Fate::Dead(reason);
                    }
                }
            } else if cause == Cause::Drained && step.next != Next::Again {
                // What left before was the last of it.
                kit.stats.replied(slot.answer(kit.now_ms));
            }
            match step.next {
                _ if last_word => break Next::Close,
                // The part is asked for again at the next turn.
                Next::Again if file.is_some() && file_parts >= FILE_PARTS_PER_EVENT => break Next::Again,
                Next::Again if file.is_some() && slot.output.is_empty() => {
                    file_parts += 1;
                    match send_file(*net, kit.stats, slot, kit.now_ms, file) {
                        Ok((sent, all)) => {
                            kit.service.sent(state, sent);
                            if !all {
                                break Next::Again;
                            }
                        }
                        Err(reason) => return Fate::Dead(reason),
                    }
                    cause = Cause::Drained;
                }
                Next::Again if !moved && file.is_none() => break Next::More,
                Next::Again if slot.output.is_empty() && steps < STEPS_PER_EVENT => cause = Cause::Drained,
                next => break next,
            }
        };
        let unread = input.len();
        if next == Next::Close {
            let served = if slot.ended { Reason::Ended } else { Reason::Served };
            return self.begin_close(if last_word { Reason::RequestTimeout } else { served });
        }
        slot.again = next == Next::Again;
        slot.waiting = matches!(next, Next::Wait(_));
        slot.wait_ms = if let Next::Wait(at_ms) = next { at_ms } else { NEVER };
        if unread < filled || next != Next::More {
            slot.by_ms = NEVER;
        }
        if unread == 0 {
            return Fate::Live;
        }
        // What was left unread before and was not consumed is in the blocks already.
        self.keep_unread(if unread == filled { held } else { filled.wrapping_sub(unread) }, filled)
    }

    /// Puts what the service left unread into blocks, and sets the request's deadline.
    fn keep_unread(&mut self, from: usize, filled: usize) -> Fate {
        let Self { kit, token, slot, .. } = self;
        let fresh = kit.scratch.get(from..filled).unwrap_or(&[]);
        if kit.blocks.append(&mut slot.input, Held::Input, token.slot, fresh) < fresh.len() {
            kit.stats.add(Counter::Impossible, 1);
            return Fate::Dead(Reason::BlocksDry);
        }
        if slot.waiting || slot.again {
            return Fate::Live;
        }
        if slot.input.len() >= kit.scratch.len() {
            return Fate::Dead(Reason::InputLimit);
        }
        let request_ms = kit.rules_of(slot.listener).request_ms;
        if slot.by_ms == NEVER && request_ms > 0 {
            slot.by_ms = kit.now_ms.saturating_add(request_ms);
        }
        Fate::Live
    }

    /// Everything has left: a peer that has ended can be closed, another is given time to read what was sent.
    fn shut_down(&mut self) -> Fate {
        if self.slot.ended {
            return Fate::Dead(self.slot.reason);
        }
        let Some(conn) = &self.slot.conn else { return self.impossible() };
        self.net.shutdown(conn);
        self.slot.phase = Phase::Lingering;
        self.slot.by_ms = self.kit.now_ms.saturating_add(LINGER_MS);
        Fate::Live
    }

    /// The arm that cannot be reached: counted, and harmless.
    #[cold]
    fn impossible(&mut self) -> Fate {
        self.kit.stats.add(Counter::Impossible, 1);
        Fate::Live
    }
}

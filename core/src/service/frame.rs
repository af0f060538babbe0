//! Frames: a device's commands, those of the service itself and those of a program ([`Commands`]).
//!
//! The protocol is [`crate::frame`]'s. A frame is answered when it is whole; one that is answered later stays unread
//! until then, so that a drain waits for it and a client that asks without end is not read further. Who is silent is
//! closed by the listener's idle time, who never ends a frame by its request time: this knows no clock but that of the
//! flood limit.

mod commands;

pub use commands::{Commands, Known, Replies};

use super::{Cause, Context, Outbox, Service, Step};
use crate::frame::counts::{Counter, Counts};
use crate::frame::{CODE_FREE_MIN, ECHO, ERROR, Fault, Frame as Message, HEARTBEAT, Refusal, STATISTICS, VERSION};
use crate::limits::LISTENERS_MAX;

/// What a listener's connections may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub frame_bytes_max: u16,
    /// More frames than this within the interval close the connection; 0 is no limit. An interval begins with the
    /// first frame after the last one's end.
    pub flood_count: u32,
    pub flood_interval_ms: u32,
    /// Questions of all the listener's connections that wait for an answer.
    pub unanswered_max: u32,
}

impl Limits {
    pub const DEFAULT: Self =
        Self { frame_bytes_max: 30_000, flood_count: 0, flood_interval_ms: 1_000, unanswered_max: 1_000 };
}

/// The frame service: limits for each listener, commands of the program's.
pub struct Frame<'m, C = ()> {
    pub commands: C,
    limits: &'m [Limits],
    counts: &'m Counts,
    /// Questions that wait for an answer, of each listener.
    unanswered: [u32; LISTENERS_MAX],
}

/// What is kept of a connection.
#[derive(Debug, Default)]
pub struct FrameState<S> {
    interval_ms: u32,
    in_interval: u32,
    /// So much of the unread input has been seen by the commands already.
    ahead: u16,
    unanswered: u16,
    own: S,
}

/// What became of the frame at hand.
enum Done {
    /// Answered, or nothing to answer.
    Yes,
    /// Answered by itself: so long a run of the input goes back.
    Reflected,
    NoRoom,
}

impl<'m, C: Commands> Frame<'m, C> {
    /// `limits` in the order of the listeners; one that has none is served by the default. What is counted goes to
    /// `counts`, as a rule the dispatcher's [`Stats::frame`](crate::stats::Stats::frame).
    pub fn new(commands: C, limits: &'m [Limits], counts: &'m Counts) -> Self {
        Self { commands, limits, counts, unanswered: [0; LISTENERS_MAX] }
    }

    pub fn counts(&self) -> &Counts {
        self.counts
    }

    fn limits_of(&self, listener: usize) -> Limits {
        self.limits.get(listener).copied().unwrap_or(Limits::DEFAULT)
    }

    /// Answers one frame. It may go back as it came where only frames that do stand before it in the input.
    fn answer(
        &mut self,
        state: &mut FrameState<C::State>,
        message: &Message<'_>,
        may_reflect: bool,
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Done {
        let mut statistics = [0; 8 * Counter::COUNT];
        let body = match message.code {
            ECHO if may_reflect => {
                self.counts.count(Counter::Answers);
                return Done::Reflected;
            }
            HEARTBEAT => &[],
            ECHO => message.body,
            VERSION => concat!("tidegate ", env!("CARGO_PKG_VERSION")).as_bytes(),
            STATISTICS => {
                for (into, counter) in statistics.chunks_exact_mut(8).zip(Counter::ALL) {
                    super::copy(into, &self.counts.of(*counter).to_be_bytes());
                }
                &statistics[..]
            }
            code if code < CODE_FREE_MIN || code == ERROR => return self.unknown(code, out),
            code => return self.command(state, message, code, out, context),
        };
        self.written(Message { code: message.code, body }.write(out))
    }

    /// Hands a frame to the program.
    fn command(
        &mut self,
        state: &mut FrameState<C::State>,
        message: &Message<'_>,
        code: u16,
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Done {
        let max = self.limits_of(context.listener()).unanswered_max;
        let all = self.unanswered.get(context.listener()).copied().unwrap_or(u32::MAX);
        let before = out.written();
        let may_wait = all < max && state.unanswered < u16::MAX;
        let mut replies = Replies::new(out, may_wait);
        let known = self.commands.command(&mut state.own, message, &mut replies, context);
        let (answers, fits) = (replies.written, replies.fits);
        if !fits {
            out.truncate(before);
            return Done::NoRoom;
        }
        self.count_answers(answers);
        match known {
            Known::Answered => Done::Yes,
            Known::Unknown => self.unknown(code, out),
            Known::Later if may_wait => {
                state.unanswered = state.unanswered.saturating_add(1);
                self.add_unanswered(context.listener(), 1);
                Done::Yes
            }
            Known::Later => {
                self.counts.count(Counter::Busy);
                log::warn!("a frame is refused: {} wait for an answer (MaxUnanswered)", max);
                self.refuse(code, Refusal::Busy, out)
            }
        }
    }

    fn unknown(&self, code: u16, out: &mut Outbox<'_>) -> Done {
        let done = self.refuse(code, Refusal::UnknownCode, out);
        if let Done::Yes = done {
            self.counts.count(Counter::UnknownCode);
        }
        done
    }

    fn refuse(&self, code: u16, refusal: Refusal, out: &mut Outbox<'_>) -> Done {
        let ([a, b], [c, d]) = (code.to_be_bytes(), (refusal as u16).to_be_bytes());
        self.written(Message { code: ERROR, body: &[a, b, c, d] }.write(out))
    }

    fn written(&self, fits: bool) -> Done {
        if !fits {
            return Done::NoRoom;
        }
        self.counts.count(Counter::Answers);
        Done::Yes
    }

    /// Counts, tells and closes. Without room there is nobody to tell.
    #[cold]
    fn give_up(&self, counter: Counter, refusal: Refusal, input: &[u8], out: &mut Outbox<'_>) -> Step {
        self.counts.count(counter);
        let _ = self.refuse(0, refusal, out);
        Step::close(input.len())
    }

    /// Lets the program answer what it owes.
    fn late(
        &mut self,
        state: &mut FrameState<C::State>,
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Result<(), ()> {
        let mut replies = Replies::new(out, false);
        let paid = self.commands.woken(&mut state.own, &mut replies, context).min(state.unanswered);
        let (answers, fits) = (replies.written, replies.fits);
        self.count_answers(answers);
        state.unanswered = state.unanswered.saturating_sub(paid);
        self.add_unanswered(context.listener(), -i32::from(paid));
        if fits { Ok(()) } else { Err(()) }
    }

    fn add_unanswered(&mut self, listener: usize, more: i32) {
        if let Some(all) = self.unanswered.get_mut(listener) {
            *all = all.saturating_add_signed(more);
        }
    }

    fn count_answers(&self, answers: u32) {
        (0..answers).for_each(|_| self.counts.count(Counter::Answers));
    }

    /// Whether this frame is one too many.
    fn is_flood(state: &mut FrameState<C::State>, limits: &Limits, now_ms: u64) -> bool {
        if limits.flood_count == 0 {
            return false;
        }
        if state.in_interval == 0 || (now_ms as u32).wrapping_sub(state.interval_ms) >= limits.flood_interval_ms {
            (state.interval_ms, state.in_interval) = (now_ms as u32, 0);
        }
        state.in_interval = state.in_interval.saturating_add(1);
        state.in_interval > limits.flood_count
    }

    /// An answer does not fit now.
    fn wait_for_room(&self, used: usize, input: &[u8], cause: Cause, out: &Outbox<'_>) -> Step {
        // Who is woken may find the outbox full of what was written before; it has left when the next step comes.
        if used > 0 || out.written() > 0 || cause == Cause::Woken {
            return Step::again(used);
        }
        self.counts.count(Counter::NoRoom);
        log::warn!("a frame's answer does not fit into {} bytes ([Memory] BlockSize)", out.room());
        Step::close(input.len())
    }
}

impl<C: Commands> Service for Frame<'_, C> {
    type State = FrameState<C::State>;

    #[inline(never)]
    fn step(
        &mut self,
        state: &mut Self::State,
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Step {
        if cause == Cause::Timeout {
            self.counts.count(Counter::Cut);
            return Step::close(input.len());
        }
        let limits = self.limits_of(context.listener());
        if matches!(cause, Cause::Woken | Cause::Drained) && self.late(state, out, context).is_err() {
            return self.wait_for_room(0, input, cause, out);
        }
        let (mut at, mut reflected) = (usize::from(state.ahead), 0);
        loop {
            let rest = input.get(at..).unwrap_or(&[]);
            let message = match Message::read(rest, limits.frame_bytes_max) {
                Ok(None) => break,
                Ok(Some(message)) => message,
                // What goes back as it came lets nothing be written behind it.
                Err(_) if reflected > 0 => return Step::again(at),
                Err(Fault::Length) => return self.give_up(Counter::Length, Refusal::Length, input, out),
                Err(Fault::Crc) => return self.give_up(Counter::Crc, Refusal::Crc, input, out),
            };
            if reflected > 0 && message.code != ECHO {
                return Step::again(at);
            }
            let before = (state.interval_ms, state.in_interval);
            if Self::is_flood(state, &limits, context.now_ms()) {
                if reflected > 0 {
                    (state.interval_ms, state.in_interval) = before;
                    return Step::again(at);
                }
                return self.give_up(Counter::Flood, Refusal::Flood, input, out);
            }
            match self.answer(state, &message, at == reflected, out, context) {
                Done::Yes => {}
                Done::Reflected => {
                    reflected = at.saturating_add(message.len());
                    out.reflect(reflected);
                }
                Done::NoRoom => {
                    (state.interval_ms, state.in_interval) = before;
                    return self.pause(state, at, input, cause, out);
                }
            }
            self.counts.count(Counter::Frames);
            at = at.saturating_add(message.len());
        }
        if state.unanswered > 0 && reflected == 0 {
            state.ahead = at.min(input.len()) as u16;
            return Step::wait(0, crate::timer::NEVER);
        }
        state.ahead = 0;
        if !context.ended() {
            return Step::more(at);
        }
        if at < input.len() {
            self.counts.count(Counter::Cut);
        }
        Step::close(input.len())
    }

    fn closed(&mut self, state: &mut Self::State, context: &mut Context<'_, '_>) {
        self.add_unanswered(context.listener(), -i32::from(state.unanswered));
        self.commands.closed(&mut state.own, context);
    }
}

impl<C: Commands> Frame<'_, C> {
    /// As far as `at` all is done, and the next answer does not fit now.
    fn pause(&self, state: &mut FrameState<C::State>, at: usize, input: &[u8], cause: Cause, out: &Outbox<'_>) -> Step {
        if state.unanswered == 0 {
            state.ahead = 0;
            return self.wait_for_room(at, input, cause, out);
        }
        state.ahead = at.min(input.len()) as u16;
        self.wait_for_room(0, input, cause, out)
    }
}

#[cfg(test)]
mod tests;

//! Three protocols written against the public trait, to show that it carries what comes later: framed messages with
//! large replies, a chat whose members wake each other, and lines with ticks and a last word.

use tidegate_core::event::Token;
use tidegate_core::service::http::Http;
use tidegate_core::service::{BuiltIn, Cause, Context, Outbox, Service, Step};
use tidegate_core::timer::NEVER;

use crate::pages::Pages;
use crate::rng::pattern;

tidegate_core::service_set! {
    /// All services the tests serve. A set may stand inside a set.
    pub struct Mixed, MixedKind, MixedState {
        built_in: BuiltIn = "built-in",
        frame: Frame = "frame",
        chat: Chat = "chat",
        lines: Lines = "lines",
        http: Http<'static, Pages> = "http",
    }
}

/// Length-prefixed messages: a length byte, then at least two bytes of reply size, a key, and filler. The reply is
/// that many bytes of the key's pattern, larger than any outbox if asked for; with the key [`RETURN`] the message
/// itself follows, straight from the receive buffer where that is possible.
#[derive(Default)]
pub struct Frame;

/// The key of messages that are sent back.
pub const RETURN: u8 = 255;

#[derive(Default)]
pub struct FrameState {
    key: u8,
    at: usize,
    left: usize,
    /// What follows the pattern.
    tail: Vec<u8>,
}

impl Service for Frame {
    type State = FrameState;

    fn step(
        &mut self,
        state: &mut FrameState,
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Step {
        let mut used = 0;
        if cause == Cause::Timeout {
            return Step::close(input.len());
        }
        loop {
            while state.left > 0 {
                let piece: [u8; 32] = std::array::from_fn(|i| pattern(state.key as u64, state.at + i));
                let n = out.write_some(&piece[..state.left.min(32)]);
                if n == 0 {
                    return Step::again(used);
                }
                (state.at, state.left) = (state.at + n, state.left - n);
            }
            let sent = out.write_some(&state.tail);
            state.tail.drain(..sent);
            if !state.tail.is_empty() {
                return Step::again(used);
            }
            let rest = &input[used..];
            let Some(len) = rest.first().map(|len| *len as usize) else { break };
            if len < 3 {
                return Step::close(input.len());
            }
            let Some(message) = rest.get(1..1 + len) else { break };
            let (size, key) = (u16::from_be_bytes([message[0], message[1]]) as usize, message[2]);
            if key == RETURN && used == 0 && size <= out.room() {
                out.write(&(0..size).map(|at| pattern(key as u64, at)).collect::<Vec<u8>>());
                out.reflect(1 + len);
                return Step::again(1 + len);
            }
            let tail = if key == RETURN { rest[..1 + len].to_vec() } else { Vec::new() };
            used += 1 + len;
            *state = FrameState { key, at: 0, left: size, tail };
        }
        if context.ended() { Step::close(input.len()) } else { Step::more(used) }
    }
}

/// A chat: each line goes into one log, which every member gets from where it joined, after eight bytes that say
/// where that is. The others are woken; the speaker waits a little for its own line.
pub struct Chat {
    pub log: Vec<u8>,
    pub delay_ms: u64,
    members: Vec<Token>,
    left: Vec<Token>,
}

impl Chat {
    pub fn new(delay_ms: u64) -> Self {
        Self { log: Vec::new(), delay_ms, members: Vec::new(), left: Vec::new() }
    }
}

#[derive(Default)]
pub struct ChatState {
    hello: Vec<u8>,
    at: usize,
    due_ms: Option<u64>,
    flushing: bool,
}

impl Service for Chat {
    type State = ChatState;

    fn step(
        &mut self,
        state: &mut ChatState,
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Step {
        if cause == Cause::Timeout {
            return Step::close(input.len());
        }
        if cause == Cause::Opened {
            (state.at, state.hello) = (self.log.len(), (self.log.len() as u64).to_be_bytes().to_vec());
            self.members.push(context.me());
        }
        let used = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if used > 0 {
            self.log.extend(&input[..used]);
            state.due_ms = Some(context.now_ms() + self.delay_ms);
            let me = context.me();
            for other in self.members.iter().filter(|other| **other != me) {
                assert!(context.wake(*other), "a member is gone and was not said to be");
            }
            for gone in &self.left {
                assert!(!context.wake(*gone), "someone who left was woken");
            }
        }
        let sent = out.write_some(&state.hello);
        state.hello.drain(..sent);
        let due = state.due_ms.is_some_and(|at| at <= context.now_ms());
        state.flushing |= due || cause == Cause::Woken;
        if state.flushing && state.hello.is_empty() {
            state.at += out.write_some(&self.log[state.at..]);
        }
        if !state.hello.is_empty() || state.flushing && state.at < self.log.len() {
            return Step::again(used);
        }
        if state.flushing {
            (state.flushing, state.due_ms) = (false, None);
        }
        match state.due_ms {
            Some(at) => Step::wait(used, at),
            None if context.ended() => Step::close(input.len()),
            None if used < input.len() => Step::more(used),
            None => Step::wait(used, NEVER),
        }
    }

    fn closed(&mut self, _state: &mut ChatState, context: &mut Context<'_, '_>) {
        let token = context.me();
        self.members.retain(|member| *member != token);
        self.left.push(token);
        for member in &self.members {
            assert!(context.wake(*member), "a member who stays can hear of it");
        }
    }
}

/// Lines: each comes back in capitals. Between lines a tick comes now and then, unasked; a line that is not finished
/// in time gets `late` as the last word.
pub struct Lines {
    pub tick_ms: u64,
    pub ticks: u8,
}

#[derive(Default)]
pub struct LinesState {
    /// Bytes of the current line already answered.
    answered: usize,
    ticked: u8,
    tick_at_ms: u64,
}

impl Service for Lines {
    type State = LinesState;

    fn step(
        &mut self,
        state: &mut LinesState,
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Step {
        let mut used = 0;
        match cause {
            Cause::Timeout => {
                out.write(b"late\n");
                return Step::close(input.len());
            }
            Cause::Time if out.write(b"tick\n") => state.ticked += 1,
            _ => {}
        }
        while let Some(len) = input[used..].iter().position(|byte| *byte == b'\n') {
            let line = input[used..used + len + 1].to_ascii_uppercase();
            state.answered += out.write_some(&line[state.answered..]);
            if state.answered < line.len() {
                return Step::again(used);
            }
            (used, state.answered, state.ticked) = (used + line.len(), 0, 0);
        }
        if context.ended() {
            return Step::close(input.len());
        }
        if used < input.len() || state.ticked >= self.ticks {
            return Step::more(used);
        }
        if state.tick_at_ms <= context.now_ms() {
            state.tick_at_ms = context.now_ms() + self.tick_ms;
        }
        Step::wait(used, state.tick_at_ms)
    }
}

//! A service around a service, which checks what every service may rely on.
//!
//! One `Opened` first, one `closed` last and no step between the two for anyone else; unread input comes again
//! unchanged with the new bytes behind it; the end is told once; the last word is the last; the clock never goes back.

use std::collections::HashSet;

use tidegate_core::event::Token;
use tidegate_core::net::Peer;
use tidegate_core::service::{Cause, Context, Next, Outbox, Service, Step};

pub struct Audited<S> {
    pub inner: S,
    pub living: HashSet<Token>,
    pub opened: u64,
    pub closed: u64,
    pub steps: u64,
    now_ms: u64,
}

impl<S> Audited<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, living: HashSet::new(), opened: 0, closed: 0, steps: 0, now_ms: 0 }
    }
}

#[derive(Default)]
pub struct AuditedState<T> {
    inner: T,
    who: Option<(Token, Peer, usize)>,
    left: Vec<u8>,
    ended: bool,
    finished: bool,
    wait_ms: Option<u64>,
    again: bool,
    /// Bytes of a file that were asked for and may leave.
    asked: usize,
}

impl<S: Service> Service for Audited<S> {
    type State = AuditedState<S::State>;

    fn step(
        &mut self,
        state: &mut Self::State,
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Step {
        let me = (context.me(), context.peer(), context.listener());
        self.steps += 1;
        assert!(context.now_ms() >= self.now_ms, "the clock went back");
        self.now_ms = context.now_ms();
        if cause == Cause::Opened {
            assert!(state.who.is_none() && self.living.insert(me.0), "{me:?}: opened twice, or an old state");
            state.who = Some(me);
            self.opened += 1;
        }
        assert_eq!(state.who, Some(me), "a step for someone else");
        assert!(!state.finished, "{me:?}: a step after the last one");
        assert!(input.starts_with(&state.left), "{me:?}: unread input changed");
        match cause {
            Cause::Bytes => assert!(input.len() > state.left.len(), "{me:?}: bytes without bytes"),
            _ => assert_eq!(input.len(), state.left.len(), "{me:?}: {cause:?} brought bytes"),
        }
        match cause {
            Cause::End => assert!(!std::mem::replace(&mut state.ended, true), "{me:?}: the end told twice"),
            Cause::Time => assert!(state.wait_ms.is_some_and(|at| at <= self.now_ms), "{me:?}: too early"),
            Cause::Drained => assert!(state.again, "{me:?}: nobody asked to be called again"),
            Cause::Bytes => assert!(!state.ended, "{me:?}: bytes after the end"),
            _ => {}
        }
        assert_eq!(context.ended(), state.ended, "{me:?}: ended");
        let step = self.inner.step(&mut state.inner, cause, input, out, context);
        state.asked = out.file_part().map_or(0, |part| part.len);
        assert!(state.asked == 0 || step.next == Next::Again, "{me:?}: a file is followed by a step");
        state.left = input[step.consumed.min(input.len())..].to_vec();
        state.finished = step.next == Next::Close || cause == Cause::Timeout;
        state.wait_ms = if let Next::Wait(at) = step.next { Some(at) } else { None };
        state.again = step.next == Next::Again;
        step
    }

    fn sent(&mut self, state: &mut Self::State, bytes: usize) {
        assert!(bytes <= state.asked, "more of a file left than was asked for");
        state.asked = 0;
        self.inner.sent(&mut state.inner, bytes);
    }

    fn closed(&mut self, state: &mut Self::State, context: &mut Context<'_, '_>) {
        let token = context.me();
        assert!(self.living.remove(&token), "{token:?}: closed twice, or never opened");
        self.closed += 1;
        self.inner.closed(&mut state.inner, context);
    }
}

//! The dispatcher: from an event to the connection it is for, and from a connection's fate to what follows.
//!
//! Inputs are [`Dispatcher::on_event`] and [`Dispatcher::on_time`]; the one output besides calls of [`Net`] is
//! [`Dispatcher::next_deadline`], the time by which `on_time` wants to be called. There is no order to keep and
//! nothing to drain. Each function splits the dispatcher into its fields, runs a turn on one slot, and settles what
//! came of it; a connection is closed in [`Dispatcher::close`] and nowhere else.

mod accept;
mod sweep;

use heapless::Vec;

use crate::blocks::{BlockMark, Blocks, Held};
use crate::conn::{Due, Slot};
use crate::event::{Event, Token};
use crate::limits::{LISTENERS_MAX, TURNS_PER_CALL};
use crate::listen::Listener;
use crate::net::Net;
use crate::pool::{Mark, Pool};
use crate::serve::{Fate, Kit};
use crate::service::{Cause, Service};
use crate::stats::{Counter, Reason, Stats};
use crate::timer::{NEVER, Timers};

/// The memory a dispatcher lives on, lent by the caller for as long as it serves. The first five slices are as long
/// as there are connections in all; every element is its type's default, or all zero bytes where that is the same.
pub struct Storage<'m, C, S: Service> {
    pub marks: &'m mut [Mark],
    pub slots: &'m mut [Slot<C>],
    pub states: &'m mut [S::State],
    pub timer_cells: &'m mut [u64],
    pub timer_places: &'m mut [u32],
    /// As many blocks of `block_bytes` as both of these have room for; at least 8.
    pub block_marks: &'m mut [BlockMark],
    pub block_memory: &'m mut [u8],
    pub block_bytes: usize,
    /// What one `recv` may bring, together with what is unread: the longest request.
    pub scratch: &'m mut [u8],
    /// What one step may write.
    pub outbox: &'m mut [u8],
}

/// The connections of one worker, and everything that moves them.
pub struct Dispatcher<'m, N: Net, S: Service> {
    service: S,
    pool: Pool<'m>,
    slots: &'m mut [Slot<N::Conn>],
    states: &'m mut [S::State],
    timers: Timers<'m>,
    blocks: Blocks<'m>,
    scratch: &'m mut [u8],
    outbox: &'m mut [u8],
    listeners: Vec<Listener<'m, N::Listener>, LISTENERS_MAX>,
    stats: Stats,
    now_ms: u64,
    /// When listeners that rest for want of descriptors are tried again.
    retry_ms: u64,
    draining: bool,
    /// While draining: slots below this one have been looked at.
    drained_to: usize,
    #[cfg(debug_assertions)]
    calls: u32,
}

impl<'m, N: Net, S: Service> Dispatcher<'m, N, S> {
    pub fn new(storage: Storage<'m, N::Conn, S>, service: S) -> Self {
        let slots = storage.slots.len().min(storage.states.len()).min(storage.timer_cells.len());
        let slots = slots.min(storage.timer_places.len()).min(storage.marks.len());
        Self {
            service,
            pool: Pool::new(storage.marks.get_mut(..slots).unwrap_or_default()),
            slots: storage.slots,
            states: storage.states,
            timers: Timers::new(storage.timer_cells, storage.timer_places),
            blocks: Blocks::new(storage.block_memory, storage.block_marks, storage.block_bytes),
            scratch: storage.scratch,
            outbox: storage.outbox,
            listeners: Vec::new(),
            stats: Stats::new(),
            now_ms: 0,
            retry_ms: NEVER,
            draining: false,
            drained_to: 0,
            #[cfg(debug_assertions)]
            calls: 0,
        }
    }

    // Inputs.

    /// Something can be done without waiting. Stale, foreign and spurious events are counted and harmless.
    #[inline]
    pub fn on_event(&mut self, net: &mut N, now_ms: u64, event: Event) {
        self.tick(now_ms);
        if let Some(at) = self.pool.slot(event.token) {
            self.on_ready(net, event, at);
        } else if let Some(listener) = event.token.listener() {
            self.accept(net, listener);
        } else {
            self.stats.add(Counter::EventsStale, 1);
        }
        self.sweep();
    }

    /// Deals with what is due: deadlines, woken connections, resting listeners, the drain. Harmless at any time.
    pub fn on_time(&mut self, net: &mut N, now_ms: u64) {
        self.tick(now_ms);
        if self.retry_ms <= self.now_ms {
            self.retry_ms = NEVER;
            self.watch_listeners(net);
        }
        for _ in 0..TURNS_PER_CALL {
            let Some(at) = self.timers.fire(self.now_ms) else { break };
            self.on_deadline(net, at);
        }
        for _ in 0..TURNS_PER_CALL {
            let Some(token) = self.pool.next_woken() else { break };
            self.turn(net, token, token.slot as usize, |kit, slot, state| kit.step(token, slot, state, Cause::Woken));
        }
        self.drain_some(net);
        self.sweep();
    }

    // Commands.

    /// Stops accepting and closes each connection as soon as it is at rest. Drained when [`Dispatcher::taken`] is 0.
    pub fn drain(&mut self, net: &mut N, now_ms: u64) {
        self.tick(now_ms);
        if !self.draining {
            (self.draining, self.drained_to) = (true, 0);
            self.watch_listeners(net);
            for listener in &mut self.listeners {
                if let Some(socket) = listener.socket.take() {
                    net.close_listener(socket);
                }
            }
        }
        self.sweep();
    }

    /// Closes everything now.
    pub fn stop(&mut self, net: &mut N, now_ms: u64) {
        self.drain(net, now_ms);
        for at in 0..self.pool.end() {
            if let Some(token) = self.pool.token(at) {
                self.close(net, token, at, Reason::Stopped);
            }
        }
        self.sweep();
    }

    /// As [`Context::wake`](crate::service::Context::wake), for the world: another task has something for this
    /// connection. `false` if it is gone.
    pub fn wake(&mut self, token: Token) -> bool {
        self.pool.wake(token)
    }

    // Getters.

    /// When [`Dispatcher::on_time`] wants to be called at the latest; `None` if only an event can change anything.
    /// May be early, never late.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.pool.any_woken() || self.draining && self.drained_to < self.pool.end() {
            return Some(self.now_ms);
        }
        let next = self.timers.next().min(self.retry_ms);
        (next != NEVER).then_some(next)
    }

    /// Connections alive.
    pub fn taken(&self) -> u32 {
        self.pool.taken_in_all()
    }

    /// Blocks that connections hold.
    pub fn blocks_taken(&self) -> usize {
        self.blocks.taken()
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    pub fn service(&mut self) -> &mut S {
        &mut self.service
    }

    // The path of an event.

    #[inline]
    fn on_ready(&mut self, net: &mut N, event: Event, at: usize) {
        let Event { token, ready } = event;
        let draining = self.draining;
        self.turn(net, token, at, |kit, slot, state| {
            let mut fate = Fate::Live;
            if ready.writable {
                fate = kit.on_writable(token, slot, state);
            }
            if ready.readable && !matches!(fate, Fate::Dead(_)) {
                fate = kit.on_readable(token, slot, state);
            }
            if draining { leave_at_rest(kit, token, slot, state, fate) } else { fate }
        });
    }

    fn on_deadline(&mut self, net: &mut N, at: usize) {
        let Some(token) = self.pool.token(at) else { return };
        self.turn(net, token, at, |kit, slot, state| match slot.due(kit.rules, kit.now_ms) {
            None => Fate::Live,
            Some(Due::Idle) => Fate::Dead(Reason::IdleTimeout),
            Some(Due::Write) => Fate::Dead(Reason::WriteTimeout),
            Some(Due::Linger) => Fate::Dead(slot.reason),
            Some(Due::Request) => kit.step(token, slot, state, Cause::Timeout),
            Some(Due::Wait) => {
                slot.wait_ms = NEVER;
                kit.step(token, slot, state, Cause::Time)
            }
        });
    }

    /// Looks at the next slots for connections at rest.
    fn drain_some(&mut self, net: &mut N) {
        let end = self.pool.end();
        for _ in 0..TURNS_PER_CALL {
            if !self.draining || self.drained_to >= end {
                break;
            }
            let at = self.drained_to;
            self.drained_to = at.wrapping_add(1);
            if let Some(token) = self.pool.token(at) {
                self.turn(net, token, at, |kit, slot, state| leave_at_rest(kit, token, slot, state, Fate::Live));
            }
        }
    }

    /// Runs a turn on one connection and settles what came of it.
    #[inline]
    fn turn(
        &mut self,
        net: &mut N,
        token: Token,
        at: usize,
        run: impl FnOnce(&mut Kit<'_, 'm, N, S>, &mut Slot<N::Conn>, &mut S::State) -> Fate,
    ) {
        let (Some(slot), Some(state)) = (self.slots.get_mut(at), self.states.get_mut(at)) else { return };
        let Some(listener) = self.listeners.get(slot.listener as usize) else { return };
        let mut kit = Kit {
            net,
            service: &mut self.service,
            pool: &mut self.pool,
            blocks: &mut self.blocks,
            scratch: self.scratch,
            outbox: self.outbox,
            stats: &mut self.stats,
            rules: &listener.rules,
            now_ms: self.now_ms,
        };
        let mut fate = run(&mut kit, slot, state);
        if !matches!(fate, Fate::Dead(_)) {
            let want = slot.interest(self.scratch.len());
            if let (true, Some(conn)) = (want != slot.watched, &slot.conn) {
                match net.watch(conn, token, slot.watched, want) {
                    Ok(()) => slot.watched = want,
                    Err(_) => fate = Fate::Dead(Reason::Unwatched),
                }
            }
            self.timers.arm(at, slot.deadline(&listener.rules));
        }
        if let Fate::Dead(reason) = fate {
            self.close(net, token, at, reason);
        }
        if self.blocks.taken() > 0 {
            self.make_room(net);
        }
    }

    /// Closes the oldest holders of blocks until the reserve is whole: first those with unfinished input, then those
    /// that do not read.
    fn make_room(&mut self, net: &mut N) {
        self.stats.blocks_peak = self.stats.blocks_peak.max(self.blocks.taken() as u32);
        while self.blocks.short() {
            let oldest = self.blocks.oldest(Held::Input).or(self.blocks.oldest(Held::Output));
            let Some((at, token)) = oldest.and_then(|at| Some((at as usize, self.pool.token(at as usize)?))) else {
                self.stats.add(Counter::Impossible, 1);
                break;
            };
            log::warn!("all {} blocks taken ([Memory] Blocks): closing their longest holder", self.blocks.capacity());
            self.close(net, token, at, Reason::BlocksDry);
        }
    }

    /// The one place where a connection ends.
    fn close(&mut self, net: &mut N, token: Token, at: usize, reason: Reason) {
        let (Some(slot), Some(state)) = (self.slots.get_mut(at), self.states.get_mut(at)) else { return };
        let Some(conn) = slot.conn.take() else { return };
        let listener = slot.listener as usize;
        self.blocks.clear(&mut slot.input, Held::Input);
        self.blocks.clear(&mut slot.output, Held::Output);
        self.timers.forget(at);
        self.service.closed(state, token);
        net.close(conn);
        if !self.pool.release(token) {
            self.stats.add(Counter::Impossible, 1);
        }
        self.stats.close(reason);
        if self.retry_ms != NEVER {
            self.retry_ms = NEVER;
            self.watch_listeners(net);
        } else {
            self.watch_listener(net, listener);
        }
    }

    fn tick(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }
}

/// While draining: a connection at rest is asked once more for what may already be here, then closed.
fn leave_at_rest<N: Net, S: Service>(
    kit: &mut Kit<'_, '_, N, S>,
    token: Token,
    slot: &mut Slot<N::Conn>,
    state: &mut S::State,
    mut fate: Fate,
) -> Fate {
    for _ in 0..TURNS_PER_CALL {
        match fate {
            Fate::Live if slot.at_rest() && !slot.ended => fate = kit.on_readable(token, slot, state),
            Fate::Live | Fate::Quiet if slot.at_rest() => return kit.begin_close(slot, Reason::Drained),
            _ => break,
        }
    }
    fate
}

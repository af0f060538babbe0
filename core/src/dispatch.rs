//! The dispatcher: from an event to the connection it is for, and from a connection's fate to what follows.
//!
//! Inputs are [`Dispatcher::on_event`] and [`Dispatcher::on_time`]; the one output besides calls of [`Net`] is
//! [`Dispatcher::next_deadline`], the time by which `on_time` wants to be called. There is no order to keep and
//! nothing to drain. Each function splits the dispatcher into its fields, runs a turn on one slot, and settles what
//! came of it; a connection is closed in `Dispatcher::close` and nowhere else.

mod accept;
mod sweep;

use heapless::Vec;

use crate::blocks::{BlockMark, Blocks, Held};
use crate::clients::{Client, Clients};
use crate::conn::Slot;
use crate::event::{Event, Token};
use crate::limits::{LISTENERS_MAX, TURNS_PER_CALL};
use crate::listen::{Listener, ListenerId, Rules};
use crate::net::Net;
use crate::pool::{Mark, Pool};
use crate::serve::{Fate, Kit, Turn, Why};
use crate::service::{Cause, Context, Service};
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
    /// For `per_client`: more than the connections of the listeners that have it, best twice as many. May be empty:
    /// then no listener can have it.
    pub clients: &'m mut [Client],
    /// A secret, so that nobody can choose addresses that all meet in one place of `clients`.
    pub seed: [u64; 2],
    /// For `WhenFull::Oldest`: both as long as the connections of the listeners that have it. May be empty.
    pub elder_cells: &'m mut [u64],
    pub elder_places: &'m mut [u32],
    /// Where everything is counted; others may look meanwhile.
    pub stats: &'m Stats,
}

/// The connections of one worker, and everything that moves them.
pub struct Dispatcher<'m, N: Net, S: Service> {
    kit: Kit<'m, S>,
    slots: &'m mut [Slot<N::Conn>],
    states: &'m mut [S::State],
    timers: Timers<'m>,
    clients: Clients<'m>,
    /// What is left of that memory.
    elder_cells: &'m mut [u64],
    elder_places: &'m mut [u32],
    listeners: Vec<Listener<'m, N::Listener>, LISTENERS_MAX>,
    /// When listeners that rest for want of descriptors are tried again.
    retry_ms: u64,
    /// When the first listener that rests because of its rate may accept again.
    rate_ms: u64,
    /// No listener is left.
    closed: bool,
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
            kit: Kit {
                service,
                pool: Pool::new(storage.marks.get_mut(..slots).unwrap_or_default()),
                blocks: Blocks::new(storage.block_memory, storage.block_marks, storage.block_bytes),
                scratch: storage.scratch,
                outbox: storage.outbox,
                rules: Vec::new(),
                stats: storage.stats,
                now_ms: 0,
                wall_s: 0,
            },
            slots: storage.slots,
            states: storage.states,
            timers: Timers::new(storage.timer_cells, storage.timer_places),
            clients: Clients::new(storage.clients, storage.seed),
            elder_cells: storage.elder_cells,
            elder_places: storage.elder_places,
            listeners: Vec::new(),
            retry_ms: NEVER,
            rate_ms: NEVER,
            closed: false,
            draining: false,
            drained_to: 0,
            #[cfg(debug_assertions)]
            calls: 0,
        }
    }

    /// Starts to accept on a listener, with a share of `connections` slots of its own. Gives the socket back when
    /// there are not so many slots left, or too many listeners.
    pub fn listen(
        &mut self,
        net: &mut N,
        socket: N::Listener,
        connections: u32,
        rules: Rules<'m>,
    ) -> Result<ListenerId, N::Listener> {
        if self.listeners.is_full() {
            return Err(socket);
        }
        let Some(share) = self.kit.pool.add_share(connections) else { return Err(socket) };
        let id = self.listeners.len();
        if let Err(listener) = self.listeners.push(Listener::new(socket, share)) {
            return listener.socket.map_or_else(|| Ok(ListenerId(id)), Err);
        }
        // As long as the listeners, so there is room.
        let _ = self.kit.rules.push(rules);
        self.watch_listener(net, id);
        Ok(ListenerId(id))
    }

    // Inputs.

    /// Something can be done without waiting. Stale, foreign and spurious events are counted and harmless.
    #[inline]
    pub fn on_event(&mut self, net: &mut N, now_ms: u64, event: Event) {
        self.tick(now_ms);
        if let Some(at) = self.kit.pool.slot(event.token) {
            self.turn(net, event.token, at, Why::Ready(event.ready));
        } else if let Some(listener) = event.token.listener() {
            self.accept(net, listener);
        } else {
            self.kit.stats.add(Counter::EventsStale, 1);
        }
        self.sweep();
    }

    /// Deals with what is due: deadlines, woken connections, resting listeners, the drain. Harmless at any time.
    pub fn on_time(&mut self, net: &mut N, now_ms: u64) {
        self.tick(now_ms);
        if self.retry_ms.min(self.rate_ms) <= self.kit.now_ms {
            if self.retry_ms <= self.kit.now_ms {
                self.retry_ms = NEVER;
            }
            self.rate_ms = NEVER;
            self.watch_listeners(net);
        }
        for _ in 0..TURNS_PER_CALL {
            let Some(at) = self.timers.fire(self.kit.now_ms) else { break };
            let (Some(token), Some(slot)) = (self.kit.pool.token(at), self.slots.get_mut(at)) else { continue };
            // Fired is disarmed: the turn has to arm it again, at ease or not.
            slot.settled_at_ease = false;
            self.turn(net, token, at, Why::Deadline);
        }
        for _ in 0..TURNS_PER_CALL {
            let Some(token) = self.kit.pool.next_woken() else { break };
            self.turn(net, token, token.slot as usize, Why::Step(Cause::Woken));
        }
        self.drain_some(net);
        self.sweep();
    }

    /// Another process of this server was woken for a connection it could not take: whoever can takes it. Without
    /// this it would wait for the next to arrive, since the world wakes one process for each.
    pub fn on_passed(&mut self, net: &mut N, now_ms: u64) {
        self.tick(now_ms);
        for id in 0..self.listeners.len() {
            self.accept(net, id);
        }
        self.sweep();
    }

    // Commands.

    /// Tells the time of day, in seconds since 1970, to services that say it to their peers. It may jump; nothing but
    /// what is said depends on it.
    pub fn set_wall(&mut self, unix_s: i64) {
        self.kit.wall_s = unix_s;
    }

    /// Stops accepting and closes each connection as soon as it is at rest. Drained when [`Dispatcher::taken`] is 0.
    pub fn drain(&mut self, net: &mut N, now_ms: u64) {
        self.stop_accepting(net, now_ms);
        if !self.draining {
            (self.draining, self.drained_to) = (true, 0);
        }
        self.sweep();
    }

    /// Closes everything now.
    pub fn stop(&mut self, net: &mut N, now_ms: u64) {
        self.drain(net, now_ms);
        for at in 0..self.kit.pool.end() {
            if let Some(token) = self.kit.pool.token(at) {
                self.close(net, token, at, Reason::Stopped);
            }
        }
        self.sweep();
    }

    /// As [`Context::wake`](crate::service::Context::wake), for the world: another task has something for this
    /// connection. `false` if it is gone.
    pub fn wake(&mut self, token: Token) -> bool {
        self.kit.pool.wake(token)
    }

    // Getters.

    /// When [`Dispatcher::on_time`] wants to be called at the latest; `None` if only an event can change anything.
    /// May be early, never late.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.kit.pool.any_woken() || self.draining && self.drained_to < self.kit.pool.end() {
            return Some(self.kit.now_ms);
        }
        let next = self.timers.next().min(self.retry_ms).min(self.rate_ms);
        (next != NEVER).then_some(next)
    }

    /// Connections alive.
    pub fn taken(&self) -> u32 {
        self.kit.pool.taken_in_all()
    }

    /// Blocks that connections hold.
    pub fn blocks_taken(&self) -> usize {
        self.kit.blocks.taken()
    }

    pub fn stats(&self) -> &'m Stats {
        self.kit.stats
    }

    pub fn service(&mut self) -> &mut S {
        &mut self.kit.service
    }

    // The path of an event.

    /// Gives one connection its turn and settles what came of it.
    #[inline]
    fn turn(&mut self, net: &mut N, token: Token, at: usize, why: Why) {
        let Self { kit, slots, states, timers, draining, drained_to, .. } = self;
        let (Some(slot), Some(state)) = (slots.get_mut(at), states.get_mut(at)) else { return };
        let mut fate = Turn { kit, net, token, slot, state }.take(why, *draining);
        if *draining && fate == Fate::Live && slot.at_rest() {
            // Its turn was over before it was known whether more is here: no event would tell that there is not.
            *drained_to = at.min(*drained_to);
        }
        if fate == Fate::Live && slot.settled_at_ease && slot.is_at_ease() {
            return;
        }
        slot.time(kit.now_ms);
        if !matches!(fate, Fate::Dead(_)) {
            let want = slot.interest(kit.scratch.len());
            if let (true, Some(conn)) = (want != slot.watched, &slot.conn) {
                match net.watch(conn, token, slot.watched, want) {
                    Ok(()) => slot.watched = want,
                    Err(_) => fate = Fate::Dead(Reason::Unwatched),
                }
            }
            timers.arm(at, slot.deadline(&kit.rules_of(slot.listener)));
            slot.settled_at_ease = slot.is_at_ease();
        }
        if let Fate::Dead(reason) = fate {
            self.close(net, token, at, reason);
        }
        self.make_room(net);
    }

    /// Looks at the next slots for connections at rest.
    fn drain_some(&mut self, net: &mut N) {
        let end = self.kit.pool.end();
        for _ in 0..TURNS_PER_CALL {
            if !self.draining || self.drained_to >= end {
                break;
            }
            let at = self.drained_to;
            self.drained_to = at.wrapping_add(1);
            if let Some(token) = self.kit.pool.token(at) {
                self.turn(net, token, at, Why::Read);
            }
        }
    }

    /// Closes the longest holders of blocks until the reserve is whole.
    fn make_room(&mut self, net: &mut N) {
        self.kit.stats.hold(self.kit.blocks.taken() as u32);
        while self.kit.blocks.short() {
            let oldest = self.kit.blocks.oldest_of_most();
            let Some((at, token)) = oldest.and_then(|at| Some((at as usize, self.kit.pool.token(at as usize)?))) else {
                self.kit.stats.add(Counter::Impossible, 1);
                break;
            };
            log::warn!(
                "all {} blocks but the reserve taken ([Memory] Blocks): closing their longest holder",
                self.kit.blocks.capacity()
            );
            self.close(net, token, at, Reason::BlocksDry);
        }
    }

    /// The one place where a connection ends.
    fn close(&mut self, net: &mut N, token: Token, at: usize, reason: Reason) {
        let (Some(slot), Some(state)) = (self.slots.get_mut(at), self.states.get_mut(at)) else { return };
        let Some(conn) = slot.conn.take() else { return };
        let listener = slot.listener as usize;
        let mut context = Context {
            now_ms: self.kit.now_ms,
            wall_s: self.kit.wall_s,
            me: token,
            listener: slot.listener,
            peer: &slot.peer,
            rules: &self.kit.rules,
            ended: slot.ended,
            pool: &mut self.kit.pool,
        };
        self.kit.service.closed(state, &mut context);
        self.kit.blocks.clear(&mut slot.input, Held::Input);
        self.kit.blocks.clear(&mut slot.output, Held::Output);
        self.kit.stats.hold(self.kit.blocks.taken() as u32);
        let life_ms = self.kit.now_ms.saturating_sub(slot.opened_ms);
        self.kit.stats.close(self.kit.now_ms, life_ms, slot.listener, reason, slot.peer);
        self.timers.forget(at);
        if let Some(elders) = self.listeners.get_mut(listener).and_then(|listener| listener.elders.as_mut()) {
            elders.leave(at);
        }
        if self.listeners.get(listener).is_some_and(|listener| listener.admission.per_client > 0) {
            let peer = slot.peer.unpack();
            self.uncount(listener, peer);
        }
        net.close(conn);
        if !self.kit.pool.release(token) {
            self.kit.stats.add(Counter::Impossible, 1);
        }
        self.count_live(listener);
        if self.retry_ms != NEVER {
            self.retry_ms = NEVER;
            self.watch_listeners(net);
        } else {
            self.watch_listener(net, listener);
        }
    }

    fn tick(&mut self, now_ms: u64) {
        self.kit.now_ms = self.kit.now_ms.max(now_ms);
    }
}

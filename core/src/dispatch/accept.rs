//! The listeners' side of the dispatcher: who is let in, and when a listener rests.

use nb::Error::{Other, WouldBlock};

use super::Dispatcher;
use crate::conn::Slot;
use crate::event::Token;
use crate::limits::{ACCEPT_RETRY_MS, ACCEPTS_PER_EVENT};
use crate::listen::{Listener, ListenerId, Rules};
use crate::net::{Gone, Net, PackedPeer, Peer};
use crate::service::{Cause, Service};
use crate::stats::Counter;
use crate::timer::NEVER;

impl<'m, N: Net, S: Service> Dispatcher<'m, N, S> {
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
        let Some(share) = self.pool.add_share(connections) else { return Err(socket) };
        let id = self.listeners.len();
        if let Err(listener) = self.listeners.push(Listener { socket: Some(socket), share, rules, watched: false }) {
            return listener.socket.map_or_else(|| Ok(ListenerId(id)), Err);
        }
        self.watch_listener(net, id);
        Ok(ListenerId(id))
    }

    pub(super) fn accept(&mut self, net: &mut N, id: usize) {
        for _ in 0..ACCEPTS_PER_EVENT {
            let Some(listener) = self.listeners.get(id).filter(|l| l.watched) else { break };
            let (Some(socket), share) = (&listener.socket, listener.share) else { break };
            match net.accept(socket) {
                Ok((conn, peer)) => match self.pool.take(share) {
                    Some(token) => self.open(net, token, conn, peer, id),
                    None => {
                        self.stats.add(Counter::Impossible, 1);
                        net.close(conn);
                    }
                },
                Err(WouldBlock) => break,
                Err(Other(Gone::Reset | Gone::Refused)) => self.stats.add(Counter::AcceptsLost, 1),
                Err(Other(Gone::NoRoom | Gone::Other)) => {
                    self.stats.add(Counter::AcceptsStarved, 1);
                    self.retry_ms = self.now_ms.saturating_add(ACCEPT_RETRY_MS);
                    self.watch_listeners(net);
                    log::warn!(
                        "listener {}: out of descriptors or memory, accepting again in {} ms",
                        id,
                        ACCEPT_RETRY_MS
                    );
                }
            }
            self.watch_listener(net, id);
        }
    }

    fn open(&mut self, net: &mut N, token: Token, conn: N::Conn, peer: Peer, listener: usize) {
        self.stats.add(Counter::Accepted, 1);
        self.stats.taken_peak = self.stats.taken_peak.max(self.pool.taken_in_all());
        let at = token.slot as usize;
        let (Some(slot), Some(state)) = (self.slots.get_mut(at), self.states.get_mut(at)) else {
            self.stats.add(Counter::Impossible, 1);
            return;
        };
        *slot = Slot::open(conn, PackedPeer::pack(peer), listener as u8, self.now_ms);
        *state = S::State::default();
        self.turn(net, token, at, |kit, slot, state| kit.step(token, slot, state, Cause::Opened));
    }

    pub(super) fn watch_listeners(&mut self, net: &mut N) {
        for id in 0..self.listeners.len() {
            self.watch_listener(net, id);
        }
    }

    /// A listener is watched exactly while a connection could be taken: a backlog never spins the loop.
    pub(super) fn watch_listener(&mut self, net: &mut N, id: usize) {
        let Some(listener) = self.listeners.get_mut(id) else { return };
        let room = self.pool.free(listener.share) > 0;
        let want = room && !self.draining && self.retry_ms == NEVER;
        if want == listener.watched {
            return;
        }
        if !room && !self.draining {
            self.stats.add(Counter::SharesFull, 1);
            let all = self.pool.taken(listener.share);
            log::warn!("listener {}: all {} connections taken (Connections), others wait in the backlog", id, all);
        }
        let Some(socket) = &listener.socket else { return };
        match net.watch_listener(socket, Token::of_listener(id), want) {
            Ok(()) => listener.watched = want,
            Err(_) => self.retry_ms = self.now_ms.saturating_add(ACCEPT_RETRY_MS),
        }
    }
}

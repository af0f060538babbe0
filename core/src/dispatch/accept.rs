//! Accepting: when a listener is watched, whom it lets in, and how a connection begins.

use nb::Error::{Other, WouldBlock};

use super::Dispatcher;
use crate::admission::{Admission, NotLent, Refusal, WhenFull};
use crate::conn::Slot;
use crate::elders::Elders;
use crate::event::Token;
use crate::limits::{ACCEPT_RETRY_MS, ACCEPTS_PER_EVENT};
use crate::listen::{Listener, ListenerId};
use crate::net::{Gone, Net, PackedPeer, Peer};
use crate::rate::Bucket;
use crate::serve::Why;
use crate::service::{Cause, Service};
use crate::stats::{Counter, Reason};
use crate::text::sock_ntop;
use crate::timer::NEVER;

impl<'m, N: Net, S: Service> Dispatcher<'m, N, S> {
    /// Sets a listener's terms, once and before it has met anyone; without this it lets everyone in.
    pub fn admit(&mut self, id: ListenerId, admission: Admission<'m>) -> Result<(), NotLent> {
        let Some(listener) = self.listeners.get_mut(id.index()) else { return Ok(()) };
        let connections = self.kit.pool.free(listener.share);
        if admission.per_client > 0 && !self.clients.reserve(connections) {
            return Err(NotLent);
        }
        if admission.when_full == WhenFull::Oldest {
            let cells = self.elder_cells.split_off_mut(..connections as usize).ok_or(NotLent)?;
            let places = self.elder_places.split_off_mut(..connections as usize).ok_or(NotLent)?;
            listener.elders = Some(Elders::new(self.kit.pool.base(listener.share), cells, places));
        }
        (listener.admission, listener.bucket) = (admission, Bucket::new(admission.per_second));
        Ok(())
    }

    /// Closes the listeners; who is here stays and is served. The first half of a drain, for a world that wants to
    /// give those accepted a moment ago the time to say something before they count as idle.
    pub fn stop_accepting(&mut self, net: &mut N, now_ms: u64) {
        self.tick(now_ms);
        if !self.closed {
            self.closed = true;
            self.watch_listeners(net);
            for listener in &mut self.listeners {
                if let Some(socket) = listener.socket.take() {
                    listener.watched = false;
                    net.close_listener(socket);
                }
            }
        }
        self.sweep();
    }

    pub(super) fn accept(&mut self, net: &mut N, id: usize) {
        // Again, should the world have refused to stop reporting.
        self.watch_listener(net, id);
        for _ in 0..ACCEPTS_PER_EVENT {
            if !self.listeners.get(id).is_some_and(|listener| listener.watched && self.wants(listener)) {
                break;
            }
            let Some(listener) = self.listeners.get_mut(id) else { break };
            let Some(socket) = &listener.socket else { break };
            match net.accept(socket) {
                Ok((conn, peer)) => self.receive(net, id, conn, peer),
                Err(WouldBlock) => {
                    listener.told = false;
                    break;
                }
                Err(Other(Gone::Reset | Gone::Refused)) => self.kit.stats.add(Counter::AcceptsLost, 1),
                Err(Other(Gone::NoRoom | Gone::Other)) => {
                    self.kit.stats.add(Counter::AcceptsStarved, 1);
                    if !core::mem::replace(&mut listener.told, true) {
                        log::warn!("listener {}: out of descriptors or memory, others wait in the backlog", id);
                    }
                    self.retry_ms = self.kit.now_ms.saturating_add(ACCEPT_RETRY_MS);
                    self.watch_listeners(net);
                }
            }
            self.watch_listener(net, id);
        }
    }

    /// A newcomer: shown in or out.
    fn receive(&mut self, net: &mut N, id: usize, conn: N::Conn, peer: Peer) {
        let Some(listener) = self.listeners.get(id) else { return net.close(conn) };
        let share = listener.share;
        if listener.admission.is_particular() && self.refuses(id, peer) {
            return net.close(conn);
        }
        if self.kit.pool.free(share) == 0 && self.refuses_when_full(id, peer) {
            return net.close(conn);
        }
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.bucket.take(self.kit.now_ms);
        }
        if self.kit.pool.free(share) == 0 {
            self.retire(net, id);
        }
        match self.kit.pool.take(share) {
            Some(token) => self.open(net, token, conn, peer, id),
            None => {
                self.kit.stats.add(Counter::Impossible, 1);
                self.uncount(id, peer);
                net.close(conn);
            }
        }
    }

    /// Closes the connection of a full listener that has been silent for longest.
    #[cold]
    fn retire(&mut self, net: &mut N, id: usize) {
        let slots = &*self.slots;
        let Some(elders) = self.listeners.get_mut(id).and_then(|listener| listener.elders.as_mut()) else { return };
        let Some(at) = elders.longest(|slot| slots.get(slot).map_or(0, |slot| slot.active_ms)) else { return };
        let (Some(token), Some(slot)) = (self.kit.pool.token(at), slots.get(at)) else { return };
        log::warn!(
            "listener {}: all connections taken (Connections, WhenFull): closing {}, silent for {} ms",
            id,
            sock_ntop(slot.peer.unpack()).as_str(),
            self.kit.now_ms.saturating_sub(slot.active_ms)
        );
        self.close(net, token, at, Reason::MadeRoom);
    }

    /// Whether a newcomer is refused for who it is. Who is not is counted to its client.
    #[cold]
    fn refuses(&mut self, id: usize, peer: Peer) -> bool {
        let Some(admission) = self.listeners.get(id).map(|listener| listener.admission) else { return true };
        let Some(refusal) = admission.refuses(id as u8, peer.ip(), &mut self.clients) else { return false };
        self.refuse(id, peer, admission, refusal);
        true
    }

    /// Whether a newcomer is refused because its listener is full, and is no longer counted to its client.
    #[cold]
    fn refuses_when_full(&mut self, id: usize, peer: Peer) -> bool {
        let Some(admission) = self.listeners.get(id).map(|listener| listener.admission) else { return true };
        if admission.when_full != WhenFull::Refuse {
            return false;
        }
        self.uncount(id, peer);
        self.refuse(id, peer, admission, Refusal::Full);
        true
    }

    /// Counts and tells a refusal.
    fn refuse(&mut self, id: usize, peer: Peer, admission: Admission<'_>, refusal: Refusal) {
        self.kit.stats.add_at(id, refusal.counter());
        let who = sock_ntop(peer);
        match refusal {
            Refusal::Denied => log::warn!("listener {}: {} refused (Allow, Deny)", id, who.as_str()),
            Refusal::PerClient => log::warn!(
                "listener {}: {} refused, it has {} connections already (PerClient)",
                id,
                who.as_str(),
                admission.per_client
            ),
            Refusal::Full => {
                log::warn!("listener {}: {} refused, all connections taken (Connections, WhenFull)", id, who.as_str())
            }
        }
    }

    /// A connection that its listener may have counted by client is gone.
    #[cold]
    pub(super) fn uncount(&mut self, id: usize, peer: Peer) {
        let Some(listener) = self.listeners.get(id) else { return };
        if let Some(client) = listener.admission.counted(id as u8, peer.ip()) {
            self.clients.leave(client);
        }
    }

    fn open(&mut self, net: &mut N, token: Token, conn: N::Conn, peer: Peer, listener: usize) {
        self.kit.stats.add_at(listener, Counter::Accepted);
        self.count_live(listener);
        let at = token.slot as usize;
        let (Some(slot), Some(state)) = (self.slots.get_mut(at), self.states.get_mut(at)) else {
            self.kit.stats.add(Counter::Impossible, 1);
            return;
        };
        *slot = Slot::open(conn, PackedPeer::pack(peer), listener as u8, self.kit.now_ms);
        *state = S::State::default();
        if let Some(elders) = self.listeners.get_mut(listener).and_then(|listener| listener.elders.as_mut()) {
            elders.enter(at, self.kit.now_ms);
        }
        self.turn(net, token, at, Why::Step(Cause::Opened));
    }

    /// Copies what lives from the pool to where others can see it.
    pub(super) fn count_live(&self, id: usize) {
        let taken = self.listeners.get(id).map_or(0, |listener| self.kit.pool.taken(listener.share));
        self.kit.stats.live(id, taken, self.kit.pool.taken_in_all());
    }

    pub(super) fn watch_listeners(&mut self, net: &mut N) {
        for id in 0..self.listeners.len() {
            self.watch_listener(net, id);
        }
    }

    /// A listener is watched exactly while a connection could be taken: a backlog never spins the loop.
    pub(super) fn watch_listener(&mut self, net: &mut N, id: usize) {
        let Some(listener) = self.listeners.get(id) else { return };
        let want = self.wants(listener);
        if !(want && listener.watched) {
            self.settle_listener(net, id, want);
        }
    }

    /// Starts or stops to watch a listener, or says until when it rests.
    #[cold]
    fn settle_listener(&mut self, net: &mut N, id: usize, want: bool) {
        let Some(listener) = self.listeners.get(id) else { return };
        let (watched, room) = (listener.watched, self.has_room(listener));
        let idle = self.closed || self.retry_ms != NEVER;
        if let (false, true, Some(at_ms)) = (idle, room, listener.bucket.ready_at(self.kit.now_ms)) {
            self.rate_ms = self.rate_ms.min(at_ms);
            if watched {
                self.kit.stats.add_at(id, Counter::RatesReached);
                let rate = listener.admission.per_second;
                log::warn!(
                    "listener {}: {} connections in a second (AcceptRate), others wait in the backlog",
                    id,
                    rate
                );
            }
        }
        if want == watched {
            return;
        }
        if !room && !self.closed {
            self.kit.stats.add_at(id, Counter::SharesFull);
            let all = self.kit.pool.taken(listener.share);
            if !listener.told {
                log::warn!("listener {}: all {} connections taken (Connections), others wait in the backlog", id, all);
            }
            if let Some(listener) = self.listeners.get_mut(id) {
                listener.told = true;
            }
        }
        let Some(listener) = self.listeners.get(id) else { return };
        let Some(socket) = &listener.socket else { return };
        match net.watch_listener(socket, Token::of_listener(id), want) {
            Ok(()) => {
                if let Some(listener) = self.listeners.get_mut(id) {
                    listener.watched = want;
                }
            }
            Err(_) => self.retry_ms = self.kit.now_ms.saturating_add(ACCEPT_RETRY_MS),
        }
    }

    /// Whether a connection could be taken now.
    pub(super) fn wants(&self, listener: &Listener<'_, N::Listener>) -> bool {
        let resting = self.closed || self.retry_ms != NEVER;
        !resting && self.has_room(listener) && listener.bucket.ready_at(self.kit.now_ms).is_none()
    }

    fn has_room(&self, listener: &Listener<'_, N::Listener>) -> bool {
        let answers_when_full = match listener.admission.when_full {
            WhenFull::Wait => false,
            WhenFull::Refuse => true,
            WhenFull::Oldest => self.kit.pool.taken(listener.share) > 0,
        };
        answers_when_full || self.kit.pool.free(listener.share) > 0
    }
}

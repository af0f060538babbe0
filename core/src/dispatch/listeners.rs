//! When listeners are watched, and when they are closed.

use crate::event::Token;
use crate::limits::ACCEPT_RETRY_MS;
use crate::net::Net;
use crate::service::Service;
use crate::stats::Counter;
use crate::timer::NEVER;

use super::Dispatcher;

impl<N: Net, S: Service> Dispatcher<'_, N, S> {
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

    pub(super) fn watch_listeners(&mut self, net: &mut N) {
        for id in 0..self.listeners.len() {
            self.watch_listener(net, id);
        }
    }

    /// A listener is watched exactly while a connection could be taken: a backlog never spins the loop.
    pub(super) fn watch_listener(&mut self, net: &mut N, id: usize) {
        let Some(listener) = self.listeners.get_mut(id) else { return };
        let room = self.kit.pool.free(listener.share) > 0;
        let want = room && !self.closed && self.retry_ms == NEVER;
        if want == listener.watched {
            return;
        }
        if !room && !self.closed {
            self.kit.stats.add(Counter::SharesFull, 1);
            if !core::mem::replace(&mut listener.told, true) {
                let all = self.kit.pool.taken(listener.share);
                log::warn!("listener {}: all {} connections taken (Connections), others wait in the backlog", id, all);
            }
        }
        let Some(socket) = &listener.socket else { return };
        match net.watch_listener(socket, Token::of_listener(id), want) {
            Ok(()) => listener.watched = want,
            Err(_) => self.retry_ms = self.kit.now_ms.saturating_add(ACCEPT_RETRY_MS),
        }
    }
}

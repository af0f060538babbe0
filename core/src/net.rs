//! The one way in and out: what the core asks of a network, in `nb` form.
//!
//! Linux implements [`Net`] over rustix, the simulator over a seeded pretend network, firmware over its TCP stack.
//! The core never sees a descriptor number: connections and listeners are the world's own owned types, and closing
//! one consumes it, so that a second close does not compile.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::event::{Interest, Token};

/// `Err(nb::Error::WouldBlock)`: nothing now, an event will tell. `Err(nb::Error::Other(gone))`: see [`Gone`].
pub type Answer<T> = nb::Result<T, Gone>;

/// Why the world could not do what it was asked; each variant is a different thing the core does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The peer ended the connection without ceremony (`ECONNRESET`, `EPIPE`, `ECONNABORTED`): close it.
    Reset,
    /// Nobody answers there (`ECONNREFUSED`, `EHOSTUNREACH`, `ETIMEDOUT`): try another upstream or give up.
    Refused,
    /// Descriptors or kernel memory ran out (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`): try again after a while.
    NoRoom,
    /// Anything else: close it.
    Other,
}

/// What the dispatcher asks of the world. Every call returns at once.
pub trait Net {
    /// A socket that accepts. Owned by the dispatcher while it serves.
    type Listener;
    /// A connected socket. Owned by its slot; [`Net::close`] consumes it.
    type Conn;

    /// Takes one waiting connection and says who it is.
    fn accept(&mut self, listener: &Self::Listener) -> Answer<(Self::Conn, Peer)>;
    /// Reads up to `into.len()` bytes; `Ok(0)` is the peer's end of data. Never called with an empty buffer.
    fn recv(&mut self, conn: &Self::Conn, into: &mut [u8]) -> Answer<usize>;
    /// Sends the parts in order as one stream; `Ok(n)` may be short. Never called with nothing to send.
    fn send(&mut self, conn: &Self::Conn, parts: &[&[u8]]) -> Answer<usize>;
    /// Sends from a file that [`Files`](crate::files::Files) opened and said to be known here; `Ok(n)` may be short,
    /// `Ok(0)` is a file that became shorter. Never called with nothing to send, and never by a world without files.
    fn send_file(&mut self, _conn: &Self::Conn, _id: u32, _offset: u64, _len: usize) -> Answer<usize> {
        Err(nb::Error::Other(Gone::Other))
    }
    /// Ends our direction: the peer reads what was sent, then the end of data.
    fn shutdown(&mut self, conn: &Self::Conn);
    /// Gives the connection back to the world.
    fn close(&mut self, conn: Self::Conn);
    /// Gives a listener back; what waits in its queue is the world's to keep or refuse.
    fn close_listener(&mut self, listener: Self::Listener);
    /// Changes what the world reports for a connection. `Interest::NONE` must be no registration at all: a hang-up on
    /// an idle registration would report for ever.
    fn watch(&mut self, conn: &Self::Conn, token: Token, from: Interest, to: Interest) -> Result<(), Gone>;
    /// Starts or stops reports of waiting connections.
    fn watch_listener(&mut self, listener: &Self::Listener, token: Token, on: bool) -> Result<(), Gone>;
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Ip(SocketAddr),
    /// A local socket: its clients have no address worth keeping.
    Unix,
}

/// A peer as a slot keeps it: 24 bytes, and all zero is a valid value (a unix peer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct PackedPeer {
    address: [u8; 16],
    scope: u32,
    port: u16,
    /// 0 unix, 4, 6.
    family: u8,
    /// A byte that would be between two of them: where others look there are no bytes without a value.
    unused: u8,
}

impl PackedPeer {
    pub(crate) const UNIX: Self = Self { address: [0; 16], scope: 0, port: 0, family: 0, unused: 0 };

    pub(crate) fn pack(peer: Peer) -> Self {
        match peer {
            Peer::Unix => Self::UNIX,
            Peer::Ip(SocketAddr::V4(v4)) => {
                Self { address: v4.ip().to_ipv6_mapped().octets(), scope: 0, port: v4.port(), family: 4, unused: 0 }
            }
            Peer::Ip(SocketAddr::V6(v6)) => {
                Self { address: v6.ip().octets(), scope: v6.scope_id(), port: v6.port(), family: 6, unused: 0 }
            }
        }
    }

    pub(crate) fn unpack(self) -> Peer {
        let v6 = Ipv6Addr::from(self.address);
        match self.family {
            4 => {
                let v4 = v6.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED);
                Peer::Ip(SocketAddr::V4(SocketAddrV4::new(v4, self.port)))
            }
            6 => Peer::Ip(SocketAddr::V6(SocketAddrV6::new(v6, self.port, 0, self.scope))),
            _ => Peer::Unix,
        }
    }
}

impl Peer {
    /// The address without the port; `None` for a unix peer.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Ip(address) => Some(address.ip()),
            Peer::Unix => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_peer_comes_back_whole() {
        for text in ["1.2.3.4:5", "0.0.0.0:0", "[::1]:80", "[fe80::1%7]:65535", "[::ffff:1.2.3.4]:9"] {
            let peer = Peer::Ip(text.parse().unwrap());
            assert_eq!(PackedPeer::pack(peer).unpack(), peer, "{text}");
        }
        assert_eq!(PackedPeer::pack(Peer::Unix).unpack(), Peer::Unix);
        assert_eq!(PackedPeer::default().unpack(), Peer::Unix);
        assert_eq!(core::mem::size_of::<PackedPeer>(), 24);
    }
}

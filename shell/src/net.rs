//! The core's [`Net`] over Linux sockets and an epoll set.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags};
use tidegate_core::blocks::PARTS_MAX;
use tidegate_core::event::{Interest, Token};
use tidegate_core::net::{Answer, Gone, Net, Peer};

use crate::files;
use crate::files::open::Open;
use crate::log::{Severity, report};
use crate::os::bell::Bell;
use crate::os::conn::Conn;
use crate::os::epoll::Epoll;

/// Linux, as the dispatcher sees it.
#[derive(Debug)]
pub struct Linux {
    pub epoll: Epoll,
    /// Why accepting failed, once the log knows; until nobody waits any more.
    accept_failed: Option<Errno>,
    /// Rung for a connection that this process was woken for and cannot take.
    bell: Option<Bell>,
    /// The files that are sent from the disk.
    files: Rc<Open>,
}

impl Linux {
    pub fn new(epoll: Epoll, bell: Option<Bell>, files: Rc<Open>) -> Self {
        Self { epoll, accept_failed: None, bell, files }
    }
}

impl Net for Linux {
    type Listener = OwnedFd;
    type Conn = Conn;

    fn accept(&mut self, listener: &OwnedFd) -> Answer<(Conn, Peer)> {
        match rustix::net::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((fd, address)) => {
                let ip = address.and_then(|address| SocketAddr::try_from(address).ok());
                Ok((Conn::from(fd), ip.map_or(Peer::Unix, |ip| Peer::Ip(canonical(ip)))))
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                self.accept_failed = None;
                Err(nb::Error::WouldBlock)
            }
            Err(errno) => {
                let gone = accept_gone(errno);
                if gone != Gone::Reset && self.accept_failed.replace(errno) != Some(errno) {
                    report(Severity::Error, Some(errno), format_args!("accept4 failed"));
                }
                if let (Gone::NoRoom, Some(bell)) = (gone, &self.bell) {
                    bell.ring();
                }
                Err(nb::Error::Other(gone))
            }
        }
    }

    #[inline]
    fn recv(&mut self, conn: &Conn, into: &mut [u8]) -> Answer<usize> {
        answer(rustix::net::recv(conn, into, RecvFlags::empty()).map(|(n, _)| n))
    }

    #[inline]
    fn send(&mut self, conn: &Conn, parts: &[&[u8]]) -> Answer<usize> {
        if let [part] = parts {
            return answer(rustix::net::send(conn, part, SendFlags::NOSIGNAL));
        }
        let mut slices = [IoSlice::new(&[]); PARTS_MAX];
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let slices = slices.get(..parts.len()).unwrap_or(&slices);
        answer(rustix::net::sendmsg(conn, slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL))
    }

    #[inline]
    fn send_file(&mut self, conn: &Conn, id: u32, offset: u64, len: usize) -> Answer<usize> {
        // There is no flag against SIGPIPE here: it is ignored (see `os::signal`).
        let mut at = offset;
        let place = files::open_place(id).unwrap_or(usize::MAX);
        let sent = self.files.with(place, |file| rustix::fs::sendfile(conn, file, Some(&mut at), len));
        answer(sent.unwrap_or(Err(Errno::BADF)))
    }

    fn shutdown(&mut self, conn: &Conn) {
        // It fails only where the peer is gone already, which the next recv tells.
        let _ = rustix::net::shutdown(conn, Shutdown::Write);
    }

    fn close(&mut self, conn: Conn) {
        drop(conn);
    }

    fn close_listener(&mut self, listener: OwnedFd) {
        drop(listener);
    }

    fn watch(&mut self, conn: &Conn, token: Token, from: Interest, to: Interest) -> Result<(), Gone> {
        self.epoll.watch(conn, token, from, to).map_err(gone)
    }

    fn watch_listener(&mut self, listener: &OwnedFd, token: Token, on: bool) -> Result<(), Gone> {
        let answer = match on {
            true => self.epoll.watch_shared(listener, token),
            false => self.epoll.watch(listener, token, Interest::READ, Interest::NONE),
        };
        answer.map_err(gone)
    }
}

#[inline]
fn answer(result: Result<usize, Errno>) -> Answer<usize> {
    match result {
        Ok(n) => Ok(n),
        Err(Errno::AGAIN | Errno::INTR) => Err(nb::Error::WouldBlock),
        Err(errno) => Err(nb::Error::Other(gone(errno))),
    }
}

#[cold]
fn gone(errno: Errno) -> Gone {
    match errno {
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => Gone::Reset,
        Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::TIMEDOUT => Gone::Refused,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC => Gone::NoRoom,
        _ => Gone::Other,
    }
}

/// `accept(2)`, "Error handling": what is already wrong with the new connection is reported here and concerns only it.
fn accept_gone(errno: Errno) -> Gone {
    match errno {
        Errno::CONNABORTED
        | Errno::NETDOWN
        | Errno::PROTO
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::NONET
        | Errno::HOSTUNREACH
        | Errno::OPNOTSUPP
        | Errno::NETUNREACH
        | Errno::TIMEDOUT
        | Errno::PERM => Gone::Reset,
        errno => gone(errno),
    }
}

/// A dual-stack listener reports IPv4 peers as mapped addresses; people know them as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
        IpAddr::V6(_) => address,
    }
}

//! Listening sockets.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::fs::{self, Mode};
use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::settings::Address;

/// Opens a listener: non-blocking, close-on-exec, ready to accept. What it is set to, accepted sockets inherit.
pub fn listen(address: &Address, backlog: u32) -> io::Result<OwnedFd> {
    let socket = match address {
        Address::Ip(ip) => bind_ip(*ip, true)?,
        Address::All(port) => match bind_ip((Ipv6Addr::UNSPECIFIED, *port).into(), false) {
            // A kernel without IPv6.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => bind_ip((Ipv4Addr::UNSPECIFIED, *port).into(), false)?,
            answer => answer?,
        },
        Address::Unix(path) => {
            let socket = open(AddressFamily::UNIX)?;
            net::bind(&socket, &SocketAddrUnix::new(path.as_path())?)?;
            // Whoever can reach the path may connect: the directory's permissions decide (unix(7)).
            fs::chmod(path.as_path(), Mode::from_raw_mode(0o666))?;
            socket
        }
    };
    set_backlog(&socket, backlog)?;
    Ok(socket)
}

/// Listens with this backlog; on a socket that listens already only the backlog changes.
pub fn set_backlog(socket: &OwnedFd, backlog: u32) -> io::Result<()> {
    net::listen(socket, i32::try_from(backlog).unwrap_or(i32::MAX))
}

fn bind_ip(address: SocketAddr, v6_only: bool) -> io::Result<OwnedFd> {
    let socket = open(if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET })?;
    // A port left in TIME_WAIT by the last run is ours to take.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Replies are sent whole; waiting for more to send only delays them.
    sockopt::set_tcp_nodelay(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, v6_only)?;
    }
    // At boot the address may not be there yet: bind all the same (ip(7), IP_FREEBIND, which serves IPv6 too).
    let _ = sockopt::set_ip_freebind(&socket, true);
    net::bind(&socket, &address)?;
    Ok(socket)
}

fn open(family: AddressFamily) -> io::Result<OwnedFd> {
    net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn one_socket_takes_both_families_and_nodelay_is_inherited() {
        let listener = listen(&Address::All(0), 8).unwrap();
        let port = SocketAddr::try_from(net::getsockname(&listener).unwrap()).unwrap().port();
        let _v4 = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let accepted = net::accept(&listener).unwrap();
        assert!(sockopt::tcp_nodelay(&accepted).unwrap());
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn an_address_that_is_not_there_yet_can_be_bound() {
        // TEST-NET-1 (RFC 5737): nobody's.
        assert!(listen(&Address::Ip("192.0.2.1:0".parse().unwrap()), 8).is_ok());
    }

    #[test]
    fn a_taken_port_says_so() {
        let first = listen(&Address::Ip("127.0.0.1:0".parse().unwrap()), 8).unwrap();
        let address = SocketAddr::try_from(net::getsockname(&first).unwrap()).unwrap();
        assert_eq!(listen(&Address::Ip(address), 8).unwrap_err(), Errno::ADDRINUSE);
    }
}

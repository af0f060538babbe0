//! Listening sockets.

use std::os::fd::OwnedFd;

use rustix::io;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::settings::Address;

/// Opens a listener: non-blocking, close-on-exec, ready to accept.
pub fn listen(address: &Address, backlog: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    let family = match address {
        Address::Ip(ip) if ip.is_ipv4() => AddressFamily::INET,
        Address::Ip(_) => AddressFamily::INET6,
        Address::Unix(_) => AddressFamily::UNIX,
    };
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    match address {
        Address::Ip(ip) => {
            sockopt::set_socket_reuseaddr(&socket, true)?;
            if ip.is_ipv6() {
                sockopt::set_ipv6_v6only(&socket, true)?;
            }
            net::bind(&socket, ip)?;
        }
        Address::Unix(path) => net::bind(&socket, &SocketAddrUnix::new(path.as_path())?)?,
    }
    net::listen(&socket, backlog)?;
    Ok(socket)
}

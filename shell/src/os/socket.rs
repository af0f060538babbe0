//! Listening sockets.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{self, Mode};
use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::settings::Address;

/// Questions to a silent peer before it is given up, and the longest pause between them.
const PROBES: u32 = 3;
const PROBE_PAUSE: Duration = Duration::from_secs(10);

/// What a listener is set to and its connections inherit. 0 is the kernel's own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How the kernel finds out that a peer is gone without a word, a pulled cable or a power cut: after this silence
    /// it asks, and gives the peer up `PROBES` pauses later.
    pub keepalive_ms: u64,
    /// It gives up a peer that acknowledges nothing for so long, or takes nothing: Linux counts a closed window too.
    pub user_timeout_ms: u64,
    /// Its buffers of one connection, which take twice as much (socket(7)). Without them they grow as it sees fit.
    pub receive_bytes: u32,
    pub send_bytes: u32,
}

/// Opens a listener: non-blocking, close-on-exec, ready to accept.
pub fn listen(address: &Address, backlog: u32, options: Options) -> io::Result<OwnedFd> {
    let any = |port| (Ipv4Addr::UNSPECIFIED, port).into();
    let socket = match address {
        Address::Ip(ip) => bind_ip(*ip, true, options)?,
        Address::All(port) => match bind_ip((Ipv6Addr::UNSPECIFIED, *port).into(), false, options) {
            // A kernel without IPv6.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => bind_ip(any(*port), false, options)?,
            answer => answer?,
        },
        Address::Unix(path) => {
            let socket = open(AddressFamily::UNIX)?;
            set_buffers(&socket, options)?;
            net::bind(&socket, &SocketAddrUnix::new(path.as_path())?)?;
            // Whoever can reach the path may connect: the directory's permissions decide (unix(7)).
            fs::chmod(path.as_path(), Mode::from_raw_mode(0o666))?;
            socket
        }
    };
    set_backlog(&socket, backlog)?;
    Ok(socket)
}

/// Whether this is a stream socket that listens on this address and no other.
pub fn is_listener_on(socket: &OwnedFd, address: &Address) -> bool {
    let listens =
        sockopt::socket_type(socket) == Ok(SocketType::STREAM) && sockopt::socket_acceptconn(socket) == Ok(true);
    let Some(name) = net::getsockname(socket).ok().filter(|_| listens) else { return false };
    match (address, SocketAddr::try_from(name.clone())) {
        (Address::Ip(ip), Ok(bound)) => (bound.ip(), bound.port()) == (ip.ip(), ip.port()),
        (Address::All(port), Ok(bound)) => bound.ip().is_unspecified() && bound.port() == *port,
        (Address::Unix(path), Err(_)) => {
            SocketAddrUnix::try_from(name).is_ok_and(|name| name.path_bytes() == Some(path.as_os_str().as_bytes()))
        }
        _ => false,
    }
}

/// A local listener that its owner alone can connect to, from the moment its path is there.
pub fn listen_private(path: &Path, backlog: u32) -> io::Result<OwnedFd> {
    let socket = open(AddressFamily::UNIX)?;
    // Linux gives the path the mode of the socket, so it is never open to others, not even for a moment.
    fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    set_backlog(&socket, backlog)?;
    Ok(socket)
}

/// Listens with this backlog; on a socket that listens already only the backlog changes.
pub fn set_backlog(socket: &OwnedFd, backlog: u32) -> io::Result<()> {
    net::listen(socket, i32::try_from(backlog).unwrap_or(i32::MAX))
}

fn bind_ip(address: SocketAddr, v6_only: bool, options: Options) -> io::Result<OwnedFd> {
    let socket = open(if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET })?;
    // A port left in TIME_WAIT by the last run is ours to take.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Replies are sent whole; waiting for more to send only delays them.
    sockopt::set_tcp_nodelay(&socket, true)?;
    set_options(&socket, options)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, v6_only)?;
    }
    // At boot the address may not be there yet: bind all the same (ip(7), IP_FREEBIND, which serves IPv6 too).
    let _ = sockopt::set_ip_freebind(&socket, true);
    net::bind(&socket, &address)?;
    Ok(socket)
}

/// Sets a TCP listener to these; connections accepted from now on have them.
pub fn set_options(socket: &OwnedFd, options: Options) -> io::Result<()> {
    let Options { keepalive_ms, user_timeout_ms, .. } = options;
    sockopt::set_socket_keepalive(socket, keepalive_ms > 0)?;
    if keepalive_ms > 0 {
        let idle = Duration::from_secs(keepalive_ms.div_ceil(1_000));
        sockopt::set_tcp_keepidle(socket, idle)?;
        sockopt::set_tcp_keepintvl(socket, idle.min(PROBE_PAUSE))?;
        sockopt::set_tcp_keepcnt(socket, PROBES)?;
    }
    sockopt::set_tcp_user_timeout(socket, u32::try_from(user_timeout_ms).unwrap_or(u32::MAX))?;
    set_buffers(socket, options)
}

/// The kernel cuts what is asked to `net.core.rmem_max` and `wmem_max`, except for an administrator.
pub fn set_buffers(socket: &OwnedFd, Options { receive_bytes, send_bytes, .. }: Options) -> io::Result<()> {
    if receive_bytes > 0 && sockopt::set_socket_recv_buffer_size_force(socket, receive_bytes as usize).is_err() {
        sockopt::set_socket_recv_buffer_size(socket, receive_bytes as usize)?;
    }
    if send_bytes > 0 {
        sockopt::set_socket_send_buffer_size(socket, send_bytes as usize)?;
    }
    Ok(())
}

/// What the kernel made of the buffers that were asked for: to receive and to send, as [`Options`] counts them.
pub fn buffer_bytes(socket: &OwnedFd) -> io::Result<(usize, usize)> {
    Ok((sockopt::socket_recv_buffer_size(socket)? / 2, sockopt::socket_send_buffer_size(socket)? / 2))
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
        let listener = listen(&Address::All(0), 8, Options::default()).unwrap();
        let port = SocketAddr::try_from(net::getsockname(&listener).unwrap()).unwrap().port();
        let _v4 = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let accepted = net::accept(&listener).unwrap();
        assert!(sockopt::tcp_nodelay(&accepted).unwrap());
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn accepted_sockets_inherit_what_their_listener_is_set_to() {
        let options =
            Options { keepalive_ms: 60_500, user_timeout_ms: 7_000, receive_bytes: 50_000, send_bytes: 70_000 };
        let listener = listen(&Address::All(0), 8, options).unwrap();
        let port = SocketAddr::try_from(net::getsockname(&listener).unwrap()).unwrap().port();
        let _client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let accepted = net::accept(&listener).unwrap();
        assert!(sockopt::socket_keepalive(&accepted).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&accepted).unwrap(), Duration::from_secs(61));
        assert_eq!(sockopt::tcp_keepintvl(&accepted).unwrap(), PROBE_PAUSE);
        assert_eq!(sockopt::tcp_keepcnt(&accepted).unwrap(), PROBES);
        assert_eq!(sockopt::tcp_user_timeout(&accepted).unwrap(), 7_000);
        assert_eq!(buffer_bytes(&accepted).unwrap(), (50_000, 70_000));
        let plain = listen(&Address::Ip("127.0.0.1:0".parse().unwrap()), 8, Options::default()).unwrap();
        assert!(!sockopt::socket_keepalive(&plain).unwrap());
    }

    #[test]
    fn an_address_that_is_not_there_yet_can_be_bound() {
        // TEST-NET-1 (RFC 5737): nobody's.
        assert!(listen(&Address::Ip("192.0.2.1:0".parse().unwrap()), 8, Options::default()).is_ok());
    }

    #[test]
    fn a_listener_is_known_by_its_address() {
        let address = |socket: &OwnedFd| SocketAddr::try_from(net::getsockname(socket).unwrap()).unwrap();
        let one = listen(&Address::Ip("127.0.0.1:0".parse().unwrap()), 8, Options::default()).unwrap();
        let mut bound = address(&one);
        assert!(is_listener_on(&one, &Address::Ip(bound)));
        assert!(!is_listener_on(&one, &Address::All(bound.port())));
        assert!(!is_listener_on(&one, &Address::Unix("/a".into())));
        let client = OwnedFd::from(TcpStream::connect(bound).unwrap());
        assert!(!is_listener_on(&client, &Address::Ip(address(&client))), "it is connected, not listening");
        bound.set_port(bound.port() ^ 1);
        assert!(!is_listener_on(&one, &Address::Ip(bound)));
        let all = listen(&Address::All(0), 8, Options::default()).unwrap();
        assert!(is_listener_on(&all, &Address::All(address(&all).port())));
        let path = std::env::temp_dir().join(format!("tidegate-socket-{}", std::process::id()));
        let unix = listen(&Address::Unix(path.clone()), 8, Options::default()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(is_listener_on(&unix, &Address::Unix(path)) && !is_listener_on(&unix, &Address::Unix("/a".into())));
        let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert!(!is_listener_on(&file, &Address::All(1)));
    }

    #[test]
    fn a_private_socket_is_its_owners() {
        use std::os::unix::fs::MetadataExt as _;
        let path = std::env::temp_dir().join(format!("tidegate-private-{}", std::process::id()));
        let listener = listen_private(&path, 1).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(listen_private(&path, 1).unwrap_err(), Errno::ADDRINUSE);
        drop(listener);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_taken_port_says_so() {
        let first = listen(&Address::Ip("127.0.0.1:0".parse().unwrap()), 8, Options::default()).unwrap();
        let address = SocketAddr::try_from(net::getsockname(&first).unwrap()).unwrap();
        assert_eq!(listen(&Address::Ip(address), 8, Options::default()).unwrap_err(), Errno::ADDRINUSE);
    }
}

//! The listening sockets of a whole server: opened before anything forks, and unix paths removed at the end.
//!
//! A failure is told with the address, the key it came from and what to do. A unix socket's path left by a crash is
//! removed only when nobody answers on it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType};
use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::exit::{self, Failure};
use crate::os::socket;
use crate::settings::{Address, Socket};

/// Ports below this need a privilege.
const FREE_PORTS_FROM: u16 = 1_024;

/// Sockets in the order of the configuration.
#[derive(Default)]
pub struct Listeners {
    sockets: Vec<OwnedFd>,
    /// Paths we made, and which file each was.
    paths: Vec<(PathBuf, Identity)>,
}

/// Device, inode and time of birth: an inode's number alone is soon given to the next file.
type Identity = (u64, u64, i64, u64);

impl Listeners {
    /// Opens all, or none: whatever was made before a failure is removed.
    pub fn open(sockets: &[Socket]) -> Result<Self, Failure> {
        let mut listeners = Self::default();
        for socket in sockets {
            match open_one(socket) {
                Ok(fd) => listeners.sockets.push(fd),
                Err(errno) => {
                    listeners.remove_paths();
                    return Err(explain(socket, errno));
                }
            }
            if let Address::Unix(path) = &socket.address
                && let Some(identity) = identity(path)
            {
                listeners.paths.push((path.clone(), identity));
            }
        }
        Ok(listeners)
    }

    /// Gives the sockets to whoever accepts on them; the paths stay.
    pub fn take_sockets(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.sockets)
    }

    /// Closes the sockets and removes their paths: nobody can connect any more, and another server may.
    pub fn close(&mut self) {
        self.sockets.clear();
        self.remove_paths();
    }

    /// Removes the unix paths that are still ours. Only the process that answers for the server calls this: a forked
    /// worker must not, so it is no destructor.
    pub fn remove_paths(&mut self) {
        for (path, made) in self.paths.drain(..) {
            if identity(&path) == Some(made) {
                let _ = fs::unlink(&path);
            }
        }
    }
}

fn open_one(Socket { address, backlog, keepalive_ms, user_timeout_ms, .. }: &Socket) -> io::Result<OwnedFd> {
    let vigil = socket::Vigil { keepalive_ms: *keepalive_ms, user_timeout_ms: *user_timeout_ms };
    match (socket::listen(address, *backlog, vigil), address) {
        (Err(Errno::ADDRINUSE), Address::Unix(path)) if is_stale(path) => {
            fs::unlink(path)?;
            socket::listen(address, *backlog, vigil)
        }
        (result, _) => result,
    }
}

/// Whether this path is a socket on which nobody answers.
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    is_socket
        && net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .and_then(|probe| net::connect(&probe, &SocketAddrUnix::new(path)?))
            .is_err_and(|errno| errno == Errno::CONNREFUSED)
}

fn identity(path: &Path) -> Option<Identity> {
    let stat = fs::lstat(path).ok()?;
    // A socket is never written as a file, so this time stays that of its birth.
    Some((stat.st_dev as u64, stat.st_ino as u64, stat.st_mtime as i64, stat.st_mtime_nsec as u64))
}

fn explain(socket: &Socket, errno: Errno) -> Failure {
    let Socket { address, .. } = socket;
    let section = socket.section();
    let port = address.port().unwrap_or(FREE_PORTS_FROM);
    match (errno, address) {
        (Errno::ADDRINUSE, Address::Ip(_) | Address::All(_)) => Failure::new(
            exit::UNAVAILABLE,
            format!("{address} is taken ({section} ListenPort); `ss -ltnp 'sport = :{port}'` as root shows by whom"),
        ),
        (Errno::ADDRINUSE, Address::Unix(path)) => Failure::new(
            exit::UNAVAILABLE,
            format!(
                "{address} is taken ({section} ListenAddress); `ss -lxp 'src = {}'` as root shows by whom, and a file \
                 that is not a socket is never removed",
                path.display()
            ),
        ),
        (Errno::ACCESS | Errno::PERM, _) if port < FREE_PORTS_FROM => Failure::new(
            exit::NO_PERMISSION,
            format!(
                "{address}: ports below {FREE_PORTS_FROM} need a privilege ({section} ListenPort); choose a higher \
                 port, start as root, or `setcap cap_net_bind_service=+ep` on the program"
            ),
        ),
        (Errno::ADDRNOTAVAIL, _) => Failure::new(
            exit::UNAVAILABLE,
            format!("{address}: no interface of this machine has this address now ({section} ListenAddress)"),
        ),
        _ => Failure::of_errno(exit::OS, format_args!("cannot listen on {address} ({section})"), errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix_at(path: &Path) -> Socket {
        Socket { address: Address::Unix(path.to_path_buf()), ..Socket::default() }
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tidegate-listeners-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_stale_unix_path_is_taken_over_and_a_living_one_is_not() {
        let path = scratch("stale");
        let mut first = Listeners::open(&[unix_at(&path)]).unwrap();
        let failure = Listeners::open(&[unix_at(&path)]).err().unwrap();
        assert_eq!(failure.code, exit::UNAVAILABLE);
        assert!(failure.text.contains(path.to_str().unwrap()), "{}", failure.text);
        // A crash: the socket closes, the path stays.
        first.sockets.clear();
        let mut second = Listeners::open(&[unix_at(&path)]).unwrap();
        first.remove_paths();
        assert!(path.exists(), "the first server removed the second's path");
        second.remove_paths();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let path = scratch("file");
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(Listeners::open(&[unix_at(&path)]).err().unwrap().code, exit::UNAVAILABLE);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_taken_port_is_told_with_address_key_and_how_to_look() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let socket = Socket { name: "plc".into(), address: Address::Ip(address), ..Socket::default() };
        let failure = Listeners::open(&[socket]).err().unwrap();
        assert_eq!(failure.code, exit::UNAVAILABLE);
        for part in [address.to_string(), "[Socket plc] ListenPort".into(), format!("sport = :{}", address.port())] {
            assert!(failure.text.contains(&part), "{part} in {}", failure.text);
        }
    }
}

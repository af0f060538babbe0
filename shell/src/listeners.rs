//! The listening sockets of a whole server: opened before anything forks, changed by a reload as a whole or not at
//! all, and unix paths removed at the end.
//!
//! A reload stages first: what is new is opened beside what there is, and a failure changes nothing. A listener whose
//! address stays is the same socket all along, so that nobody is refused and nobody in its backlog is lost. So it is
//! over an upgrade; a path then belongs to the old server until the new one serves.
//!
//! A failure is told with the address, the key it came from and what to do. A unix socket's path left by a crash is
//! removed only when nobody answers on it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs;
use rustix::io::{self, Errno};

use crate::exit::{self, Failure};
use crate::log::{Severity, report};
use crate::os::socket::{self, Options};
use crate::settings::{Address, Socket};
use crate::socket_path::{Made, is_stale};

/// Ports below this need a privilege.
const FREE_PORTS_FROM: u16 = 1_024;

/// Sockets in the order of the configuration.
#[derive(Default)]
pub struct Listeners {
    all: Vec<Listener>,
    /// Paths of sockets that were given away.
    paths: Vec<Made>,
    /// Paths that another server made and will leave to us.
    lent: Vec<PathBuf>,
    /// Paths left to another server. It may have no use for one, or may be gone: then they are still ours to remove.
    left: Vec<Made>,
}

struct Listener {
    address: Address,
    backlog: u32,
    options: Options,
    fd: OwnedFd,
    /// The unix path we made.
    made: Option<Made>,
}

/// What a reload brings, opened but not yet in force. Dropped, it leaves nothing behind.
#[derive(Default)]
pub struct Staged(Vec<Stage>);

enum Stage {
    /// The listener of this index stays, with this backlog.
    Kept(usize, u32, Options),
    Opened(Listener),
}

/// How many listeners a reload kept, opened and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    pub kept: usize,
    pub opened: usize,
    pub closed: usize,
}

impl Listener {
    fn open(socket: &Socket) -> io::Result<Self> {
        let fd = open_one(socket)?;
        let made = if let Address::Unix(path) = &socket.address { Made::at(path) } else { None };
        let (backlog, options) = (socket.backlog, options(socket));
        let listener = Self { address: socket.address.clone(), backlog, options, fd, made };
        listener.tell_small_buffers();
        Ok(listener)
    }

    /// Puts new terms into force. Buffers that were set cannot be given back to the kernel's choice.
    fn set(&mut self, backlog: u32, options: Options) {
        if self.backlog != backlog && socket::set_backlog(&self.fd, backlog).is_ok() {
            self.backlog = backlog;
        }
        if self.options == options {
            return;
        }
        let unset = |old: u32, new: u32| old > 0 && new == 0;
        if unset(self.options.receive_bytes, options.receive_bytes)
            || unset(self.options.send_bytes, options.send_bytes)
        {
            let address = &self.address;
            report(
                Severity::Warn,
                None,
                format_args!("{address}: ReceiveBuffer and SendBuffer go back to 0 only by a restart"),
            );
        }
        self.options = options;
        self.apply();
    }

    fn apply(&self) {
        let _ = match self.address {
            Address::Unix(_) => socket::set_buffers(&self.fd, self.options),
            _ => socket::set_options(&self.fd, self.options),
        };
        self.tell_small_buffers();
    }

    /// The kernel's own limit is one more that is visible when it is hit.
    fn tell_small_buffers(&self) {
        let Ok((receive, send)) = socket::buffer_bytes(&self.fd) else { return };
        let wanted = [
            ("ReceiveBuffer", receive, self.options.receive_bytes, "rmem_max"),
            ("SendBuffer", send, self.options.send_bytes, "wmem_max"),
        ];
        for (key, has, wanted, limit) in wanted.into_iter().filter(|(_, has, wanted, _)| *has < *wanted as usize) {
            report(
                Severity::Warn,
                None,
                format_args!("{}: {key} = {wanted} became {has} (sysctl net.core.{limit})", self.address),
            );
        }
    }

    /// Whether this is what the socket asks for. A unix path that someone removed reaches nobody: it is made again.
    fn serves(&self, socket: &Socket) -> bool {
        self.address == socket.address && self.made.as_ref().is_none_or(Made::is_still_there)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for stage in &self.0 {
            if let Stage::Opened(Listener { made: Some(made), .. }) = stage {
                made.remove();
            }
        }
    }
}

impl Listeners {
    /// Opens all, or none: whatever was made before a failure is removed.
    pub fn open(sockets: &[Socket]) -> Result<Self, Failure> {
        Self::inherit(sockets, Vec::new())
    }

    /// The same, on sockets that another server handed over where they are what is asked for. The rest is closed here.
    pub fn inherit(sockets: &[Socket], handed: Vec<(String, OwnedFd)>) -> Result<Self, Failure> {
        let mut listeners = Self::default();
        for (name, fd) in handed {
            let Some(socket) = sockets.iter().find(|socket| socket.address.to_string() == name) else { continue };
            let address = socket.address.clone();
            if !socket::is_listener_on(&fd, &address) {
                return Err(Failure::new(exit::OS, format!("what was handed over as {name} does not listen there")));
            }
            if let Address::Unix(path) = &address {
                listeners.lent.push(path.clone());
            }
            // What it was set to is not known; a backlog of 0 is none that could be asked for.
            let listener = Listener { address, backlog: 0, options: options(socket), fd, made: None };
            listener.apply();
            listeners.all.push(listener);
        }
        let staged = listeners.stage(sockets)?;
        listeners.change(staged);
        Ok(listeners)
    }

    /// Opens what these sockets ask for and is not here yet. Nothing that serves is touched.
    pub fn stage(&self, sockets: &[Socket]) -> Result<Staged, Failure> {
        let mut staged = Staged::default();
        for socket in sockets {
            let here = self.all.iter().position(|listener| listener.serves(socket));
            // Of two sections with one address the second is opened, and told that it is taken.
            let here = here.filter(|at| !staged.0.iter().any(|other| matches!(other, Stage::Kept(it, ..) if it == at)));
            staged.0.push(match here {
                Some(at) => Stage::Kept(at, socket.backlog, options(socket)),
                None => Stage::Opened(Listener::open(socket).map_err(|errno| self.explain(socket, errno))?),
            });
        }
        Ok(staged)
    }

    /// Puts a stage into force, which cannot fail. What it does not name is closed here; workers close theirs as they
    /// drain.
    pub fn change(&mut self, mut staged: Staged) -> Changed {
        let mut old: Vec<Option<Listener>> = self.all.drain(..).map(Some).collect();
        let mut changed = Changed { kept: 0, opened: 0, closed: 0 };
        for stage in staged.0.drain(..) {
            match stage {
                Stage::Kept(at, backlog, options) => {
                    let Some(mut listener) = old.get_mut(at).and_then(Option::take) else { continue };
                    listener.set(backlog, options);
                    self.all.push(listener);
                    changed.kept += 1;
                }
                Stage::Opened(listener) => {
                    self.all.push(listener);
                    changed.opened += 1;
                }
            }
        }
        for gone in old.into_iter().flatten() {
            gone.made.iter().for_each(Made::remove);
            changed.closed += 1;
        }
        changed
    }

    /// Gives the sockets to whoever serves on them and closes them; the paths stay.
    pub fn take_sockets(&mut self) -> Vec<OwnedFd> {
        let paths = &mut self.paths;
        let parts = self.all.drain(..).map(|listener| {
            paths.extend(listener.made);
            listener.fd
        });
        parts.collect()
    }

    /// What another server may be handed, by address. Not a socket whose path was removed: it reaches nobody.
    pub fn shared(&self) -> impl Iterator<Item = (&Address, BorrowedFd<'_>)> {
        let reached = self.all.iter().filter(|listener| listener.made.as_ref().is_none_or(Made::is_still_there));
        reached.map(|listener| (&listener.address, listener.fd.as_fd()))
    }

    /// The other server serves: closes the sockets, and leaves it the paths.
    pub fn leave(&mut self) {
        self.left.extend(self.all.drain(..).filter_map(|listener| listener.made));
    }

    /// We serve: what was lent is ours.
    pub fn own(&mut self) {
        for path in self.lent.drain(..) {
            let made = Made::at(&path);
            match self.all.iter_mut().find(|listener| listener.address == Address::Unix(path.clone())) {
                Some(listener) => listener.made = made,
                None => self.paths.extend(made),
            }
        }
    }

    /// The other server failed, and may have set the sockets up for itself.
    pub fn reclaim(&self) {
        for listener in &self.all {
            let _ = socket::set_backlog(&listener.fd, listener.backlog);
            listener.apply();
        }
    }

    /// Closes the sockets and removes their paths: nobody can connect any more, and another server may.
    pub fn close(&mut self) {
        self.remove_paths();
        self.all.clear();
    }

    /// Removes the unix paths that are still ours. Only the process that answers for the server calls this: a forked
    /// worker must not, so it is no destructor.
    pub fn remove_paths(&mut self) {
        let listening = self.all.iter_mut().filter_map(|listener| listener.made.take());
        for made in listening.chain(self.paths.drain(..)) {
            made.remove();
        }
        self.left.drain(..).for_each(|made| made.remove_stale());
    }

    /// Why a listener could not be opened; a port that another of our own sockets holds is told as such.
    fn explain(&self, socket: &Socket, errno: Errno) -> Failure {
        let port = socket.address.port();
        let own = self.all.iter().find(|listener| port.is_some() && listener.address.port() == port);
        match own {
            Some(own) if errno == Errno::ADDRINUSE => Failure::new(
                exit::UNAVAILABLE,
                format!(
                    "{} is taken by this server's own {} ({} ListenAddress); a reload opens the new before it closes \
                     the old, so this change needs a restart",
                    socket.address,
                    own.address,
                    socket.section()
                ),
            ),
            _ => explain(socket, errno),
        }
    }
}

fn options(socket: &Socket) -> Options {
    let Socket { keepalive_ms, user_timeout_ms, receive_bytes, send_bytes, .. } = *socket;
    Options { keepalive_ms, user_timeout_ms, receive_bytes, send_bytes }
}

fn open_one(socket: &Socket) -> io::Result<OwnedFd> {
    let Socket { address, backlog, .. } = socket;
    match (socket::listen(address, *backlog, options(socket)), address) {
        (Err(Errno::ADDRINUSE), Address::Unix(path)) if is_stale(path) => {
            fs::unlink(path)?;
            socket::listen(address, *backlog, options(socket))
        }
        (result, _) => result,
    }
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
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Path, PathBuf};

    fn unix_at(path: &Path) -> Socket {
        Socket { address: Address::Unix(path.to_path_buf()), ..Socket::default() }
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tidegate-listeners-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_stale_unix_path_is_taken_over_and_a_living_one_is_not() {
        let _alone = crate::os::process::no_forks();
        let path = scratch("stale");
        let mut first = Listeners::open(&[unix_at(&path)]).unwrap();
        let failure = Listeners::open(&[unix_at(&path)]).err().unwrap();
        assert_eq!(failure.code, exit::UNAVAILABLE);
        assert!(failure.text.contains(path.to_str().unwrap()), "{}", failure.text);
        // A crash: the socket closes, the path stays.
        drop(first.take_sockets());
        let mut second = Listeners::open(&[unix_at(&path)]).unwrap();
        first.remove_paths();
        assert!(path.exists(), "the first server removed the second's path");
        second.remove_paths();
        assert!(!path.exists());
    }

    #[test]
    fn a_stage_keeps_what_stays_and_a_failed_one_changes_nothing() {
        let [kept, gone, new, blocked] = ["kept", "gone", "new", "blocked"].map(scratch);
        let mut listeners = Listeners::open(&[unix_at(&kept), unix_at(&gone)]).unwrap();
        let inode = std::fs::metadata(&kept).unwrap().ino();
        std::fs::write(&blocked, "precious").unwrap();
        assert!(listeners.stage(&[unix_at(&kept), unix_at(&new), unix_at(&blocked)]).is_err());
        assert!(!new.exists() && kept.exists() && gone.exists());
        let staged = listeners.stage(&[unix_at(&new), unix_at(&kept)]).unwrap();
        assert_eq!(listeners.change(staged), Changed { kept: 1, opened: 1, closed: 1 });
        assert!(new.exists() && !gone.exists());
        assert_eq!(std::fs::metadata(&kept).unwrap().ino(), inode);
        // A path that someone removed is made again.
        std::fs::remove_file(&kept).unwrap();
        let staged = listeners.stage(&[unix_at(&kept), unix_at(&new)]).unwrap();
        assert_eq!(listeners.change(staged), Changed { kept: 1, opened: 1, closed: 1 });
        assert!(kept.exists());
        assert!(listeners.stage(&[unix_at(&kept), unix_at(&kept)]).is_err(), "one address, two sections");
        listeners.remove_paths();
        assert!(!kept.exists() && !new.exists());
        std::fs::remove_file(&blocked).unwrap();
    }

    /// What the new server is handed: the same sockets, by other descriptors.
    fn handed(listeners: &Listeners) -> Vec<(String, OwnedFd)> {
        listeners.shared().map(|(address, fd)| (address.to_string(), fd.try_clone_to_owned().unwrap())).collect()
    }

    #[test]
    fn over_an_upgrade_paths_change_hands_with_readiness_and_what_nobody_serves_is_removed() {
        let _alone = crate::os::process::no_forks();
        let [kept, gone, new] = ["over-kept", "over-gone", "over-new"].map(scratch);
        let mut old = Listeners::open(&[unix_at(&kept), unix_at(&gone)]).unwrap();
        let inode = fs::lstat(&kept).unwrap().st_ino;
        let mut failed = Listeners::inherit(&[unix_at(&new), unix_at(&kept)], handed(&old)).unwrap();
        assert!(new.exists());
        failed.remove_paths();
        assert!(kept.exists() && gone.exists() && !new.exists(), "what was lent is not its to remove");
        let mut next = Listeners::inherit(&[unix_at(&new), unix_at(&kept)], handed(&old)).unwrap();
        next.own();
        old.leave();
        old.remove_paths();
        assert!(kept.exists() && new.exists() && !gone.exists());
        assert_eq!(fs::lstat(&kept).unwrap().st_ino, inode);
        assert_eq!(next.all.len(), 2);
        next.remove_paths();
        assert!(!kept.exists() && !new.exists());
    }

    #[test]
    fn what_is_handed_over_under_a_wrong_name_is_refused() {
        let [here, there] = ["wrong-here", "wrong-there"].map(scratch);
        let mut listeners = Listeners::open(&[unix_at(&here)]).unwrap();
        let mut wrong = handed(&listeners);
        wrong[0].0 = Address::Unix(there.clone()).to_string();
        let failure = Listeners::inherit(&[unix_at(&there)], wrong).err().unwrap();
        assert!(failure.text.contains("does not listen there"), "{}", failure.text);
        // A path that someone removed reaches nobody: that socket stays behind.
        std::fs::remove_file(&here).unwrap();
        assert!(handed(&listeners).is_empty());
        listeners.remove_paths();
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

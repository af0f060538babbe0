//! `epoll(7)`, level-triggered, with the core's words: tokens, readiness, interest.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{self, Errno};
use tidegate_core::event::{Event, Interest, Ready, Token};

/// Events taken from the kernel at once: enough to share one `epoll_wait` among many, few enough that the time read
/// after it is still the time when the last is served.
pub const EVENTS_PER_WAIT: usize = 256;

/// An epoll set. Closing a descriptor takes it out.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// Room for what one wait brings.
pub struct Events {
    room: [MaybeUninit<epoll::Event>; EVENTS_PER_WAIT],
}

impl Default for Events {
    fn default() -> Self {
        Self { room: [MaybeUninit::uninit(); EVENTS_PER_WAIT] }
    }
}

impl Epoll {
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Moves a registration from one interest to another; none is no registration at all.
    pub fn watch(&self, fd: impl AsFd, token: Token, from: Interest, to: Interest) -> io::Result<()> {
        let data = EventData::new_u64(token.to_bits());
        match (from == Interest::NONE, to == Interest::NONE) {
            (true, true) => Ok(()),
            (true, false) => epoll::add(&self.fd, fd, data, flags(to)),
            (false, true) => epoll::delete(&self.fd, fd),
            (false, false) => epoll::modify(&self.fd, fd, data, flags(to)),
        }
    }

    /// Watches a listener that other processes watch too: a connection wakes one of them (Linux 4.5; before that all
    /// are woken and all but one find nothing).
    pub fn watch_shared(&self, fd: impl AsFd, token: Token) -> io::Result<()> {
        let data = EventData::new_u64(token.to_bits());
        match epoll::add(&self.fd, &fd, data, EventFlags::IN | EventFlags::EXCLUSIVE) {
            Err(Errno::INVAL) => epoll::add(&self.fd, &fd, data, EventFlags::IN),
            answer => answer,
        }
    }

    /// Watches for changes only: each one wakes every process that asked, and nobody has to read it away.
    pub fn watch_edge(&self, fd: impl AsFd, token: Token) -> io::Result<()> {
        epoll::add(&self.fd, fd, EventData::new_u64(token.to_bits()), EventFlags::IN | EventFlags::ET)
    }

    /// Waits up to `timeout_ms` (`None`: until something happens; at most 24 days) and returns what did.
    #[inline]
    pub fn wait<'e>(
        &self,
        events: &'e mut Events,
        timeout_ms: Option<u64>,
    ) -> io::Result<impl Iterator<Item = Event> + use<'e>> {
        let timeout = timeout_ms.map(|ms| {
            let ms = ms.min(i32::MAX as u64);
            Timespec { tv_sec: (ms / 1_000) as _, tv_nsec: (ms % 1_000 * 1_000_000) as _ }
        });
        let ready = match epoll::wait(&self.fd, &mut events.room[..], timeout.as_ref()) {
            Ok((ready, _)) => ready,
            Err(Errno::INTR) => &mut [],
            Err(errno) => return Err(errno),
        };
        Ok(ready.iter().map(|event| {
            let flags = event.flags;
            let ended = flags.intersects(EventFlags::ERR.union(EventFlags::HUP));
            let ready = Ready::of(flags.contains(EventFlags::IN), flags.contains(EventFlags::OUT));
            Event { token: Token::from_bits(event.data.u64()), ready: if ended { Ready::BOTH } else { ready } }
        }))
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

const fn flags(interest: Interest) -> EventFlags {
    match (interest.read(), interest.write()) {
        (true, true) => EventFlags::IN.union(EventFlags::OUT),
        (true, false) => EventFlags::IN,
        (false, true) => EventFlags::OUT,
        (false, false) => EventFlags::empty(),
    }
}

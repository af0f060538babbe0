//! A bell that every worker hears: an `eventfd` made before the first fork.
//!
//! A listener that several processes watch wakes one of them for each connection. One that cannot accept (it is out of
//! descriptors) rings, and the others look; the kernel would not tell them before the next connection comes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io;

#[derive(Debug)]
pub struct Bell {
    fd: OwnedFd,
}

impl Bell {
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Takes back all strokes so far, for one listener that waits for it to be readable; whether there were any.
    pub fn hear(&self) -> bool {
        io::read(&self.fd, &mut [0; 8]).is_ok()
    }

    /// Rings. Nobody counts the strokes: each process is woken by the edge, and the counter has room for 2^64 of them.
    pub fn ring(&self) {
        let _ = io::write(&self.fd, &1u64.to_ne_bytes());
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

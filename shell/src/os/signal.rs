//! Signals as something to read: a blocked set and a `signalfd`. No handler ever runs.
//!
//! The seed's worker calls `sigemptyset` and `sigprocmask(SIG_SETMASK, empty)` to throw off the mask inherited from
//! its master. Here [`Signals::open`] sets the mask to exactly the process's own set in one step: the inherited mask
//! goes all the same, and there is no moment in which a QUIT would kill instead of being read. A `signalfd` reports
//! the signals of whoever reads it, and an epoll set those of whoever added it: each process opens its own after fork.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{self, Errno};

/// The signals we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Hup,
    Int,
    Quit,
    Usr1,
    Usr2,
    Term,
    Child,
    Winch,
}

impl Signal {
    const ALL: [(Signal, libc::c_int); 8] = [
        (Signal::Hup, libc::SIGHUP),
        (Signal::Int, libc::SIGINT),
        (Signal::Quit, libc::SIGQUIT),
        (Signal::Usr1, libc::SIGUSR1),
        (Signal::Usr2, libc::SIGUSR2),
        (Signal::Term, libc::SIGTERM),
        (Signal::Child, libc::SIGCHLD),
        (Signal::Winch, libc::SIGWINCH),
    ];

    fn number(self) -> libc::c_int {
        Self::ALL.iter().find(|(signal, _)| *signal == self).map_or(0, |(_, number)| *number)
    }
}

/// What a master, or a server of one process, reads.
pub const MASTER: &[Signal] =
    &[Signal::Hup, Signal::Int, Signal::Quit, Signal::Usr1, Signal::Usr2, Signal::Term, Signal::Child, Signal::Winch];

/// What a worker reads. INT and HUP of a terminal reach the whole group; they are the master's to act on.
pub const WORKER: &[Signal] = &[Signal::Quit, Signal::Term, Signal::Usr1];

/// A signal's code when no process sent it (`sigaction(2)`).
const SI_KERNEL: i32 = 0x80;

/// This process's signals, as a descriptor that is readable when one is waiting.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks exactly this set and opens it for reading; whatever mask and dispositions were inherited are gone.
    /// INT, HUP, USR1 and USR2 outside the set are ignored, so are PIPE and XFSZ: a failing write tells by errno.
    pub fn open(set: &[Signal]) -> io::Result<Self> {
        for (signal, number) in Signal::ALL {
            let ignored =
                !set.contains(&signal) && matches!(signal, Signal::Int | Signal::Hup | Signal::Usr1 | Signal::Usr2);
            // A CHLD inherited as ignored would make children vanish without an end to collect.
            dispose(number, if ignored { libc::SIG_IGN } else { libc::SIG_DFL });
        }
        dispose(libc::SIGPIPE, libc::SIG_IGN);
        dispose(libc::SIGXFSZ, libc::SIG_IGN);
        let mask = mask(set);
        set_mask(&mask);
        // SAFETY: the mask is initialised; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &mask, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
        if fd < 0 {
            return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::MFILE));
        }
        // SAFETY: the kernel just gave us this descriptor and nobody else knows its number.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Sleeps until a signal waits, one of the others can be read or this much time has passed. May return early.
    pub fn wait(&self, others: &[BorrowedFd<'_>], for_ms: Option<u64>) {
        let time = for_ms.map(|ms| Timespec {
            tv_sec: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
            tv_nsec: (ms % 1_000 * 1_000_000) as _,
        });
        let all = core::iter::once(self.fd.as_fd()).chain(others.iter().copied());
        let mut all: Vec<PollFd<'_>> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let _ = poll(&mut all, time.as_ref());
    }

    /// The next waiting signal, if any. A WINCH of the kernel's own is passed over: someone resized the terminal,
    /// which is no request.
    pub fn read(&self) -> Option<Signal> {
        const BYTES: usize = size_of::<libc::signalfd_siginfo>();
        loop {
            let mut info = [0u8; BYTES];
            match io::read(&self.fd, &mut info) {
                Ok(BYTES) => {
                    // `signalfd_siginfo` begins with the number, an errno and who sent it.
                    let number = i32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
                    let code = i32::from_ne_bytes([info[8], info[9], info[10], info[11]]);
                    match Signal::ALL.iter().find(|(_, known)| *known == number) {
                        Some((Signal::Winch, _)) if code == SI_KERNEL => {}
                        Some((signal, _)) => return Some(*signal),
                        None => {}
                    }
                }
                Err(Errno::INTR) => {}
                _ => return None,
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn dispose(number: libc::c_int, action: libc::sighandler_t) {
    // SAFETY: only SIG_DFL and SIG_IGN are passed; neither runs code of ours.
    unsafe { libc::signal(number, action) };
}

fn mask(set: &[Signal]) -> libc::sigset_t {
    let mut mask = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the whole set, `sigaddset` then works on it with known signal numbers.
    unsafe {
        libc::sigemptyset(mask.as_mut_ptr());
        for signal in set {
            libc::sigaddset(mask.as_mut_ptr(), signal.number());
        }
        mask.assume_init()
    }
}

fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: the mask is initialised, and the old one is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, core::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_its_own_number() {
        for (signal, number) in Signal::ALL {
            assert_eq!(signal.number(), number);
            assert_eq!(Signal::ALL.iter().filter(|(_, other)| *other == number).count(), 1);
        }
    }
}

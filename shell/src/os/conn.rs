//! A connection's descriptor in a form whose empty place, `Option::None`, is all zero bytes: so a table of a million
//! slots is lent as fresh pages and costs nothing before a slot is first taken.

use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};

/// An owned descriptor, kept plus one. Dropping it closes it.
#[derive(Debug)]
#[repr(transparent)]
pub struct Conn(NonZeroU32);

impl Conn {
    fn number(&self) -> RawFd {
        (self.0.get() - 1) as RawFd
    }
}

impl From<OwnedFd> for Conn {
    fn from(fd: OwnedFd) -> Self {
        // A descriptor is never negative, so one more never wraps to zero.
        Self(NonZeroU32::MIN.saturating_add(fd.into_raw_fd() as u32))
    }
}

impl AsFd for Conn {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is ours and open until `self` is dropped, which the borrow outlives not.
        unsafe { BorrowedFd::borrow_raw(self.number()) }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        // SAFETY: the descriptor came from an `OwnedFd` given up in `from`, and this is the only place that ends it.
        drop(unsafe { OwnedFd::from_raw_fd(self.number()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn a_descriptor_survives_the_round_trip_and_an_empty_place_is_zero() {
        let fd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let number = fd.as_raw_fd();
        let conn = Conn::from(fd);
        assert_eq!(conn.as_fd().as_raw_fd(), number);
        assert_eq!(size_of::<Option<Conn>>(), 4);
        drop(conn);
        assert!(rustix::io::fcntl_getfd(unsafe_borrow(number)).is_err(), "dropping closes");
    }

    fn unsafe_borrow(number: RawFd) -> BorrowedFd<'static> {
        // SAFETY: only used to see that the number names nothing any more.
        unsafe { BorrowedFd::borrow_raw(number) }
    }
}

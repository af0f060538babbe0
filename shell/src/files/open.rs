//! The files that are being sent from the disk: a bounded table of descriptors, one for each file however many ask.

use core::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::os::conn::Conn;

/// One place of the table. All zero is empty.
#[derive(Debug, Default)]
pub struct Place {
    version: u64,
    /// Answers being sent from it.
    readers: u32,
    /// Descriptors of connections and of files are kept alike.
    file: Option<Conn>,
}

/// The table. Shared between who opens and who sends; no one keeps a borrow.
#[derive(Debug)]
pub struct Open {
    places: RefCell<&'static mut [Place]>,
}

impl Open {
    pub fn new(places: &'static mut [Place]) -> Self {
        Self { places: RefCell::new(places) }
    }

    /// Keeps a file until [`Open::release`]. One that is open already, by its version, is shared and the second
    /// descriptor closed. `None` when all places are taken.
    pub fn keep(&self, file: OwnedFd, version: u64) -> Option<usize> {
        let mut places = self.places.borrow_mut();
        let mut free = None;
        for (at, place) in places.iter_mut().enumerate() {
            if place.readers == 0 {
                free = free.or(Some(at));
            } else if place.version == version {
                place.readers += 1;
                return Some(at);
            }
        }
        let at = free?;
        places[at] = Place { version, readers: 1, file: Some(Conn::from(file)) };
        Some(at)
    }

    /// Another answer from a place is done; the last one closes its file.
    pub fn release(&self, at: usize) {
        let mut places = self.places.borrow_mut();
        if let Some(place) = places.get_mut(at) {
            place.readers = place.readers.saturating_sub(1);
            if place.readers == 0 {
                *place = Place::default();
            }
        }
    }

    /// Does something with the file of a place; `None` if there is none.
    #[inline]
    pub fn with<T>(&self, at: usize, act: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        self.places.borrow().get(at).and_then(|place| place.file.as_ref()).map(|file| act(file.as_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;

    fn table(places: usize) -> Open {
        Open::new(Vec::from_iter((0..places).map(|_| Place::default())).leak())
    }

    fn file() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    fn is_open(number: i32) -> bool {
        std::fs::exists(format!("/proc/self/fd/{number}")).unwrap()
    }

    #[test]
    fn one_file_is_open_once_and_closed_by_its_last_reader() {
        let table = table(2);
        let first = table.keep(file(), 7).unwrap();
        let number = table.with(first, |file| file.as_raw_fd()).unwrap();
        let second = table.keep(file(), 7).unwrap();
        assert_eq!(first, second);
        table.release(first);
        assert_eq!(table.with(second, |file| file.as_raw_fd()), Some(number));
        table.release(second);
        assert!(table.with(first, |_| ()).is_none());
    }

    #[test]
    fn a_full_table_takes_nobody_but_readers_of_what_is_open() {
        let table = table(2);
        let numbers: Vec<i32> = (0..2)
            .map(|version| {
                let at = table.keep(file(), version).unwrap();
                table.with(at, |file| file.as_raw_fd()).unwrap()
            })
            .collect();
        assert_eq!((table.keep(file(), 2), table.keep(file(), 1)), (None, Some(1)));
        table.release(0);
        assert!(numbers.iter().any(|number| is_open(*number)));
        assert_eq!(table.keep(file(), 2), Some(0));
        table.release(9);
    }
}

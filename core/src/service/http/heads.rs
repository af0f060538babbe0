//! Heads of answers that were written a moment ago: the same file in the same second has the same head.
//!
//! A few of them, each until another file needs its place or the second is over; nothing can be stale, because
//! everything a head says is in its key.

use crate::files::File;
use crate::http::mime::Kind;

/// Places; files that are asked for at the same time spread over them by their version.
const PLACES: usize = 8;

/// The longest head of a whole file that has no unusual type.
const HEAD_BYTES: usize = 320;

/// Everything the head of a whole file depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    version: u64,
    len: u64,
    modified_s: i64,
    now_s: i64,
    kind: Kind,
    coding: (bool, bool),
}

impl Key {
    #[inline]
    pub fn of(file: &File, now_s: i64) -> Self {
        let File { version, len, modified_s, kind, gzip, varies, .. } = *file;
        Self { version, len, modified_s, now_s, kind, coding: (gzip, varies) }
    }
}

struct Place {
    key: Option<Key>,
    head: [u8; HEAD_BYTES],
    len: usize,
}

pub(super) struct Heads([Place; PLACES]);

impl Heads {
    pub const fn new() -> Self {
        Self([const { Place { key: None, head: [0; HEAD_BYTES], len: 0 } }; PLACES])
    }

    #[inline]
    pub fn get(&self, key: &Key) -> Option<&[u8]> {
        let place = self.0.get(key.version as usize % PLACES)?;
        if place.key.as_ref() == Some(key) { place.head.get(..place.len) } else { None }
    }

    /// Keeps a head, if it is not too long to be kept.
    #[cold]
    pub fn keep(&mut self, key: Key, head: &[u8]) {
        let Some(place) = self.0.get_mut(key.version as usize % PLACES) else { return };
        if let Some(into) = place.head.get_mut(..head.len()) {
            crate::blocks::copy(into, head);
            (place.key, place.len) = (Some(key), head.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_only_by_all_it_depends_on() {
        let kind = Kind::of(b"a.txt");
        let file = File { id: 1, len: 2, modified_s: 3, version: 4, kind, gzip: false, varies: false, by_net: false };
        let mut heads = Heads::new();
        let key = Key::of(&file, 9);
        assert_eq!(heads.get(&key), None);
        heads.keep(key, b"head");
        assert_eq!(heads.get(&Key::of(&File { id: 7, ..file }, 9)), Some(&b"head"[..]));
        for other in [
            Key::of(&File { len: 3, ..file }, 9),
            Key::of(&File { modified_s: 4, ..file }, 9),
            Key::of(&File { version: 4 + PLACES as u64, ..file }, 9),
            Key::of(&File { gzip: true, ..file }, 9),
            Key::of(&File { kind: Kind::of(b"a.css"), ..file }, 9),
            Key::of(&File { varies: true, ..file }, 9),
            Key::of(&file, 10),
        ] {
            assert!(heads.get(&other).is_none());
        }
        heads.keep(Key::of(&file, 10), &[0; HEAD_BYTES + 1]);
        assert_eq!(heads.get(&key), Some(&b"head"[..]), "what is too long is not kept");
    }
}

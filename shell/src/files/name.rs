//! A path as the table of known ones compares it, and as the kernel is given it.

use core::ffi::CStr;

use tidegate_core::limits::{LISTENERS_MAX, REQUEST_PATH_BYTES_MAX};

/// The longest path that is remembered. A longer one is opened each time it is asked for.
pub const KEY_BYTES_MAX: usize = 126;
/// What a compressed sibling's name ends with.
pub const SIBLING: &[u8] = b".gz";

/// Beside a listener's number.
const IS_SIBLING: u8 = 1 << 7;
const _: () = assert!(LISTENERS_MAX <= IS_SIBLING as usize);

/// A listener and a path, as they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'p> {
    listener: u8,
    path: &'p [u8],
}

impl<'p> Key<'p> {
    /// `None` for a path that is too long to be remembered.
    #[inline]
    pub fn of(listener: usize, path: &'p [u8]) -> Option<Self> {
        (path.len() <= KEY_BYTES_MAX).then_some(Self { listener: listener as u8, path })
    }

    /// The path's compressed sibling.
    pub fn sibling(self) -> Self {
        Self { listener: self.listener | IS_SIBLING, ..self }
    }

    /// Spread over all bits by a secret. A path is told apart from others by comparing it, not by this.
    #[inline]
    pub fn hash(&self, [seed, factor]: [u64; 2]) -> u64 {
        let factor = factor | 1;
        let start = seed ^ (u64::from(self.listener) << 32 | self.path.len() as u64) << 8;
        let (words, _) = self.path.as_chunks::<8>();
        let hash = words.iter().fold(start, |hash, word| fold(hash ^ u64::from_le_bytes(*word), factor));
        fold(fold(hash ^ last_word(self.path), factor), factor)
    }
}

/// A key that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    listener: u8,
    len: u8,
    text: [u8; KEY_BYTES_MAX],
}

impl Kept {
    pub const NONE: Self = Self { listener: 0, len: 0, text: [0; KEY_BYTES_MAX] };

    pub fn of(key: Key<'_>) -> Self {
        let mut kept = Self { listener: key.listener, len: key.path.len() as u8, ..Self::NONE };
        kept.text[..key.path.len()].copy_from_slice(key.path);
        kept
    }

    #[inline]
    pub fn is(&self, key: Key<'_>) -> bool {
        self.listener == key.listener && self.text.get(..self.len as usize) == Some(key.path)
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::NONE
    }
}

/// The last eight bytes, or all that there are: of some lengths twice, which tells no less, since the length is known.
#[inline]
fn last_word(path: &[u8]) -> u64 {
    match (path.last_chunk::<8>(), path.first_chunk::<4>(), path.last_chunk::<4>()) {
        (Some(end), ..) => u64::from_le_bytes(*end),
        (None, Some(start), Some(end)) => {
            u64::from(u32::from_le_bytes(*start)) << 32 | u64::from(u32::from_le_bytes(*end))
        }
        _ => path.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Both halves of the product: each bit of the input reaches each of the output.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// A path with the NUL the kernel wants behind it. Made anew for each question, in the same memory.
pub struct Name {
    text: [u8; REQUEST_PATH_BYTES_MAX + 1 + SIBLING.len()],
}

impl Default for Name {
    fn default() -> Self {
        Self { text: [0; REQUEST_PATH_BYTES_MAX + 1 + SIBLING.len()] }
    }
}

impl Name {
    /// The parts, one behind the other; an empty name is the root itself. `None` for what the kernel could take for
    /// another name, and for what is too long.
    pub fn set(&mut self, parts: [&[u8]; 2]) -> Option<&CStr> {
        let mut len = 0;
        for part in parts.iter().chain(parts.iter().all(|part| part.is_empty()).then_some(&&b"."[..])) {
            self.text.get_mut(len..len + part.len())?.copy_from_slice(part);
            len += part.len();
        }
        *self.text.get_mut(len)? = 0;
        // Fails for a NUL inside.
        CStr::from_bytes_with_nul(&self.text[..=len]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344];

    #[test]
    fn keys_are_equal_for_the_same_path_of_the_same_listener_alone() {
        let long = "x".repeat(KEY_BYTES_MAX);
        let texts = ["", "a", "a\0", "b", "a/b", "abcdefgh", "abcdefghi", &long[1..], &long];
        let keys: Vec<Key<'_>> = texts
            .iter()
            .flat_map(|text| [Key::of(0, text.as_bytes()), Key::of(1, text.as_bytes())])
            .flatten()
            .collect();
        assert_eq!(keys.len(), 18);
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| Kept::of(*other).is(*key)), Some(at));
            let hashes = keys.iter().filter(|other| other.hash(SEED) == key.hash(SEED));
            assert_eq!(hashes.count(), 1);
        }
        assert_eq!(Key::of(0, &[b'x'; KEY_BYTES_MAX + 1]), None);
        assert_eq!(size_of::<Kept>(), 128);
    }

    #[test]
    fn a_secret_moves_every_hash() {
        let key = Key::of(0, b"index.html").unwrap();
        let hashes: std::collections::BTreeSet<u64> =
            (0..1_000).map(|seed| key.hash([seed, 0x9e37_79b9_7f4a_7c15])).collect();
        assert_eq!(hashes.len(), 1_000);
    }

    #[test]
    fn a_name_ends_where_it_should_and_holds_no_nul() {
        let mut name = Name::default();
        assert_eq!(name.set([b"a/b", b".gz"]), Some(c"a/b.gz"));
        assert_eq!(name.set([b"a", b""]), Some(c"a"));
        assert_eq!(name.set([b"", b""]), Some(c"."));
        assert_eq!(name.set([b"a\0b", b""]), None);
        let long = [b'x'; REQUEST_PATH_BYTES_MAX];
        assert_eq!(name.set([&long, SIBLING]).map(|name| name.count_bytes()), Some(REQUEST_PATH_BYTES_MAX + 3));
        assert_eq!(name.set([&long, b".gzip"]), None);
    }
}

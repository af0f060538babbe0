//! What a worker remembers of paths: the bytes of small files, and that there is nothing, a folder, or no permission.
//!
//! A table of entries in small sets, found by a keyed hash, and cells of memory for what files hold. Whoever comes
//! takes the place of what was not used lately, never of what is being sent. An entry
//! that is replaced while it is being sent stays, unfound, until the last of its readers has left. This knows no
//! descriptor and no clock: when an entry is too old is for its owner to say.

use core::ops::Range;

use tidegate_core::http::mime::Kind;

use super::name::{Kept, Key};

/// Bytes of one cell. A file takes whole cells, side by side.
pub const CELL_BYTES: usize = 1_024;
/// Entries that share a place of the hash: one look at each finds the path, and the least useful gives way.
pub const WAYS: usize = 4;
/// How often an entry that was used is passed over: once by the hand that looks for cells and once by who looks for an
/// entry, since one newcomer may do both.
const CHANCES: u8 = 2;
/// The memory behind one entry, on average: most files on a box are small, and paths to nothing need no cells.
const BYTES_PER_ENTRY: usize = 2_048;

/// How many entries and cells so much memory is divided into.
pub const fn divide(bytes: usize) -> (usize, usize) {
    if bytes == 0 {
        return (0, 0);
    }
    let sets = bytes / BYTES_PER_ENTRY / WAYS;
    let entries = WAYS * if sets == 0 { 1 } else { sets };
    let behind = entries * (size_of::<Entry>() + size_of::<u32>());
    (entries, bytes.saturating_sub(behind) / (CELL_BYTES + size_of::<u32>()))
}

/// What a path was found to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum What {
    /// Nothing: the entry is free.
    #[default]
    Free = 0,
    File,
    Folder,
    Missing,
    Forbidden,
    /// A file that another has replaced while it is being sent.
    Left,
}

/// The facts of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub len: u32,
    pub modified_s: i64,
    /// Another number whenever the bytes may be others.
    pub version: u64,
    /// Changed so shortly before it was read that a later change could look the same.
    pub young: bool,
    /// There is a compressed sibling.
    pub sibling: bool,
    pub kind: Kind,
}

/// One path. All zero is a free one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    pub facts: Facts,
    /// When the disk was last asked.
    pub checked_ms: u64,
    key: Kept,
    /// Where its cells begin, and how many they are.
    cells_at: u32,
    cells: u32,
    /// Answers being sent from it.
    readers: u32,
    pub what: What,
    /// Chances left, see [`CHANCES`].
    chances: u8,
}

/// The memory of a cache, all zero.
pub struct Lent {
    pub entries: &'static mut [Entry],
    /// As many as entries: a part of the hash, to look at before the entry itself; 0 is none.
    pub tags: &'static mut [u32],
    /// As many as cells: whose a cell is, plus one.
    pub owners: &'static mut [u32],
    pub cells: &'static mut [u8],
    /// A secret, so that nobody can choose paths that all meet in one set.
    pub seed: [u64; 2],
}

pub struct Cache {
    lent: Lent,
    /// Where the next file is put.
    hand: usize,
}

impl Cache {
    pub fn new(lent: Lent) -> Self {
        Self { lent, hand: 0 }
    }

    /// The entry of a path, if it is known.
    #[inline]
    pub fn find(&mut self, key: Key<'_>) -> Option<usize> {
        let (first, tag) = self.set(key)?;
        for at in first..first + WAYS {
            if self.lent.tags[at] == tag && self.lent.entries[at].key.is(key) {
                self.lent.entries[at].chances = CHANCES;
                return Some(at);
            }
        }
        None
    }

    #[inline]
    pub fn entry(&self, at: usize) -> &Entry {
        &self.lent.entries[at]
    }

    /// Asked for again and found to be as it was.
    pub fn confirm(&mut self, at: usize, sibling: bool, now_ms: u64) {
        let entry = &mut self.lent.entries[at];
        (entry.checked_ms, entry.facts.sibling) = (now_ms, sibling);
    }

    /// Remembers that a path is no file.
    pub fn insert_none(&mut self, key: Key<'_>, what: What, now_ms: u64) {
        self.forget(key);
        if let Some(at) = self.place_entry(key, false) {
            let entry = &mut self.lent.entries[at];
            (entry.what, entry.checked_ms) = (what, now_ms);
        }
    }

    /// Remembers a file: `fill` reads all of it, and says `false` when it could not.
    pub fn insert(
        &mut self,
        key: Key<'_>,
        facts: Facts,
        now_ms: u64,
        fill: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<usize> {
        self.forget(key);
        let cells = (facts.len as usize).div_ceil(CELL_BYTES);
        let cells_at = self.place_cells(cells)?;
        let start = cells_at * CELL_BYTES;
        if !fill(&mut self.lent.cells[start..start + facts.len as usize]) {
            return None;
        }
        let at = self.place_entry(key, true)?;
        self.lent.owners[cells_at..cells_at + cells].fill(at as u32 + 1);
        let (cells_at, cells) = (cells_at as u32, cells as u32);
        let entry = &mut self.lent.entries[at];
        *entry = Entry { facts, checked_ms: now_ms, cells_at, cells, what: What::File, ..*entry };
        Some(at)
    }

    /// Forgets what is known of a path.
    pub fn forget(&mut self, key: Key<'_>) {
        if let Some(at) = self.find(key) {
            self.drop_entry(at);
        }
    }

    /// Keeps a file's bytes until [`Cache::release`].
    #[inline]
    pub fn hold(&mut self, at: usize) {
        self.lent.entries[at].readers += 1;
    }

    #[inline]
    pub fn release(&mut self, at: usize) {
        let entry = &mut self.lent.entries[at];
        entry.readers = entry.readers.saturating_sub(1);
        if entry.readers == 0 && entry.what == What::Left {
            self.free(at);
        }
    }

    /// The bytes of a file.
    #[inline]
    pub fn bytes(&self, at: usize) -> &[u8] {
        let entry = &self.lent.entries[at];
        let start = entry.cells_at as usize * CELL_BYTES;
        &self.lent.cells[start..start + entry.facts.len as usize]
    }

    /// The largest file there could be room for.
    pub fn bytes_max(&self) -> usize {
        if self.lent.entries.is_empty() { 0 } else { self.lent.cells.len() }
    }

    /// The first entry of the key's set, and its tag.
    #[inline]
    fn set(&self, key: Key<'_>) -> Option<(usize, u32)> {
        let sets = self.lent.entries.len() / WAYS;
        if sets == 0 {
            return None;
        }
        let hash = key.hash(self.lent.seed);
        // The high half of a product spreads evenly without a division.
        let set = ((hash >> 32) * sets as u64) >> 32;
        Some((set as usize * WAYS, hash as u32 | 1))
    }

    /// An entry for a path that is not known. What is no file takes the place of no file that was used lately: whoever
    /// asks for a thousand paths to nothing costs the others little.
    fn place_entry(&mut self, key: Key<'_>, is_file: bool) -> Option<usize> {
        let (first, tag) = self.set(key)?;
        let set = first..first + WAYS;
        let entries = &mut self.lent.entries;
        let is_none = |what| matches!(what, What::Folder | What::Missing | What::Forbidden);
        let idle = |entry: &Entry| entry.readers == 0;
        let at = set
            .clone()
            .find(|at| entries[*at].what == What::Free)
            .or_else(|| set.clone().filter(|at| is_none(entries[*at].what)).min_by_key(|at| entries[*at].checked_ms))
            .or_else(|| set.clone().find(|at| idle(&entries[*at]) && entries[*at].chances == 0))
            .or_else(|| {
                let oldest = set.clone().filter(|at| is_file && idle(&entries[*at]));
                let oldest = oldest.min_by_key(|at| entries[*at].checked_ms);
                set.clone().for_each(|at| entries[at].chances = entries[at].chances.saturating_sub(1));
                oldest
            })?;
        self.drop_entry(at);
        self.lent.tags[at] = tag;
        self.lent.entries[at].key = Kept::of(key);
        Some(at)
    }

    /// Cells side by side that nobody uses any more, from the hand on.
    fn place_cells(&mut self, cells: usize) -> Option<usize> {
        let all = self.lent.owners.len();
        if cells > all {
            return None;
        }
        let mut at = self.hand;
        // Each time around takes a chance away, and then there is a place unless all is being sent.
        let mut steps = (usize::from(CHANCES) + 1) * (all + cells);
        while steps > 0 {
            if at + cells > all {
                at = 0;
            }
            steps = steps.saturating_sub(cells + 1);
            if let Some(behind) = self.occupied(at..at + cells) {
                at = behind;
                continue;
            }
            for cell in at..at + cells {
                if let Some(owner) = self.lent.owners[cell].checked_sub(1) {
                    self.drop_entry(owner as usize);
                }
            }
            self.hand = at + cells;
            return Some(at);
        }
        None
    }

    /// Where the first file among these cells ends that is being sent or has a chance left, which it loses.
    fn occupied(&mut self, mut cells: Range<usize>) -> Option<usize> {
        cells.find_map(|cell| {
            let owner = self.lent.owners[cell].checked_sub(1)?;
            let entry = &mut self.lent.entries[owner as usize];
            let stays = entry.readers > 0 || entry.chances > 0;
            entry.chances = entry.chances.saturating_sub(u8::from(entry.readers == 0));
            stays.then_some((entry.cells_at + entry.cells) as usize)
        })
    }

    /// Makes an entry unfound, and free as soon as nobody reads it.
    fn drop_entry(&mut self, at: usize) {
        self.lent.tags[at] = 0;
        let entry = &mut self.lent.entries[at];
        if entry.readers > 0 {
            entry.what = What::Left;
        } else {
            self.free(at);
        }
    }

    #[cold]
    fn free(&mut self, at: usize) {
        let entry = core::mem::take(&mut self.lent.entries[at]);
        let cells = entry.cells_at as usize..(entry.cells_at + entry.cells) as usize;
        self.lent.owners[cells].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: usize, cells: usize) -> Cache {
        Cache::new(Lent {
            entries: vec![Entry::default(); entries].leak(),
            tags: vec![0; entries].leak(),
            owners: vec![0; cells].leak(),
            cells: vec![0; cells * CELL_BYTES].leak(),
            seed: [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344],
        })
    }

    fn key(name: &str) -> Key<'_> {
        Key::of(0, name.as_bytes()).unwrap()
    }

    /// Puts a file of so many bytes, each of them `byte`.
    fn put(cache: &mut Cache, name: &str, len: usize, byte: u8) -> Option<usize> {
        let facts = Facts { len: len as u32, ..Facts::default() };
        cache.insert(key(name), facts, 0, |into| {
            into.fill(byte);
            true
        })
    }

    fn holds(cache: &mut Cache, name: &str, len: usize, byte: u8) -> bool {
        let Some(at) = cache.find(key(name)) else { return false };
        cache.bytes(at) == vec![byte; len]
    }

    #[test]
    fn memory_is_divided_into_no_more_than_there_is() {
        assert_eq!(divide(0), (0, 0));
        for bytes in [16 << 10, 64 << 10, 256 << 10, 1 << 20, 256 << 20] {
            let (entries, cells) = divide(bytes);
            let taken = entries * (size_of::<Entry>() + 4) + cells * (CELL_BYTES + 4);
            assert!(taken <= bytes && taken * 10 > bytes * 9, "{bytes}: {entries} entries, {cells} cells");
            assert_eq!(entries % WAYS, 0);
        }
        assert_eq!(size_of::<Entry>(), 176);
    }

    #[test]
    fn a_file_is_found_with_its_bytes_until_it_is_forgotten() {
        let mut cache = cache(16, 16);
        assert!(put(&mut cache, "a", 1_500, 1).is_some() && put(&mut cache, "empty", 0, 0).is_some());
        assert!(holds(&mut cache, "a", 1_500, 1) && holds(&mut cache, "empty", 0, 0));
        assert!(cache.find(Key::of(1, b"a").unwrap()).is_none(), "another listener's file");
        put(&mut cache, "a", 700, 2);
        assert!(holds(&mut cache, "a", 700, 2));
        cache.insert_none(key("a"), What::Missing, 7);
        let at = cache.find(key("a")).unwrap();
        assert_eq!((cache.entry(at).what, cache.entry(at).checked_ms), (What::Missing, 7));
        cache.forget(key("a"));
        assert!(cache.find(key("a")).is_none());
        assert!(cache.insert(key("b"), Facts::default(), 0, |_| false).is_none() && cache.find(key("b")).is_none());
    }

    #[test]
    fn a_file_that_is_being_sent_keeps_its_bytes_whatever_comes() {
        let mut cache = cache(16, 8);
        let held = put(&mut cache, "held", 2_000, 1).unwrap();
        cache.hold(held);
        put(&mut cache, "held", 3_000, 2);
        for round in 0..100 {
            put(&mut cache, &format!("other{round}"), 1_000 + 37 * round, 9);
            assert!(cache.bytes(held) == vec![1; 2_000], "round {round}");
        }
        assert!(put(&mut cache, "large", 8 * CELL_BYTES, 3).is_none(), "its cells are not to be had");
        cache.release(held);
        assert!(put(&mut cache, "large", 8 * CELL_BYTES, 3).is_some());
        assert!(put(&mut cache, "larger", 8 * CELL_BYTES + 1, 3).is_none());
    }

    #[test]
    fn what_is_used_outlives_what_passes_by() {
        let mut cache = cache(64, 32);
        put(&mut cache, "hot", 4_000, 1);
        for round in 0..500 {
            assert!(holds(&mut cache, "hot", 4_000, 1), "round {round}");
            put(&mut cache, &format!("once{round}"), 1_000, 2);
        }
    }

    #[test]
    fn paths_to_nothing_take_no_place_of_what_is_used() {
        // So many sets that none of them is full of files.
        let mut cache = cache(64, 32);
        let hot: Vec<String> = (0..12).map(|at| format!("hot{at}")).collect();
        hot.iter().for_each(|name| _ = put(&mut cache, name, 100, 1));
        let known: Vec<&String> = hot.iter().filter(|name| cache.find(key(name)).is_some()).collect();
        assert!(known.len() > 8, "{known:?}");
        for round in 0..10_000 {
            cache.insert_none(key(&format!("none{round}")), What::Missing, round);
        }
        assert!(known.iter().all(|name| holds(&mut cache, name, 100, 1)));
    }

    #[test]
    fn any_order_of_doings_leaves_cells_and_entries_in_step() {
        let mut cache = cache(16, 12);
        let (mut held, mut random) = (Vec::new(), 1_u64);
        let mut dice = |sides: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % sides
        };
        for _ in 0..50_000 {
            let name = format!("n{}", dice(30));
            match dice(6) {
                0 | 1 => {
                    let len = dice(5_000) as usize;
                    let byte = dice(256) as u8;
                    if let Some(at) = put(&mut cache, &name, len, byte)
                        && dice(2) == 0
                    {
                        cache.hold(at);
                        held.push((at, len, byte));
                    }
                }
                2 => cache.insert_none(key(&name), What::Folder, 0),
                3 => cache.forget(key(&name)),
                _ => _ = (held.len() > 6 || dice(3) == 0).then(|| held.pop().map(|(at, ..)| cache.release(at))),
            }
            assert!(held.iter().all(|(at, len, byte)| cache.bytes(*at) == vec![*byte; *len]));
            for (cell, owner) in cache.lent.owners.iter().enumerate().filter(|(_, owner)| **owner > 0) {
                let entry = &cache.lent.entries[*owner as usize - 1];
                let cells = entry.cells_at as usize..(entry.cells_at + entry.cells) as usize;
                assert!(cells.contains(&cell) && entry.what != What::Free);
            }
            let cells: u32 = cache.lent.entries.iter().map(|entry| entry.cells).sum();
            assert_eq!(cells as usize, cache.lent.owners.iter().filter(|owner| **owner > 0).count());
        }
    }

    #[test]
    fn a_cache_of_nothing_remembers_nothing() {
        let mut cache = cache(0, 0);
        assert!(put(&mut cache, "a", 0, 0).is_none() && cache.find(key("a")).is_none());
        cache.insert_none(key("a"), What::Missing, 0);
        assert_eq!((cache.bytes_max(), cache.find(key("a"))), (0, None));
    }
}

//! What a worker lives on, piece by piece.
//!
//! The same lines are run twice: over an arena that only counts, for the price, and over memory, for the worker. So
//! what `-t` prints is what is asked for, to the byte.

use rustix::io;
use tidegate_core::admission::WhenFull;
use tidegate_core::dispatch::Storage;
use tidegate_core::stats::Stats;

use crate::files::{cache, listing, open};
use crate::os::conn::Conn;
use crate::os::memory::Arena;
use crate::os::random;
use crate::services::Services;
use crate::settings::{Reserve, Settings, Socket};

/// What one `recv` may bring, and so the longest request a service may wait for.
pub const SCRATCH_BYTES: usize = 32 * 1024;
/// What one step of a service may write.
pub const OUTBOX_BYTES: usize = 16 * 1024;

/// How much of everything one worker has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub slots: usize,
    pub blocks: usize,
    pub block_bytes: usize,
    /// Places in the table of clients, for `PerClient`.
    pub clients: usize,
    /// Connections that may have to make room, for `WhenFull = oldest`.
    pub elders: usize,
    pub files: FileShape,
}

/// How much there is for files, where any are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileShape {
    /// Paths that are remembered, and cells for the bytes of small files.
    pub entries: usize,
    pub cells: usize,
    /// Files open at one time.
    pub transfers: usize,
    /// For one page of names.
    pub listing_bytes: usize,
}

/// What a worker's files live on.
pub struct FileMemory {
    pub cache: cache::Lent,
    pub places: &'static mut [open::Place],
    pub listing: &'static mut [u8],
}

impl FileShape {
    fn of(settings: &Settings) -> Self {
        if !settings.sockets.iter().any(Socket::has_files) {
            return Self::default();
        }
        let memory = &settings.memory;
        let (entries, cells) = cache::divide(memory.file_cache_bytes as usize);
        let lists = settings.sockets.iter().any(|socket| socket.has_files() && socket.http.listing);
        let listing_bytes = if lists { listing::bytes(memory.cached_file_bytes as usize) } else { 0 };
        Self { entries, cells, transfers: memory.transfers as usize, listing_bytes }
    }

    fn lay(self, arena: &mut Arena) -> io::Result<FileMemory> {
        let Self { entries, cells, transfers, listing_bytes } = self;
        Ok(FileMemory {
            cache: cache::Lent {
                entries: arena.take(entries)?,
                tags: arena.take(entries)?,
                owners: arena.take(cells)?,
                cells: arena.take(cells.saturating_mul(cache::CELL_BYTES))?,
                seed: random::seed(),
            },
            places: arena.take(transfers)?,
            listing: arena.take(listing_bytes)?,
        })
    }
}

/// Everything a worker lives on.
pub type Lent<'m> = (Storage<'m, Conn, Services>, FileMemory);

impl Shape {
    pub fn of(settings: &Settings) -> Self {
        let connections = |are_so: fn(&Socket) -> bool| -> usize {
            let sockets = settings.sockets.iter().filter(|socket| are_so(socket));
            sockets.map(|socket| socket.connections as usize).sum()
        };
        Self {
            slots: connections(|_| true),
            // A table works best half empty.
            clients: 2 * connections(|socket| socket.per_client > 0),
            elders: connections(|socket| socket.when_full == WhenFull::Oldest),
            blocks: settings.memory.blocks as usize,
            block_bytes: settings.memory.block_bytes as usize,
            files: FileShape::of(settings),
        }
    }

    /// The bytes of the whole.
    pub fn bytes(self) -> usize {
        let mut arena = Arena::counting();
        // More than can be addressed is priced as just that, and refused when it is asked for.
        self.lay(&mut arena, &Stats::new()).map_or(usize::MAX, |_| arena.taken())
    }

    /// The whole, in one mapping.
    pub fn lend<'m>(self, reserve: Reserve, stats: &'m Stats) -> io::Result<Lent<'m>> {
        self.lay(&mut Arena::new(self.bytes(), reserve == Reserve::Start)?, stats)
    }

    fn lay<'m>(self, arena: &mut Arena, stats: &'m Stats) -> io::Result<Lent<'m>> {
        let Self { slots, blocks, block_bytes, clients, elders, files } = self;
        let storage = Storage {
            marks: arena.take(slots)?,
            slots: arena.take(slots)?,
            states: arena.take(slots)?,
            timer_cells: arena.take(slots)?,
            timer_places: arena.take(slots)?,
            block_marks: arena.take(blocks)?,
            block_memory: arena.take(blocks.saturating_mul(block_bytes))?,
            block_bytes,
            scratch: arena.take(SCRATCH_BYTES)?,
            outbox: arena.take(OUTBOX_BYTES)?,
            clients: arena.take(clients)?,
            seed: random::seed(),
            elder_cells: arena.take(elders)?,
            elder_places: arena.take(elders)?,
            stats,
        };
        Ok((storage, files.lay(arena)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_lent_exactly_what_is_counted() {
        for (slots, blocks, block_bytes) in [(1, 8, 256), (63, 9, 2_048), (1_025, 256, 2_048), (9_900, 77, 4_096)] {
            let files = FileShape { entries: 4 * slots, cells: blocks, transfers: 3, listing_bytes: 5_000 };
            let shape = Shape { slots, blocks, block_bytes, clients: slots, elders: slots / 2, files };
            let mut arena = Arena::new(shape.bytes(), false).unwrap();
            let stats = Stats::new();
            let (storage, files) = shape.lay(&mut arena, &stats).unwrap();
            assert_eq!(arena.taken(), shape.bytes());
            assert_eq!((storage.slots.len(), storage.states.len(), storage.block_marks.len()), (slots, slots, blocks));
            assert_eq!(storage.block_memory.len(), blocks * block_bytes);
            assert_eq!((files.cache.entries.len(), files.cache.cells.len()), (4 * slots, blocks * cache::CELL_BYTES));
        }
    }

    #[test]
    fn what_cannot_be_addressed_has_a_price_and_is_refused() {
        let shape = Shape { slots: usize::MAX, blocks: 8, block_bytes: 256, ..Shape::default() };
        assert_eq!(shape.bytes(), usize::MAX);
        assert!(shape.lend(Reserve::Use, &Stats::new()).is_err());
    }
}

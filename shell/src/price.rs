//! What a configuration costs, before it is started: memory at rest and at full load, and descriptors.
//!
//! A pure function of the settings and of a few facts about the machine. What a worker sets aside is exact, because
//! [`Shape`] lays it out for the price with the lines that lay it out in memory. What the processes themselves need
//! (stack, heap, data of the libraries) are constants, measured and rounded up; the program's file counts whole, so
//! that it holds for a server that has met every rare case and touched all of itself. A test compares the sum with a
//! server under full load. The kernel's own memory is told apart: nothing here bounds it.

mod fit;
mod json;
mod log;
mod table;

use crate::os::shared::CELL_BYTES;
use crate::os::{process, program};
use crate::settings::{Reserve, Settings, Socket};
use crate::storage::{FileShape, OUTBOX_BYTES, SCRATCH_BYTES, Shape};

pub use fit::{check, check_descriptors, check_free, check_reload};

/// What each process writes to: stack, heap, data of program and libraries. Measured: 60 KiB (release), 108 (debug).
const PROCESS_BYTES: u64 = if cfg!(debug_assertions) { 160 * 1024 } else { 88 * 1024 };
/// What the first process wrote before it forked and no one since: one copy for all. Measured: 84 KiB (release), 140 (debug).
const FORKED_BYTES: u64 = if cfg!(debug_assertions) { 240 * 1024 } else { 140 * 1024 };
/// Of the libraries, what this program ever touches, in the 64 KiB around each fault that Linux maps. Measured with
/// glibc: 416 KiB. Counted as if no other program used them.
const LIBRARY_BYTES_MAX: u64 = 512 * 1024;
/// Descriptors of a worker besides connections: standard ones, log, epoll, signals, and each listener twice.
const OWN_FILES: u32 = 40;
/// Descriptors while a file is looked for: itself, its sibling, two folders on the way, and a root opened anew.
const LOOK_FILES: u32 = 5;

/// What the limit of open files is tried to be raised to: the most that `OpenFiles` takes.
const OPEN_FILES_MAX: u32 = 1_048_576;

/// What the price of the same settings may differ by from machine to machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    pub page_bytes: u64,
    /// Read-only pages of the program and its libraries.
    pub files: program::Files,
    /// What the kernel starts with for one socket.
    pub receive_bytes: u64,
    pub send_bytes: u64,
    /// How many files a process may have open, once the limit is raised as far as it goes.
    pub open_files: u64,
}

impl Machine {
    pub fn here() -> Self {
        let (receive_bytes, send_bytes) = program::socket_buffer_bytes();
        let page_bytes = rustix::param::page_size() as u64;
        let open_files = process::open_files_within_reach(OPEN_FILES_MAX);
        Self { page_bytes, files: program::files(), receive_bytes, send_bytes, open_files }
    }
}

/// One listener in one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The section as the configuration writes it.
    pub section: String,
    pub service: String,
    pub address: String,
    pub connections: u64,
    /// All its connections, none of them holding a block.
    pub bytes: u64,
    pub kernel: Kernel,
}

/// The kernel's buffers of a listener's connections in all workers, outside of every limit here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    pub sockets: u64,
    /// Of one socket.
    pub receive_bytes: u64,
    pub send_bytes: u64,
    /// Both are set (`ReceiveBuffer`, `SendBuffer`): the kernel does not grow them.
    pub bounded: bool,
}

impl Kernel {
    fn of(socket: &Socket, workers: u64, machine: &Machine) -> Self {
        // The kernel takes twice what it is asked for (socket(7)).
        let taken = |set: u32, default| if set > 0 { 2 * u64::from(set) } else { default };
        Self {
            sockets: workers.saturating_mul(socket.connections.into()),
            receive_bytes: taken(socket.receive_bytes, machine.receive_bytes),
            send_bytes: taken(socket.send_bytes, machine.send_bytes),
            bounded: socket.receive_bytes > 0 && socket.send_bytes > 0,
        }
    }

    pub fn bytes(self) -> u64 {
        self.sockets.saturating_mul(self.receive_bytes.saturating_add(self.send_bytes))
    }
}

/// What a configuration costs. Bytes are those of memory; at full load every slot and every block is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub listeners: Vec<Listener>,
    /// Processes that serve, and whether a master stands above them.
    pub workers: u64,
    pub master: bool,
    pub reserve: Reserve,
    /// The program's file and its libraries, once for all processes.
    pub files_bytes: u64,
    /// What all processes share since the fork.
    pub forked_bytes: u64,
    /// What they count, on pages that all of them see.
    pub statistics_bytes: u64,
    /// What each process has of its own, the master too.
    pub process_bytes: u64,
    pub blocks: u64,
    pub block_bytes: u64,
    /// All blocks of one worker.
    pub blocks_bytes: u64,
    /// One worker's cache of small files and table of open ones.
    pub served_bytes: u64,
    pub transfers: u64,
    /// What one worker has for single steps, and the rounding to pages.
    pub steps_bytes: u64,
    /// A connection that holds no block.
    pub idle_bytes: u64,
    /// The most one connection may hold: its slot, and blocks from the worker's pool.
    pub busy_bytes: u64,
    /// Descriptors a worker needs, and may have.
    pub files: u64,
    pub files_max: u64,
    /// `[Memory] Limit`; 0 is none.
    pub limit_bytes: u64,
    pub log: log::Log,
}

impl Price {
    pub fn of(settings: &Settings, machine: &Machine) -> Self {
        let shape = Shape::of(settings);
        let arena = bytes(shape).checked_next_multiple_of(machine.page_bytes).unwrap_or(u64::MAX);
        let empty = Shape { slots: 0, blocks: 0, ..shape };
        // Enough of them that no rounding between the pieces is left.
        let idle_bytes = (bytes(Shape { slots: 64, ..empty }) - bytes(empty)) / 64;
        let blocks_bytes = (bytes(Shape { blocks: 64, ..empty }) - bytes(empty)) / 64 * shape.blocks as u64;
        let served_bytes = bytes(empty) - bytes(Shape { files: FileShape::default(), ..empty });
        let workers = u64::from(settings.process.workers.max(1));
        let listener = |socket| listener(socket, idle_bytes, Kernel::of(socket, workers, machine));
        let listeners: Vec<Listener> = settings.sockets.iter().map(listener).collect();
        let slots_bytes = listeners.iter().fold(0, |sum: u64, listener| sum.saturating_add(listener.bytes));
        // A whole request unread, its reply unsent, and in each a block that is begun at both ends.
        let held = (2 * SCRATCH_BYTES + OUTBOX_BYTES).div_ceil(shape.block_bytes.max(1)) + 2;
        let held = held.min(shape.blocks) as u64;
        Self {
            listeners,
            workers,
            master: settings.process.workers > 0,
            reserve: settings.memory.reserve,
            files_bytes: machine.files.program_bytes + machine.files.libraries_bytes.min(LIBRARY_BYTES_MAX),
            forked_bytes: FORKED_BYTES,
            statistics_bytes: statistics_bytes(workers, machine.page_bytes),
            process_bytes: PROCESS_BYTES,
            blocks: shape.blocks as u64,
            block_bytes: shape.block_bytes as u64,
            blocks_bytes,
            served_bytes,
            transfers: shape.files.transfers as u64,
            steps_bytes: arena.saturating_sub(slots_bytes).saturating_sub(blocks_bytes).saturating_sub(served_bytes),
            idle_bytes,
            busy_bytes: idle_bytes + held * shape.block_bytes as u64,
            files: files_needed(settings).into(),
            limit_bytes: settings.memory.limit_bytes,
            files_max: match settings.process.open_files {
                0 => machine.open_files,
                open_files => machine.open_files.min(open_files.into()),
            },
            log: log::Log::of(settings),
        }
    }

    /// One worker's mapping.
    pub fn arena_bytes(&self) -> u64 {
        let slots = self.listeners.iter().fold(0, |sum: u64, listener| sum.saturating_add(listener.bytes));
        slots.saturating_add(self.blocks_bytes).saturating_add(self.served_bytes).saturating_add(self.steps_bytes)
    }

    /// One worker with every slot and every block taken.
    pub fn worker_full_bytes(&self) -> u64 {
        self.process_bytes.saturating_add(self.arena_bytes())
    }

    /// One worker before its first connection.
    pub fn worker_rest_bytes(&self) -> u64 {
        match self.reserve {
            Reserve::Use => self.process_bytes,
            Reserve::Start => self.worker_full_bytes(),
        }
    }

    /// All processes before the first connection.
    pub fn rest_bytes(&self) -> u64 {
        self.common_bytes().saturating_add(self.workers.saturating_mul(self.worker_rest_bytes()))
    }

    /// All processes at full load: what `[Memory] Limit` is compared with.
    pub fn full_bytes(&self) -> u64 {
        self.common_bytes().saturating_add(self.workers.saturating_mul(self.worker_full_bytes()))
    }

    /// While workers are replaced by others of these settings: both at full load.
    pub fn reload_bytes(&self) -> u64 {
        self.full_bytes().saturating_add(self.workers_full_bytes(self.workers))
    }

    /// So many workers of these settings at full load, each with what it counts.
    pub fn workers_full_bytes(&self, workers: u64) -> u64 {
        workers.saturating_mul(self.worker_full_bytes().saturating_add(CELL_BYTES as u64))
    }

    /// The kernel's buffers of all connections.
    pub fn kernel_bytes(&self) -> u64 {
        self.listeners.iter().fold(0, |sum: u64, listener| sum.saturating_add(listener.kernel.bytes()))
    }

    fn common_bytes(&self) -> u64 {
        let master = if self.master { self.process_bytes } else { 0 };
        self.files_bytes + self.forked_bytes + self.statistics_bytes + master
    }

    /// For people.
    pub fn table(&self) -> String {
        table::write(self)
    }

    /// For programs: one object, sizes in bytes.
    pub fn json(&self) -> String {
        json::write(self)
    }
}

/// A cell for each process that serves and one for their sum, on whole pages.
fn statistics_bytes(workers: u64, page_bytes: u64) -> u64 {
    (workers + 1).saturating_mul(CELL_BYTES as u64).next_multiple_of(page_bytes.max(1))
}

/// Descriptors one worker needs.
pub fn files_needed(settings: &Settings) -> u32 {
    let connections = settings.sockets.iter().fold(0, |sum: u32, socket| sum.saturating_add(socket.connections));
    connections.saturating_add(files_beside(settings))
}

/// Of these, those that are no connections.
fn files_beside(settings: &Settings) -> u32 {
    match settings.sockets.iter().filter(|socket| socket.has_files()).count() as u32 {
        0 => OWN_FILES,
        roots => OWN_FILES + roots + settings.memory.transfers + LOOK_FILES,
    }
}

/// The limit of open files these settings ask for, where they ask for one: without `OpenFiles`, what the connections
/// need, and no less than there is.
pub fn files_wanted(settings: &Settings) -> Option<u32> {
    match settings.process.open_files {
        0 if process::open_files() >= files_needed(settings).into() => None,
        0 => Some(files_needed(settings)),
        open_files => Some(open_files),
    }
}

fn listener(socket: &Socket, idle_bytes: u64, kernel: Kernel) -> Listener {
    let connections = u64::from(socket.connections);
    Listener {
        section: socket.section(),
        service: socket.service.clone(),
        address: socket.address.to_string(),
        connections,
        bytes: connections * idle_bytes,
        kernel,
    }
}

fn bytes(shape: Shape) -> u64 {
    shape.bytes() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Memory, Process};

    pub const MACHINE: Machine = Machine {
        page_bytes: 4_096,
        files: program::Files { program_bytes: 500 * 1024, libraries_bytes: 2_000 * 1024 },
        receive_bytes: 131_072,
        send_bytes: 16_384,
        open_files: 20_000,
    };

    pub fn settings(workers: u16, connections: &[u32], blocks: u32) -> Settings {
        let socket =
            |connections: &u32| Socket { service: "echo".into(), connections: *connections, ..Socket::default() };
        Settings {
            process: Process { workers, ..Process::default() },
            memory: Memory { blocks, block_bytes: 2_048, ..Memory::default() },
            sockets: connections.iter().map(socket).collect(),
            ..Settings::default()
        }
    }

    #[test]
    fn a_connection_costs_its_slot_mark_timer_and_state() {
        let price = Price::of(&settings(1, &[1_024], 256), &MACHINE);
        assert_eq!(price.idle_bytes, 96 + 12 + 12 + 32);
        assert_eq!(price.blocks_bytes, 256 * (2_048 + 12));
        assert_eq!(price.busy_bytes, 152 + 42 * 2_048);
        let small = Price::of(&settings(1, &[1_024], 8), &MACHINE);
        assert_eq!(small.busy_bytes, 152 + 8 * 2_048, "no connection holds more than there is");
    }

    #[test]
    fn the_parts_add_up_to_the_mapping_of_a_worker() {
        for settings in [settings(0, &[1], 8), settings(2, &[64, 7, 1_024], 33), settings(4, &[1 << 20], 65_535)] {
            let price = Price::of(&settings, &MACHINE);
            assert_eq!(price.arena_bytes(), (Shape::of(&settings).bytes() as u64).next_multiple_of(4_096));
            assert!((48 * 1024..54 * 1024).contains(&price.steps_bytes), "{}", price.steps_bytes);
        }
    }

    #[test]
    fn a_server_costs_its_workers_its_master_and_what_they_share() {
        let alone = Price::of(&settings(0, &[64], 256), &MACHINE);
        let shared = 500 * 1024 + LIBRARY_BYTES_MAX + FORKED_BYTES + 2 * 4_096;
        assert_eq!(alone.full_bytes(), shared + PROCESS_BYTES + alone.arena_bytes());
        assert_eq!(alone.rest_bytes(), shared + PROCESS_BYTES);
        let three = Price::of(&settings(3, &[64], 256), &MACHINE);
        let shared = shared + 2 * 4_096;
        assert_eq!(three.full_bytes(), shared + 4 * PROCESS_BYTES + 3 * alone.arena_bytes());
        assert_eq!(three.reload_bytes() - three.full_bytes(), 3 * (three.worker_full_bytes() + 4_096));
        assert_eq!(three.kernel_bytes(), 3 * 64 * 147_456);
    }

    #[test]
    fn buffers_that_are_set_are_a_bound_on_the_kernels_part() {
        let mut settings = settings(2, &[64, 32], 256);
        settings.sockets[1].receive_bytes = 8_192;
        assert!(!Price::of(&settings, &MACHINE).listeners[1].kernel.bounded);
        settings.sockets[1].send_bytes = 4_096;
        let price = Price::of(&settings, &MACHINE);
        assert!(price.listeners[1].kernel.bounded && !price.listeners[0].kernel.bounded);
        assert_eq!(price.kernel_bytes(), 128 * 147_456 + 64 * 24_576);
    }

    #[test]
    fn files_are_paid_for_where_they_are_served_and_nowhere_else() {
        let mut settings = settings(1, &[64], 256);
        settings.memory =
            Memory { file_cache_bytes: 256 << 10, cached_file_bytes: 16 << 10, transfers: 50, ..settings.memory };
        let without = Price::of(&settings, &MACHINE);
        assert_eq!((without.served_bytes, without.files), (0, 104));
        settings.sockets[0].service = "http".into();
        settings.sockets[0].http.root = Some("/srv/www".into());
        let with = Price::of(&settings, &MACHINE);
        assert!((250 << 10..257 << 10).contains(&with.served_bytes), "{}", with.served_bytes);
        assert_eq!(with.files, 104 + 1 + 50 + 5);
        assert!(with.steps_bytes.abs_diff(without.steps_bytes) < MACHINE.page_bytes, "but for whole pages");
        settings.sockets[0].http.listing = true;
        assert_eq!(Price::of(&settings, &MACHINE).served_bytes - with.served_bytes, 32 << 10);
    }

    #[test]
    fn memory_reserved_at_the_start_is_paid_at_rest() {
        let mut settings = settings(2, &[64], 256);
        let lazy = Price::of(&settings, &MACHINE);
        settings.memory.reserve = Reserve::Start;
        let eager = Price::of(&settings, &MACHINE);
        assert_eq!(eager.full_bytes(), lazy.full_bytes());
        assert_eq!(eager.rest_bytes(), eager.full_bytes());
    }
}

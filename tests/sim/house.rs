//! What a dispatcher under test is made of, whatever its world: memory to lend, and the services.

use tidegate_core::blocks::BlockMark;
use tidegate_core::clients::Client;
use tidegate_core::conn::Slot;
use tidegate_core::dispatch::Storage;
use tidegate_core::pool::Mark;
use tidegate_core::service::{BuiltIn, Discard, Echo, Kind, Service};
use tidegate_core::stats::Stats;

use crate::audit::Audited;
use crate::services::{Chat, Frame, Lines, Mixed, MixedKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Echo,
    Discard,
    Frame,
    Chat,
    Lines,
    Http,
}

/// The memory a dispatcher is lent.
pub struct Memory<C, S: Service> {
    pub marks: Vec<Mark>,
    pub slots: Vec<Slot<C>>,
    states: Vec<S::State>,
    cells: Vec<u64>,
    places: Vec<u32>,
    block_marks: Vec<BlockMark>,
    pub block_memory: Vec<u8>,
    block_bytes: usize,
    scratch: Vec<u8>,
    outbox: Vec<u8>,
    clients: Vec<Client>,
    elder_cells: Vec<u64>,
    elder_places: Vec<u32>,
    stats: Stats,
}

impl<C, S: Service> Memory<C, S> {
    pub fn new(slots: usize, blocks: usize, block_bytes: usize, scratch: usize, outbox: usize) -> Self {
        Self {
            marks: vec![Mark::default(); slots],
            slots: (0..slots).map(|_| Slot::default()).collect(),
            states: (0..slots).map(|_| S::State::default()).collect(),
            cells: vec![0; slots],
            places: vec![0; slots],
            block_marks: vec![BlockMark::default(); blocks],
            block_memory: vec![0; blocks * block_bytes],
            block_bytes,
            scratch: vec![0; scratch],
            outbox: vec![0; outbox],
            // The least there may be: the table is met crowded.
            clients: vec![Client::default(); slots + 1],
            elder_cells: vec![0; slots],
            elder_places: vec![0; slots],
            stats: Stats::new(),
        }
    }

    pub fn lend(&mut self) -> Storage<'_, C, S> {
        Storage {
            marks: &mut self.marks,
            slots: &mut self.slots,
            states: &mut self.states,
            timer_cells: &mut self.cells,
            timer_places: &mut self.places,
            block_marks: &mut self.block_marks,
            block_memory: &mut self.block_memory,
            block_bytes: self.block_bytes,
            scratch: &mut self.scratch,
            outbox: &mut self.outbox,
            clients: &mut self.clients,
            seed: [11, 12],
            elder_cells: &mut self.elder_cells,
            elder_places: &mut self.elder_places,
            stats: &self.stats,
        }
    }
}

/// All services, and which listener has which.
pub fn services(protocols: &[Protocol]) -> Audited<Mixed> {
    let mut built_in = BuiltIn::new(Echo, Discard);
    for (at, protocol) in protocols.iter().enumerate() {
        built_in.assign(at, if *protocol == Protocol::Discard { Kind::discard } else { Kind::echo });
    }
    let mut mixed =
        Mixed::new(built_in, Frame, Chat::new(5), Lines { tick_ms: 70, ticks: 20 }, crate::pages::service());
    for (at, protocol) in protocols.iter().enumerate() {
        let kind = match protocol {
            Protocol::Echo | Protocol::Discard => MixedKind::built_in,
            Protocol::Frame => MixedKind::frame,
            Protocol::Chat => MixedKind::chat,
            Protocol::Lines => MixedKind::lines,
            Protocol::Http => MixedKind::http,
        };
        mixed.assign(at, kind);
    }
    Audited::new(mixed)
}

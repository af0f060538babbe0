//! What a seed means: sizes, services, limits, faults, clock and peers of one run.
//!
//! Swarm testing: whole kinds of trouble are on or off for a run, so that rare combinations are met, and so that a
//! run without a kind can be judged more strictly.

use tidegate_core::admission::{Admission, WhenFull};

use crate::gate::LISTS;
use crate::house::Protocol;
use crate::peers::Habit;
use crate::rng::Rng;
use crate::world::Faults;

#[derive(Clone, Copy, Debug)]
pub struct Socket {
    pub protocol: Protocol,
    pub connections: u32,
    pub idle_ms: u64,
    pub request_ms: u64,
    pub write_ms: u64,
    pub terms: Admission<'static>,
}

/// How the run ends once the peers are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Deadlines empty the pool.
    Quiet,
    /// The server drains, then stops.
    Drain,
    /// The server stops at once.
    Stop,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub sockets: Vec<Socket>,
    pub blocks: usize,
    pub block_bytes: usize,
    pub scratch: usize,
    pub outbox: usize,
    pub buffers: (usize, usize),
    pub backlog: usize,
    pub hosts: usize,
    pub descriptors: usize,
    pub faults: Faults,
    /// Periods without descriptors begin and end so often, in a thousand steps.
    pub starving: u32,
    /// The clock stands still, jumps ahead, or goes back so often, in a thousand steps.
    pub stalls: u32,
    pub leaps: u32,
    pub backs: u32,
    pub peers: Vec<(Habit, usize)>,
    pub steps: usize,
    pub step_ms: usize,
    pub ending: Ending,
    /// The drain begins at this step, in the middle of everything.
    pub drain_at: usize,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rng = &mut rng;
        let sockets: Vec<Socket> = (0..rng.pick(&[1, 1, 2, 3])).map(|_| socket(rng)).collect();
        let peers = (0..rng.between(1, 24)).map(|_| (habit(rng), rng.below(sockets.len()))).collect();
        let some = |rng: &mut Rng, most: usize| if rng.chance(350) { 1 + rng.below(most) as u32 } else { 0 };
        let faults = Faults {
            short_reads: some(rng, 900),
            short_writes: some(rng, 900),
            blocked: some(rng, 300),
            breaks: some(rng, 20),
            aborts: some(rng, 300),
            shortens: some(rng, 20),
            unwatched: some(rng, 60),
            stale: some(rng, 500),
            foreign: some(rng, 300),
            spurious: some(rng, 500),
        };
        // An HTTP request and the head of its answer are not cut to any size.
        let least = |bytes: usize| if sockets.iter().any(|s| s.protocol == Protocol::Http) { bytes } else { 0 };
        let (least_block, least_scratch) = (least(400), least(1_024));
        Self {
            sockets,
            blocks: rng.between(8, 64),
            block_bytes: rng.pick(&[16, 17, 32, 64, 100, 256, 512]).max(least_block),
            scratch: rng.pick(&[32, 33, 64, 100, 500, 1024, 4096]).max(least_scratch),
            outbox: rng.pick(&[16, 32, 64, 500, 4096]).max(least_block),
            buffers: (rng.pick(&[1, 7, 64, 500, 4096]), rng.pick(&[1, 7, 64, 500, 4096])),
            backlog: rng.between(1, 16),
            hosts: rng.pick(&[0, 1, 3, 8]),
            descriptors: if rng.chance(200) { rng.between(1, 16) } else { usize::MAX },
            starving: some(rng, 50),
            stalls: some(rng, 300),
            leaps: some(rng, 10),
            backs: some(rng, 200),
            peers,
            steps: rng.between(50, 800),
            step_ms: rng.pick(&[1, 5, 20]),
            ending: rng.pick(&[Ending::Quiet, Ending::Quiet, Ending::Drain, Ending::Stop]),
            drain_at: if rng.chance(100) { rng.below(300) } else { usize::MAX },
            faults,
        }
    }

    /// Whether deadlines alone empty the pool.
    pub fn empties_itself(&self) -> bool {
        self.sockets.iter().all(|s| s.idle_ms > 0 && s.write_ms > 0)
    }
}

fn socket(rng: &mut Rng) -> Socket {
    use Protocol::{Chat, Discard, Echo, Frame, Http, Lines};
    Socket {
        protocol: rng.pick(&[Echo, Echo, Discard, Frame, Frame, Chat, Lines, Http, Http]),
        connections: if rng.chance(500) { rng.between(1, 4) } else { rng.between(1, 64) } as u32,
        idle_ms: rng.pick(&[0, 500, 3_000, 60_000]),
        request_ms: rng.pick(&[0, 300, 2_000, 10_000]),
        write_ms: rng.pick(&[0, 400, 3_000, 30_000]),
        terms: terms(rng),
    }
}

fn terms(rng: &mut Rng) -> Admission<'static> {
    if rng.chance(500) {
        return Admission::default();
    }
    let mut list = || if rng.chance(100) { rng.pick(LISTS) } else { &[] };
    Admission {
        allow: list(),
        deny: list(),
        per_client: rng.pick(&[0, 0, 0, 0, 1, 2, 5]),
        per_second: rng.pick(&[0, 0, 0, 0, 1, 3, 50]),
        when_full: rng.pick(&[WhenFull::Wait, WhenFull::Wait, WhenFull::Refuse, WhenFull::Oldest]),
    }
}

fn habit(rng: &mut Rng) -> Habit {
    use Habit::{Caller, Dribbler, Flooder, HalfCloser, Honest, Idler, NeverReader, Resetter, Vanisher};
    let all = [Honest, HalfCloser, Dribbler, NeverReader, Vanisher, Resetter, Flooder, Caller, Idler];
    if rng.chance(500) { rng.pick(&[Honest, HalfCloser]) } else { rng.pick(&all) }
}

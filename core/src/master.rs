//! The supervisor: which workers should live, which should be told to go, and when the server is over.
//!
//! A table, not a loop: what happened goes in (`on_*`, with the time), what to do comes out of
//! [`Supervisor::next_order`]. Orders are a function of the state, so none can be lost, given twice or asked for in
//! the wrong sequence. It knows slots and times; process ids, forks and signal numbers stay in the world.
//!
//! Refused here: judging how a worker died. Nobody asked it to, so every death while serving counts the same.

use heapless::Deque;

use crate::limits::{RESPAWN_LIMIT_MAX, WORKERS_MAX};

/// How long workers have between being told to stop and being killed.
pub const STOP_MS: u64 = 5_000;
/// The first pause before a respawn; the one before it is no pause at all.
const BACKOFF_FIRST_MS: u64 = 100;
/// The longest pause before a respawn.
const BACKOFF_LAST_MS: u64 = 5_000;
/// A worker that lived this long starts with a clean sheet; also the window of the respawn limit.
const QUIET_MS: u64 = 60_000;

/// What the conf says about workers.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Workers wanted, 1 to [`WORKERS_MAX`]; more is read as the maximum.
    pub workers: u16,
    /// How long a drain may take; 0 is no bound.
    pub drain_ms: u64,
    /// Deaths within a minute that end the server; 0 is no limit.
    pub respawn_limit: u32,
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Stop now.
    Term,
    /// Drain, then stop.
    Quit,
}

/// What a worker is told, gentlest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tell {
    Quit,
    Term,
    Kill,
}

/// Why the server is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to stop and has stopped.
    Asked,
    /// Workers died faster than the respawn limit allows.
    CrashLoop,
}

/// What the world does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start a worker in this slot. A start that fails is reported as [`Supervisor::on_died`].
    Spawn { slot: u16 },
    /// Send this to the worker of this slot.
    Signal { slot: u16, tell: Tell },
    /// Every worker is gone: leave.
    Exit(End),
}

/// Where the server as a whole stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Idle,
    Serving,
    Draining,
    Stopping,
    Killing,
}

/// What can move a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Start,
    Term,
    Quit,
    /// The respawn limit was reached.
    Limit,
    /// The phase's own deadline passed.
    Late,
}

impl Phase {
    /// The legal transitions; everything not listed changes nothing.
    const fn after(self, cause: Cause) -> Self {
        match (self, cause) {
            (Phase::Idle, Cause::Start) => Phase::Serving,
            (Phase::Idle | Phase::Serving | Phase::Draining, Cause::Term) => Phase::Stopping,
            (Phase::Idle | Phase::Serving, Cause::Quit) => Phase::Draining,
            (Phase::Serving, Cause::Limit) => Phase::Stopping,
            (Phase::Draining, Cause::Late) => Phase::Stopping,
            (Phase::Stopping, Cause::Late) => Phase::Killing,
            (same, _) => same,
        }
    }

    /// What every living worker must have been told by now.
    const fn tell(self) -> Option<Tell> {
        match self {
            Phase::Idle | Phase::Serving => None,
            Phase::Draining => Some(Tell::Quit),
            Phase::Stopping => Some(Tell::Term),
            Phase::Killing => Some(Tell::Kill),
        }
    }
}

/// One worker's place.
#[derive(Clone, Copy, Debug)]
enum Slot {
    /// Nobody here; a worker is due at this time, while the server serves.
    Vacant { due_ms: u64, deaths: u32 },
    /// A worker lives here.
    Live { since_ms: u64, deaths: u32, told: Option<Tell> },
}

impl Slot {
    /// The place after its worker died: due at once the first time, then after a pause that doubles.
    fn after_death(since_ms: u64, deaths: u32, now_ms: u64) -> Self {
        let deaths = if now_ms.saturating_sub(since_ms) >= QUIET_MS { 0 } else { deaths };
        let pause_ms = match deaths {
            0 => 0,
            n => BACKOFF_FIRST_MS.checked_shl(n - 1).unwrap_or(BACKOFF_LAST_MS).min(BACKOFF_LAST_MS),
        };
        // Six doublings reach the longest pause; counting on would shift bits out.
        Slot::Vacant { due_ms: now_ms.saturating_add(pause_ms), deaths: (deaths + 1).min(7) }
    }
}

/// The supervisor of one server.
pub struct Supervisor {
    plan: Plan,
    phase: Phase,
    /// When the phase turns into the next by itself.
    late_ms: Option<u64>,
    end: End,
    slots: [Slot; WORKERS_MAX],
    /// Times of the deaths within the last minute, oldest first.
    deaths: Deque<u64, RESPAWN_LIMIT_MAX>,
    now_ms: u64,
}

impl Supervisor {
    pub const fn new(plan: Plan) -> Self {
        Self {
            plan,
            phase: Phase::Idle,
            late_ms: None,
            end: End::Asked,
            slots: [Slot::Vacant { due_ms: 0, deaths: 0 }; WORKERS_MAX],
            deaths: Deque::new(),
            now_ms: 0,
        }
    }

    // Inputs.

    /// The world is ready for workers.
    pub fn on_start(&mut self, now_ms: u64) {
        self.clock(now_ms);
        self.turn(Cause::Start);
    }

    /// The worker of this slot is gone, or could not be started. A slot without a worker changes nothing.
    pub fn on_died(&mut self, slot: u16, now_ms: u64) {
        self.clock(now_ms);
        let Some(place) = self.slots.get_mut(usize::from(slot)) else { return };
        let Slot::Live { since_ms, deaths, .. } = *place else { return };
        *place = Slot::after_death(since_ms, deaths, self.now_ms);
        if self.phase == Phase::Serving && self.count_death() {
            self.end = End::CrashLoop;
            self.turn(Cause::Limit);
        }
    }

    /// An operator asks.
    pub fn on_request(&mut self, request: Request, now_ms: u64) {
        self.clock(now_ms);
        self.turn(match request {
            Request::Term => Cause::Term,
            Request::Quit => Cause::Quit,
        });
    }

    /// Time passed. Cheap; meant for every wake-up.
    pub fn on_time(&mut self, now_ms: u64) {
        self.clock(now_ms);
        if self.late_ms.is_some_and(|late_ms| late_ms <= self.now_ms) {
            self.turn(Cause::Late);
        }
    }

    // Outputs.

    /// The next thing to do; ask until `None`. After `Exit` it is always `Exit`.
    pub fn next_order(&mut self) -> Option<Order> {
        let demand = self.phase.tell();
        let wanted = self.workers();
        for (slot, place) in (0..).zip(self.slots.iter_mut().take(wanted)) {
            match place {
                Slot::Vacant { due_ms, deaths } if self.phase == Phase::Serving && *due_ms <= self.now_ms => {
                    *place = Slot::Live { since_ms: self.now_ms, deaths: *deaths, told: None };
                    return Some(Order::Spawn { slot });
                }
                Slot::Live { told, .. } if *told < demand => {
                    *told = demand;
                    return demand.map(|tell| Order::Signal { slot, tell });
                }
                _ => {}
            }
        }
        let over = !matches!(self.phase, Phase::Idle | Phase::Serving) && self.live() == 0;
        over.then_some(Order::Exit(self.end))
    }

    /// When [`Supervisor::on_time`] will next change something, once the orders are drained.
    pub fn next_deadline(&self) -> Option<u64> {
        let due = self.slots.iter().take(self.workers()).filter_map(|place| match place {
            Slot::Vacant { due_ms, .. } if self.phase == Phase::Serving => Some(*due_ms),
            _ => None,
        });
        due.chain(self.late_ms).min()
    }

    // Getters.

    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Workers that live, as far as the supervisor was told.
    pub fn live(&self) -> usize {
        self.slots.iter().filter(|place| matches!(place, Slot::Live { .. })).count()
    }

    fn workers(&self) -> usize {
        usize::from(self.plan.workers).min(WORKERS_MAX)
    }

    /// Time never runs backwards, whatever the caller's clock does.
    fn clock(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    fn turn(&mut self, cause: Cause) {
        let next = self.phase.after(cause);
        if next == self.phase {
            return;
        }
        self.phase = next;
        self.late_ms = match next {
            Phase::Draining if self.plan.drain_ms > 0 => Some(self.now_ms.saturating_add(self.plan.drain_ms)),
            Phase::Stopping => Some(self.now_ms.saturating_add(STOP_MS)),
            _ => None,
        };
    }

    /// Remembers a death; true when the limit is reached.
    fn count_death(&mut self) -> bool {
        let limit = (self.plan.respawn_limit as usize).min(RESPAWN_LIMIT_MAX);
        if limit == 0 {
            return false;
        }
        while self.deaths.front().is_some_and(|at_ms| self.now_ms.saturating_sub(*at_ms) >= QUIET_MS) {
            self.deaths.pop_front();
        }
        // Full is only possible at the largest limit, where it has been reached already.
        let _ = self.deaths.push_back(self.now_ms);
        self.deaths.len() >= limit
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::fmt::Write as _;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    const PLAN: Plan = Plan { workers: 2, drain_ms: 30_000, respawn_limit: 5 };

    fn orders(supervisor: &mut Supervisor) -> Vec<Order> {
        let mut all = Vec::new();
        while let Some(order) = supervisor.next_order() {
            all.push(order);
            if matches!(order, Order::Exit(_)) {
                break;
            }
            assert!(all.len() < 1_000, "orders without end");
        }
        all
    }

    fn started(plan: Plan) -> Supervisor {
        let mut supervisor = Supervisor::new(plan);
        supervisor.on_start(1_000);
        orders(&mut supervisor);
        supervisor
    }

    /// A supervisor of two living workers brought to a phase by the shortest way.
    fn brought_to(phase: Phase) -> Supervisor {
        if phase == Phase::Idle {
            return Supervisor::new(PLAN);
        }
        let mut supervisor = started(PLAN);
        match phase {
            Phase::Idle | Phase::Serving => {}
            Phase::Draining => supervisor.on_request(Request::Quit, 1_000),
            Phase::Stopping | Phase::Killing => supervisor.on_request(Request::Term, 1_000),
        }
        orders(&mut supervisor);
        if phase == Phase::Killing {
            supervisor.on_time(1_000 + STOP_MS);
            orders(&mut supervisor);
        }
        assert_eq!(supervisor.phase(), phase);
        supervisor
    }

    fn die(supervisor: &mut Supervisor, times: u32, now_ms: u64) -> Vec<Order> {
        let mut all = Vec::new();
        for _ in 0..times {
            supervisor.on_died(0, now_ms);
            all.extend(orders(supervisor));
            if supervisor.phase() == Phase::Serving {
                // Back-off passes between deaths; the minute does not.
                supervisor.on_time(supervisor.next_deadline().unwrap_or(now_ms));
                all.extend(orders(supervisor));
            }
        }
        all
    }

    /// An event of the matrix: its name, and what it does.
    type Row = (&'static str, fn(&mut Supervisor) -> Vec<Order>);

    const EVENTS: [Row; 9] = [
        ("start", |s| (s.on_start(7_000), orders(s)).1),
        ("one worker dies", |s| (s.on_died(0, 7_000), orders(s)).1),
        ("it dies twice", |s| (s.on_died(0, 7_000), orders(s), s.on_died(0, 7_000), orders(s)).3),
        ("all workers die", |s| (s.on_died(0, 7_000), s.on_died(1, 7_000), orders(s)).2),
        ("deaths reach the limit", |s| die(s, 5, 7_000)),
        ("a slot nobody has dies", |s| (s.on_died(63, 7_000), s.on_died(64, 7_000), orders(s)).2),
        ("TERM", |s| (s.on_request(Request::Term, 7_000), orders(s)).1),
        ("QUIT", |s| (s.on_request(Request::Quit, 7_000), orders(s)).1),
        ("its deadline passes", |s| (s.on_time(s.next_deadline().unwrap_or(7_000)), orders(s)).1),
    ];

    #[test]
    fn every_phase_answers_every_event_as_the_matrix_says() {
        let mut text =
            String::from("phase, event -> phase after, next deadline; orders (two workers, drain 30 s, limit 5)\n");
        for phase in [Phase::Idle, Phase::Serving, Phase::Draining, Phase::Stopping, Phase::Killing] {
            text.push('\n');
            for (name, event) in EVENTS {
                let mut supervisor = brought_to(phase);
                let orders = event(&mut supervisor);
                let _ = write!(text, "{phase:?}, {name} -> {:?}, ", supervisor.phase());
                let _ = match supervisor.next_deadline() {
                    Some(at_ms) => write!(text, "{at_ms};"),
                    None => write!(text, "never;"),
                };
                for order in orders {
                    let _ = match order {
                        Order::Spawn { slot } => write!(text, " spawn {slot}"),
                        Order::Signal { slot, tell } => write!(text, " {tell:?} {slot}"),
                        Order::Exit(end) => write!(text, " exit {end:?}"),
                    };
                }
                text.push('\n');
            }
        }
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/master/matrix.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(golden, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(golden).unwrap(), "BLESS=1 writes the new matrix");
    }

    #[test]
    fn pauses_double_from_nothing_to_five_seconds_and_forget_after_a_quiet_minute() {
        let mut supervisor = started(Plan { workers: 1, drain_ms: 0, respawn_limit: 0 });
        let mut now_ms = 1_000;
        for pause_ms in [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            supervisor.on_died(0, now_ms);
            assert_eq!(supervisor.next_deadline(), Some(now_ms + pause_ms));
            if pause_ms > 0 {
                supervisor.on_time(now_ms + pause_ms - 1);
                assert_eq!(orders(&mut supervisor), []);
            }
            now_ms += pause_ms;
            supervisor.on_time(now_ms);
            assert_eq!(orders(&mut supervisor), [Order::Spawn { slot: 0 }]);
        }
        supervisor.on_died(0, now_ms + QUIET_MS);
        assert_eq!(orders(&mut supervisor), [Order::Spawn { slot: 0 }]);
    }

    #[test]
    fn deaths_a_minute_apart_never_end_the_server() {
        let mut supervisor = started(Plan { workers: 1, drain_ms: 0, respawn_limit: 2 });
        for minute in 1..1_000 {
            supervisor.on_died(0, 1_000 + minute * QUIET_MS);
            assert_eq!(orders(&mut supervisor), [Order::Spawn { slot: 0 }]);
        }
        supervisor.on_died(0, 1_000 + 999 * QUIET_MS + 1);
        assert_eq!(orders(&mut supervisor), [Order::Exit(End::CrashLoop)]);
    }

    /// SplitMix64.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % sides
        }
    }

    /// A pretend world that carries orders out and checks each: one worker a slot, each told only harsher things,
    /// never a spawn after the end began.
    struct World {
        live: [Option<Option<Tell>>; WORKERS_MAX],
        asked: bool,
        ended: Option<End>,
    }

    impl World {
        fn obey(&mut self, supervisor: &mut Supervisor, seed: u64) {
            for order in orders(supervisor) {
                match order {
                    Order::Spawn { slot } => {
                        assert!(!self.asked, "seed {seed}: spawned after being asked to stop");
                        let place = &mut self.live[usize::from(slot)];
                        assert!(place.is_none(), "seed {seed}: two workers in slot {slot}");
                        *place = Some(None);
                    }
                    Order::Signal { slot, tell } => {
                        let told = self.live[usize::from(slot)].as_mut().expect("signal to a living worker");
                        assert!(*told < Some(tell), "seed {seed}: told {tell:?} after {told:?}");
                        *told = Some(tell);
                    }
                    Order::Exit(end) => {
                        assert!(self.live.iter().all(Option::is_none), "seed {seed}: exit before workers");
                        self.ended = Some(end);
                    }
                }
            }
            let live = self.live.iter().flatten().count();
            assert_eq!(supervisor.live(), live, "seed {seed}");
        }
    }

    #[test]
    fn random_lives_keep_one_worker_a_slot_and_always_end_after_term() {
        for seed in 0..2_000 {
            let mut dice = Dice(seed);
            let plan = Plan {
                workers: 1 + dice.roll(64) as u16,
                drain_ms: dice.roll(3) * 20_000,
                respawn_limit: dice.roll(8) as u32,
            };
            let mut supervisor = Supervisor::new(plan);
            let mut world = World { live: [None; WORKERS_MAX], asked: false, ended: None };
            let mut now_ms = dice.roll(1 << 40);
            let mut deaths: Vec<u64> = Vec::new();
            supervisor.on_start(now_ms);
            world.obey(&mut supervisor, seed);
            for _ in 0..100 {
                now_ms += [0, 1, 50, 3_000, 61_000][dice.roll(5) as usize];
                match dice.roll(20) {
                    0 => {
                        supervisor.on_request(if dice.roll(4) == 0 { Request::Term } else { Request::Quit }, now_ms);
                        world.asked = true;
                    }
                    1..=8 => {
                        let slot = dice.roll(plan.workers.into());
                        if world.live[slot as usize].take().is_some() && !world.asked {
                            deaths.push(now_ms);
                        }
                        supervisor.on_died(slot as u16, now_ms);
                    }
                    _ => supervisor.on_time(now_ms),
                }
                let recent = deaths.iter().filter(|at_ms| now_ms - **at_ms < QUIET_MS).count();
                let over = plan.respawn_limit > 0 && recent >= plan.respawn_limit as usize;
                if over {
                    assert_ne!(supervisor.phase(), Phase::Serving, "seed {seed}: past the limit and serving");
                    world.asked = true;
                } else if !world.asked {
                    assert_eq!(supervisor.phase(), Phase::Serving, "seed {seed}: ended below the limit");
                }
                world.obey(&mut supervisor, seed);
            }
            // Workers that ignore everything but KILL: the end still comes, within the bound for stopping.
            supervisor.on_request(Request::Term, now_ms);
            world.asked = true;
            world.obey(&mut supervisor, seed);
            if let Some(late_ms) = supervisor.next_deadline() {
                assert!(late_ms <= now_ms + STOP_MS, "seed {seed}");
                now_ms = now_ms.max(late_ms);
                supervisor.on_time(now_ms);
                world.obey(&mut supervisor, seed);
            }
            for slot in 0..plan.workers {
                if let Some(told) = world.live[usize::from(slot)].take() {
                    assert_eq!(told, Some(Tell::Kill), "seed {seed}");
                    supervisor.on_died(slot, now_ms);
                }
            }
            world.obey(&mut supervisor, seed);
            assert!(world.ended.is_some(), "seed {seed}: never ended");
        }
    }
}

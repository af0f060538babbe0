//! The supervisor: which workers should live, which should be told to go, and when the server is over.
//!
//! A table, not a loop: what happened goes in (`on_*`, with the time), what to do comes out of
//! [`Supervisor::next_order`]. Orders are a function of the state, so none can be lost, given twice or asked for in
//! the wrong sequence. It knows slots and times; process ids, forks and signal numbers stay in the world.
//!
//! A reload makes the workers there are leavers and wants new ones: both generations live side by side in one table,
//! the new asked for before the old are told to drain. Several reloads in a row only add leavers, up to a bound.
//!
//! An upgrade adds a successor: another server that becomes ready beside this one and then has its place.
//!
//! Refused here: judging how a worker died. Nobody asked it to, so every death while serving counts the same.

use heapless::Deque;

use crate::limits::{PROCESSES_MAX, RESPAWN_LIMIT_MAX, WORKERS_MAX};

mod phase;
mod place;
mod successor;

use phase::Cause;
pub use phase::Phase;
use place::{Place, QUIET_MS};
use successor::Successor;

/// How long workers have between being told to stop and being killed.
pub const STOP_MS: u64 = 5_000;

/// What the conf says about workers.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Workers wanted, 1 to [`WORKERS_MAX`]; more is read as the maximum.
    pub workers: u16,
    /// How long a drain of these workers may take; 0 is no bound.
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
    /// Drain all workers and stay without any, until a reload.
    Park,
}

/// Why a reload or an upgrade cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server is about to end, or has not begun.
    NotServing,
    /// So many workers would drain at once; [`WORKERS_MAX`] may.
    Leavers(usize),
    /// A successor is on its way.
    Upgrading,
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
    /// It was asked to stop, or replaced, and has stopped.
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
    /// Kill the successor. Its end is reported as [`Supervisor::on_successor_died`].
    KillSuccessor,
    /// Every worker is gone, and so is a successor that was called off: leave.
    Exit(End),
}

/// The supervisor of one server.
pub struct Supervisor {
    plan: Plan,
    phase: Phase,
    /// When the phase turns into the next by itself.
    late_ms: Option<u64>,
    end: End,
    successor: Successor,
    places: [Place; PROCESSES_MAX],
    /// Times of the deaths within the last minute, oldest first.
    deaths: Deque<u64, RESPAWN_LIMIT_MAX>,
    respawns: u64,
    now_ms: u64,
}

impl Supervisor {
    pub const fn new(plan: Plan) -> Self {
        Self {
            plan,
            phase: Phase::Idle,
            late_ms: None,
            end: End::Asked,
            successor: Successor::Nobody,
            places: [Place::Free; PROCESSES_MAX],
            deaths: Deque::new(),
            respawns: 0,
            now_ms: 0,
        }
    }

    // Inputs.

    /// The world is ready for workers.
    pub fn on_start(&mut self, now_ms: u64) {
        self.clock(now_ms);
        if self.phase == Phase::Idle {
            self.hire();
        }
        self.turn(Cause::Start);
    }

    /// The worker of this slot is gone, or could not be started. A slot without a worker changes nothing.
    pub fn on_died(&mut self, slot: u16, now_ms: u64) {
        self.clock(now_ms);
        let Some(place) = self.places.get_mut(usize::from(slot)) else { return };
        let was_staff = place.vacate(self.now_ms);
        if was_staff && self.phase == Phase::Serving {
            self.count_death();
            self.judge_deaths();
        }
    }

    /// An operator asks. Until the successor serves it is part of this server: asked to stop, both do.
    pub fn on_request(&mut self, request: Request, now_ms: u64) {
        self.clock(now_ms);
        if request != Request::Park {
            self.successor.condemn();
        }
        if request == Request::Park && self.phase == Phase::Serving {
            self.dismiss();
        }
        self.turn(match request {
            Request::Term => Cause::Term,
            Request::Quit => Cause::Quit,
            Request::Park => Cause::Park,
        });
    }

    /// A new configuration is in force: new workers are wanted, those there are leave within the bound of the plan
    /// they came with, and deaths are counted afresh. Changes nothing if [`Supervisor::may_reload`] refuses.
    pub fn on_reload(&mut self, plan: Plan, now_ms: u64) -> Result<(), Refusal> {
        self.clock(now_ms);
        self.may_reload()?;
        self.dismiss();
        self.plan = plan;
        self.deaths.clear();
        self.hire();
        self.turn(Cause::Reload);
        Ok(())
    }

    /// Workers of the plan in force are wanted again after a park, and deaths are counted afresh.
    pub fn on_resume(&mut self, now_ms: u64) -> Result<(), Refusal> {
        self.clock(now_ms);
        self.may_hire()?;
        if self.phase == Phase::Parked {
            self.deaths.clear();
            self.hire();
            self.turn(Cause::Reload);
        }
        Ok(())
    }

    /// A successor was started and has this long to serve; 0 is no bound. Changes nothing if
    /// [`Supervisor::may_upgrade`] refuses.
    pub fn on_upgrade(&mut self, bound_ms: u64, now_ms: u64) -> Result<(), Refusal> {
        self.clock(now_ms);
        self.may_upgrade()?;
        self.successor = Successor::starting(bound_ms, self.now_ms);
        Ok(())
    }

    /// The successor serves. True if it has this server's place now; false if it is to be killed all the same.
    pub fn on_successor_serves(&mut self, now_ms: u64) -> bool {
        self.clock(now_ms);
        let takes = self.successor.is_starting();
        if takes {
            self.successor = Successor::Nobody;
            self.turn(Cause::Replaced);
        }
        takes
    }

    /// The successor is gone and this server goes on. Deaths that its start excused count again.
    pub fn on_successor_died(&mut self, now_ms: u64) {
        self.clock(now_ms);
        self.successor = Successor::Nobody;
        if self.phase == Phase::Serving {
            self.judge_deaths();
        }
    }

    /// Time passed. Cheap; meant for every wake-up.
    pub fn on_time(&mut self, now_ms: u64) {
        self.clock(now_ms);
        if self.late_ms.is_some_and(|late_ms| late_ms <= self.now_ms) {
            self.turn(Cause::Late);
        }
        self.successor.press(self.now_ms);
        if self.phase.presses() {
            for place in &mut self.places {
                place.press(self.now_ms);
            }
        }
    }

    // Outputs.

    /// The next thing to do; ask until `None`. After `Exit` it is always `Exit`. Workers are started before any is
    /// told to leave.
    pub fn next_order(&mut self) -> Option<Order> {
        if self.phase == Phase::Serving {
            for (slot, place) in (0..).zip(&mut self.places) {
                if let Place::Due { due_ms, deaths } = *place
                    && due_ms <= self.now_ms
                {
                    *place = Place::Live { since_ms: self.now_ms, deaths, told: None, leave: None };
                    self.respawns = self.respawns.wrapping_add(u64::from(deaths > 0));
                    return Some(Order::Spawn { slot });
                }
            }
        }
        let everybody = self.phase.tell();
        for (slot, place) in (0..).zip(&mut self.places) {
            if let Some(tell) = place.owed(everybody) {
                return Some(Order::Signal { slot, tell });
            }
        }
        if self.successor.owed_its_end() {
            return Some(Order::KillSuccessor);
        }
        let over = everybody.is_some() && self.live() == 0 && !self.successor.is_somebody();
        over.then_some(Order::Exit(self.end))
    }

    /// When [`Supervisor::on_time`] will next change something, once the orders are drained.
    pub fn next_deadline(&self) -> Option<u64> {
        let due = self.places.iter().filter_map(|place| match place {
            Place::Due { due_ms, .. } if self.phase == Phase::Serving => Some(*due_ms),
            Place::Live { leave: Some(leave), .. } if self.phase.presses() => leave.late_ms,
            _ => None,
        });
        due.chain(self.late_ms).chain(self.successor.deadline()).min()
    }

    // Getters.

    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Workers that live, as far as the supervisor was told.
    pub fn live(&self) -> usize {
        self.places.iter().filter(|place| place.is_live()).count()
    }

    /// Those among them that were asked to leave while the server goes on.
    pub fn leavers(&self) -> usize {
        self.places.iter().filter(|place| place.is_leaver()).count()
    }

    /// Workers started in place of dead ones.
    pub const fn respawns(&self) -> u64 {
        self.respawns
    }

    /// Whether a successor is on its way, or on its way out.
    pub const fn upgrading(&self) -> bool {
        self.successor.is_somebody()
    }

    /// Whether a reload could begin: all who live now would drain at once. Not while the listeners are lent out.
    pub fn may_reload(&self) -> Result<(), Refusal> {
        self.may_upgrade()?;
        self.may_hire()
    }

    /// Whether an upgrade could begin.
    pub fn may_upgrade(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Serving | Phase::Parked if self.upgrading() => Err(Refusal::Upgrading),
            Phase::Serving | Phase::Parked => Ok(()),
            _ => Err(Refusal::NotServing),
        }
    }

    fn may_hire(&self) -> Result<(), Refusal> {
        match (self.phase, self.live()) {
            (Phase::Serving | Phase::Parked, live) if live > WORKERS_MAX => Err(Refusal::Leavers(live)),
            (Phase::Serving | Phase::Parked, _) => Ok(()),
            _ => Err(Refusal::NotServing),
        }
    }

    /// Wants the plan's workers, in the first free places. There are enough: at most half of them are leavers'.
    fn hire(&mut self) {
        let workers = self.workers();
        for place in self.places.iter_mut().filter(|place| place.is_free()).take(workers) {
            *place = Place::Due { due_ms: self.now_ms, deaths: 0 };
        }
    }

    /// Asks all workers to leave, within the bound of the plan in force.
    fn dismiss(&mut self) {
        for place in &mut self.places {
            place.dismiss(self.plan.drain_ms, self.now_ms);
        }
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

    /// Remembers a death of the last minute.
    fn count_death(&mut self) {
        self.forget_deaths();
        if self.deaths.is_full() {
            self.deaths.pop_front();
        }
        let _ = self.deaths.push_back(self.now_ms);
    }

    fn forget_deaths(&mut self) {
        while self.deaths.front().is_some_and(|at_ms| self.now_ms.saturating_sub(*at_ms) >= QUIET_MS) {
            self.deaths.pop_front();
        }
    }

    /// Ends a crash loop, unless a successor may be its cure: then once that has failed.
    fn judge_deaths(&mut self) {
        self.forget_deaths();
        let limit = (self.plan.respawn_limit as usize).min(RESPAWN_LIMIT_MAX);
        if limit > 0 && self.deaths.len() >= limit && !self.upgrading() {
            self.end = End::CrashLoop;
            self.turn(Cause::Limit);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::fmt::Write as _;
    use std::format;
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

    /// A supervisor of two living workers brought to a phase by the shortest way, with a successor on its way or not.
    fn brought_to(phase: Phase, upgrading: bool) -> Supervisor {
        if phase == Phase::Idle {
            return Supervisor::new(PLAN);
        }
        let mut supervisor = started(PLAN);
        if upgrading {
            supervisor.on_upgrade(60_000, 1_000).unwrap();
        }
        match phase {
            Phase::Idle | Phase::Serving => {}
            Phase::Parked => supervisor.on_request(Request::Park, 1_000),
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

    /// A reload, and whatever follows from it at once.
    fn reload(supervisor: &mut Supervisor) -> Vec<Order> {
        let _ = supervisor.on_reload(Plan { drain_ms: 9_000, ..PLAN }, 7_000);
        orders(supervisor)
    }

    const EVENTS: [Row; 20] = [
        ("start", |s| (s.on_start(7_000), orders(s)).1),
        ("one worker dies", |s| (s.on_died(0, 7_000), orders(s)).1),
        ("it dies twice", |s| (s.on_died(0, 7_000), orders(s), s.on_died(0, 7_000), orders(s)).3),
        ("all workers die", |s| (s.on_died(0, 7_000), s.on_died(1, 7_000), orders(s)).2),
        ("deaths reach the limit", |s| die(s, 5, 7_000)),
        ("a slot nobody has dies", |s| (s.on_died(63, 7_000), s.on_died(64, 7_000), orders(s)).2),
        ("TERM", |s| (s.on_request(Request::Term, 7_000), orders(s)).1),
        ("QUIT", |s| (s.on_request(Request::Quit, 7_000), orders(s)).1),
        ("WINCH", |s| (s.on_request(Request::Park, 7_000), orders(s)).1),
        ("HUP", reload),
        ("HUP, an old worker dies", |s| (reload(s), s.on_died(0, 7_000), orders(s)).2),
        ("HUP, a new worker dies", |s| (reload(s), s.on_died(2, 7_000), orders(s)).2),
        ("HUP, the old outstay their drain", |s| {
            let mut all = reload(s);
            for _ in 0..2 {
                s.on_time(s.next_deadline().unwrap_or(7_000));
                all.extend(orders(s));
            }
            all
        }),
        ("HUP twice", |s| (reload(s), reload(s)).1),
        ("HUP to have workers back", |s| (s.on_resume(7_000), orders(s)).1),
        ("USR2", |s| (s.on_upgrade(9_000, 7_000), orders(s)).1),
        ("the successor serves", |s| (s.on_successor_serves(7_000), orders(s)).1),
        ("the successor dies", |s| (s.on_successor_died(7_000), orders(s)).1),
        ("the successor is late, then serves", |s| {
            s.on_time(61_000);
            (orders(s), s.on_successor_serves(61_000), orders(s)).0
        }),
        ("its deadline passes", |s| (s.on_time(s.next_deadline().unwrap_or(7_000)), orders(s)).1),
    ];

    #[test]
    fn every_phase_answers_every_event_as_the_matrix_says() {
        let mut text = String::from(
            "phase, event -> phase after, next deadline; orders (two workers, drain 30 s, limit 5)\n\
                 + after a phase: a successor was started at 1000 with 60 s and has not been collected\n",
        );
        let alone = [Phase::Idle, Phase::Serving, Phase::Parked, Phase::Draining, Phase::Stopping, Phase::Killing];
        let upgrading = [Phase::Serving, Phase::Parked, Phase::Draining, Phase::Stopping];
        let all = alone.map(|phase| (phase, false)).into_iter().chain(upgrading.map(|phase| (phase, true)));
        for (phase, upgrading) in all {
            text.push('\n');
            for (name, event) in EVENTS {
                let mut supervisor = brought_to(phase, upgrading);
                let shown = |upgrading| if upgrading { "+" } else { "" };
                let before = format!("{phase:?}{}", shown(upgrading));
                let orders = event(&mut supervisor);
                let after = format!("{:?}{}", supervisor.phase(), shown(supervisor.upgrading()));
                let _ = write!(text, "{before}, {name} -> {after}, ");
                let _ = match supervisor.next_deadline() {
                    Some(at_ms) => write!(text, "{at_ms};"),
                    None => write!(text, "never;"),
                };
                for order in orders {
                    let _ = match order {
                        Order::Spawn { slot } => write!(text, " spawn {slot}"),
                        Order::Signal { slot, tell } => write!(text, " {tell:?} {slot}"),
                        Order::KillSuccessor => write!(text, " kill successor"),
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

    #[test]
    fn deaths_before_a_reload_count_no_more_and_those_of_old_workers_never() {
        let mut supervisor = started(PLAN);
        die(&mut supervisor, 4, 2_000);
        supervisor.on_reload(PLAN, 3_000).unwrap();
        orders(&mut supervisor);
        supervisor.on_died(0, 3_000);
        supervisor.on_died(1, 3_000);
        for _ in 0..4 {
            supervisor.on_died(2, supervisor.next_deadline().unwrap_or(3_000));
            supervisor.on_time(supervisor.next_deadline().unwrap_or(3_000));
            orders(&mut supervisor);
            assert_eq!(supervisor.phase(), Phase::Serving);
        }
        supervisor.on_died(2, 4_000);
        assert_eq!(supervisor.phase(), Phase::Stopping);
    }

    #[test]
    fn reloads_in_a_row_stop_at_the_bound_and_go_on_once_workers_have_left() {
        let plan = Plan { workers: 40, drain_ms: 0, respawn_limit: 0 };
        let mut supervisor = started(plan);
        supervisor.on_reload(plan, 1_000).unwrap();
        orders(&mut supervisor);
        assert_eq!((supervisor.live(), supervisor.leavers()), (80, 40));
        assert_eq!(supervisor.on_reload(plan, 1_000), Err(Refusal::Leavers(80)));
        assert_eq!(orders(&mut supervisor), [], "a refused reload changes nothing");
        for slot in 0..16 {
            supervisor.on_died(slot, 1_000);
        }
        assert_eq!(supervisor.on_reload(plan, 1_000), Ok(()));
        orders(&mut supervisor);
        assert_eq!((supervisor.live(), supervisor.leavers()), (104, 64));
    }

    #[test]
    fn leavers_are_bounded_by_the_plan_they_came_with() {
        let mut supervisor = started(PLAN);
        supervisor.on_reload(Plan { drain_ms: 0, ..PLAN }, 5_000).unwrap();
        orders(&mut supervisor);
        assert_eq!(supervisor.next_deadline(), Some(35_000));
        supervisor.on_reload(PLAN, 6_000).unwrap();
        orders(&mut supervisor);
        for (at_ms, tell) in [(35_000, Tell::Term), (40_000, Tell::Kill)] {
            assert_eq!(supervisor.next_deadline(), Some(at_ms));
            supervisor.on_time(at_ms);
            assert_eq!(orders(&mut supervisor), [0, 1].map(|slot| Order::Signal { slot, tell }));
        }
        assert_eq!(supervisor.next_deadline(), None, "the second generation may drain as long as it likes");
    }

    /// A worker of the pretend world.
    #[derive(Clone, Copy)]
    struct Worker {
        told: Option<Tell>,
        /// It came with the plan in force.
        staff: bool,
        /// By when it must be told to be killed, once it is a leaver.
        killed_by_ms: u64,
    }

    /// A pretend world that carries orders out and checks each: one worker a slot, no more staff than planned, each
    /// told only harsher things, never a spawn after the end began or while parked, no drain past its bound.
    struct World {
        live: [Option<Worker>; PROCESSES_MAX],
        plan: Plan,
        parked: bool,
        asked: bool,
        ended: Option<End>,
        /// The successor, by when it must be told to die, and whether it was.
        successor: Option<(u64, bool)>,
    }

    impl World {
        fn staff(&self) -> usize {
            self.live.iter().flatten().filter(|worker| worker.staff).count()
        }

        /// The staff is asked to leave.
        fn dismiss(&mut self, now_ms: u64) {
            for worker in self.live.iter_mut().flatten().filter(|worker| worker.staff) {
                let drain_ms = self.plan.drain_ms;
                let killed_by_ms = if drain_ms == 0 { u64::MAX } else { now_ms + drain_ms + STOP_MS };
                *worker = Worker { staff: false, killed_by_ms, ..*worker };
            }
        }

        fn obey(&mut self, supervisor: &mut Supervisor, seed: u64) {
            for order in orders(supervisor) {
                match order {
                    Order::Spawn { slot } => {
                        assert!(!self.asked && !self.parked, "seed {seed}: spawned after being asked to stop");
                        let place = &mut self.live[usize::from(slot)];
                        assert!(place.is_none(), "seed {seed}: two workers in slot {slot}");
                        *place = Some(Worker { told: None, staff: true, killed_by_ms: u64::MAX });
                        assert!(self.staff() <= usize::from(self.plan.workers), "seed {seed}: more than planned");
                    }
                    Order::Signal { slot, tell } => {
                        let worker = self.live[usize::from(slot)].as_mut().expect("signal to a living worker");
                        assert!(worker.told < Some(tell), "seed {seed}: told {tell:?} after {:?}", worker.told);
                        assert!(!worker.staff || self.asked, "seed {seed}: the staff was told {tell:?}");
                        worker.told = Some(tell);
                    }
                    Order::KillSuccessor => {
                        let (_, killed) = self.successor.as_mut().expect("a successor to kill");
                        assert!(!*killed, "seed {seed}: killed twice");
                        *killed = true;
                    }
                    Order::Exit(end) => {
                        assert!(self.successor.is_none(), "seed {seed}: exit before the successor");
                        assert!(self.live.iter().all(Option::is_none), "seed {seed}: exit before workers");
                        self.ended = Some(end);
                    }
                }
            }
            let live = self.live.iter().flatten().count();
            assert_eq!(supervisor.live(), live, "seed {seed}");
            assert_eq!(supervisor.leavers(), live - self.staff(), "seed {seed}");
            assert_eq!(supervisor.upgrading(), self.successor.is_some(), "seed {seed}");
            assert!(self.parked || supervisor.leavers() <= WORKERS_MAX, "seed {seed}");
        }
    }

    /// The world's clock moves on, stopping at each deadline on the way.
    fn pass(supervisor: &mut Supervisor, world: &mut World, from_ms: u64, to_ms: u64, seed: u64) {
        let mut at_ms = from_ms;
        while let Some(due_ms) = supervisor.next_deadline().filter(|due_ms| *due_ms <= to_ms) {
            assert!(due_ms > at_ms || at_ms == from_ms, "seed {seed}: a deadline that changes nothing");
            at_ms = due_ms.max(at_ms);
            supervisor.on_time(at_ms);
            world.obey(supervisor, seed);
        }
        supervisor.on_time(to_ms);
        world.obey(supervisor, seed);
        for worker in world.live.iter().flatten().filter(|worker| worker.killed_by_ms <= to_ms && !world.asked) {
            assert_eq!(worker.told, Some(Tell::Kill), "seed {seed}: a drain without end");
        }
        let late = world.successor.is_some_and(|(by_ms, killed)| by_ms <= to_ms && !killed);
        assert!(!late, "seed {seed}: a successor that may be silent without end");
    }

    #[test]
    fn random_lives_keep_one_worker_a_slot_and_always_end_after_term() {
        for seed in 0..2_000 {
            let mut dice = Dice(seed);
            let any_plan = |dice: &mut Dice| Plan {
                workers: 1 + dice.roll(64) as u16,
                drain_ms: dice.roll(3) * 20_000,
                respawn_limit: dice.roll(8) as u32,
            };
            let plan = any_plan(&mut dice);
            let mut supervisor = Supervisor::new(plan);
            let live = [None; PROCESSES_MAX];
            let mut world = World { live, plan, parked: false, asked: false, ended: None, successor: None };
            let mut now_ms = dice.roll(1 << 40);
            let mut deaths: Vec<u64> = Vec::new();
            supervisor.on_start(now_ms);
            world.obey(&mut supervisor, seed);
            for _ in 0..100 {
                let before_ms = now_ms;
                now_ms += [0, 1, 50, 3_000, 61_000][dice.roll(5) as usize];
                pass(&mut supervisor, &mut world, before_ms, now_ms, seed);
                match dice.roll(40) {
                    0 => {
                        supervisor.on_request(if dice.roll(4) == 0 { Request::Term } else { Request::Quit }, now_ms);
                        world.asked = true;
                    }
                    1 => {
                        supervisor.on_request(Request::Park, now_ms);
                        if !world.asked {
                            world.dismiss(now_ms);
                            world.parked = true;
                        }
                    }
                    2..=5 => {
                        let plan = any_plan(&mut dice);
                        let live = supervisor.live();
                        match supervisor.on_reload(plan, now_ms) {
                            Ok(()) => {
                                assert!(!world.asked, "seed {seed}: reloaded while ending");
                                world.dismiss(now_ms);
                                (world.plan, world.parked) = (plan, false);
                                deaths.clear();
                            }
                            Err(Refusal::Leavers(told)) => assert!(told == live && live > WORKERS_MAX, "seed {seed}"),
                            Err(Refusal::NotServing) => assert!(world.asked, "seed {seed}: refused while serving"),
                            Err(Refusal::Upgrading) => assert!(world.successor.is_some(), "seed {seed}"),
                        }
                    }
                    6 => {
                        let bound_ms = dice.roll(3) * 20_000;
                        let expected = !world.asked && world.successor.is_none();
                        assert_eq!(supervisor.on_upgrade(bound_ms, now_ms).is_ok(), expected, "seed {seed}");
                        if expected {
                            let by_ms = if bound_ms == 0 { u64::MAX } else { now_ms + bound_ms };
                            world.successor = Some((by_ms, false));
                        }
                    }
                    7 if world.successor.is_some() => {
                        supervisor.on_successor_died(now_ms);
                        world.successor = None;
                    }
                    8 if world.successor.is_some() && dice.roll(4) == 0 => {
                        let killed = world.successor.is_some_and(|(_, killed)| killed);
                        assert_eq!(supervisor.on_successor_serves(now_ms), !killed, "seed {seed}");
                        if !killed {
                            (world.successor, world.asked) = (None, true);
                        }
                    }
                    9 => {
                        let room = supervisor.live() <= WORKERS_MAX;
                        let expected = !world.asked && room;
                        assert_eq!(supervisor.on_resume(now_ms).is_ok(), expected, "seed {seed}");
                        if world.parked && expected {
                            world.parked = false;
                            deaths.clear();
                        }
                    }
                    10..=28 => {
                        let slot = dice.roll(PROCESSES_MAX as u64);
                        if let Some(worker) = world.live[slot as usize].take()
                            && worker.staff
                            && !world.asked
                        {
                            deaths.push(now_ms);
                        }
                        supervisor.on_died(slot as u16, now_ms);
                    }
                    _ => {}
                }
                let recent = deaths.iter().filter(|at_ms| now_ms - **at_ms < QUIET_MS).count();
                let over = world.plan.respawn_limit > 0 && recent >= world.plan.respawn_limit as usize;
                let goes_on = matches!(supervisor.phase(), Phase::Serving | Phase::Parked);
                if over && !world.parked && world.successor.is_none() {
                    assert!(!goes_on, "seed {seed}: past the limit and serving");
                    world.asked = true;
                } else if !world.asked {
                    assert!(goes_on, "seed {seed}: ended below the limit");
                    assert_eq!(supervisor.phase() == Phase::Parked, world.parked, "seed {seed}");
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
            if world.successor.take().is_some() {
                supervisor.on_successor_died(now_ms);
            }
            for slot in 0..PROCESSES_MAX {
                if let Some(worker) = world.live[slot].take() {
                    assert_eq!(worker.told, Some(Tell::Kill), "seed {seed}");
                    supervisor.on_died(slot as u16, now_ms);
                }
            }
            world.obey(&mut supervisor, seed);
            assert!(world.ended.is_some(), "seed {seed}: never ended");
        }
    }
}

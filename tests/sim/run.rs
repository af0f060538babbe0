//! One seed from start to end: the real dispatcher, the pretend network, the clients, a virtual clock.

use tidegate_core::event::Event;
use tidegate_core::listen::Rules;
use tidegate_core::service::http::HttpCounter;
use tidegate_core::stats::{Counter, Reason, Stats};

use crate::house::{Memory, Protocol, services};
use crate::judge::{Judge, Server};
use crate::link::Stage;
use crate::peers::{Client, Habit, State};
use crate::plan::{Ending, Plan, Socket};
use crate::rng::Rng;
use crate::talk::Talk;
use crate::world::World;

/// What came of a run.
pub struct Outcome {
    pub trace: u64,
    pub stats: Stats,
    /// Honest clients that got all they came for, and those that did not.
    pub served: usize,
    pub unserved: usize,
    pub finished: bool,
    /// HTTP requests answered, and those refused for want of a file.
    pub answered: [u64; 2],
}

struct Run<'m> {
    plan: Plan,
    rng: Rng,
    world: World,
    server: Server<'m>,
    judge: Judge,
    clients: Vec<Client>,
    now_ms: u64,
    starved_until: u64,
}

/// Plays a seed to its end.
pub fn run(seed: u64) -> Outcome {
    let plan = Plan::of(seed);
    let slots = plan.sockets.iter().map(|s| s.connections as usize).sum();
    let mut memory = Memory::new(slots, plan.blocks, plan.block_bytes, plan.scratch, plan.outbox);
    let protocols: Vec<Protocol> = plan.sockets.iter().map(|s| s.protocol).collect();
    let server = Server::new(memory.lend(), services(&protocols));
    let mut rng = Rng::new(seed ^ 0xc11e);
    let mut world = World::new(seed);
    (world.faults, world.buffers) = (plan.faults, plan.buffers);
    (world.backlog, world.descriptors, world.hosts) = (plan.backlog, plan.descriptors, plan.hosts);
    let clients = plan.peers.iter().enumerate().map(|(key, (habit, listener))| {
        let protocol = plan.sockets[*listener].protocol;
        let rude = *habit == Habit::Flooder || *habit == Habit::NeverReader && protocol == Protocol::Echo;
        let talk = if rude { Talk::rubbish(&mut rng) } else { Talk::of(protocol, &plan, key as u64, &mut rng) };
        Client::new(*habit, *listener, talk, &mut rng)
    });
    let clients = clients.collect();
    let judge = Judge::new(&plan);
    Run { rng, world, server, judge, clients, plan, now_ms: 0, starved_until: 0 }.play()
}

impl Run<'_> {
    fn play(mut self) -> Outcome {
        self.listen();
        let mut step = 0;
        let (most, drain_at) = (self.plan.steps, self.plan.drain_at);
        while step < most {
            if step == drain_at {
                self.drain();
            }
            self.step();
            step += 1;
        }
        // No new trouble; whoever is honest comes to an end.
        self.world.faults = Default::default();
        (self.world.starving, self.world.descriptors, self.starved_until) = (false, usize::MAX, 0);
        (self.plan.starving, self.plan.leaps, self.plan.stalls, self.plan.backs) = (0, 0, 0, 0);
        for client in &mut self.clients {
            match client.habit {
                Habit::Dribbler => client.habit = Habit::Honest,
                Habit::Flooder => client.state = State::Done,
                _ => {}
            }
        }
        self.world.buffers = (self.world.buffers.0.max(64), self.world.buffers.1.max(64));
        for link in &mut self.world.links {
            (link.up.capacity, link.down.capacity) = (link.up.capacity.max(64), link.down.capacity.max(64));
        }
        while self.clients.iter().any(|client| self.hopes(client)) {
            self.step();
            step += 1;
            if step > most + 20_000 {
                let client = self.clients.iter().find(|client| self.hopes(client));
                let link = client.and_then(|client| client.link).map(|at| &self.world.links[at]);
                let alive: Vec<_> = self.world.alive().iter().map(|at| &self.world.links[*at]).collect();
                panic!("never finished: {client:?}\n{link:?}\nalive {alive:?}\n{:?}", self.plan.sockets);
            }
        }
        let finished = self.end();
        self.settle_accounts(finished)
    }

    fn listen(&mut self) {
        for socket in self.plan.sockets.clone() {
            let Socket { connections, idle_ms, request_ms, write_ms, .. } = socket;
            let door = self.world.door_with(socket.terms, socket.connections as usize);
            let rules = Rules { idle_ms, request_ms, write_ms, info: "127.0.0.1" };
            let Ok(id) = self.server.listen(&mut self.world, door, connections, rules) else { panic!("no room") };
            assert!(self.server.admit(id, socket.terms).is_ok());
        }
        self.judge.after_call(&self.plan, &mut self.server, &mut self.world);
    }

    /// One turn of everything: clients, events, time.
    fn step(&mut self) {
        self.trouble();
        let acted = self.let_clients_act();
        let told = self.tell_time();
        let (progress, injected) = (self.world.progress, self.world.injected);
        let mut events = self.world.poll();
        let fake = self.world.injected > injected;
        if events.len() > 1 && self.rng.chance(200) {
            events.truncate(1 + self.rng.below(events.len() - 1));
        }
        for event in &events {
            self.on_event(told, *event);
        }
        let quiet = self.world.progress == progress && self.world.injected == injected;
        assert!(events.is_empty() || !quiet || fake, "a spin: {events:?} and nothing came of it");
        if self.is_due(told) || self.rng.chance(50) {
            self.on_time(told);
        }
        self.advance(acted || !events.is_empty());
    }

    fn on_event(&mut self, told: u64, event: Event) {
        self.world.see(told);
        self.world.hand_over(event);
        self.server.on_event(&mut self.world, told, event);
        self.judge.after_call(&self.plan, &mut self.server, &mut self.world);
    }

    /// Calls `on_time` until it asks for a later time: soon.
    fn on_time(&mut self, told: u64) {
        for _ in 0..20 {
            self.world.see(told);
            self.world.note(b'T', told, 0);
            self.server.on_time(&mut self.world, told);
            self.judge.after_call(&self.plan, &mut self.server, &mut self.world);
            self.judge.after_time(&self.plan, &self.server, &self.world);
            if !self.is_due(told) {
                return;
            }
        }
        panic!("a spin: on_time never has enough");
    }

    fn is_due(&self, told: u64) -> bool {
        self.server.next_deadline().is_some_and(|at| at <= told.max(self.world.seen_ms))
    }

    fn trouble(&mut self) {
        if self.rng.chance(self.plan.starving) {
            self.starved_until = self.now_ms + self.rng.between(1, 3000) as u64;
        }
        if self.rng.chance(self.plan.leaps) {
            self.now_ms += self.rng.pick(&[1_000, 10_000, 100_000, 1 << 33]);
        }
        self.world.starving = self.now_ms < self.starved_until;
    }

    /// The time the dispatcher is told: the clock may stand, or go back.
    fn tell_time(&mut self) -> u64 {
        let mut told = self.now_ms;
        if self.rng.chance(self.plan.stalls) {
            told = self.world.seen_ms;
        }
        if self.rng.chance(self.plan.backs) {
            told = told.saturating_sub(self.rng.pick(&[1, 100, 1 << 40]));
        }
        told
    }

    fn let_clients_act(&mut self) -> bool {
        let mut acted = false;
        let log = std::mem::take(&mut self.server.service().inner.chat.log);
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            if client.next_ms <= self.now_ms && self.rng.chance(700) && client.is_busy() | self.rng.chance(50) {
                let before = (client.state, client.talk.moved());
                client.act(&mut self.world, &log, self.now_ms);
                self.world.note(b'P', at as u64, client.state as u64);
                acted |= before != (client.state, client.talk.moved());
            }
        }
        self.server.service().inner.chat.log = log;
        acted
    }

    /// Jumps to the next thing that happens when nothing is happening.
    fn advance(&mut self, happening: bool) {
        self.now_ms += self.rng.below(self.plan.step_ms + 1) as u64;
        if !happening {
            let clients = self.clients.iter().filter(|c| c.is_busy()).map(|c| c.next_ms).min();
            let next = self.server.next_deadline().into_iter().chain(clients).min();
            self.now_ms = self.now_ms.max(next.unwrap_or(0).min(self.now_ms + 5_000));
        }
    }

    /// Whether an honest client will come to an end: not if it waits at a door that no deadline opens again.
    fn hopes(&self, client: &Client) -> bool {
        let waits = client.link.is_some_and(|at| self.world.links[at].stage == Stage::Waiting);
        client.is_honest() && client.is_busy() && (!waits || self.plan.empties_itself() && !self.judge.ending)
    }

    fn drain(&mut self) {
        self.judge.ending = true;
        let seen_ms = self.world.seen_ms;
        self.server.drain(&mut self.world, seen_ms);
        self.judge.after_call(&self.plan, &mut self.server, &mut self.world);
    }

    fn end(&mut self) -> bool {
        if self.plan.ending != Ending::Stop {
            if self.plan.ending == Ending::Drain && !self.judge.ending {
                self.drain();
            }
            for _ in 0..3000 {
                self.step();
                if self.server.taken() == 0 {
                    break;
                }
            }
            if self.judge.ending {
                self.judge.after_drain(&self.plan, &self.world);
            }
            let must = self.plan.empties_itself();
            assert!(!must || self.server.taken() == 0, "deadlines did not empty the pool");
        }
        let finished = self.server.taken() == 0;
        self.judge.ending = true;
        let seen_ms = self.world.seen_ms;
        self.server.stop(&mut self.world, seen_ms);
        self.judge.after_call(&self.plan, &mut self.server, &mut self.world);
        self.judge.after_all(&mut self.server, &self.world);
        finished
    }

    fn settle_accounts(mut self, finished: bool) -> Outcome {
        for client in self.clients.iter().filter(|c| c.is_honest() && c.state == State::Failed) {
            let link = &self.world.links[client.link.expect("it talked")];
            assert!(self.judge.excuses(&self.plan, link), "let down: {client:?}\n{link:?}");
        }
        let honest = || self.clients.iter().filter(|client| client.is_honest());
        let served = honest().filter(|client| client.state == State::Done).count();
        let unserved = honest().count() - served;
        let stats = self.server.stats().clone();
        let closed: u64 = Reason::ALL.iter().map(|reason| stats.closed(*reason)).sum();
        assert_eq!(closed, stats.count(Counter::Accepted));
        self.world.note(b'.', closed, self.now_ms);
        let counts = self.server.service().inner.http.counts();
        let answered = [HttpCounter::Requests, HttpCounter::FilesFull].map(|counter| counts.of(counter));
        assert_eq!(counts.of(HttpCounter::NoRoom), 0, "an answer did not fit an empty outbox");
        Outcome { trace: self.world.trace, stats, served, unserved, finished, answered }
    }
}

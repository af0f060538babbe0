//! One server on a calm pretend network, moved by hand: the bed of the directed tests and of the scenarios.

use tidegate_core::admission::Admission;
use tidegate_core::dispatch::Dispatcher;
use tidegate_core::stats::Stats;

use crate::audit::Audited;
use crate::house::{Memory, services};
use crate::link::Heard;
use crate::scenarios::{Bed, Got, Setup};
use crate::services::Mixed;
use crate::world::World;

pub struct Rig {
    pub world: World,
    pub server: Dispatcher<'static, World, Audited<Mixed>>,
    pub now_ms: u64,
    /// Calls of the dispatcher.
    pub calls: u64,
}

impl Rig {
    /// A server whose one listener has these terms.
    pub fn start_with(setup: Setup, terms: Admission<'static>) -> Self {
        let Setup { protocol, connections, rules, blocks, block_bytes, scratch, outbox } = setup;
        // A test's memory may live as long as the test run.
        let memory = Box::leak(Box::new(Memory::new(connections as usize, blocks, block_bytes, scratch, outbox)));
        let mut world = World::new(1);
        let mut server = Dispatcher::new(memory.lend(), services(&[protocol]));
        let door = world.door_with(terms, connections as usize);
        let Ok(id) = server.listen(&mut world, door, connections, rules) else { panic!("no room") };
        assert!(server.admit(id, terms).is_ok());
        Self { world, server, now_ms: 0, calls: 0 }
    }

    /// Hands over all events until there are none; panics if that takes for ever.
    pub fn settle(&mut self) {
        self.world.see(self.now_ms);
        for _ in 0..100_000 {
            let events = self.world.poll();
            for event in &events {
                self.server.on_event(&mut self.world, self.now_ms, *event);
                self.calls += 1;
            }
            let due = self.server.next_deadline().is_some_and(|at| at <= self.now_ms);
            if due {
                self.server.on_time(&mut self.world, self.now_ms);
                self.calls += 1;
            }
            if events.is_empty() && !due {
                return;
            }
        }
        panic!("a spin: the server never comes to rest");
    }
}

impl Bed for Rig {
    type Client = usize;

    fn start(setup: Setup) -> Self {
        Self::start_with(setup, Admission::default())
    }

    fn open(&mut self) -> usize {
        let link = self.world.connect(0).expect("there is room in the backlog");
        self.settle();
        link
    }

    fn offer(&mut self, client: &mut usize, bytes: &[u8]) -> Option<usize> {
        self.world.links[*client].send(bytes)
    }

    fn look(&mut self, client: &mut usize) -> Got {
        match self.world.read(*client, 500) {
            Heard::Bytes(bytes) => Got::Bytes(bytes),
            Heard::Nothing => Got::Nothing,
            Heard::End => Got::End,
            Heard::Reset => Got::Reset,
        }
    }

    fn half_close(&mut self, client: &mut usize) {
        self.world.links[*client].half_close();
    }

    fn close(&mut self, client: usize) {
        self.world.links[client].close();
    }

    fn reset(&mut self, client: usize) {
        self.world.links[client].reset();
    }

    /// Stops at every deadline on the way, as the worker's loop does.
    fn wait(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        self.settle();
        while let Some(at) = self.server.next_deadline().filter(|at| *at <= until) {
            self.now_ms = self.now_ms.max(at);
            self.settle();
        }
        self.now_ms = until;
        self.settle();
    }

    fn drain(&mut self) {
        self.server.drain(&mut self.world, self.now_ms);
        self.settle();
    }

    fn stop(&mut self) {
        self.server.stop(&mut self.world, self.now_ms);
    }

    fn stats(&self) -> Stats {
        self.server.stats().clone()
    }

    fn taken(&self) -> u32 {
        self.server.taken()
    }

    fn blocks_taken(&self) -> usize {
        self.server.blocks_taken()
    }
}

#[test]
fn every_scenario_holds_on_the_pretend_network() {
    for (name, run, setup) in crate::scenarios::all::<Rig>() {
        println!("{name}");
        run(&mut Rig::start(setup));
    }
}

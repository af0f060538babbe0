//! The clients, each a small seeded state machine: the honest check every byte, the others are what the internet is.

use crate::link::{Heard, Stage};
use crate::rng::Rng;
use crate::talk::Talk;
use crate::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Sends, reads everything back, closes.
    Honest,
    /// Sends everything, ends its direction, then expects every byte and the end (RFC 862).
    HalfCloser,
    /// Honest, a byte now and then.
    Dribbler,
    /// Sends as long as it can and never reads.
    NeverReader,
    /// Stops existing in the middle: no more packets, no end.
    Vanisher,
    Resetter,
    /// Sends rubbish without an end in sight.
    Flooder,
    /// Connects and closes.
    Caller,
    /// Connects and does nothing.
    Idler,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Outside,
    Talking,
    /// Everything was sent and answered, or it did what it came for.
    Done,
    /// The connection ended under it.
    Failed,
    /// Nobody let it in.
    Refused,
}

#[derive(Debug)]
pub struct Client {
    pub habit: Habit,
    pub listener: usize,
    pub link: Option<usize>,
    pub state: State,
    pub talk: Talk,
    /// It does nothing before.
    pub next_ms: u64,
    half_closed: bool,
    idle_ms: u64,
    tries: u32,
    /// Actions after which vanishers and resetters do it.
    patience: usize,
    rng: Rng,
}

impl Client {
    pub fn new(habit: Habit, listener: usize, talk: Talk, rng: &mut Rng) -> Self {
        let (next_ms, patience, rng) = (rng.below(400) as u64, rng.below(30), Rng::new(rng.next()));
        Self {
            habit,
            listener,
            link: None,
            state: State::Outside,
            talk,
            next_ms,
            half_closed: false,
            idle_ms: 0,
            tries: 0,
            patience,
            rng,
        }
    }

    /// It will finish if it is served: the run waits for it.
    pub fn is_honest(&self) -> bool {
        matches!(self.habit, Habit::Honest | Habit::HalfCloser | Habit::Dribbler)
    }

    /// Whether it has something left to do by itself.
    pub fn is_busy(&self) -> bool {
        match self.state {
            State::Outside => true,
            State::Talking => !matches!(self.habit, Habit::NeverReader | Habit::Idler),
            _ => false,
        }
    }

    pub fn act(&mut self, world: &mut World, log: &[u8], now_ms: u64) {
        self.next_ms = now_ms + if self.habit == Habit::Dribbler { 5 + self.rng.below(60) } else { 1 } as u64;
        match (self.state, self.link) {
            (State::Outside, _) => self.enter(world, now_ms),
            (State::Talking, Some(link)) => {
                world.progress += 1;
                let before = self.talk.moved();
                self.talk(world, link, log);
                // Who gets nowhere looks less often.
                let most_ms = if world.links[link].stage == Stage::Waiting { 700 } else { 100 };
                self.idle_ms = if self.talk.moved() == before { (self.idle_ms * 2 + 1).min(most_ms) } else { 0 };
                self.next_ms += self.idle_ms;
            }
            _ => {}
        }
    }

    fn enter(&mut self, world: &mut World, now_ms: u64) {
        self.link = world.connect(self.listener);
        self.tries += 1;
        match self.link {
            Some(link) => {
                self.state = State::Talking;
                if self.habit == Habit::Caller {
                    world.links[link].close();
                    self.state = State::Done;
                }
            }
            None if self.tries > 40 => self.state = State::Refused,
            None => self.next_ms = now_ms + 20 + self.rng.below(200) as u64,
        }
    }

    fn talk(&mut self, world: &mut World, link: usize, log: &[u8]) {
        self.patience = self.patience.saturating_sub(1);
        match self.habit {
            Habit::Idler => {}
            Habit::Vanisher if self.patience == 0 => self.state = State::Done,
            Habit::Resetter if self.patience == 0 => {
                world.links[link].reset();
                self.state = State::Done;
            }
            Habit::NeverReader => {
                self.send(world, link, 64);
            }
            Habit::Flooder => {
                if self.rng.chance(300) && !matches!(world.read(link, 100), Heard::Bytes(_) | Heard::Nothing) {
                    self.state = State::Done;
                }
                self.send(world, link, 300);
            }
            Habit::HalfCloser if !self.half_closed => {
                let most = 1 + self.rng.below(200);
                if self.send(world, link, most) == 0 {
                    self.read(world, link, log);
                }
                if self.talk.is_sent() && self.state == State::Talking {
                    world.links[link].half_close();
                    self.half_closed = true;
                }
            }
            Habit::Dribbler if self.rng.chance(500) => {
                self.send(world, link, 1);
            }
            _ if self.rng.chance(500) => {
                let most = 1 + self.rng.below(300);
                self.send(world, link, most);
            }
            _ => self.read(world, link, log),
        }
    }

    fn send(&mut self, world: &mut World, link: usize, most: usize) -> usize {
        let bytes = self.talk.to_send(most);
        if bytes.is_empty() || self.half_closed {
            self.finish_flood();
            return 0;
        }
        match world.links[link].send(bytes) {
            Some(n) => {
                self.talk.sent += n;
                n
            }
            None => {
                self.fail();
                0
            }
        }
    }

    /// A reset costs nothing once the server has been told to close and every byte of the reply is here.
    fn fail(&mut self) {
        self.state = if self.talk.quits() && self.talk.is_answered() { State::Done } else { State::Failed };
    }

    fn finish_flood(&mut self) {
        if self.habit == Habit::Flooder {
            self.state = State::Done;
        }
    }

    fn read(&mut self, world: &mut World, link: usize, log: &[u8]) {
        let most = 1 + self.rng.below(400);
        match world.read(link, most) {
            Heard::Bytes(bytes) => self.talk.hear(&bytes, log),
            Heard::Nothing => {}
            Heard::End if (self.half_closed || self.talk.quits()) && self.talk.is_answered() => {
                self.state = State::Done
            }
            Heard::End | Heard::Reset => self.fail(),
        }
        if self.state != State::Talking || self.half_closed || self.talk.quits() || !self.talk.is_answered() {
            return;
        }
        // All is said. Some wait for the server's end, some just leave.
        if matches!(self.habit, Habit::Honest | Habit::Dribbler) {
            if self.rng.chance(500) {
                world.links[link].half_close();
                self.half_closed = true;
            } else {
                world.links[link].close();
                self.state = State::Done;
            }
        }
    }
}

//! The invariants of DESIGN 7 as they are visible from outside, checked after every call of the dispatcher.

use tidegate_core::admission::WhenFull;
use tidegate_core::blocks::RESERVE;
use tidegate_core::dispatch::Dispatcher;
use tidegate_core::limits::{ACCEPT_RETRY_MS, LINGER_MS};
use tidegate_core::stats::{Counter, Reason};

use crate::audit::Audited;
use crate::house::Protocol;
use crate::link::{Link, Stage};
use crate::plan::{Plan, Socket};
use crate::services::Mixed;
use crate::world::World;

pub type Server<'m> = Dispatcher<'m, World, Audited<Mixed>>;

pub struct Judge {
    reasons: [u64; Reason::COUNT],
    /// The clock neither jumps nor stands: deadlines are no excuse.
    calm: bool,
    /// The drain or the stop was asked for.
    pub ending: bool,
}

impl Judge {
    pub fn new(plan: &Plan) -> Self {
        Self { reasons: [0; Reason::COUNT], calm: plan.leaps == 0 && plan.stalls == 0, ending: false }
    }

    /// After any call.
    pub fn after_call(&mut self, plan: &Plan, server: &mut Server, world: &mut World) {
        let stats = server.stats().clone();
        let count = |counter| stats.count(counter);
        assert_eq!(count(Counter::Impossible), 0, "an impossible place was reached");
        assert_eq!(count(Counter::Accepted), world.accepted, "accepted");
        assert_eq!(stats.closed_in_all(), world.closed, "closed, each with one reason");
        assert_eq!(u64::from(server.taken()), world.accepted - world.closed, "accepted = closed + alive");
        assert_eq!(count(Counter::BytesIn), world.bytes_in, "bytes in");
        assert_eq!(count(Counter::BytesOut), world.bytes_out, "bytes out");
        assert_eq!(count(Counter::AcceptsStarved), world.starved, "accepts without a descriptor");
        for counter in [Counter::RefusedDenied, Counter::RefusedPerClient, Counter::RefusedFull] {
            assert_eq!(count(counter), world.refused[counter as usize], "{}", counter.name());
        }
        let audited = server.service();
        assert_eq!((audited.opened, audited.closed), (world.accepted, world.closed), "what the service was told");
        assert_eq!(audited.living.len(), world.alive().len(), "who the service thinks is alive");
        assert_eq!(count(Counter::Steps), audited.steps, "steps");
        let open = audited.inner.http.files.open_now();
        assert!(open <= audited.living.len(), "{open} files are open for {} connections", audited.living.len());
        let held = server.blocks_taken();
        assert!(held + RESERVE <= plan.blocks, "the reserve of blocks is held: {held} of {}", plan.blocks);
        if stats.closed(Reason::BlocksDry) > 0 {
            assert!(stats.blocks_peak() as usize + RESERVE > plan.blocks, "evicted while there were blocks");
        }
        let mut busy = false;
        for (listener, socket) in plan.sockets.iter().enumerate() {
            let taken = world.alive().iter().filter(|at| world.links[**at].listener == listener).count();
            assert!(taken <= socket.connections as usize, "listener {listener}: more than its share");
            let room = taken < socket.connections as usize || socket.terms.when_full != WhenFull::Wait;
            if world.watched(listener) {
                assert!(world.stuck(listener) || room && !self.ending, "a full listener is watched");
            } else if room && !self.ending {
                let retry = server.next_deadline().unwrap_or(u64::MAX);
                let rest_ms = match socket.terms.per_second {
                    0 => ACCEPT_RETRY_MS,
                    rate => ACCEPT_RETRY_MS.max(1000_u64.div_ceil(rate.into())),
                };
                assert!(retry <= world.seen_ms + rest_ms, "listener {listener} was forgotten");
            }
        }
        for at in world.alive() {
            let link = &world.links[*at];
            assert_eq!(link.unwelcome, None, "link {at} was let in");
            busy |= !is_at_rest(plan, link);
        }
        assert!(busy || held == 0, "{held} blocks are held while everything is at rest");
        self.closed(plan, &stats, world);
    }

    /// After `on_time`, when it has nothing more to do: nothing is late.
    pub fn after_time(&self, plan: &Plan, server: &Server, world: &World) {
        if server.next_deadline().is_some_and(|at| at <= world.seen_ms) {
            return;
        }
        for at in world.alive() {
            let link = &world.links[*at];
            let Socket { idle_ms, write_ms, .. } = plan.sockets[link.listener];
            if let Some(shut_ms) = link.shut_ms {
                assert!(world.seen_ms < shut_ms + LINGER_MS, "link {at} lingers too long");
            } else if idle_ms > 0 && write_ms > 0 {
                let limit = idle_ms.max(write_ms);
                assert!(world.seen_ms < link.tried_ms + limit, "link {at} is silent for too long");
                assert!(server.next_deadline().is_some(), "no deadline, but link {at} must have one");
            }
        }
        // Looking for descriptors: once in a while, and whenever one may have become free.
        let looks = 2 + world.seen_ms / ACCEPT_RETRY_MS + world.closed;
        assert!(world.starved <= looks, "{} accepts without a descriptor: a spin", world.starved);
    }

    /// Everything is gone.
    pub fn after_all(&self, server: &mut Server, world: &World) {
        assert_eq!((server.taken(), server.blocks_taken(), world.alive().len()), (0, 0, 0), "something is left");
        assert!(server.service().living.is_empty());
        assert_eq!(server.service().inner.http.files.open_now(), 0, "a file stays open");
        assert_eq!(world.accepted, world.closed);
    }

    /// What a drain has to have done by now: nobody at rest is left.
    pub fn after_drain(&self, plan: &Plan, world: &World) {
        for at in world.alive() {
            let link = &world.links[*at];
            assert!(!is_at_rest(plan, link) || link.shut_ms.is_some(), "link {at} is at rest and not drained");
        }
    }

    /// Whether a client may have failed for a reason that is not the server's fault.
    pub fn excuses(&self, plan: &Plan, link: &Link) -> bool {
        let socket = &plan.sockets[link.listener];
        link.broken
            || link.unwelcome.is_some()
            || link.unwatched
            || link.stage == Stage::Lost
            || link.reasons.iter().any(|reason| match reason {
                Reason::Drained | Reason::Stopped | Reason::BlocksDry => true,
                Reason::MadeRoom => socket.terms.when_full == WhenFull::Oldest,
                Reason::IdleTimeout => !self.calm || socket.idle_ms < 60_000,
                Reason::WriteTimeout => !self.calm || socket.write_ms < 30_000,
                Reason::RequestTimeout => socket.request_ms > 0,
                // It was given its time to read, and went on sending instead.
                Reason::Served => link.shut_ms.is_some_and(|at| link.closed_ms >= at + LINGER_MS),
                _ => false,
            })
    }

    /// Gives the links that were just closed their reasons; no deadline fires early.
    fn closed(&mut self, plan: &Plan, stats: &tidegate_core::stats::Stats, world: &mut World) {
        let mut reasons = Vec::new();
        for reason in Reason::ALL {
            let before = std::mem::replace(&mut self.reasons[*reason as usize], stats.closed(*reason));
            reasons.extend((before..stats.closed(*reason)).map(|_| *reason));
        }
        let links = std::mem::take(&mut world.closed_now);
        assert_eq!(links.len(), reasons.len(), "closes and reasons");
        let silent = |limit: fn(&Socket) -> u64| {
            let for_ms = |at: &&usize| world.seen_ms - world.links[**at].moved_ms;
            links
                .iter()
                .filter(|at| (1..=for_ms(at)).contains(&limit(&plan.sockets[world.links[**at].listener])))
                .count()
        };
        let idle = reasons.iter().filter(|reason| **reason == Reason::IdleTimeout).count();
        let write = reasons.iter().filter(|reason| **reason == Reason::WriteTimeout).count();
        let early = format!(
            "at {} a time-out fired early: {reasons:?} {:?}",
            world.seen_ms,
            links.iter().map(|at| &world.links[*at]).collect::<Vec<_>>()
        );
        assert!(idle <= silent(|socket| socket.idle_ms), "{early}");
        assert!(write <= silent(|socket| socket.write_ms), "{early}");
        for at in links {
            world.links[at].reasons.clone_from(&reasons);
        }
    }
}

/// Nothing is on its way in the server, as far as can be told from outside.
fn is_at_rest(plan: &Plan, link: &Link) -> bool {
    match plan.sockets[link.listener].protocol {
        Protocol::Echo => link.sent == link.received && link.up.bytes.is_empty(),
        Protocol::Discard => link.up.bytes.is_empty(),
        _ => false,
    }
}

//! One worker: an epoll set, a dispatcher on memory taken at start, and a loop over network events and timers.

use std::os::fd::OwnedFd;

use rustix::io;
use tidegate_core::dispatch::{Dispatcher, Storage};
use tidegate_core::event::{Interest, Token};
use tidegate_core::limits::LISTENERS_MAX;
use tidegate_core::listen::Rules;
use tidegate_core::service::{BuiltIn, Discard, Echo, Kind};
use tidegate_core::stats::Counter;

use crate::exit;
use crate::log::{self, Severity, report};
use crate::net::Linux;
use crate::os::epoll::{Epoll, Events};
use crate::os::memory::Arena;
use crate::os::signal::{self, Signal, Signals};
use crate::os::{alloc, clock, title, trim};
use crate::settings::{Memory, Settings};

/// What one `recv` may bring, and so the longest request a service may wait for.
const SCRATCH_BYTES: usize = 32 * 1024;
/// What one step of a service may write.
const OUTBOX_BYTES: usize = 16 * 1024;
/// Between closing the listeners and closing who is at rest: a connection accepted a moment ago is about to ask.
const GREETING_MS: u64 = 200;
/// The signal descriptor's token.
const SIGNALS: Token = Token::of_world(0);

/// What the process that runs a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A child of a master.
    Worker { slot: u16 },
    /// The whole server, without a master (`Workers = 0`): the operator's signals come here.
    Alone,
}

impl Role {
    /// The signals this process reads.
    pub const fn signals(self) -> &'static [Signal] {
        match self {
            Role::Worker { .. } => signal::WORKER,
            Role::Alone => signal::MASTER,
        }
    }
}

type Connections<'m> = Dispatcher<'m, Linux, BuiltIn>;

/// Serves until told to stop; the process's exit code.
pub fn run(settings: &Settings, listeners: Vec<OwnedFd>, role: Role) -> u8 {
    match Signals::open(role.signals()).and_then(|signals| serve(settings, listeners, &signals, role)) {
        Ok(()) => exit::OK,
        Err(errno) => {
            report(Severity::Crit, Some(errno), format_args!("the worker cannot serve"));
            exit::OS
        }
    }
}

fn serve(settings: &Settings, listeners: Vec<OwnedFd>, signals: &Signals, role: Role) -> io::Result<()> {
    let mut net = Linux::new(Epoll::new()?);
    net.epoll.watch(signals, SIGNALS, Interest::NONE, Interest::READ)?;
    let mut dispatcher = prepare(settings)?;
    for (socket, fd) in settings.sockets.iter().zip(listeners) {
        let rules = Rules {
            idle_ms: socket.idle_ms,
            request_ms: socket.request_ms,
            write_ms: socket.write_ms,
            info: &socket.info,
        };
        if dispatcher.listen(&mut net, fd, socket.connections, rules).is_err() {
            return Err(io::Errno::NOMEM);
        }
    }
    trim::start_pages();
    alloc::seal();
    run_loop(&mut net, &mut dispatcher, signals, settings.process.drain_ms, role)?;
    alloc::unseal();
    tell_end(&dispatcher);
    Ok(())
}

/// The dispatcher, on one mapping sized by the configuration.
fn prepare(settings: &Settings) -> io::Result<Connections<'_>> {
    let slots = settings.sockets.iter().map(|socket| socket.connections as usize).sum();
    let Memory { blocks, block_bytes } = settings.memory;
    let (blocks, block_bytes) = (blocks as usize, block_bytes as usize);
    let mut arena = Arena::new(storage_bytes(slots, blocks, block_bytes))?;
    let mut services = BuiltIn::new(Echo, Discard);
    for (index, socket) in settings.sockets.iter().enumerate().take(LISTENERS_MAX) {
        if let Some(kind) = Kind::named(&socket.service) {
            services.assign(index, kind);
        }
    }
    let storage = Storage {
        marks: arena.take(slots)?,
        slots: arena.take(slots)?,
        states: Box::leak((0..slots).map(|_| Default::default()).collect()),
        timer_cells: arena.take(slots)?,
        timer_places: arena.take(slots)?,
        block_marks: arena.take(blocks)?,
        block_memory: arena.take(blocks * block_bytes)?,
        block_bytes,
        scratch: arena.take(SCRATCH_BYTES)?,
        outbox: arena.take(OUTBOX_BYTES)?,
    };
    Ok(Dispatcher::new(storage, services))
}

/// The loop: network events, then what is due. Ends when told to stop, or drained.
fn run_loop(
    net: &mut Linux,
    dispatcher: &mut Connections,
    signals: &Signals,
    drain_ms: u64,
    role: Role,
) -> io::Result<()> {
    let mut events = Events::default();
    let mut now_ms = clock::now_ms();
    let (mut drain_at, mut drain_by) = (None, None);
    loop {
        let deadline =
            [dispatcher.next_deadline(), drain_at, drain_by, log::settle(now_ms)].into_iter().flatten().min();
        let ready = net.epoll.wait(&mut events, deadline.map(|at_ms| at_ms.saturating_sub(now_ms)))?;
        now_ms = clock::now_ms();
        let mut signalled = false;
        for event in ready {
            match event.token.world() {
                Some(_) => signalled = true,
                None => dispatcher.on_event(net, now_ms, event),
            }
        }
        if dispatcher.next_deadline().is_some_and(|at_ms| at_ms <= now_ms) {
            dispatcher.on_time(net, now_ms);
        }
        while let Some(signal) = if signalled { signals.read() } else { None } {
            match signal {
                Signal::Quit if drain_by.is_none() => {
                    if role != Role::Alone {
                        title::set("tidegate: worker process is shutting down");
                    }
                    dispatcher.stop_accepting(net, now_ms);
                    drain_at = Some(now_ms.saturating_add(GREETING_MS));
                    drain_by = Some(if drain_ms == 0 { u64::MAX } else { now_ms.saturating_add(drain_ms) });
                }
                Signal::Term | Signal::Int => drain_by = Some(now_ms),
                Signal::Usr1 => log::reopen(),
                Signal::Hup | Signal::Usr2 | Signal::Winch => report(
                    Severity::Notice,
                    None,
                    format_args!("{signal:?} needs a master, which Workers = 0 does without; ignored"),
                ),
                Signal::Quit | Signal::Child => {}
            }
        }
        if drain_at.is_some_and(|at_ms| at_ms <= now_ms) {
            drain_at = None;
            dispatcher.drain(net, now_ms);
        }
        if drain_by.is_some_and(|by_ms| by_ms <= now_ms || dispatcher.taken() == 0) {
            dispatcher.stop(net, now_ms);
            return Ok(());
        }
    }
}

fn tell_end(dispatcher: &Connections) {
    let stats = dispatcher.stats();
    let (allocations, _) = alloc::after_seal();
    ::log::info!(
        "served {} connections, {} bytes in, {} out; allocations after the seal: {allocations}",
        stats.count(Counter::Accepted),
        stats.count(Counter::BytesIn),
        stats.count(Counter::BytesOut),
    );
}

fn storage_bytes(slots: usize, blocks: usize, block_bytes: usize) -> usize {
    use tidegate_core::{blocks::BlockMark, conn::Slot, pool::Mark};
    Arena::price::<Mark>(slots)
        + Arena::price::<Slot<crate::os::conn::Conn>>(slots)
        + Arena::price::<u64>(slots)
        + Arena::price::<u32>(slots)
        + Arena::price::<BlockMark>(blocks)
        + Arena::price::<u8>(blocks * block_bytes + SCRATCH_BYTES + OUTBOX_BYTES + 2)
}

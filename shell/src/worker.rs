//! One worker: an epoll set, a dispatcher on memory taken at start, and a loop over network events and timers.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io;
use tidegate_core::admission::Admission;
use tidegate_core::dispatch::Dispatcher;
use tidegate_core::event::{Interest, Token};
use tidegate_core::frame::counts::{Counter as FrameCounter, Counts as FrameCounts};
use tidegate_core::http::fault::Fault;
use tidegate_core::http::status::Status;
use tidegate_core::listen::Rules;
use tidegate_core::service::http::{Counts, HttpCounter};
use tidegate_core::stats::{Counter, Reason, Stats};

use crate::control::ControlSocket;
use crate::exit;
use crate::files::Disk;
use crate::files::open::Open;
use crate::log::{self, Severity, report};
use crate::net::Linux;
use crate::os::bell::Bell;
use crate::os::confine::Filter;
use crate::os::epoll::{Epoll, Events};
use crate::os::signal::{self, Signal, Signals};
use crate::os::{alloc, clock, title, trim};
use crate::privilege;
use crate::services::{self, Services};
use crate::settings::Settings;
use crate::status::View;
use crate::storage::Shape;

/// Between closing the listeners and closing who is at rest: a connection accepted a moment ago is about to ask.
const GREETING_MS: u64 = 200;
/// The signal descriptor's token.
const SIGNALS: Token = Token::of_world(0);
/// The bell's token.
const BELL: Token = Token::of_world(1);
/// The control socket's token.
const CONTROL: Token = Token::of_world(2);

/// What a worker is given to live on.
pub struct Given<'a> {
    /// In the order of the configuration's sockets.
    pub listeners: Vec<OwnedFd>,
    /// Shared with the other workers, if there are any.
    pub bell: Option<Bell>,
    /// Where operators ask, if there is no master to be asked.
    pub control: Option<&'a mut ControlSocket>,
    /// What everybody counts, and how it is shown.
    pub view: View<'static>,
    /// The calls it is held to from its seal on.
    pub filter: Option<Filter>,
    /// Called once everything it needs is there; not called if it cannot serve.
    pub ready: Box<dyn FnOnce() + 'a>,
}

/// What the process that runs a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A child of a master.
    Worker { slot: u16 },
    /// The whole server, without a master (`Workers = 0`): the operator's signals come here.
    Alone,
}

impl Role {
    /// Its place on the board.
    const fn place(self) -> u16 {
        match self {
            Role::Worker { slot } => slot,
            Role::Alone => 0,
        }
    }

    /// The signals this process reads.
    pub const fn signals(self) -> &'static [Signal] {
        match self {
            Role::Worker { .. } => signal::WORKER,
            Role::Alone => signal::MASTER,
        }
    }
}

type Connections = Dispatcher<'static, Linux, Services>;

/// Serves until told to stop; the process's exit code. It lives on the settings until it exits.
pub fn run(settings: &'static Settings, given: Given<'_>, role: Role) -> u8 {
    match Signals::open(role.signals()).and_then(|signals| serve(settings, given, &signals, role)) {
        Ok(()) => exit::OK,
        Err(errno) => {
            report(Severity::Crit, Some(errno), format_args!("the worker cannot serve"));
            exit::OS
        }
    }
}

fn serve(settings: &'static Settings, given: Given<'_>, signals: &Signals, role: Role) -> io::Result<()> {
    let epoll = Epoll::new()?;
    epoll.watch(signals, SIGNALS, Interest::NONE, Interest::READ)?;
    if let Some(bell) = &given.bell {
        epoll.watch_edge(bell, BELL)?;
    }
    if let Some(control) = &given.control {
        epoll.watch(&**control, CONTROL, Interest::NONE, Interest::READ)?;
    }
    let stats = given.view.board.stats(role.place());
    let (storage, files) = Shape::of(settings).lend(settings.memory.reserve, stats)?;
    let open = Rc::new(Open::new(files.places));
    let disk = Disk::new(settings, files.cache, files.listing, open.clone());
    let mut net = Linux::new(epoll, given.bell, open);
    let mut dispatcher = Dispatcher::new(storage, services::build(settings, disk, stats, given.view));
    for (socket, fd) in settings.sockets.iter().zip(given.listeners) {
        let rules = Rules {
            idle_ms: socket.silence_ms(),
            request_ms: socket.request_ms,
            write_ms: socket.write_ms,
            info: &socket.info,
        };
        let admission = Admission {
            allow: &socket.allow,
            deny: &socket.deny,
            per_client: socket.per_client,
            per_second: socket.accept_rate,
            when_full: socket.when_full,
        };
        let id = dispatcher.listen(&mut net, fd, socket.connections, rules).map_err(|_| io::Errno::NOMEM)?;
        dispatcher.admit(id, admission).map_err(|_| io::Errno::NOMEM)?;
    }
    (given.ready)();
    // Not where someone may be debugging: breakpoints live in the pages given back.
    if matches!(role, Role::Worker { .. }) && !cfg!(debug_assertions) {
        trim::start_pages();
    }
    if let Some(filter) = &given.filter {
        privilege::confine(filter);
    }
    alloc::seal();
    let desk = Desk { control: given.control, view: given.view };
    let ended = run_loop(&mut net, &mut dispatcher, signals, desk, role);
    // Also after a failure: telling it may allocate, and is no longer serving.
    alloc::unseal();
    tell_end(&dispatcher);
    ended
}

/// The loop: network events, then what is due. Ends when told to stop, or drained.
fn run_loop(
    net: &mut Linux,
    dispatcher: &mut Connections,
    signals: &Signals,
    mut desk: Desk<'_>,
    role: Role,
) -> io::Result<()> {
    let mut events = Events::default();
    let (stats, drain_ms) = (dispatcher.stats(), desk.view.settings.process.drain_ms);
    let mut woken_us = clock::now_us();
    let mut now_ms = woken_us / 1_000;
    let (mut drain_at, mut drain_by) = (None, None);
    let mut wall = clock::Wall::default();
    loop {
        let deadlines = [dispatcher.next_deadline(), drain_at, drain_by, log::settle(now_ms), desk.next_deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        publish(stats, clock::now_us().saturating_sub(woken_us));
        let ready = net.epoll.wait(&mut events, deadline.map(|at_ms| at_ms.saturating_sub(now_ms)))?;
        woken_us = clock::now_us();
        now_ms = woken_us / 1_000;
        if let Some(unix_s) = wall.tick(now_ms) {
            dispatcher.set_wall(unix_s);
        }
        if let Some(bytes) = alloc::news() {
            ::log::error!("allocated {bytes} bytes after the seal: this worker may need more than its price");
        }
        let (mut signalled, mut passed, mut asked) = (false, false, false);
        for event in ready {
            match event.token.world() {
                Some(_) => {
                    signalled |= event.token == SIGNALS;
                    passed |= event.token == BELL;
                    asked |= event.token == CONTROL;
                }
                None => dispatcher.on_event(net, now_ms, event),
            }
        }
        if passed {
            dispatcher.on_passed(net, now_ms);
        }
        if dispatcher.next_deadline().is_some_and(|at_ms| at_ms <= now_ms) {
            dispatcher.on_time(net, now_ms);
        }
        if asked || desk.next_deadline().is_some_and(|at_ms| at_ms <= now_ms) {
            desk.serve(now_ms);
        }
        while let Some(signal) = if signalled { signals.read() } else { None } {
            log::heed();
            match signal {
                Signal::Quit if drain_by.is_none() => {
                    if role != Role::Alone {
                        title::set("tidegate: worker process is shutting down");
                    }
                    dispatcher.stop_accepting(net, now_ms);
                    let http = &mut dispatcher.service().http;
                    (http.draining, http.routes.pages.draining) = (true, true);
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

/// Where operators ask about the server, in the one process there is.
struct Desk<'a> {
    control: Option<&'a mut ControlSocket>,
    view: View<'a>,
}

impl Desk<'_> {
    fn serve(&mut self, now_ms: u64) {
        if let Some(control) = &mut self.control {
            control.serve(now_ms, &self.view);
        }
    }

    fn next_deadline(&self) -> Option<u64> {
        self.control.as_ref().and_then(|control| control.next_deadline())
    }
}

/// Before each wait: what this process counts beside its dispatcher.
fn publish(stats: &Stats, awake_us: u64) {
    stats.awake_us.record(awake_us);
    let (allocations, first_bytes) = alloc::after_seal();
    stats.allocations.set(allocations as u64);
    stats.allocated_first_bytes.set(first_bytes as u64);
    let log::Counts { left_out, lost, .. } = log::counts();
    stats.log_left_out.set(left_out as u64);
    stats.log_dropped.set(lost as u64);
}

fn tell_end(dispatcher: &Connections) {
    let stats = dispatcher.stats();
    tell_http(&stats.http);
    tell_frames(&stats.frame);
    let (allocations, _) = alloc::after_seal();
    ::log::info!(
        "served {} connections, {} bytes in, {} out; allocations after the seal: {allocations}",
        stats.count(Counter::Accepted),
        stats.count(Counter::BytesIn),
        stats.count(Counter::BytesOut),
    );
    let closed = Reason::ALL.iter().map(|reason| (reason.name(), stats.closed(*reason)));
    let counted = Counter::ALL.iter().map(|counter| (counter.name(), stats.count(*counter)));
    ::log::info!("closed:{}; counted:{}", that_happened(closed), that_happened(counted));
}

/// What the HTTP service was asked, if it was.
fn tell_http(counts: &Counts) {
    if counts.of(HttpCounter::Requests) == 0 && Fault::ALL.iter().all(|fault| counts.faults(*fault) == 0) {
        return;
    }
    let counted = HttpCounter::ALL.iter().map(|counter| (counter.name(), counts.of(*counter)));
    let answered = Status::ALL.iter().map(|status| (status.text(), counts.statuses(*status)));
    let refused = Fault::ALL.iter().map(|fault| (fault.name(), counts.faults(*fault)));
    ::log::info!(
        "counted:{}; answered:{}; refused:{}",
        that_happened(counted),
        that_happened(answered),
        that_happened(refused)
    );
}

/// What the frame service was sent, if it was.
fn tell_frames(counts: &FrameCounts) {
    let counted = that_happened(FrameCounter::ALL.iter().map(|counter| (counter.name(), counts.of(*counter))));
    if !counted.is_empty() {
        ::log::info!("counted:{counted}");
    }
}

/// The names and counts of what happened at all.
fn that_happened(counts: impl Iterator<Item = (&'static str, u64)>) -> String {
    counts.filter(|(_, count)| *count > 0).map(|(name, count)| format!(" {name} {count}")).collect()
}

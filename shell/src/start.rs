//! The server's life from settings to exit code, in one fixed order.
//!
//! Everything that can fail for a reason an operator can mend fails before the first fork, on their terminal. A
//! daemon's parent stays until its child says that workers run, so that its exit code is the truth.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::Pid;
use tidegate_core::status::Facts;

use crate::board::Board;
use crate::cli::Options;
use crate::conf::Loaded;
use crate::control::ControlSocket;
use crate::daemon::{self, Started};
use crate::exit::{self, Failure};
use crate::handover::Inheritance;
use crate::listeners::Listeners;
use crate::log::{self, Severity, report};
use crate::master::Master;
use crate::os::bell::Bell;
use crate::os::confine::Filter;
use crate::os::exec::Origin;
use crate::os::file::{PidFile, PidFileError};
use crate::os::signal::{self, Signals};
use crate::os::{clock, process, title, trim};
use crate::price::{self, Machine};
use crate::privilege;
use crate::ready::Ready;
use crate::services;
use crate::settings::{Control, Destination, Settings};
use crate::status::View;
use crate::welcome;
use crate::worker::{self, Given, Role};

/// What the process was started with.
pub struct Start<'a> {
    pub options: &'a Options,
    pub origin: &'a Origin,
    /// From the server that this one replaces.
    pub inheritance: &'a mut Inheritance,
    /// Whether someone stands at the terminal who wants to be greeted.
    pub greet: bool,
}

/// Serves. Returns in the process that answers for the server, and in a daemon's first parent.
pub fn run(start: Start<'_>, loaded: Loaded) -> Result<u8, Failure> {
    let has_log = loaded.settings.log.to != Destination::Stderr;
    begin_log(&loaded.settings, start.inheritance.from.is_some())?;
    let outcome = run_logged(start, loaded);
    if let Err(failure) = &outcome
        && has_log
    {
        // The sentence goes to standard error too, but at boot nobody stands there.
        report(Severity::Crit, None, format_args!("{}", failure.text));
    }
    outcome
}

fn run_logged(start: Start<'_>, loaded: Loaded) -> Result<u8, Failure> {
    let price = price::check(&loaded.settings, &Machine::here(), &loaded.full_name)?;
    price::check_reload(&loaded.settings, &price, start.inheritance.leaving_bytes, &loaded.full_name)?;
    price::check_free(&loaded.settings, &price)?;
    price::check_descriptors(&loaded.settings, &loaded.full_name)?;
    services::check(&loaded.settings, &loaded.full_name)?;
    limit_open_files(&loaded.settings);
    privilege::check(&loaded.settings)?;
    let lent = start.inheritance.pid_file.take();
    let pid_file = loaded.settings.process.pid_file.as_deref().map(|path| lock(path, lent)).transpose()?;
    let predecessor = start.inheritance.from;
    let ready = start.inheritance.ready.take();
    let mut held =
        Held { pid_file, listeners: Listeners::default(), filter: None, bell: None, control: None, ready, predecessor };
    match held.serve(start, loaded) {
        // These are shared with the daemon, and now its to remove.
        Ok(Outcome::Parent(code)) => Ok(code),
        Ok(Outcome::Server(code)) => {
            held.remove();
            Ok(code)
        }
        Err(failure) => {
            held.remove();
            held.ready.take().into_iter().for_each(|ready| ready.failed(&failure));
            Err(failure)
        }
    }
}

/// Whose exit code it is.
enum Outcome {
    Parent(u8),
    Server(u8),
}

/// What the process that answers for the server holds. A worker drops all but the listeners.
pub struct Held {
    pub listeners: Listeners,
    /// What workers are held to.
    pub filter: Option<Filter>,
    bell: Option<Bell>,
    pub(crate) pid_file: Option<PidFile>,
    pub control: Option<ControlSocket>,
    ready: Option<Ready>,
    /// The server that this one replaces.
    pub(crate) predecessor: Option<Pid>,
}

impl Held {
    /// Turns what the master holds into what a worker lives on. The rest is closed: with the lock in a worker's hands
    /// the server would look alive without its master.
    pub fn become_given(&mut self, ready: Option<OwnedFd>, view: View<'static>) -> Given<'static> {
        self.pid_file = None;
        self.ready = None;
        self.control = None;
        let ready = move || {
            // The master reads it while it waits for the first workers; later nobody listens.
            let _ = ready.map(|ready| rustix::io::write(ready, &[1]));
        };
        let (listeners, bell, filter) = (self.listeners.take_sockets(), self.bell.take(), self.filter.take());
        Given { listeners, bell, filter, control: None, view, ready: Box::new(ready) }
    }

    fn serve(&mut self, start: Start<'_>, loaded: Loaded) -> Result<Outcome, Failure> {
        let handed = std::mem::take(&mut start.inheritance.listeners);
        self.listeners = Listeners::inherit(&loaded.settings.sockets, handed)?;
        self.bell = Some(Bell::new().map_err(|errno| Failure::of_errno(exit::OS, "cannot open an eventfd", errno))?);
        if self.predecessor.is_none() {
            self.control = open_control(&loaded.settings, false)?;
        }
        // A server that replaces another lives where that one does: in its terminal's session, or away from it.
        if loaded.settings.process.daemon && self.predecessor.is_none() {
            match daemon::split()? {
                Started::Parent(code) => return Ok(Outcome::Parent(code)),
                Started::Daemon(ready) => self.ready = Some(ready),
            }
        }
        let begun = self.begin(start, loaded);
        let code = match (begun, self.ready.take()) {
            (Ok(code), _) => code,
            (Err(failure), Some(ready)) => {
                ready.failed(&failure);
                failure.code
            }
            (Err(failure), None) => return Err(failure),
        };
        report(Severity::Notice, None, format_args!("stopped"));
        log::finish();
        Ok(Outcome::Server(code))
    }

    /// From a process with its final id to the end of the server.
    fn begin(&mut self, start: Start<'_>, loaded: Loaded) -> Result<u8, Failure> {
        let Start { options, origin, greet, .. } = start;
        let Loaded { settings, full_name: conf_name, .. } = loaded;
        let alone = settings.process.workers == 0;
        // From here on a signal waits to be read, so none can end the process past its cleaning up.
        let signals = Signals::open(signal::MASTER)
            .map_err(|errno| Failure::of_errno(exit::OS, "cannot open the signal descriptor", errno))?;
        let board = Board::new().map_err(|errno| Failure::of_errno(exit::OS, "cannot map the statistics", errno))?;
        log::become_role(if alone { log::Role::Server } else { log::Role::Master });
        title::name(c"tidegate");
        if alone {
            title::set(&format!("tidegate: server process {conf_name}"));
            drop(signals);
            let (settings, conf_name): (&'static Settings, &'static str) =
                (Box::leak(Box::new(settings)), conf_name.leak());
            self.take_over(settings)?;
            privilege::lower(settings)?;
            let listeners = self.listeners.take_sockets();
            board.enter(0);
            board.tell(Facts { started_ms: clock::now_ms(), pid: own_pid(), workers_live: 1, ..Facts::default() });
            let view = View { board, settings, conf_name };
            let mut control = self.control.take();
            let ready = Box::new(|| self.tell_started(settings, conf_name, greet));
            let given = Given { listeners, bell: None, filter: None, control: control.as_mut(), view, ready };
            let code = worker::run(settings, given, Role::Alone);
            self.control = control;
            return Ok(code);
        }
        self.filter = privilege::filter(&settings);
        let mut master = Master::new(options, origin, settings, conf_name, self, signals, board);
        if !master.start() {
            return Err(Failure::new(exit::OS, "no worker can serve; the log has the reason"));
        }
        master.take_over()?;
        master.tell_started(greet);
        if !cfg!(debug_assertions) {
            trim::start_pages();
        }
        Ok(master.run())
    }

    /// Has the path of the control socket, on which the server that this one replaces answers until now.
    pub fn take_over(&mut self, settings: &Settings) -> Result<(), Failure> {
        if self.predecessor.is_some() {
            self.control = open_control(settings, true)?;
        }
        Ok(())
    }

    pub fn tell_started(&mut self, settings: &Settings, conf_name: &str, greet: bool) {
        self.listeners.own();
        // Whoever finds a pid in it finds a server that serves. On a full disk it serves without.
        if let Some(Err(errno)) = self.pid_file.as_mut().map(PidFile::write) {
            report(Severity::Error, Some(errno), format_args!("cannot write the pid file ([Process] PidFile)"));
        }
        report(Severity::Notice, None, format_args!("started with {conf_name}"));
        privilege::tell(settings);
        let heard = self.ready.take().is_none_or(Ready::good);
        if let Some(pid_file) = self.pid_file.as_ref().filter(|_| !heard && self.predecessor.is_some()) {
            pid_file.remove_predecessors();
        }
        if greet {
            welcome::show(settings, conf_name);
        }
    }

    fn remove(&mut self) {
        self.listeners.remove_paths();
        if let Some(control) = self.control.take() {
            control.remove();
        }
        if let Some(pid_file) = self.pid_file.take() {
            pid_file.remove();
        }
    }
}

/// Sets `OpenFiles`; without it, raises the limit to what the connections of a worker need beside its own files.
pub fn limit_open_files(settings: &Settings) {
    if let Some(files) = price::files_wanted(settings) {
        process::limit_open_files(files);
    }
}

/// Opens the log that the settings name; lines go there once it is told [`log::write_to`].
pub fn open_log(settings: &Settings) -> log::Target {
    log::Target::open(&settings.log, settings.process.count_max(), privilege::log_owner(settings))
}

/// The sentence when a log cannot be reached.
pub fn log_failure(settings: &Settings, errno: Errno) -> Failure {
    let shown = &settings.log.to;
    Failure::of_errno(exit::CANNOT_CREATE, format_args!("cannot open the log {shown} ([Log] File)"), errno)
}

/// A log that is not there yet (a disk mounted later, a syslog daemon started later) stops no one from serving. Where
/// one serves already, as in an upgrade, it is a mistake to be mended first.
fn begin_log(settings: &Settings, replaces: bool) -> Result<(), Failure> {
    log::set_level(settings.log.level);
    if let Err(errno) = log::share() {
        report(Severity::Warn, Some(errno), format_args!("nothing shared for the log: it is bounded by each process"));
    }
    let target = open_log(settings);
    if let Some(errno) = target.fault() {
        let failure = log_failure(settings, errno);
        if replaces {
            return Err(failure);
        }
        report(Severity::Error, None, format_args!("{}; it is tried again, until then lines are here", failure.text));
    }
    log::write_to(target);
    if settings.process.daemon && settings.log.to == Destination::Stderr {
        report(Severity::Warn, None, format_args!("a daemon has no standard error: set [Log] File to keep its log"));
    }
    Ok(())
}

/// The control socket. One that is only made from the pid file's path is done without where it cannot be.
fn open_control(settings: &Settings, take_over: bool) -> Result<Option<ControlSocket>, Failure> {
    let Some(Control { path, written }) = &settings.process.control else { return Ok(None) };
    match ControlSocket::open(path, take_over) {
        Ok(control) => Ok(Some(control)),
        Err(failure) if *written => Err(failure),
        Err(failure) => {
            report(Severity::Warn, None, format_args!("{}; -s status will not work", failure.text));
            Ok(None)
        }
    }
}

/// This process's number, as the status tells it.
pub fn own_pid() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}

/// Locks the pid file, or takes the one that was locked for us if it is this.
fn lock(path: &Path, lent: Option<OwnedFd>) -> Result<PidFile, Failure> {
    if let Some(lent) = lent.and_then(|file| PidFile::lent(path, file)) {
        return Ok(lent);
    }
    let shown = path.display();
    PidFile::lock(path).map_err(|error| match error {
        PidFileError::Held(Some(pid)) => Failure::new(
            exit::UNAVAILABLE,
            format!("already running as process {} ({shown}, [Process] PidFile)", pid.as_raw_nonzero()),
        ),
        PidFileError::Held(None) => {
            Failure::new(exit::UNAVAILABLE, format!("already starting ({shown}, [Process] PidFile)"))
        }
        PidFileError::Failed(errno) => Failure::of_errno(
            exit::CANNOT_CREATE,
            format_args!("cannot create the pid file {shown} ([Process] PidFile)"),
            errno,
        ),
    })
}

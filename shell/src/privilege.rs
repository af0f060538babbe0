//! Who the workers are: `[Process] User` and `Group`, from the check at the start to the worker that becomes them.
//!
//! The master stays who started it: it opens listeners, logs and the pid file, now and at every reload. Workers give
//! up all they can, with or without a `User`. A change that would fail is found out before anything depends on it, by
//! a child that tries; a worker in which it fails all the same does not serve. What `Confine` adds is off by default: a
//! call that nobody foresaw, of a library not tried here, ends a worker that would have gone on.

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

use crate::exit::{self, Failure};
use crate::log::{Severity, report};
use crate::os::confine::Filter;
use crate::os::errno::Told;
use crate::os::privilege::{self, Account};
use crate::os::process::{self, Ended};
use crate::settings::Settings;

/// Whether workers can become whom the settings name.
pub fn check(settings: &Settings) -> Result<(), Failure> {
    let account = settings.process.account();
    if privilege::is_root() {
        return if account.is_nobody() { Ok(()) } else { rehearse(settings) };
    }
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let refuse = |key: &str, wanted: u32, have: u32| {
        Failure::new(
            exit::NO_PERMISSION,
            format!(
                "[Process] {key} = {wanted} can only be set where the server is started as root; this is {} {have}",
                key.to_lowercase()
            ),
        )
    };
    match (account.user, settings.process.group) {
        (Some(wanted), _) if wanted != user => Err(refuse("User", wanted, user)),
        // The user's own group is not insisted on: whoever started us as that user chose it.
        (_, Some(wanted)) if wanted != group => Err(refuse("Group", wanted, group)),
        _ => Ok(()),
    }
}

/// Becomes the worker that the settings ask for. After a failure the process must not serve.
pub fn lower(settings: &Settings) -> Result<(), Failure> {
    let account = settings.process.account();
    privilege::lower(account, is_traceable()).map_err(|(step, errno)| explain(settings, Some(step), errno))
}

/// What workers are to be held to, if anything.
pub fn filter(settings: &Settings) -> Option<Filter> {
    settings.process.confine.then(|| Filter::new().map_err(tell_unconfined).ok()).flatten()
}

/// Holds this process to it, where the kernel can.
pub fn confine(filter: &Filter) {
    let _ = filter.apply().map_err(tell_unconfined);
}

/// Says it where workers are root because nobody chose otherwise.
pub fn tell(settings: &Settings) {
    if privilege::is_root() && settings.process.user.is_none() {
        report(
            Severity::Notice,
            None,
            format_args!("workers run as root, without its capabilities; [Process] User makes them someone else"),
        );
    }
}

/// Whose a log is to be that the master creates: the workers', who must be able to open it again.
pub fn log_owner(settings: &Settings) -> Option<(Option<Uid>, Option<Gid>)> {
    let account = settings.process.account();
    (privilege::is_root() && !account.is_nobody()).then(|| account.ids())
}

/// Lets a child try.
fn rehearse(settings: &Settings) -> Result<(), Failure> {
    let account = settings.process.account();
    let attempt = || match privilege::lower(account, false) {
        Ok(()) => exit::OK,
        // Every errno that these calls have fits.
        Err((_, errno)) => errno.raw_os_error() as u8,
    };
    match process::in_child(attempt) {
        Ok(Ended::Exited(exit::OK)) => Ok(()),
        Ok(Ended::Exited(errno)) => Err(explain(settings, None, Errno::from_raw_os_error(errno.into()))),
        Ok(Ended::Killed(signal)) => {
            Err(Failure::new(exit::OS, format!("the attempt to become another user was killed by signal {signal}")))
        }
        Err(errno) => Err(Failure::of_errno(exit::OS, "cannot try to become another user", errno)),
    }
}

/// `step` is the call that failed, where it is known.
fn explain(settings: &Settings, step: Option<&str>, errno: Errno) -> Failure {
    let Account { user, group } = settings.process.account();
    let ids = [user.map(|id| format!("user {id}")), group.map(|id| format!("group {id}"))];
    let keys = [user.map(|_| "User"), settings.process.group.map(|_| "Group")];
    let whom = match ids.into_iter().flatten().collect::<Vec<_>>().join(" and ") {
        ids if ids.is_empty() => "a process without privileges".to_string(),
        ids => format!("{ids} ([Process] {})", keys.into_iter().flatten().collect::<Vec<_>>().join(", ")),
    };
    let step = step.map(|step| format!(": {step} failed")).unwrap_or_default();
    Failure::new(exit::NO_PERMISSION, format!("a worker cannot become {whom}{step} ({})", Told(errno)))
}

fn tell_unconfined(errno: Errno) {
    report(
        Severity::Warn,
        Some(errno),
        format_args!("this kernel does not confine the worker; it serves all the same ([Process] Confine)"),
    );
}

/// Not in what ships: others of the same user could read a worker's memory. In a debug build someone may be debugging.
fn is_traceable() -> bool {
    cfg!(debug_assertions) && !privilege::is_root()
}

//! What became of a reload that was asked for: the server is asked until it tells.
//!
//! Without a control socket nobody can be asked; then having sent the signal is all that is known. An upgrade is not
//! waited for: it may take as long as `UpgradeTimeout`, and the status tells how it stands.

use std::time::{Duration, Instant};

use tidegate_core::status::Form;

use super::{Request, ask};
use crate::exit::{self, Failure};
use crate::settings::Settings;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a reload may take until it is told.
const WAIT: Duration = Duration::from_secs(10);

/// The counts that tell an outcome.
#[derive(Clone, Copy)]
struct Counts {
    taken: u64,
    refused: u64,
}

/// Sends the request and, for a reload, waits until the server has taken or refused it.
pub fn carry_out(settings: &Settings, request: Request) -> Result<(), Failure> {
    let pid_file = settings.process.pid_file.as_deref();
    let before = if request == Request::Reload { counts(settings)? } else { None };
    super::signal(pid_file, request)?;
    let (Some(before), Some(path)) = (before, pid_file) else { return Ok(()) };
    let (shown, start) = (path.display(), Instant::now());
    while start.elapsed() < WAIT {
        std::thread::sleep(PAUSE);
        // A server that does not answer now is busy with it.
        match counts(settings) {
            Ok(Some(now)) if now.refused > before.refused => {
                let text = format!("{shown}: the server refused to reload; its log has the reason");
                return Err(Failure::new(exit::UNAVAILABLE, text));
            }
            Ok(Some(now)) if now.taken > before.taken => return Ok(()),
            _ => {}
        }
    }
    Err(Failure::new(exit::UNAVAILABLE, format!("{shown}: the server has not said what became of it")))
}

/// `None` if there is nobody to be asked; a failure if whoever is there has no master.
fn counts(settings: &Settings) -> Result<Option<Counts>, Failure> {
    let Ok(report) = ask::status(settings.process.control.as_ref(), Form::Json) else { return Ok(None) };
    let number = |name: &str| {
        let rest = report.split_once(&format!("\"{name}\":"))?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    if number("wanted") == Some(0) {
        let text = "the server runs without a master (Workers = 0): it can only be restarted";
        return Err(Failure::new(exit::UNAVAILABLE, text));
    }
    let (taken, refused) = (number("reloads"), number("reloads_refused"));
    Ok(taken.zip(refused).map(|(taken, refused)| Counts { taken, refused }))
}

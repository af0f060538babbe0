//! The three shapes of a line: dated, for the journal, for syslog.

use super::Severity;
use super::line::Line;
use crate::os::clock;

/// The facility of a server without one of its own (syslog(3), `LOG_DAEMON`), in its place.
const DAEMON: u8 = 3 << 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `2026/11/23 07:53:41 [notice] 13803#master: text`
    Dated,
    /// `<5>13803#master: text`: the journal dates lines itself and takes the severity off (sd-daemon(3)).
    Journal,
    /// `<29>tidegate[13803]: text`: RFC 3164 as it is spoken on the machine, where the receiver dates it.
    Syslog,
}

impl Form {
    /// The line without its end.
    pub fn line(self, severity: Severity, role: &str, body: &Line) -> Line {
        let pid = rustix::process::getpid().as_raw_nonzero();
        let (priority, text) = (severity.priority(), body.text());
        let mut line = Line::new();
        match self {
            Form::Dated => {
                let at = clock::now_civil();
                line.write_escaped(format_args!(
                    "{:04}/{:02}/{:02} {:02}:{:02}:{:02} [{}] {pid}#{role}: {text}",
                    at.year,
                    at.month,
                    at.day,
                    at.hour,
                    at.minute,
                    at.second,
                    severity.name(),
                ));
            }
            Form::Journal => line.write_escaped(format_args!("<{priority}>{pid}#{role}: {text}")),
            Form::Syslog => line.write_escaped(format_args!("<{}>tidegate[{pid}]: {text}", DAEMON | priority)),
        }
        line
    }
}

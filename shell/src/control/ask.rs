//! The client of the control socket: one word, the whole report, within a bound.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use tidegate_core::status::{Form, LAST_WORDS};

use super::WORDS;
use crate::exit::{self, Failure};
use crate::settings::Control;

/// How long a server may take that is busy, or reads its configuration just now.
const WAIT: Duration = Duration::from_secs(10);
/// Far more than a report is long.
const REPORT_BYTES_MAX: usize = 1 << 20;

/// The report of the server that answers there.
pub fn status(control: Option<&Control>, form: Form) -> Result<String, Failure> {
    let Some(Control { path, .. }) = control else {
        return Err(Failure::new(
            exit::CONFIG,
            "the configuration has no [Process] PidFile and no ControlSocket, so the server cannot be asked; set one",
        ));
    };
    let shown = path.display();
    let cut = || Failure::new(exit::UNAVAILABLE, format!("{shown}: the answer is not a whole report; try again"));
    let failed = |errno| match errno {
        Errno::NOENT | Errno::CONNREFUSED => Failure::new(
            exit::UNAVAILABLE,
            format!("{shown}: no server answers there ([Process] ControlSocket); is it running?"),
        ),
        Errno::PIPE | Errno::CONNRESET => cut(),
        // A send or a read that ran into its time-out.
        Errno::AGAIN => {
            Failure::new(exit::UNAVAILABLE, format!("{shown}: no answer within {} seconds", WAIT.as_secs()))
        }
        errno => Failure::of_errno(exit::OS, format_args!("cannot ask the server on {shown}"), errno),
    };
    let report = exchange(path, form).map_err(failed)?;
    let is_whole = match form {
        Form::Text => report.lines().last().is_some_and(|line| line.starts_with(LAST_WORDS)),
        Form::Json => report.ends_with("}\n"),
    };
    if is_whole { Ok(report) } else { Err(cut()) }
}

fn exchange(path: &std::path::Path, form: Form) -> rustix::io::Result<String> {
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Connecting waits, too, while the backlog is full.
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(WAIT))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(WAIT))?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let word = WORDS.iter().find(|(_, known)| *known == form).map_or("", |(word, _)| *word);
    net::send(&socket, format!("{word}\n").as_bytes(), SendFlags::NOSIGNAL)?;
    let (mut report, mut part, start) = (Vec::new(), [0; 4096], Instant::now());
    loop {
        match net::recv(&socket, &mut part, RecvFlags::empty()) {
            Ok((0, _)) => return Ok(String::from_utf8_lossy(&report).into_owned()),
            Ok(_) if start.elapsed() > WAIT || report.len() > REPORT_BYTES_MAX => return Err(Errno::AGAIN),
            Ok((count, _)) => report.extend_from_slice(&part[..count]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

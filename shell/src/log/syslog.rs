//! A log that is the machine's syslog: datagrams to `/dev/log`, or one stream where the socket is that.
//!
//! Each datagram is sent to the path anew, so a daemon that restarted, or came late, needs no new connection: a worker
//! whose calls are confined may make none. A stream is connected again when it breaks, at once, then at most once a
//! second, and not by such a worker. Nothing here waits or asks for memory: a daemon that does not read loses lines,
//! which are counted. While nobody is there, standard error has them.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::RETRY_MS;
use super::line::Line;
use super::lost::Lost;
use crate::os::confine;

pub struct Syslog {
    path: CString,
    /// Why there is none: a path too long, no socket.
    sender: Result<Sender, Errno>,
    /// Where the daemon listens for those.
    stream: Option<OwnedFd>,
    fault: Option<Errno>,
    retry_at_ms: u64,
}

/// Datagrams to one path.
struct Sender {
    address: SocketAddrUnix,
    socket: OwnedFd,
}

impl Syslog {
    /// Finds the daemon, or remembers why not.
    pub fn new(path: &Path) -> Self {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        let sender = SocketAddrUnix::new(path.as_c_str())
            .and_then(|address| Ok(Sender { address, socket: open(SocketType::DGRAM)? }));
        let mut syslog = Self { path, sender, stream: None, fault: None, retry_at_ms: 0 };
        let _ = syslog.reopen();
        syslog
    }

    /// Sends one line.
    pub fn write(&mut self, line: &mut Line, body: &Line, now_ms: u64) -> Result<(), Lost> {
        let broken = match &self.stream {
            Some(stream) => match send_on(stream, line, body) {
                Err(errno) if !is_busy(errno) => true,
                answer => return answer.map_err(Lost::Refused),
            },
            None => false,
        };
        if broken {
            self.stream = None;
        }
        match self.send(line, body) {
            Err(Errno::PROTOTYPE) if broken || now_ms >= self.retry_at_ms => {
                self.retry_at_ms = now_ms.saturating_add(RETRY_MS);
                self.reopen().map_err(Lost::Absent)?;
                let stream = self.stream.as_ref().ok_or(Lost::Absent(Errno::PROTOTYPE))?;
                send_on(stream, line, body).map_err(Lost::Refused)
            }
            Err(errno) if is_busy(errno) => Err(Lost::Refused(errno)),
            Err(errno) => {
                self.fault = Some(errno);
                Err(Lost::Absent(errno))
            }
            Ok(()) => {
                self.fault = None;
                Ok(())
            }
        }
    }

    /// Finds the daemon anew. A stream that cannot be connected stays as it was.
    pub fn reopen(&mut self) -> io::Result<()> {
        if confine::is_applied() {
            // Datagrams find it by themselves, and a stream is out of reach.
            return if self.stream.is_some() { Ok(()) } else { self.fault.map_or(Ok(()), Err) };
        }
        let found = match &self.sender {
            Ok(sender) => find(&sender.address),
            Err(errno) => Err(*errno),
        };
        match found {
            Ok(stream) => {
                (self.stream, self.fault) = (stream, None);
                Ok(())
            }
            Err(errno) => {
                self.fault = Some(errno);
                Err(errno)
            }
        }
    }

    /// Goes on with what is connected if this is not.
    pub fn inherit(&mut self, from: &mut Self) {
        if self.fault.is_some() && from.stream.is_some() {
            (self.stream, self.fault) = (from.stream.take(), None);
        }
    }

    pub fn path(&self) -> &CStr {
        &self.path
    }

    pub fn fault(&self) -> Option<Errno> {
        self.fault
    }

    fn send(&self, line: &mut Line, body: &Line) -> io::Result<()> {
        let Sender { address, socket } = self.sender.as_ref().map_err(|errno| *errno)?;
        net::sendto(socket, line.finish(body, b""), SendFlags::NOSIGNAL, address).map(|_| ())
    }
}

/// Whether someone listens there: for a stream, which is connected then, or for datagrams.
fn find(address: &SocketAddrUnix) -> io::Result<Option<OwnedFd>> {
    match net::connect(open(SocketType::DGRAM)?, address) {
        Ok(()) => Ok(None),
        Err(Errno::PROTOTYPE) => {
            let stream = open(SocketType::STREAM)?;
            net::connect(&stream, address).map(|()| Some(stream))
        }
        Err(errno) => Err(errno),
    }
}

fn open(kind: SocketType) -> io::Result<OwnedFd> {
    net::socket_with(AddressFamily::UNIX, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
}

/// Of a stream each line ends with a zero, as the C library writes them.
fn send_on(stream: &OwnedFd, line: &mut Line, body: &Line) -> io::Result<()> {
    let bytes = line.finish(body, b"\0");
    let sent = net::send(stream, bytes, SendFlags::NOSIGNAL)?;
    // The rest of a line would be taken for another: this stream is of no more use.
    if sent == bytes.len() { Ok(()) } else { Err(Errno::PIPE) }
}

/// A daemon that is there, and does not read or will not take this.
fn is_busy(errno: Errno) -> bool {
    matches!(errno, Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM | Errno::MSGSIZE)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};
    use std::path::PathBuf;

    use super::*;
    use crate::log::Severity;
    use crate::log::form::Form;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tidegate-syslog-{}-{name}", std::process::id()))
    }

    fn write(syslog: &mut Syslog, text: &str, now_ms: u64) -> Result<(), Lost> {
        let mut body = Line::new();
        body.write_escaped(format_args!("{text}"));
        syslog.write(&mut Form::Syslog.line(Severity::Warn, "worker", &body), &body, now_ms)
    }

    fn read(daemon: &UnixDatagram) -> String {
        let mut bytes = [0; 2_048];
        let count = daemon.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[test]
    fn a_daemon_that_comes_late_or_again_gets_the_lines_from_then_on() {
        let path = scratch("again");
        let mut syslog = Syslog::new(&path);
        assert_eq!(write(&mut syslog, "nobody", 0), Err(Lost::Absent(Errno::NOENT)));
        let daemon = UnixDatagram::bind(&path).unwrap();
        write(&mut syslog, "late", 0).unwrap();
        assert_eq!(read(&daemon), format!("<28>tidegate[{}]: late", std::process::id()));
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        let daemon = UnixDatagram::bind(&path).unwrap();
        write(&mut syslog, "again", 0).unwrap();
        assert!(read(&daemon).ends_with(": again"));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_daemon_that_does_not_read_does_not_hold_us_up() {
        let path = scratch("deaf");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path);
        let lost = (0..100_000).find_map(|_| write(&mut syslog, "deaf", 0).err());
        assert_eq!(lost, Some(Lost::Refused(Errno::AGAIN)));
        read(&daemon);
        write(&mut syslog, "awake", 0).unwrap();
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_stream_that_breaks_is_connected_again_and_may_have_become_datagrams() {
        let path = scratch("broken");
        let daemon = UnixListener::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path);
        drop(daemon);
        assert_eq!(write(&mut syslog, "nobody", 0), Err(Lost::Absent(Errno::CONNREFUSED)));
        std::fs::remove_file(&path).unwrap();
        let daemon = UnixListener::bind(&path).unwrap();
        write(&mut syslog, "again", 0).unwrap();
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        let daemon = UnixDatagram::bind(&path).unwrap();
        write(&mut syslog, "changed", 1).unwrap();
        assert!(read(&daemon).ends_with(": changed"));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_socket_that_is_a_stream_gets_lines_that_end() {
        let path = scratch("stream");
        let daemon = UnixListener::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path);
        write(&mut syslog, "one", 0).unwrap();
        write(&mut syslog, "two", 0).unwrap();
        drop(syslog);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut daemon.accept().unwrap().0, &mut text).unwrap();
        let pid = std::process::id();
        assert_eq!(text, format!("<28>tidegate[{pid}]: one\0<28>tidegate[{pid}]: two\0"));
        std::fs::remove_file(&path).unwrap();
    }
}

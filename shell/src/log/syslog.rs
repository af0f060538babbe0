//! A log that is the machine's syslog: datagrams to `/dev/log`, or one stream where the socket is that.
//!
//! Connected at the start and again when a send fails because the daemon restarted: at once, then at most once a
//! second, without asking for memory. It never waits: a daemon that does not read loses lines, which are counted.
//! While nobody is there, standard error has the lines.

use std::ffi::CStr;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::RETRY_MS;
use super::line::Line;
use super::lost::Lost;

pub struct Syslog {
    path: CString,
    /// `None` where the path is too long for one.
    address: Option<SocketAddrUnix>,
    link: Option<Link>,
    fault: Option<Errno>,
    retry_at_ms: u64,
}

struct Link {
    socket: OwnedFd,
    /// Of a stream each line ends with a zero, as the C library writes them.
    stream: bool,
}

impl Syslog {
    /// Connects, or remembers why not.
    pub fn new(path: &Path) -> Self {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        let address = SocketAddrUnix::new(path.as_c_str()).ok();
        let mut syslog = Self { path, address, link: None, fault: None, retry_at_ms: 0 };
        let _ = syslog.reopen();
        syslog
    }

    /// Sends one line.
    pub fn write(&mut self, line: &mut Line, body: &Line, now_ms: u64) -> Result<(), Lost> {
        let restarted = self.link.is_some();
        if let Some(link) = &self.link {
            match link.send(line, body) {
                Ok(()) => return Ok(()),
                // A daemon that is there and does not read, or will not take this.
                Err(errno @ (Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM | Errno::MSGSIZE)) => {
                    return Err(Lost::Refused(errno));
                }
                Err(errno) => (self.link, self.fault) = (None, Some(errno)),
            }
        }
        if restarted || now_ms >= self.retry_at_ms {
            self.retry_at_ms = now_ms.saturating_add(RETRY_MS);
            let _ = self.reopen();
        }
        match &self.link {
            Some(link) => link.send(line, body).map_err(Lost::Refused),
            None => Err(Lost::Absent(self.fault.unwrap_or(Errno::NOTCONN))),
        }
    }

    /// Connects anew. What cannot be connected stays as it was.
    pub fn reopen(&mut self) -> io::Result<()> {
        let address = self.address.as_ref().ok_or(Errno::NAMETOOLONG);
        match address.and_then(Link::open) {
            Ok(link) => {
                (self.link, self.fault) = (Some(link), None);
                Ok(())
            }
            Err(errno) => {
                if self.link.is_none() {
                    self.fault = Some(errno);
                }
                Err(errno)
            }
        }
    }

    /// Goes on with what is connected if this is not.
    pub fn inherit(&mut self, from: &mut Self) {
        if self.link.is_none() && from.link.is_some() {
            (self.link, self.fault) = (from.link.take(), None);
        }
    }

    pub fn path(&self) -> &CStr {
        &self.path
    }

    pub fn fault(&self) -> Option<Errno> {
        self.fault
    }
}

impl Link {
    fn open(address: &SocketAddrUnix) -> io::Result<Self> {
        match Self::connect(address, SocketType::DGRAM) {
            Err(Errno::PROTOTYPE) => Self::connect(address, SocketType::STREAM),
            answer => answer,
        }
    }

    fn connect(address: &SocketAddrUnix, kind: SocketType) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        net::connect(&socket, address)?;
        Ok(Self { socket, stream: kind == SocketType::STREAM })
    }

    fn send(&self, line: &mut Line, body: &Line) -> io::Result<()> {
        let bytes = line.finish(body, if self.stream { b"\0" } else { b"" });
        let sent = net::send(&self.socket, bytes, SendFlags::NOSIGNAL)?;
        // The rest of a line would be taken for another: this stream is of no more use.
        if sent == bytes.len() { Ok(()) } else { Err(Errno::PIPE) }
    }
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
        assert_eq!(write(&mut syslog, "too soon", 999), Err(Lost::Absent(Errno::NOENT)), "one try a second");
        write(&mut syslog, "late", 1_000).unwrap();
        assert_eq!(read(&daemon), format!("<28>tidegate[{}]: late", std::process::id()));
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        let daemon = UnixDatagram::bind(&path).unwrap();
        write(&mut syslog, "again", 1_001).unwrap();
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

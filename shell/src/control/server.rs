//! The control socket: who may read the server's memory of itself asks here, one word, and is sent the report.
//!
//! It never waits for a client: few are heard at a time, each has a moment to say its word, and what the kernel does
//! not take at once is not sent. A report fits the kernel's buffer many times. It asks for no memory once it is open,
//! so the one process of `Workers = 0` has it too.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use heapless::String;
use rustix::fs;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags};
use tidegate_core::event::{Interest, Token};
use tidegate_core::status::{Board, Form, PART_BYTES_MAX, PARTS};
use ufmt::uWrite;

use super::WORDS;
use crate::exit::{self, Failure};
use crate::os::epoll::Epoll;
use crate::os::socket;
use crate::socket_path::{Made, is_stale};

/// Clients heard at one time; others wait in the backlog.
const CLIENTS_MAX: usize = 4;
const BACKLOG: u32 = 16;
/// How long a client may take to say its word.
const WORD_MS: u64 = 2_000;
/// How long nobody is let in when descriptors ran out.
const REST_MS: u64 = 1_000;
/// Longer than the longest word.
const WORD_BYTES_MAX: usize = 16;

/// Listens, and hears its clients. Readable when there is something to do.
pub struct ControlSocket {
    listener: OwnedFd,
    made: Option<Made>,
    /// The listener while someone can be let in, and the clients.
    epoll: Epoll,
    watched: bool,
    clients: [Option<Client>; CLIENTS_MAX],
    rest_until_ms: Option<u64>,
}

struct Client {
    socket: OwnedFd,
    by_ms: u64,
    said: [u8; WORD_BYTES_MAX],
    len: usize,
}

/// What came from a client.
enum Heard {
    Word(Option<Form>),
    NotYet,
    Gone,
}

impl ControlSocket {
    /// Listens on this path, which a crash may have left behind. With `take_over` also on one that another server
    /// answers on: it is about to leave, and will find that the path is no longer its own.
    pub fn open(path: &Path, take_over: bool) -> Result<Self, Failure> {
        let failed = |errno| {
            let shown = path.display();
            match errno {
                Errno::ADDRINUSE => Failure::new(
                    exit::UNAVAILABLE,
                    format!("{shown} is taken ([Process] ControlSocket); a file that is not a socket is never removed"),
                ),
                Errno::NAMETOOLONG => {
                    Failure::new(exit::CONFIG, format!("{shown} is too long for a socket ([Process] ControlSocket)"))
                }
                errno => Failure::of_errno(
                    exit::CANNOT_CREATE,
                    format_args!("cannot create the control socket {shown} ([Process] ControlSocket)"),
                    errno,
                ),
            }
        };
        let listener = match socket::listen_private(path, BACKLOG) {
            Err(Errno::ADDRINUSE) if is_stale(path) || take_over && is_socket(path) => {
                fs::unlink(path).and_then(|()| socket::listen_private(path, BACKLOG))
            }
            answer => answer,
        };
        let listener = listener.map_err(failed)?;
        let made = Made::at(path);
        let epoll = Epoll::new().map_err(failed)?;
        let mut control =
            Self { listener, made, epoll, watched: false, clients: Default::default(), rest_until_ms: None };
        control.watch(0);
        Ok(control)
    }

    /// Does what there is to do. Harmless at any time.
    pub fn serve(&mut self, now_ms: u64, board: &dyn Board) {
        self.let_in(now_ms);
        for place in &mut self.clients {
            let Some(client) = place else { continue };
            match client.hear() {
                Heard::NotYet if now_ms < client.by_ms => continue,
                Heard::NotYet | Heard::Gone => {}
                Heard::Word(Some(form)) => client.answer(form, now_ms, board),
                Heard::Word(None) => {
                    let _ = client.send(b"not known; it is: status, or: status json\n");
                }
            }
            *place = None;
        }
        self.watch(now_ms);
    }

    /// When [`ControlSocket::serve`] has something to do though nothing can be read.
    pub fn next_deadline(&self) -> Option<u64> {
        let clients = self.clients.iter().flatten().map(|client| client.by_ms);
        clients.chain(self.rest_until_ms).min()
    }

    /// Closes it, and removes the path if it is still ours.
    pub fn remove(self) {
        self.made.iter().for_each(Made::remove);
    }

    /// Takes one who waits for each free place.
    fn let_in(&mut self, now_ms: u64) {
        if self.rest_until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
            self.rest_until_ms = None;
        }
        for (place, number) in self.clients.iter_mut().zip(1..).filter(|(place, _)| place.is_none()) {
            if self.rest_until_ms.is_some() {
                break;
            }
            match net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => {
                    if self.epoll.watch(&socket, Token::of_world(number), Interest::NONE, Interest::READ).is_ok() {
                        let by_ms = now_ms.saturating_add(WORD_MS);
                        *place = Some(Client { socket, by_ms, said: [0; WORD_BYTES_MAX], len: 0 });
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                // Out of descriptors, or of memory: it would be readable for ever.
                Err(_) => self.rest_until_ms = Some(now_ms.saturating_add(REST_MS)),
            }
        }
    }

    /// The listener is watched exactly while someone could be let in, so that a crowd wakes nobody for nothing.
    fn watch(&mut self, now_ms: u64) {
        let want = self.rest_until_ms.is_none() && self.clients.iter().any(Option::is_none);
        if want == self.watched {
            return;
        }
        let interest = |on| if on { Interest::READ } else { Interest::NONE };
        match self.epoll.watch(&self.listener, Token::of_world(0), interest(self.watched), interest(want)) {
            Ok(()) => self.watched = want,
            Err(_) => self.rest_until_ms = Some(now_ms.saturating_add(REST_MS)),
        }
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Client {
    fn hear(&mut self) -> Heard {
        let room = self.said.get_mut(self.len..).unwrap_or_default();
        let ended = match net::recv(&self.socket, room, RecvFlags::DONTWAIT) {
            Ok((0, _)) => true,
            Ok((count, _)) => {
                self.len += count;
                false
            }
            Err(Errno::AGAIN | Errno::INTR) => return Heard::NotYet,
            Err(_) => return Heard::Gone,
        };
        let said = self.said.get(..self.len).unwrap_or_default();
        let word = said.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        if ended && said.is_empty() {
            Heard::Gone
        } else if ended || said.contains(&b'\n') || self.len == WORD_BYTES_MAX {
            Heard::Word(WORDS.iter().find(|(known, _)| known.as_bytes() == word).map(|(_, form)| *form))
        } else {
            Heard::NotYet
        }
    }

    fn answer(&self, form: Form, now_ms: u64, board: &dyn Board) {
        board.look(now_ms, &mut |status| {
            for number in 0..PARTS {
                let mut part = String::<PART_BYTES_MAX>::new();
                // Through a trait object the writer is a third of the size. A part is never longer than its bound.
                let out: &mut dyn uWrite<Error = _> = &mut part;
                let _ = status.write_part(form, number, out);
                if !self.send(part.as_bytes()) {
                    break;
                }
            }
        });
    }

    /// Sends all of it now; false if the kernel does not take all. The client can tell a cut report.
    fn send(&self, bytes: &[u8]) -> bool {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        bytes.is_empty() || net::send(&self.socket, bytes, flags) == Ok(bytes.len())
    }
}

fn is_socket(path: &Path) -> bool {
    fs::lstat(path).is_ok_and(|stat| fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::Socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    use tidegate_core::stats::Stats;
    use tidegate_core::status::{Facts, LAST_WORDS, Status};

    struct Still;

    impl Board for Still {
        fn look(&self, now_ms: u64, show: &mut dyn FnMut(&Status<'_>)) {
            let (totals, facts) = (Stats::new(), Facts::default());
            let (version, configuration) = ("1", "x");
            show(&Status {
                now_ms,
                version,
                configuration,
                facts,
                listeners: &[],
                blocks: 1,
                block_bytes: 1,
                totals: &totals,
            });
        }
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tidegate-control-{}-{name}", std::process::id()))
    }

    fn is_readable(control: &ControlSocket) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut asked = [PollFd::new(control, PollFlags::IN)];
        poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    fn answer(mut client: &UnixStream) -> std::string::String {
        let mut text = std::string::String::new();
        client.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let _ = client.read_to_string(&mut text);
        text
    }

    #[test]
    fn a_word_brings_the_report_in_pieces_or_whole_and_another_brings_the_words_that_are_known() {
        let path = scratch("words");
        let mut control = ControlSocket::open(&path, false).unwrap();
        assert!(!is_readable(&control) && control.next_deadline().is_none());
        let words = [
            ("status\n", LAST_WORDS),
            ("status json\r\n", "}\n"),
            ("statistics\n", "not known"),
            ("x".repeat(99).leak(), "not known"),
        ];
        for (word, part) in words {
            let mut client = UnixStream::connect(&path).unwrap();
            assert!(is_readable(&control));
            for byte in word.bytes().take(WORD_BYTES_MAX) {
                client.write_all(&[byte]).unwrap();
                control.serve(0, &Still);
            }
            assert!(answer(&client).contains(part), "{word}");
            assert!(!is_readable(&control) && control.next_deadline().is_none(), "{word}");
        }
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"status").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        while is_readable(&control) {
            control.serve(0, &Still);
        }
        assert!(answer(&client).contains(LAST_WORDS), "the end of its direction ends the word");
        control.remove();
        assert!(!path.exists());
    }

    #[test]
    fn silent_clients_fill_the_places_wake_nobody_and_are_gone_in_time() {
        let path = scratch("silent");
        let mut control = ControlSocket::open(&path, false).unwrap();
        let silent: Vec<UnixStream> = (0..CLIENTS_MAX).map(|_| UnixStream::connect(&path).unwrap()).collect();
        control.serve(100, &Still);
        let mut last = UnixStream::connect(&path).unwrap();
        last.write_all(b"status\n").unwrap();
        assert!(!is_readable(&control), "a full house is deaf");
        assert_eq!(control.next_deadline(), Some(100 + WORD_MS));
        control.serve(100 + WORD_MS, &Still);
        assert!(silent.iter().all(|client| answer(client).is_empty()));
        assert!(is_readable(&control));
        control.serve(100 + WORD_MS, &Still);
        assert!(answer(&last).contains(LAST_WORDS));
        control.remove();
    }

    #[test]
    fn a_path_is_taken_over_when_it_is_stale_or_when_that_was_asked_and_removed_only_by_whom_it_belongs_to() {
        let path = scratch("path");
        let first = ControlSocket::open(&path, false).unwrap();
        assert_eq!(ControlSocket::open(&path, false).err().unwrap().code, exit::UNAVAILABLE);
        let second = ControlSocket::open(&path, true).unwrap();
        first.remove();
        assert!(path.exists(), "the first removed what is the second's");
        drop(second);
        let third = ControlSocket::open(&path, false).unwrap();
        third.remove();
        std::fs::write(&path, "precious").unwrap();
        assert!(ControlSocket::open(&path, true).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_file(&path).unwrap();
    }
}

//! The opaque world: memory, network, service and log sink, all as foreign functions whose answers nobody knows.

use core::net::SocketAddr;
use core::num::NonZeroU32;

use tidegate_core::event::{Interest, Token};
use tidegate_core::net::{Answer, Gone, Net, Peer};
use tidegate_core::service::{Cause, Context, FilePart, Next, Outbox, Service, Step};

/// A slice from a C caller.
#[repr(C)]
pub struct Lent<T> {
    first: *mut T,
    len: usize,
}

impl<T> Lent<T> {
    pub fn get(self) -> &'static mut [T] {
        // SAFETY: the caller lends `len` values at `first` for good. Nothing here ever runs.
        unsafe { core::slice::from_raw_parts_mut(self.first, self.len) }
    }
}

impl Lent<u8> {
    pub fn text(self) -> &'static str {
        core::str::from_utf8(self.get()).unwrap_or("")
    }
}

unsafe extern "C" {
    fn world_accept(listener: u32, conn: &mut u32, peer: &mut Peer) -> i32;
    fn world_recv(conn: u32, into: *mut u8, len: usize) -> isize;
    fn world_send(conn: u32, parts: *const &[u8], count: usize) -> isize;
    fn world_send_file(conn: u32, id: u32, offset: u64, len: usize) -> isize;
    fn world_watch(conn: u32, token: u64, from: Interest, to: Interest) -> i32;
    fn world_close(conn: u32, how: i32);
    fn world_step(
        cause: i32,
        input: *const u8,
        len: usize,
        out: &mut Outbox<'_>,
        facts: &[u64; 5],
        info: &str,
        peer: &Peer,
    ) -> Verdict;
    fn world_bytes() -> Lent<u8>;
    fn world_number() -> u64;
    #[cfg(target_has_atomic = "ptr")]
    fn world_log(level: usize, arguments: &core::fmt::Arguments<'_>, target: &str);
}

/// What the opaque service answers.
#[repr(C)]
struct Verdict {
    consumed: usize,
    next: i32,
    at_ms: u64,
}

pub fn number() -> u64 {
    // SAFETY: foreign and never linked.
    unsafe { world_number() }
}

pub struct World;

fn gone(code: isize) -> Gone {
    match code {
        -2 => Gone::Reset,
        -3 => Gone::Refused,
        -4 => Gone::NoRoom,
        _ => Gone::Other,
    }
}

fn answer(code: isize) -> Answer<usize> {
    match code {
        0.. => Ok(code as usize),
        -1 => Err(nb::Error::WouldBlock),
        _ => Err(nb::Error::Other(gone(code))),
    }
}

impl Net for World {
    type Listener = NonZeroU32;
    type Conn = NonZeroU32;

    fn accept(&mut self, listener: &NonZeroU32) -> Answer<(NonZeroU32, Peer)> {
        let (mut conn, mut peer) = (0, Peer::Unix);
        // SAFETY: foreign and never linked; here and below.
        answer(unsafe { world_accept(listener.get(), &mut conn, &mut peer) } as isize)?;
        Ok((NonZeroU32::new(conn).ok_or(nb::Error::WouldBlock)?, peer))
    }

    fn recv(&mut self, conn: &NonZeroU32, into: &mut [u8]) -> Answer<usize> {
        // SAFETY: as above.
        answer(unsafe { world_recv(conn.get(), into.as_mut_ptr(), into.len()) })
    }

    fn send(&mut self, conn: &NonZeroU32, parts: &[&[u8]]) -> Answer<usize> {
        // SAFETY: as above.
        answer(unsafe { world_send(conn.get(), parts.as_ptr(), parts.len()) })
    }

    fn send_file(&mut self, conn: &NonZeroU32, id: u32, offset: u64, len: usize) -> Answer<usize> {
        // SAFETY: as above.
        answer(unsafe { world_send_file(conn.get(), id, offset, len) })
    }

    fn shutdown(&mut self, conn: &NonZeroU32) {
        // SAFETY: as above.
        unsafe { world_close(conn.get(), 0) }
    }

    fn close(&mut self, conn: NonZeroU32) {
        // SAFETY: as above.
        unsafe { world_close(conn.get(), 1) }
    }

    fn close_listener(&mut self, listener: NonZeroU32) {
        // SAFETY: as above.
        unsafe { world_close(listener.get(), 2) }
    }

    fn watch(&mut self, conn: &NonZeroU32, token: Token, from: Interest, to: Interest) -> Result<(), Gone> {
        // SAFETY: as above.
        match unsafe { world_watch(conn.get(), token.to_bits(), from, to) } {
            0 => Ok(()),
            code => Err(gone(code as isize)),
        }
    }

    fn watch_listener(&mut self, listener: &NonZeroU32, token: Token, on: bool) -> Result<(), Gone> {
        self.watch(listener, token, Interest::NONE, Interest::of(on, false))
    }
}

/// A service that does whatever a service may do, as the world pleases.
#[derive(Default)]
pub struct Foreign;

impl Service for Foreign {
    type State = u64;

    fn step(
        &mut self,
        state: &mut u64,
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        context: &mut Context<'_, '_>,
    ) -> Step {
        *state = number();
        let woken = context.wake(Token::from_bits(number()));
        let (all, some) = (out.write(lent_bytes()), out.write_some(lent_bytes()));
        let facts = [
            context.now_ms(),
            context.me().to_bits(),
            context.listener() as u64,
            out.room() as u64,
            u64::from(context.ended() | woken | all) ^ some as u64,
        ];
        let before = out.written();
        let _ = out.fill(number() as usize, |into| {
            into.first_mut().map(|byte| *byte = number() as u8).map(|()| number() as usize).ok_or(())
        });
        out.patch(number() as usize, lent_bytes());
        out.truncate(before ^ context.wall_s() as usize);
        let (info, peer) = (context.info(), context.peer());
        // SAFETY: foreign and never linked.
        let Verdict { consumed, next, at_ms } =
            unsafe { world_step(cause as i32, input.as_ptr(), input.len(), out, &facts, info, &peer) };
        match number() {
            0 => out.file(FilePart { id: number() as u32, offset: number(), len: number() as usize }),
            n => out.reflect(n as usize),
        }
        let next = match next {
            0 => Next::More,
            1 => Next::Again,
            2 => Next::Close,
            _ => Next::Wait(at_ms),
        };
        Step { consumed, next }
    }

    fn sent(&mut self, state: &mut u64, bytes: usize) {
        *state ^= bytes as u64;
    }

    fn closed(&mut self, _state: &mut u64, context: &mut Context<'_, '_>) {
        let token = context.me();
        context.wake(token);
        // SAFETY: foreign and never linked.
        unsafe { world_close(token.to_bits() as u32, 3) }
    }
}

pub fn lent_bytes() -> &'static [u8] {
    // SAFETY: foreign and never linked.
    unsafe { world_bytes() }.get()
}

/// A peer nobody can guess.
pub fn peer(v6: bool, address: [u8; 16], port: u16, scope: u32) -> Peer {
    match (v6, address) {
        (false, [a, b, c, d, ..]) => Peer::Ip(SocketAddr::from(([a, b, c, d], port))),
        (true, address) => Peer::Ip(SocketAddr::V6(core::net::SocketAddrV6::new(address.into(), port, 0, scope))),
    }
}

#[cfg(target_has_atomic = "ptr")]
struct Sink;

#[cfg(target_has_atomic = "ptr")]
impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // SAFETY: foreign and never linked.
        unsafe { world_log(record.level() as usize, record.args(), record.target()) }
    }

    fn flush(&self) {}
}

/// With a sink installed the core's log calls are live, and the formatting they ask for is part of the proof. Where
/// there is no compare-and-swap the facade's own set-up can panic, so there the proof is of a core without a sink.
#[cfg(target_has_atomic = "ptr")]
#[unsafe(no_mangle)]
pub extern "C" fn log_to_world() -> bool {
    log::set_max_level(log::LevelFilter::Trace);
    log::set_logger(&Sink).is_ok()
}

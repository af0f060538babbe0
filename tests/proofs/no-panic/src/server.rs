//! Every public entry of the dispatcher, with the shipped services and with the opaque one.

use core::num::NonZeroU32;

use tidegate_core::admission::{Admission, WhenFull};
use tidegate_core::blocks::BlockMark;
use tidegate_core::clients::Client;
use tidegate_core::conn::Slot;
use tidegate_core::dispatch::{Dispatcher, Storage};
use tidegate_core::event::{Event, Ready, Token};
use tidegate_core::listen::Rules;
use tidegate_core::net::Net;
use tidegate_core::pool::Mark;
use tidegate_core::prefix::Prefix;
use tidegate_core::service::frame::Frame;
use tidegate_core::service::http::Http;
use tidegate_core::service::{BuiltIn, Service};
use tidegate_core::stats::{Counter, Reason, Stats};

use crate::frame::Orders;
use crate::http::{Files, Program};
use crate::world::{Foreign, Lent, World};

/// A dispatcher's memory, as C lends it.
#[repr(C)]
pub struct LentStorage<State> {
    marks: Lent<Mark>,
    slots: Lent<Slot<<World as Net>::Conn>>,
    states: Lent<State>,
    timer_cells: Lent<u64>,
    timer_places: Lent<u32>,
    block_marks: Lent<BlockMark>,
    block_memory: Lent<u8>,
    block_bytes: usize,
    scratch: Lent<u8>,
    outbox: Lent<u8>,
    clients: Lent<Client>,
    seed: [u64; 2],
    elder_cells: Lent<u64>,
    elder_places: Lent<u32>,
    stats: &'static Stats,
}

impl<State> LentStorage<State> {
    fn get<S: Service<State = State>>(self) -> Storage<'static, <World as Net>::Conn, S> {
        Storage {
            marks: self.marks.get(),
            slots: self.slots.get(),
            states: self.states.get(),
            timer_cells: self.timer_cells.get(),
            timer_places: self.timer_places.get(),
            block_marks: self.block_marks.get(),
            block_memory: self.block_memory.get(),
            block_bytes: self.block_bytes,
            scratch: self.scratch.get(),
            outbox: self.outbox.get(),
            clients: self.clients.get(),
            seed: self.seed,
            elder_cells: self.elder_cells.get(),
            elder_places: self.elder_places.get(),
            stats: self.stats,
        }
    }
}

#[repr(C)]
pub struct LentRules {
    idle_ms: u64,
    request_ms: u64,
    write_ms: u64,
    info: Lent<u8>,
    allow: Lent<Prefix>,
    deny: Lent<Prefix>,
    per_client: u32,
    per_second: u32,
    when_full: WhenFull,
}

macro_rules! entries {
    ($service:ty: $new:ident $listen:ident $on_event:ident $on_time:ident $drain:ident $stop:ident $wake:ident
     $next_deadline:ident $taken:ident $blocks_taken:ident $stats:ident $service_mut:ident $set_wall:ident) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $new(
            at: &mut core::mem::MaybeUninit<Dispatcher<'static, World, $service>>,
            storage: LentStorage<<$service as Service>::State>,
            service: $service,
        ) {
            at.write(Dispatcher::new(storage.get(), service));
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $listen(
            server: &mut Dispatcher<'static, World, $service>,
            socket: NonZeroU32,
            connections: u32,
            rules: LentRules,
        ) -> isize {
            let LentRules { idle_ms, request_ms, write_ms, info, allow, deny, per_client, per_second, when_full } =
                rules;
            let rules = Rules { idle_ms, request_ms, write_ms, info: info.text() };
            let admission = Admission { allow: allow.get(), deny: deny.get(), per_client, per_second, when_full };
            match server.listen(&mut World, socket, connections, rules) {
                Ok(id) if server.admit(id, admission).is_ok() => id.index() as isize,
                _ => -1,
            }
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $on_event(
            server: &mut Dispatcher<'static, World, $service>,
            now_ms: u64,
            token: u64,
            ready: Ready,
        ) {
            let event = Event { token: Token::from_bits(token), ready };
            server.on_event(&mut World, now_ms, event);
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $on_time(server: &mut Dispatcher<'static, World, $service>, now_ms: u64) {
            server.on_time(&mut World, now_ms);
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $drain(server: &mut Dispatcher<'static, World, $service>, now_ms: u64) {
            server.drain(&mut World, now_ms);
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $stop(server: &mut Dispatcher<'static, World, $service>, now_ms: u64) {
            server.stop(&mut World, now_ms);
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $set_wall(server: &mut Dispatcher<'static, World, $service>, unix_s: i64) {
            server.set_wall(unix_s);
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $wake(server: &mut Dispatcher<'static, World, $service>, token: u64) -> bool {
            server.wake(Token::from_bits(token))
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $next_deadline(server: &Dispatcher<'static, World, $service>) -> u64 {
            server.next_deadline().unwrap_or(u64::MAX)
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $taken(server: &Dispatcher<'static, World, $service>) -> u32 {
            server.taken()
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $blocks_taken(server: &Dispatcher<'static, World, $service>) -> usize {
            server.blocks_taken()
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $stats(server: &Dispatcher<'static, World, $service>) -> *const Stats {
            server.stats()
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $service_mut(server: &mut Dispatcher<'static, World, $service>) -> *mut $service {
            server.service()
        }
    };
}

entries!(BuiltIn: builtin_new builtin_listen builtin_on_event builtin_on_time builtin_drain builtin_stop builtin_wake
    builtin_next_deadline builtin_taken builtin_blocks_taken builtin_stats builtin_service builtin_set_wall);

tidegate_core::service_set! {
    /// The opaque service beside the shipped ones, so that one table serves all.
    pub struct Mixed, MixedKind, MixedState {
        echo: tidegate_core::service::Echo = "echo",
        discard: tidegate_core::service::Discard = "discard",
        foreign: Foreign = "foreign",
        frame: Frame<'static, Orders> = "frame",
        http: Http<'static, Files, Program> = "http",
    }
}

entries!(Mixed: mixed_new mixed_listen mixed_on_event mixed_on_time mixed_drain mixed_stop mixed_wake
    mixed_next_deadline mixed_taken mixed_blocks_taken mixed_stats mixed_service mixed_set_wall);

#[unsafe(no_mangle)]
pub extern "C" fn mixed_assign(set: &mut Mixed, listener: usize, name: Lent<u8>) -> bool {
    MixedKind::named(name.text()).is_some_and(|kind| set.assign(listener, kind))
}

#[unsafe(no_mangle)]
pub extern "C" fn stats_get(stats: &Stats, at: usize, name: &mut &'static str) -> u64 {
    if let Some(counter) = Counter::ALL.get(at) {
        *name = counter.name();
        return stats.count(*counter);
    }
    let Some(reason) = Reason::ALL.get(at.wrapping_sub(Counter::COUNT)) else { return stats.closed_in_all() };
    *name = reason.name();
    stats.closed(*reason)
}

//! Whom a listener lets in, each promise on a calm network.

use tidegate_core::admission::{Admission, NoTable};
use tidegate_core::dispatch::{Dispatcher, Storage};
use tidegate_core::stats::Counter;

use crate::gate::LISTS;
use crate::house::{Memory, Protocol, services};
use crate::rig::Rig;
use crate::scenarios::{Bed, Got, SETUP};
use crate::world::World;

fn open_from(rig: &mut Rig, host: usize) -> usize {
    rig.world.next_host = Some(host);
    rig.open()
}

#[test]
fn a_denied_newcomer_is_closed_untouched_and_the_next_is_served() {
    let mut rig = Rig::start_with(SETUP, Admission { deny: LISTS[3], ..Admission::default() });
    let mut denied = open_from(&mut rig, 0);
    let mut welcome = open_from(&mut rig, 1);
    assert_eq!((rig.look(&mut denied), rig.taken()), (Got::End, 1));
    rig.send(&mut welcome, b"in");
    assert_eq!(rig.read(&mut welcome, 2), b"in");
    assert_eq!((rig.stats().count(Counter::RefusedDenied), rig.stats().count(Counter::Accepted)), (1, 1));
}

#[test]
fn a_client_has_so_many_connections_and_another_when_one_of_them_ends() {
    let mut rig = Rig::start_with(SETUP, Admission { per_client: 2, ..Admission::default() });
    // One /64, and a new address each time.
    let (first, _second, mut third) = (open_from(&mut rig, 2), open_from(&mut rig, 2), open_from(&mut rig, 2));
    assert_eq!((rig.look(&mut third), rig.taken()), (Got::End, 2));
    open_from(&mut rig, 3);
    assert_eq!(rig.taken(), 3, "another client is let in");
    for _ in 0..3 {
        open_from(&mut rig, 7);
    }
    assert_eq!(rig.taken(), 6, "local peers are not counted");
    rig.close(first);
    rig.settle();
    let mut fourth = open_from(&mut rig, 2);
    rig.send(&mut fourth, b"in");
    assert_eq!(rig.read(&mut fourth, 2), b"in");
    assert_eq!(rig.stats().count(Counter::RefusedPerClient), 1);
}

#[test]
fn without_memory_for_a_table_clients_cannot_be_counted_and_nothing_else_is_lost() {
    let (mut world, mut memory) = (World::new(1), Memory::new(4, 8, 16, 64, 64));
    let storage = Storage { clients: &mut [], ..memory.lend() };
    let mut server = Dispatcher::new(storage, services(&[Protocol::Echo]));
    let door = world.door();
    let Ok(id) = server.listen(&mut world, door, 4, SETUP.rules) else { panic!("no room") };
    assert_eq!(server.admit(id, Admission { per_client: 1, ..Admission::default() }), Err(NoTable));
    assert_eq!(server.admit(id, Admission { deny: LISTS[1], ..Admission::default() }), Ok(()));
}

#[test]
fn over_its_rate_a_listener_rests_to_the_millisecond_and_nobody_is_called() {
    let mut rig = Rig::start_with(SETUP, Admission { per_second: 2, ..Admission::default() });
    for _ in 0..5 {
        rig.open();
    }
    assert_eq!((rig.taken(), rig.world.watched(0), rig.server.next_deadline()), (2, false, Some(500)));
    rig.wait(499);
    assert_eq!((rig.taken(), rig.stats().count(Counter::RatesReached)), (2, 1));
    let calls = rig.calls;
    rig.wait(1);
    assert!(rig.taken() == 3 && rig.calls - calls <= 2, "one call that is due, one event");
    rig.wait(1_000);
    assert_eq!(rig.taken(), 5);
    rig.wait(1_000);
    assert!(rig.world.watched(0));
}

#[test]
fn who_is_refused_costs_the_others_no_token() {
    let mut rig = Rig::start_with(SETUP, Admission { per_second: 2, deny: LISTS[3], ..Admission::default() });
    for _ in 0..5 {
        open_from(&mut rig, 0);
    }
    open_from(&mut rig, 1);
    open_from(&mut rig, 1);
    assert_eq!((rig.taken(), rig.stats().count(Counter::RefusedDenied)), (2, 5));
}

//! Whom a listener lets in, each promise on a calm network.

use tidegate_core::admission::{Admission, NotLent, WhenFull};
use tidegate_core::dispatch::{Dispatcher, Storage};
use tidegate_core::stats::{Counter, Reason};

use crate::gate::LISTS;
use crate::house::{Memory, Protocol, services};
use crate::link::Stage;
use crate::rig::Rig;
use crate::rng::Rng;
use crate::scenarios::{Bed, Got, SETUP, Setup};
use crate::world::World;

/// `Admission::default()` is no constant.
const OLDEST: Admission<'static> =
    Admission { allow: &[], deny: &[], per_client: 0, per_second: 0, when_full: WhenFull::Oldest };

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
fn terms_that_need_memory_that_was_not_lent_are_refused_and_others_are_not() {
    let (mut world, mut memory) = (World::new(1), Memory::new(4, 8, 16, 64, 64));
    let storage = Storage { clients: &mut [], elder_cells: &mut [], ..memory.lend() };
    let mut server = Dispatcher::new(storage, services(&[Protocol::Echo]));
    let door = world.door();
    let Ok(id) = server.listen(&mut world, door, 4, SETUP.rules) else { panic!("no room") };
    assert_eq!(server.admit(id, Admission { per_client: 1, ..Admission::default() }), Err(NotLent));
    assert_eq!(server.admit(id, OLDEST), Err(NotLent));
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

#[test]
fn a_full_listener_closes_whoever_was_silent_for_longest_and_nobody_else() {
    let mut rig = Rig::start_with(Setup { connections: 5, ..SETUP }, OLDEST);
    let mut rng = Rng::new(5);
    // The clients that are in, with the time of their last byte.
    let mut inside: Vec<(u64, usize)> = Vec::new();
    for round in 0..300 {
        rig.wait(1 + rng.below(20) as u64);
        if rng.chance(700) && !inside.is_empty() {
            let at = rng.below(inside.len());
            inside[at].0 = rig.now_ms;
            rig.send(&mut inside[at].1, b"x");
            assert_eq!(rig.read(&mut inside[at].1, 1), b"x");
            continue;
        }
        let newcomer = rig.open();
        if inside.len() == 5 {
            inside.sort();
            let (_, mut oldest) = inside.remove(0);
            assert_eq!(rig.look(&mut oldest), Got::End, "round {round}");
        }
        inside.push((rig.now_ms, newcomer));
        assert!(inside.iter().all(|(_, client)| rig.world.links[*client].stage == Stage::Taken), "round {round}");
        assert!(rig.world.watched(0));
    }
    assert!(rig.closed(Reason::MadeRoom) > 50 && rig.stats().count(Counter::SharesFull) == 0);
}

#[test]
fn a_full_listener_refuses_where_that_is_wanted_and_lets_in_again_when_there_is_room() {
    let terms = Admission { when_full: WhenFull::Refuse, per_client: 2, ..Admission::default() };
    let mut rig = Rig::start_with(Setup { connections: 2, ..SETUP }, terms);
    let (first, mut second) = (open_from(&mut rig, 2), open_from(&mut rig, 3));
    for _ in 0..9 {
        let mut refused = open_from(&mut rig, 4);
        assert_eq!(rig.look(&mut refused), Got::End);
        assert!(rig.world.watched(0), "nobody waits");
    }
    assert_eq!((rig.taken(), rig.stats().count(Counter::RefusedFull)), (2, 9));
    rig.close(first);
    rig.settle();
    // Who was refused is not counted to its client.
    let mut third = open_from(&mut rig, 4);
    for client in [&mut second, &mut third] {
        rig.send(client, b"in");
        assert_eq!(rig.read(client, 2), b"in");
    }
    assert_eq!(rig.stats().count(Counter::RefusedPerClient) + rig.stats().count(Counter::SharesFull), 0);
}

#[test]
fn who_is_refused_makes_no_one_leave() {
    let mut rig = Rig::start_with(Setup { connections: 1, ..SETUP }, Admission { deny: LISTS[3], ..OLDEST });
    let mut inside = open_from(&mut rig, 1);
    open_from(&mut rig, 0);
    rig.send(&mut inside, b"in");
    assert_eq!((rig.read(&mut inside, 2), rig.closed(Reason::MadeRoom)), (b"in".to_vec(), 0));
}

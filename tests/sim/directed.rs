//! Single promises, each on a calm network and to the millisecond.

use tidegate_core::event::{Event, Interest, Ready};
use tidegate_core::limits::{ACCEPT_RETRY_MS, LINGER_MS};
use tidegate_core::listen::Rules;
use tidegate_core::stats::{Counter, Reason};

use crate::house::Protocol;
use crate::link::Stage;
use crate::rig::Rig;
use crate::scenarios::{Bed, Got, SETUP, Setup, bytes};

fn rules(idle_ms: u64, request_ms: u64, write_ms: u64) -> Rules<'static> {
    Rules { idle_ms, request_ms, write_ms, info: "" }
}

fn gone(rig: &Rig, clients: &[usize]) -> Vec<bool> {
    clients.iter().map(|at| rig.world.links[*at].stage == Stage::GivenBack).collect()
}

#[test]
fn a_full_share_is_deaf_to_its_backlog_and_hears_again_when_one_leaves() {
    let mut rig = Rig::start(Setup { connections: 1, ..SETUP });
    let first = rig.open();
    assert!(!rig.world.watched(0));
    let mut second = rig.open();
    let calls = rig.calls;
    rig.wait(30_000);
    assert_eq!((rig.calls, rig.taken()), (calls, 1), "a backlog alone calls nobody");
    assert_eq!(rig.stats().count(Counter::SharesFull), 1);
    rig.close(first);
    rig.send(&mut second, b"me");
    assert_eq!(rig.read(&mut second, 2), b"me");
}

#[test]
fn after_running_out_of_descriptors_a_close_is_enough_to_accept_again() {
    let mut rig = Rig::start(SETUP);
    rig.world.descriptors = 1;
    let first = rig.open();
    let mut second = rig.open();
    assert_eq!((rig.taken(), rig.world.watched(0)), (1, false));
    assert_eq!(rig.server.next_deadline(), Some(rig.now_ms + ACCEPT_RETRY_MS));
    rig.close(first);
    rig.send(&mut second, b"now");
    assert_eq!(rig.read(&mut second, 3), b"now");
    assert_eq!(rig.now_ms, 0, "not a millisecond passed");
}

#[test]
fn an_idle_deadline_that_moves_with_every_byte_fires_neither_early_nor_late() {
    let mut rig = Rig::start(Setup { rules: rules(1_000, 0, 0), ..SETUP });
    let mut client = rig.open();
    for gap in [1, 999, 500, 998, 3, 700, 999] {
        rig.wait(gap);
        rig.send(&mut client, b"x");
        assert_eq!(rig.read(&mut client, 1), b"x");
    }
    rig.wait(999);
    assert_eq!(rig.taken(), 1);
    assert!(rig.server.next_deadline().is_some_and(|at| at <= rig.now_ms + 1));
    rig.wait(1);
    assert_eq!((rig.taken(), rig.closed(Reason::IdleTimeout), rig.look(&mut client)), (0, 1, Got::End));
}

#[test]
fn a_request_deadline_counts_from_its_first_byte_and_each_request_has_its_own() {
    let mut rig = Rig::start(Setup { protocol: Protocol::Lines, rules: rules(0, 1_000, 0), ..SETUP });
    let lines = &mut rig.server.service().inner.lines;
    lines.ticks = 0;
    let mut client = rig.open();
    for _ in 0..3 {
        rig.send(&mut client, b"a");
        rig.wait(900);
        rig.send(&mut client, b"b\n");
        assert_eq!(rig.read(&mut client, 3), b"AB\n");
        rig.wait(5_000);
        assert_eq!(rig.taken(), 1, "between requests no request is late");
    }
    for _ in 0..10 {
        rig.send(&mut client, b"c");
        rig.wait(99);
    }
    rig.wait(9);
    rig.expect_silence(&mut client);
    rig.wait(1);
    assert_eq!(rig.look(&mut client), Got::Bytes(b"late\n".to_vec()));
    assert_eq!(rig.look(&mut client), Got::End);
}

#[test]
fn a_write_deadline_moves_with_every_byte_that_leaves_and_fires_on_time() {
    let mut rig = Rig::start(Setup { rules: rules(0, 0, 1_000), ..SETUP });
    rig.world.buffers = (4096, 10);
    let mut client = rig.open();
    rig.send(&mut client, &bytes(1, 200));
    for _ in 0..5 {
        rig.wait(999);
        assert_eq!(rig.read(&mut client, 10).len(), 10);
        rig.wait(0);
    }
    rig.wait(999);
    assert_eq!(rig.taken(), 1);
    rig.wait(1);
    assert_eq!((rig.taken(), rig.blocks_taken(), rig.closed(Reason::WriteTimeout)), (0, 0, 1));
}

#[test]
fn lingering_ends_to_the_millisecond_under_a_flood() {
    let mut rig = Rig::start(Setup { protocol: Protocol::Frame, ..SETUP });
    let mut client = rig.open();
    rig.send(&mut client, &[0]);
    for _ in 0..LINGER_MS / 100 {
        rig.wait(99);
        rig.send(&mut client, &[1; 3000]);
        assert_eq!(rig.taken(), 1);
        rig.wait(1);
    }
    assert_eq!((rig.taken(), rig.closed(Reason::Served)), (0, 1));
    assert_eq!(rig.stats().count(Counter::BytesIn), 1, "what is thrown away is no input");
}

#[test]
fn when_blocks_run_out_the_oldest_holder_goes_first_and_progress_makes_young() {
    let mut rig = Rig::start(Setup { protocol: Protocol::Frame, blocks: 8, block_bytes: 16, ..SETUP });
    let mut clients: Vec<usize> = (0..6).map(|_| rig.open()).collect();
    for client in &mut clients[..4] {
        rig.send(client, &[9, 9]);
    }
    assert_eq!((rig.blocks_taken(), rig.taken()), (4, 6), "all but the reserve");
    // The first completes its message and begins another.
    rig.send(&mut clients[0], &[9; 9]);
    rig.send(&mut clients[4], &[9, 9]);
    rig.send(&mut clients[5], &[9, 9]);
    let gone = gone(&rig, &clients);
    assert_eq!(gone, [false, true, true, false, false, false]);
    assert_eq!(rig.closed(Reason::BlocksDry), 2);
}

#[test]
fn when_replies_hold_the_blocks_the_longest_without_progress_goes_first() {
    let mut rig = Rig::start(Setup { blocks: 8, block_bytes: 16, ..SETUP });
    rig.world.buffers = (4096, 10);
    let mut clients: Vec<usize> = (0..5).map(|_| rig.open()).collect();
    for client in &mut clients[..4] {
        rig.send(client, &[1; 26]);
    }
    assert_eq!(rig.blocks_taken(), 4);
    assert_eq!(rig.read(&mut clients[0], 10).len(), 10);
    rig.wait(0);
    rig.send(&mut clients[4], &[1; 26]);
    let gone = gone(&rig, &clients);
    assert_eq!(gone, [false, true, false, false, false]);
}

#[test]
fn nobody_who_left_is_woken_or_served_and_a_slot_has_a_new_name_each_time() {
    let mut rig = Rig::start(Setup { connections: 1, ..SETUP });
    let mut names = Vec::new();
    for round in 0..50 {
        let client = rig.open();
        let token = rig.world.links[client].token.expect("watched");
        assert!(!names.contains(&token));
        assert!(rig.server.wake(token));
        rig.settle();
        let steps = rig.server.service().steps;
        for old in &names {
            assert!(!rig.server.wake(*old));
            rig.server.on_event(&mut rig.world, rig.now_ms, Event { token: *old, ready: Ready::BOTH });
        }
        assert_eq!(rig.server.service().steps, steps, "nobody was served for someone who left");
        assert_eq!(rig.stats().count(Counter::EventsStale), (0..=round).sum());
        rig.close(client);
        rig.settle();
        assert!(!rig.server.wake(token));
        names.push(token);
    }
}

#[test]
fn a_wake_is_due_at_once() {
    let mut rig = Rig::start(Setup { protocol: Protocol::Chat, ..SETUP });
    let (mut ann, mut bob) = (rig.open(), rig.open());
    assert_eq!((rig.read(&mut ann, 8).len(), rig.read(&mut bob, 8).len()), (8, 8));
    rig.send(&mut ann, b"now\n");
    assert_eq!((rig.look(&mut bob), rig.look(&mut ann)), (Got::Bytes(b"now\n".to_vec()), Got::Nothing));
    rig.wait(5);
    assert_eq!(rig.look(&mut ann), Got::Bytes(b"now\n".to_vec()), "the speaker's own comes by its timer");
}

#[test]
fn who_leaves_can_have_those_who_stay_woken() {
    let mut rig = Rig::start(Setup { protocol: Protocol::Chat, ..SETUP });
    let (mut ann, mut bob) = (rig.open(), rig.open());
    assert_eq!((rig.read(&mut ann, 8).len(), rig.read(&mut bob, 8).len()), (8, 8));
    rig.settle();
    let steps = rig.server.service().steps;
    rig.close(ann);
    rig.settle();
    // Ann's end, and then Bob's wake.
    assert_eq!((rig.taken(), rig.server.service().steps), (1, steps + 2));
}

#[test]
fn an_ended_peer_is_not_read_again_while_its_answer_is_still_to_come() {
    let mut rig = Rig::start(Setup { protocol: Protocol::Chat, ..SETUP });
    rig.server.service().inner.chat.delay_ms = 1_000;
    let mut client = rig.open();
    rig.send(&mut client, b"last\n");
    rig.half_close(&mut client);
    rig.wait(0);
    assert_eq!((rig.taken(), rig.world.links[client].registered), (1, None), "an end reads as ready for ever");
    rig.wait(1_000);
    assert_eq!(&rig.read_to_end(&mut client)[8..], b"last\n");
}

#[test]
fn a_drain_forgets_nobody_whose_input_ends_with_its_turn() {
    for bytes_left in 1..100 {
        let mut rig = Rig::start(Setup { protocol: Protocol::Discard, scratch: 1, rules: rules(0, 0, 0), ..SETUP });
        let mut client = rig.open();
        assert_eq!(rig.offer(&mut client, &bytes(1, bytes_left)), Some(bytes_left));
        rig.server.drain(&mut rig.world, 0);
        rig.wait(LINGER_MS);
        assert_eq!((rig.taken(), rig.closed(Reason::Drained)), (0, 1), "{bytes_left} bytes");
    }
}

#[test]
fn a_drain_closes_a_connection_that_comes_to_rest_by_a_wake_or_a_timer() {
    let mut rig = Rig::start(Setup { protocol: Protocol::Chat, rules: rules(0, 0, 0), ..SETUP });
    let (mut ann, mut bob) = (rig.open(), rig.open());
    rig.send(&mut bob, b"unfinis");
    rig.send(&mut ann, b"unfinis");
    rig.drain();
    assert_eq!(rig.taken(), 2, "both have something unread");
    rig.send(&mut ann, b"hed\n");
    rig.wait(5);
    rig.send(&mut bob, b"hed\n");
    rig.wait(LINGER_MS + 5);
    assert_eq!((rig.taken(), rig.closed(Reason::Drained)), (0, 2));
    assert_eq!(&rig.read_to_end(&mut bob)[8..], b"unfinished\n", "the line that woke bob");
}

#[test]
fn a_clock_that_goes_back_stops_and_leaps_only_ever_delays_or_expires() {
    let mut rig = Rig::start(Setup { rules: rules(1_000, 1_000, 1_000), ..SETUP });
    rig.now_ms = 1 << 40;
    rig.settle();
    let mut client = rig.open();
    for told in [0, 1, 1 << 39, (1 << 40) - 1] {
        rig.server.on_time(&mut rig.world, told);
        assert_eq!(rig.taken(), 1);
    }
    rig.send(&mut client, b"x");
    assert_eq!(rig.server.next_deadline(), Some((1 << 40) + 1_000));
    rig.server.on_time(&mut rig.world, u64::MAX);
    assert_eq!((rig.taken(), rig.closed(Reason::IdleTimeout)), (0, 1));
}

#[test]
fn a_connection_at_rest_holds_no_block_and_asks_for_nothing_but_input() {
    let mut rig = Rig::start(SETUP);
    rig.world.buffers = (4096, 50);
    let mut client = rig.open();
    rig.send(&mut client, &bytes(1, 800));
    assert!(rig.blocks_taken() > 0);
    assert_eq!(rig.world.links[client].registered.map(|(_, interest)| interest), Some(Interest::WRITE));
    assert_eq!(rig.read(&mut client, 800), bytes(1, 800));
    assert_eq!(rig.blocks_taken(), 0);
    assert_eq!(rig.world.links[client].registered.map(|(_, interest)| interest), Some(Interest::READ));
    let before = rig.world.progress;
    rig.send(&mut client, b"once");
    assert_eq!(rig.world.progress, before + 2, "one recv and one send, no registration");
}

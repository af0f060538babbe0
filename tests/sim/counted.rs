//! What is counted beside the totals: times, peaks, and the last closes.

use tidegate_core::admission::{Admission, WhenFull};
use tidegate_core::net::Peer;
use tidegate_core::stats::{CLOSES_KEPT, Counter, Reason};

use crate::gate::LISTS;
use crate::house::Protocol;
use crate::rig::Rig;
use crate::scenarios::{Bed, SETUP, Setup};

const FRAME: Setup = Setup { protocol: Protocol::Frame, ..SETUP };

/// Replies counted, and all their milliseconds.
fn replies(rig: &Rig) -> (u64, u64) {
    let stats = rig.stats();
    (stats.reply_ms.count(), stats.reply_ms.sum())
}

#[test]
fn an_answer_in_the_turn_of_its_request_takes_no_time_and_counts() {
    let mut rig = Rig::start(SETUP);
    let mut client = rig.open();
    for round in 1..=20 {
        rig.wait(10);
        rig.send(&mut client, b"ping");
        assert_eq!(rig.read(&mut client, 4), b"ping");
        assert_eq!(replies(&rig), (round, 0));
    }
}

#[test]
fn a_reply_is_timed_from_the_first_byte_of_its_request() {
    let mut rig = Rig::start(FRAME);
    let mut client = rig.open();
    rig.wait(7);
    for byte in [5, 0, 10, 1, 0] {
        rig.send(&mut client, &[byte]);
        rig.wait(50);
    }
    assert_eq!(replies(&rig), (0, 0));
    rig.send(&mut client, &[0]);
    assert_eq!(rig.read(&mut client, 10).len(), 10);
    assert_eq!(replies(&rig), (1, 250));
    // The next one begins for itself.
    rig.wait(1_000);
    rig.send(&mut client, &[3, 0, 10, 1]);
    assert_eq!(rig.read(&mut client, 10).len(), 10);
    assert_eq!(replies(&rig), (2, 250));
}

#[test]
fn a_reply_is_over_when_the_peer_has_made_room_for_its_last_byte() {
    let mut rig = Rig::start(FRAME);
    rig.world.buffers = (4096, 100);
    let mut client = rig.open();
    rig.send(&mut client, &[3, 1, 0, 1]);
    rig.wait(70);
    assert_eq!(replies(&rig), (0, 0));
    assert_eq!(rig.read(&mut client, 256).len(), 256);
    rig.settle();
    assert_eq!(replies(&rig), (1, 70));
}

#[test]
fn a_reply_of_many_pieces_is_one() {
    let mut rig = Rig::start(Setup { outbox: 64, ..FRAME });
    let mut client = rig.open();
    rig.send(&mut client, &[3, 3, 232, 1]);
    assert_eq!(rig.read(&mut client, 1_000).len(), 1_000);
    // One that ends with the word that there is more, and then there is not.
    rig.send(&mut client, &[3, 0, 0, 255]);
    assert_eq!(rig.read(&mut client, 4), [3, 0, 0, 255]);
    assert_eq!(replies(&rig).0, 2);
}

#[test]
fn input_that_nobody_answers_is_no_request() {
    let mut rig = Rig::start(Setup { protocol: Protocol::Discard, ..SETUP });
    let mut client = rig.open();
    rig.send(&mut client, &[1; 500]);
    rig.wait(5_000);
    assert_eq!(replies(&rig), (0, 0));
}

#[test]
fn the_last_closes_tell_who_why_and_after_how_long() {
    let mut rig = Rig::start(Setup { rules: tidegate_core::listen::Rules { idle_ms: 900, ..SETUP.rules }, ..SETUP });
    let mut peers = Vec::new();
    for number in 0..20 {
        rig.world.next_host = Some(1);
        let client = rig.open();
        peers.push(rig.world.links[client].peer);
        if number == 19 {
            rig.wait(900);
        } else {
            rig.wait(number);
            rig.close(client);
            rig.settle();
        }
    }
    let stats = rig.stats();
    let last: Vec<_> = (0..CLOSES_KEPT + 1).map_while(|n| stats.last_close(n)).collect();
    assert_eq!(last.len(), CLOSES_KEPT);
    assert_eq!((last[0].reason, last[0].life_ms, last[0].at_ms), (Reason::IdleTimeout, 900, rig.now_ms));
    for (close, number) in last.iter().zip((0..20_usize).rev()) {
        assert_eq!((close.peer, close.listener), (peers[number], 0));
        assert!(number == 19 || (close.reason, close.life_ms) == (Reason::Ended, number as u64));
        assert_ne!(close.peer, Peer::Unix);
    }
    assert_eq!((stats.life_ms.count(), stats.life_ms.sum()), (20, (0..19).sum::<u64>() + 900));
}

#[test]
fn each_limit_is_counted_at_its_listener_with_what_lives_and_the_peak() {
    let refuse = Admission { when_full: WhenFull::Refuse, deny: LISTS[3], ..Admission::default() };
    let mut rig = Rig::start_with(Setup { connections: 3, ..SETUP }, refuse);
    let clients: Vec<usize> = (0..5)
        .map(|_| {
            rig.world.next_host = Some(1);
            rig.open()
        })
        .collect();
    rig.world.next_host = Some(0);
    rig.open();
    rig.close(clients[0]);
    rig.settle();
    let stats = rig.stats();
    let count = |counter| (stats.count_at(0, counter), stats.count(counter));
    assert_eq!(count(Counter::Accepted), (3, 3));
    assert_eq!((count(Counter::RefusedFull), count(Counter::RefusedDenied)), ((2, 2), (1, 1)));
    assert_eq!((stats.active_at(0), stats.taken(), stats.taken_peak()), ((2, 3), 2, 3));
}

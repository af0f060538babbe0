//! Whom a listener lets in, each promise on a calm network.

use tidegate_core::admission::Admission;
use tidegate_core::stats::Counter;

use crate::gate::LISTS;
use crate::rig::Rig;
use crate::scenarios::{Bed, Got, SETUP};

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

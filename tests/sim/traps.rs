//! The nine traps that the trial of this boundary fell into, each with the promise that it stays shut.

use tidegate_core::listen::Rules;
use tidegate_core::stats::{Counter, Reason};

use crate::house::Protocol;
use crate::rig::Rig;
use crate::scenarios::{Bed, Got, SETUP, Setup, bytes, frame};

fn frames() -> Setup {
    Setup { protocol: Protocol::Frame, ..SETUP }
}

/// Trap 1: eighty half-sent heads against sixty-four blocks.
#[test]
fn half_sent_requests_cannot_starve_a_complete_one() {
    let mut rig = Rig::start(Setup { connections: 100, blocks: 64, block_bytes: 32, ..frames() });
    let mut honest = rig.open();
    for _ in 0..80 {
        let mut slow = rig.open();
        rig.send(&mut slow, &[200; 60]);
    }
    let mut request = vec![150, 0, 9, 1];
    request.extend([0; 147]);
    for part in request.chunks(50) {
        rig.send(&mut honest, part);
    }
    assert_eq!(rig.read(&mut honest, 9), bytes(1, 9));
    let evicted = rig.closed(Reason::BlocksDry);
    assert!((1..80).contains(&evicted), "{evicted} evicted");
    assert_eq!(u64::from(rig.taken()), 81 - evicted);
}

/// Trap 1, from the other side: the blocks are held by replies that nobody reads.
#[test]
fn never_readers_cannot_starve_a_complete_request() {
    let mut rig = Rig::start(Setup { connections: 100, blocks: 64, block_bytes: 32, ..frames() });
    rig.world.buffers = (4096, 100);
    let mut honest = rig.open();
    for _ in 0..80 {
        let mut deaf = rig.open();
        rig.send(&mut deaf, &frame(5000, 3));
    }
    let mut request = vec![150, 0, 90, 1];
    request.extend([0; 147]);
    for part in request.chunks(50) {
        rig.send(&mut honest, part);
    }
    assert_eq!(rig.read(&mut honest, 90), bytes(1, 90));
    assert!(rig.closed(Reason::BlocksDry) < 80);
}

/// Trap 2: a reply spills into blocks in the middle of a step.
#[test]
fn replies_leave_in_order_however_few_blocks_and_however_short_the_writes() {
    for (buffer, blocks, outbox) in [(1, 8, 16), (7, 8, 4096), (33, 9, 64), (100, 64, 500), (4096, 8, 4096)] {
        let mut rig = Rig::start(Setup { blocks, outbox, block_bytes: 16, ..frames() });
        rig.world.buffers = (4096, buffer);
        rig.world.faults.short_writes = 500;
        let mut client = rig.open();
        let mut want = Vec::new();
        for (key, size) in [3, 700, 0, 1, 2500].into_iter().enumerate() {
            rig.send(&mut client, &frame(size, key as u8));
            want.extend(bytes(key as u64, size as usize));
        }
        assert_eq!(rig.read(&mut client, want.len()), want, "buffer {buffer}");
        assert_eq!((rig.blocks_taken(), rig.closed(Reason::BlocksDry)), (0, 0));
    }
}

/// Trap 3: another process frees descriptors, and no event tells.
#[test]
fn a_server_without_descriptors_looks_again_within_a_second() {
    let mut rig = Rig::start(SETUP);
    rig.world.starving = true;
    let mut client = rig.open();
    rig.send(&mut client, b"hello");
    assert!(!rig.world.watched(0), "a backlog that cannot be taken must not be reported");
    let calls = rig.calls;
    rig.wait(10_000);
    assert!(rig.world.starved <= 41 && rig.calls - calls <= 82, "four looks a second, no more");
    rig.world.starving = false;
    rig.wait(1_000);
    assert_eq!(rig.read(&mut client, 5), b"hello");
}

/// Trap 4: a hang-up on a registration without interest reports for ever.
#[test]
fn a_connection_that_wants_nothing_is_not_registered() {
    let rules = Rules { idle_ms: 3_000, ..SETUP.rules };
    let mut rig = Rig::start(Setup { protocol: Protocol::Chat, scratch: 64, rules, ..SETUP });
    rig.server.service().inner.chat.delay_ms = 2_000;
    let mut client = rig.open();
    // A line that is answered later, and behind it more than may stay unread.
    rig.send(&mut client, b"later\n");
    rig.send(&mut client, &[b'x'; 100]);
    assert_eq!(rig.world.links[client].registered, None);
    rig.world.links[client].reset();
    let calls = rig.calls;
    rig.wait(1_000);
    assert_eq!((rig.calls, rig.taken()), (calls, 1), "nothing is heard, and nothing spins");
    rig.wait(2_000);
    assert_eq!(rig.taken(), 0, "the deadline finds it");
}

/// Trap 5: closing with unread input makes the kernel reset the connection, reply and all.
#[test]
fn a_reply_survives_input_that_nobody_will_read() {
    let mut rig = Rig::start(frames());
    let mut client = rig.open();
    let mut talk = frame(2000, 5);
    talk.extend([0; 1000]);
    rig.send(&mut client, &talk);
    for _ in 0..10 {
        rig.wait(100);
        rig.send(&mut client, b"still talking");
    }
    assert_eq!(rig.read_to_end(&mut client), bytes(5, 2000));
}

/// Trap 6: a connection that waits or is blocked does not read, and so is slow to notice who left.
#[test]
fn who_left_is_noticed_while_waiting_and_while_blocked() {
    // Waiting for its time or a wake, it reads on, up to the receive buffer.
    let mut rig = Rig::start(Setup { protocol: Protocol::Chat, ..SETUP });
    let waiting = rig.open();
    rig.wait(100);
    rig.close(waiting);
    rig.wait(0);
    assert_eq!(rig.taken(), 0);
    // Blocked by a peer that does not read: a reset is noticed at once, an end in good order when it reads on.
    let mut rig = Rig::start(SETUP);
    rig.world.buffers = (4096, 100);
    let (mut deaf, mut slow) = (rig.open(), rig.open());
    rig.send(&mut deaf, &[1; 300]);
    rig.send(&mut slow, &[2; 300]);
    rig.half_close(&mut slow);
    rig.reset(deaf);
    rig.wait(0);
    assert_eq!((rig.taken(), rig.closed(Reason::Reset)), (1, 1));
    assert_eq!(rig.read_to_end(&mut slow), [2; 300]);
    assert_eq!((rig.taken(), rig.closed(Reason::Ended)), (0, 1));
    // Silence without an end: the deadline of writing.
    let mut rig = Rig::start(Setup { rules: Rules { write_ms: 700, ..SETUP.rules }, ..SETUP });
    rig.world.buffers = (4096, 100);
    let mut gone = rig.open();
    rig.send(&mut gone, &[3; 300]);
    rig.wait(699);
    assert_eq!(rig.taken(), 1);
    rig.wait(1);
    assert_eq!((rig.taken(), rig.closed(Reason::WriteTimeout)), (0, 1));
}

/// Trap 7: a poll-based stack walks its own connections and needs token and interest of each.
#[test]
fn the_world_holds_the_token_and_the_interest_of_every_connection() {
    let mut rig = Rig::start(SETUP);
    rig.world.buffers = (4096, 10);
    let mut clients: Vec<usize> = (0..5).map(|_| rig.open()).collect();
    rig.send(&mut clients[2], &[1; 50]);
    let registered = |rig: &Rig, at: usize| rig.world.links[at].registered.expect("registered");
    let tokens: std::collections::HashSet<_> = clients.iter().map(|at| registered(&rig, *at).0).collect();
    assert_eq!(tokens.len(), 5);
    for (at, client) in clients.iter().enumerate() {
        let interest = registered(&rig, *client).1;
        assert_eq!((interest.read(), interest.write()), (at != 2, at == 2), "client {at}");
    }
    rig.stop();
    assert_eq!((rig.world.alive().len(), rig.world.closed), (0, 5), "every handle comes back");
}

/// Trap 8: writing every slot at start makes the full table resident.
#[test]
fn memory_that_was_never_needed_is_never_touched() {
    use crate::house::{Memory, services};
    use crate::world::World;
    let mut memory = Memory::new(64, 32, 64, 512, 512);
    memory.block_memory.fill(0xaa);
    let mut world = World::new(1);
    world.buffers = (4096, 64);
    {
        let mut server = tidegate_core::dispatch::Dispatcher::new(memory.lend(), services(&[Protocol::Echo]));
        let door = world.door();
        assert!(server.listen(&mut world, door, 64, SETUP.rules).is_ok());
        for round in 0..200 {
            let links: Vec<usize> = (0..3).filter_map(|_| world.connect(0)).collect();
            for _ in 0..5 {
                links.iter().for_each(|at| assert!(world.links[*at].send(&[round; 100]).is_some()));
                for event in world.poll() {
                    server.on_event(&mut world, round as u64, event);
                }
            }
            links.iter().for_each(|at| world.links[*at].reset());
            for event in world.poll() {
                server.on_event(&mut world, round as u64, event);
            }
        }
        assert!(server.stats().count(Counter::Accepted) >= 600 && server.stats().blocks_peak() >= 3);
        let used = server.stats().blocks_peak() as usize * 64;
        drop(server);
        assert!(memory.block_memory[used..].iter().all(|byte| *byte == 0xaa), "a block was touched without need");
    }
    let fresh = format!("{:?}", tidegate_core::pool::Mark::default());
    let touched = memory.marks.iter().filter(|mark| format!("{mark:?}") != fresh).count();
    assert_eq!(touched, 3, "a slot was touched without need");
}

/// Trap 9: rustix's own vDSO look-up crashes under valgrind.
#[test]
fn the_shell_finds_the_vdso_through_libc() {
    let manifest = include_str!("../../shell/Cargo.toml");
    let rustix = manifest.lines().find(|line| line.starts_with("rustix =")).expect("the shell uses rustix");
    assert!(rustix.contains("use-libc-auxv"));
}

/// And behind all nine: whatever a connection was doing, its end gives everything back.
#[test]
fn a_reset_in_every_state_leaves_nothing_behind() {
    for cut in 0..40 {
        let mut rig = Rig::start(Setup { blocks: 8, block_bytes: 16, ..frames() });
        rig.world.buffers = (30, 30);
        let mut client = rig.open();
        let mut talk = frame(300, 1);
        talk.extend(frame(40, 2));
        talk.extend([30; 20]);
        let _ = rig.offer(&mut client, &talk[..cut.min(talk.len())]);
        rig.wait(0);
        for _ in 0..cut % 7 {
            assert!(!matches!(rig.look(&mut client), Got::Reset));
            rig.wait(0);
        }
        rig.reset(client);
        rig.wait(0);
        assert_eq!((rig.taken(), rig.blocks_taken()), (0, 0), "cut at {cut}");
    }
}

//! One connection, played directly on the service: what the dispatcher would do, without one.

use tidegate_core::pool::{Mark, Pool};
use tidegate_core::service::http::HttpState;
use tidegate_core::service::{Cause, Context, Next, Outbox, Service as _};

use crate::pretend::{NOW_S, Service, service};

/// What a client does after its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Stays,
    Ends,
    /// The request's time is over.
    TimesOut,
}

/// How the same bytes are brought and taken.
#[derive(Clone, Debug)]
pub struct How {
    /// Where the input is cut, in order.
    pub cuts: Vec<usize>,
    pub outbox: usize,
    /// The network sends big files itself, so many bytes at a time.
    pub hands_over: Option<usize>,
    pub listener: usize,
    pub wall_s: i64,
}

impl Default for How {
    fn default() -> Self {
        Self { cuts: Vec::new(), outbox: 16 * 1024, hands_over: None, listener: 0, wall_s: NOW_S }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    pub sent: Vec<u8>,
    pub closed: bool,
    /// Bytes of a request that is not all here.
    pub unread: usize,
}

/// Plays `bytes` and checks what holds for any connection: files are given back, steps come to an end.
pub fn play(bytes: &[u8], then: Then, how: &How) -> (Played, Service) {
    let mut service = service(how.hands_over.is_some());
    let played = play_on(&mut service, bytes, then, how);
    (played, service)
}

pub fn play_on(service: &mut Service, bytes: &[u8], then: Then, how: &How) -> Played {
    let mut marks = [Mark::default(); 1];
    let mut pool = Pool::new(&mut marks);
    let share = pool.add_share(1).unwrap();
    let token = pool.take(share).unwrap();
    let mut state = HttpState::default();
    let mut played = Played { sent: Vec::new(), closed: false, unread: 0 };
    let mut from = 0;
    let mut turns: Vec<(Cause, usize)> = vec![(Cause::Opened, 0)];
    turns.extend(how.cuts.iter().chain([&bytes.len()]).map(|end| (Cause::Bytes, *end)));
    if then == Then::Ends {
        turns.push((Cause::End, bytes.len()));
    }
    for (first, end) in turns {
        let mut cause = first;
        for steps in 0.. {
            assert!(steps < 2_000, "the service never comes to rest");
            let mut memory = vec![0; how.outbox];
            let mut out = Outbox::new(&mut memory);
            let mut context = Context::detached(&mut pool, token, 1).at(
                how.wall_s,
                how.listener,
                cause == Cause::End || first == Cause::End,
            );
            let input = &bytes[from..end];
            let step = service.step(&mut state, cause, input, &mut out, &mut context);
            assert!(step.consumed <= input.len(), "more was consumed than came");
            from += step.consumed;
            let part = out.file_part();
            played.sent.extend_from_slice(out.finish().0);
            if let Some(part) = part {
                let max = how.hands_over.expect("nothing is handed over to a network that does not send files");
                let n = part.len.min(max);
                let bytes = service.files.bytes(part.id);
                played.sent.extend_from_slice(&bytes[part.offset as usize..][..n]);
                service.sent(&mut state, n);
                assert_eq!(step.next, Next::Again, "a file is followed by a step");
            }
            match step.next {
                Next::Again => cause = Cause::Drained,
                Next::Close => played.closed = true,
                Next::More => {}
                Next::Wait(_) => panic!("this service waits for nothing"),
            }
            if step.next != Next::Again {
                break;
            }
        }
        played.unread = end - from;
        if played.closed {
            break;
        }
    }
    if then == Then::TimesOut && !played.closed && played.unread > 0 {
        let mut memory = vec![0; how.outbox];
        let mut out = Outbox::new(&mut memory);
        let mut context = Context::detached(&mut pool, token, 2).at(how.wall_s, how.listener, false);
        service.step(&mut state, Cause::Timeout, &bytes[from..], &mut out, &mut context);
        played.sent.extend_from_slice(out.finish().0);
        played.closed = true;
    }
    let mut context = Context::detached(&mut pool, token, 3);
    service.closed(&mut state, &mut context);
    assert_eq!(service.files.open_now(), 0, "a file stays open");
    assert_eq!(service.files.opened, service.files.released);
    played
}

extern crate std;

use std::vec::Vec;

use super::*;
use crate::event::Token;
use crate::frame::HEADER_BYTES;
use crate::pool::{Mark, Pool};
use crate::timer::NEVER;

/// Code 20 is answered twice, 21 after a wake.
#[derive(Default)]
struct Program {
    waits: Vec<Token>,
    ready: bool,
}

impl Commands for Program {
    type State = u8;

    fn command(
        &mut self,
        state: &mut u8,
        message: &Message<'_>,
        replies: &mut Replies<'_, '_>,
        context: &mut Context<'_, '_>,
    ) -> Known {
        match message.code {
            20 => {
                if replies.write(20, &[*state]) && replies.write(30, message.body) {
                    *state += 1;
                }
                Known::Answered
            }
            21 => {
                if replies.may_wait() {
                    self.waits.push(context.me());
                }
                Known::Later
            }
            _ => Known::Unknown,
        }
    }

    fn woken(&mut self, _state: &mut u8, replies: &mut Replies<'_, '_>, context: &mut Context<'_, '_>) -> u16 {
        let mut paid = 0;
        while let Some(at) = self.waits.iter().position(|token| self.ready && *token == context.me()) {
            if !replies.write(21, b"at last") {
                break;
            }
            self.waits.remove(at);
            paid += 1;
        }
        paid
    }
}

fn bytes(code: u16, body: &[u8]) -> Vec<u8> {
    let message = Message { code, body };
    [&message.header().unwrap()[..], body].concat()
}

/// One connection whose bytes arrive as they are given and whose outbox has this room.
struct Line<'a> {
    frame: Frame<'a, Program>,
    state: FrameState<u8>,
    unread: Vec<u8>,
    said: Vec<u8>,
    room: usize,
    now_ms: u64,
}

impl<'a> Line<'a> {
    fn new(limits: &'a [Limits], counts: &'a Counts) -> Self {
        let frame = Frame::new(Program::default(), limits, counts);
        Self { frame, state: FrameState::default(), unread: Vec::new(), said: Vec::new(), room: 512, now_ms: 0 }
    }

    /// Steps as the dispatcher does, until something other than `again` is said.
    fn step(&mut self, mut cause: Cause, more: &[u8]) -> crate::service::Next {
        let mut marks = [Mark::default()];
        let mut pool = Pool::new(&mut marks);
        let share = pool.add_share(1).unwrap();
        let me = pool.take(share).unwrap();
        self.unread.extend(more);
        loop {
            let mut room = std::vec![0; self.room];
            let mut out = Outbox::new(&mut room);
            let mut context = Context::detached(&mut pool, me, self.now_ms).at(0, 0, cause == Cause::End);
            let step = self.frame.step(&mut self.state, cause, &self.unread, &mut out, &mut context);
            let (written, reflected) = out.finish();
            assert!(reflected <= step.consumed, "what is reflected is consumed");
            self.said.extend(written);
            self.said.extend(&self.unread[..reflected]);
            let moved = step.consumed > 0 || !written.is_empty();
            self.unread.drain(..step.consumed);
            match step.next {
                crate::service::Next::Again => assert!(moved, "it would stand still"),
                next => return next,
            }
            cause = Cause::Drained;
        }
    }
}

fn error(code: u16, refusal: Refusal) -> Vec<u8> {
    bytes(ERROR, &[code.to_be_bytes(), (refusal as u16).to_be_bytes()].concat())
}

#[test]
fn what_is_kept_of_a_connection_fits_its_price() {
    assert!(core::mem::size_of::<FrameState<()>>() <= 12);
    assert!(core::mem::size_of::<FrameState<[u32; 3]>>() <= 24);
}

#[test]
fn every_code_is_answered_the_same_however_the_frames_are_cut() {
    let version = concat!("tidegate ", env!("CARGO_PKG_VERSION")).as_bytes();
    let asked = [
        bytes(ECHO, b"first"),
        bytes(ECHO, b""),
        bytes(HEARTBEAT, b"alive"),
        bytes(ECHO, &[7; 300]),
        bytes(VERSION, b""),
        bytes(20, b"body"),
        bytes(99, b"?"),
        bytes(7, b""),
        bytes(ECHO, &[9; 600]),
    ]
    .concat();
    let answers = [
        bytes(ECHO, b"first"),
        bytes(ECHO, b""),
        bytes(HEARTBEAT, b""),
        bytes(ECHO, &[7; 300]),
        bytes(VERSION, version),
        bytes(20, &[0]),
        bytes(30, b"body"),
        error(99, Refusal::UnknownCode),
        error(7, Refusal::UnknownCode),
        bytes(ECHO, &[9; 600]),
    ]
    .concat();
    for cut in 0..=asked.len() {
        for room in [64, 320, 4_096] {
            let counts = Counts::new();
            let mut line = Line::new(&[], &counts);
            line.room = room;
            line.step(Cause::Bytes, &asked[..cut]);
            let next = line.step(Cause::Bytes, &asked[cut..]);
            assert_eq!((next, line.unread.len()), (crate::service::Next::More, 0), "cut at {cut}, room {room}");
            assert!(line.said == answers, "cut at {cut}, room {room}");
            let of = |counter| counts.of(counter);
            assert_eq!((of(Counter::Frames), of(Counter::UnknownCode), of(Counter::Answers)), (9, 2, 10));
        }
    }
}

#[test]
fn a_broken_frame_is_told_counted_and_closes_behind_the_answers_before_it() {
    let mut bad = bytes(ECHO, b"body");
    bad[6] ^= 1;
    for (broken, counter, refusal) in
        [(&bad[..], Counter::Crc, Refusal::Crc), (&[0, 7, 0, 0], Counter::Length, Refusal::Length)]
    {
        let counts = Counts::new();
        let mut line = Line::new(&[], &counts);
        let good = bytes(ECHO, b"good");
        let next = line.step(Cause::Bytes, &[&good, broken, &good].concat());
        assert_eq!(next, crate::service::Next::Close);
        assert_eq!(line.said, [good, error(0, refusal)].concat());
        assert_eq!((counts.of(counter), counts.of(Counter::Frames)), (1, 1));
    }
}

#[test]
fn statistics_are_a_number_for_each_counter() {
    let counts = Counts::new();
    let mut line = Line::new(&[], &counts);
    line.step(Cause::Bytes, &[bytes(HEARTBEAT, b""), bytes(STATISTICS, b"")].concat());
    let body = &line.said[2 * HEADER_BYTES..];
    assert_eq!(body.len(), 8 * Counter::COUNT);
    assert_eq!(body[..16], [[0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 1]].concat());
}

#[test]
fn one_frame_too_many_in_an_interval_closes_and_the_next_interval_forgets() {
    let limits = [Limits { flood_count: 3, flood_interval_ms: 100, ..Limits::DEFAULT }];
    let counts = Counts::new();
    let mut line = Line::new(&limits, &counts);
    let beat = bytes(HEARTBEAT, b"");
    for now_ms in [0, 100, 200] {
        line.now_ms = now_ms;
        assert_eq!(line.step(Cause::Bytes, &beat.repeat(3)), crate::service::Next::More);
    }
    line.now_ms = 299;
    assert_eq!(line.step(Cause::Bytes, &beat), crate::service::Next::Close);
    assert!(line.said.ends_with(&error(0, Refusal::Flood)));
    assert_eq!(counts.of(Counter::Flood), 1);
}

#[test]
fn a_later_answer_keeps_its_question_unread_and_too_many_are_refused() {
    let limits = [Limits { unanswered_max: 1, ..Limits::DEFAULT }];
    let counts = Counts::new();
    let mut line = Line::new(&limits, &counts);
    let asked = [bytes(21, b""), bytes(21, b""), bytes(ECHO, b"meanwhile")].concat();
    assert_eq!(line.step(Cause::Bytes, &asked), crate::service::Next::Wait(NEVER));
    assert_eq!(line.unread, asked, "a drain waits for it");
    assert_eq!(line.said, [error(21, Refusal::Busy), bytes(ECHO, b"meanwhile")].concat());
    assert_eq!(counts.of(Counter::Busy), 1);
    line.said.clear();
    assert_eq!(line.step(Cause::Bytes, &bytes(HEARTBEAT, b"")), crate::service::Next::Wait(NEVER));
    assert_eq!(line.said, bytes(HEARTBEAT, b""), "each is answered once");
    line.said.clear();
    line.frame.commands.ready = true;
    assert_eq!(line.step(Cause::Woken, b""), crate::service::Next::More);
    assert_eq!((line.said.clone(), line.unread.len()), (bytes(21, b"at last"), 0));
    line.frame.commands.ready = false;
    assert_eq!(line.step(Cause::Bytes, &bytes(21, b"")), crate::service::Next::Wait(NEVER), "there is room again");
}

#[test]
fn an_end_within_a_frame_is_counted_and_an_answer_larger_than_the_outbox_closes() {
    let counts = Counts::new();
    let mut line = Line::new(&[], &counts);
    assert_eq!(line.step(Cause::End, &bytes(ECHO, b"body")[..9]), crate::service::Next::Close);
    assert_eq!(counts.of(Counter::Cut), 1);
    let mut line = Line::new(&[], &counts);
    line.room = 32;
    assert_eq!(line.step(Cause::Bytes, &bytes(20, &[1; 40])), crate::service::Next::Close);
    assert_eq!((counts.of(Counter::NoRoom), line.said.len()), (1, 0));
}

//! The frame service with commands that do whatever commands may do, and the codec by itself.

use core::mem::MaybeUninit;

use tidegate_core::frame::counts::Counter;
use tidegate_core::frame::{Fault, Frame as Message};
use tidegate_core::service::frame::{Commands, Frame, Known, Limits, Replies};
use tidegate_core::service::{Context, Outbox};
use tidegate_core::stats::Stats;

use crate::world::{Lent, lent_bytes, number};

pub struct Orders;

impl Commands for Orders {
    type State = u64;

    fn command(
        &mut self,
        state: &mut u64,
        message: &Message<'_>,
        replies: &mut Replies<'_, '_>,
        context: &mut Context<'_, '_>,
    ) -> Known {
        *state ^= number() ^ u64::from(message.code) ^ context.now_ms();
        for _ in 0..number() {
            replies.write(number() as u16, lent_bytes());
        }
        match number() {
            0 => Known::Unknown,
            1 => Known::Answered,
            _ if replies.may_wait() => Known::Later,
            _ => Known::Answered,
        }
    }

    fn woken(&mut self, state: &mut u64, replies: &mut Replies<'_, '_>, _context: &mut Context<'_, '_>) -> u16 {
        replies.write(*state as u16, lent_bytes());
        number() as u16
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn frame_new(at: &mut MaybeUninit<Frame<'static, Orders>>, limits: Lent<Limits>, stats: &'static Stats) {
    at.write(Frame::new(Orders, limits.get(), &stats.frame));
}

#[unsafe(no_mangle)]
pub extern "C" fn frame_count(frame: &Frame<'static, Orders>, counter: Counter) -> u64 {
    frame.counts().of(counter)
}

/// The length of the frame's body; -1 while it is not whole.
#[unsafe(no_mangle)]
pub extern "C" fn frame_read(input: Lent<u8>, frame_bytes_max: u16, code: &mut u16) -> isize {
    match Message::read(input.get(), frame_bytes_max) {
        Ok(Some(message)) => {
            *code = message.code;
            message.body.len() as isize
        }
        Ok(None) => -1,
        Err(Fault::Length) => -2,
        Err(Fault::Crc) => -3,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn frame_write(code: u16, body: Lent<u8>, out: &mut Outbox<'_>) -> bool {
    Message { code, body: body.get() }.write(out)
}

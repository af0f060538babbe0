//! Echo, RFC 862 over TCP: whatever comes goes back, and the connection ends when the peer ends it.
//!
//! All bytes are answered before the close, also when the peer ended only its own direction.

use super::{Cause, Context, Outbox, Service, Step};

/// Sends every byte back, straight from the receive buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Service for Echo {
    type State = ();

    #[inline]
    fn step(
        &mut self,
        _state: &mut (),
        cause: Cause,
        input: &[u8],
        out: &mut Outbox<'_>,
        _context: &mut Context<'_, '_>,
    ) -> Step {
        out.reflect(input.len());
        match cause {
            Cause::End => Step::close(input.len()),
            _ => Step::more(input.len()),
        }
    }
}

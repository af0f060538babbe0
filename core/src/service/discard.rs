//! Discard, RFC 863 over TCP: whatever comes is thrown away, until the peer ends the connection.

use super::{Cause, Context, Outbox, Service, Step};

/// Reads and never answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Service for Discard {
    type State = ();

    #[inline]
    fn step(
        &mut self,
        _state: &mut (),
        cause: Cause,
        input: &[u8],
        _out: &mut Outbox<'_>,
        _context: &mut Context<'_, '_>,
    ) -> Step {
        match cause {
            Cause::End => Step::close(input.len()),
            _ => Step::more(input.len()),
        }
    }
}

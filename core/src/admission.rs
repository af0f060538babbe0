//! Whom a listener lets in: the part of its rules that is asked before a connection has a slot.
//!
//! Who is refused is accepted and closed at once: left in the backlog it would stand before those who are welcome.

use core::net::IpAddr;

use crate::prefix::{Prefix, lets_in};
use crate::stats::Counter;

/// A listener's terms. The default lets everyone in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Admission<'m> {
    /// Where this is not empty, only these.
    pub allow: &'m [Prefix],
    /// These not, whatever `allow` says.
    pub deny: &'m [Prefix],
}

/// Why a newcomer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Denied,
}

impl Refusal {
    pub fn counter(self) -> Counter {
        match self {
            Self::Denied => Counter::RefusedDenied,
        }
    }
}

impl Admission<'_> {
    /// Whether these terms hold a peer with this address off; `None` is a peer of a local socket.
    pub(crate) fn refuses(&self, address: Option<IpAddr>) -> Option<Refusal> {
        (!lets_in(self.allow, self.deny, address)).then_some(Refusal::Denied)
    }
}

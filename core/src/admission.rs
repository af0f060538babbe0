//! Whom a listener lets in: the part of its rules that is asked before a connection has a slot.
//!
//! Who is refused is accepted and closed at once: left in the backlog it would stand before those who are welcome.

use core::net::IpAddr;

use crate::clients::{Client, Clients};
use crate::prefix::{Prefix, lets_in};
use crate::stats::Counter;

/// A listener's terms. The default lets everyone in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Admission<'m> {
    /// Where this is not empty, only these.
    pub allow: &'m [Prefix],
    /// These not, whatever `allow` says.
    pub deny: &'m [Prefix],
    /// Connections of one [client](crate::clients) at one time; 0 is no limit, and local peers have none.
    pub per_client: u32,
    /// Connections let in a second, with a burst of as many; over it the listener rests. 0 is no limit.
    pub per_second: u32,
    /// What a newcomer meets when all connections are taken.
    pub when_full: WhenFull,
}

/// What a newcomer meets when all connections of a listener are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits in the backlog until one of them ends.
    #[default]
    Wait,
    /// It is closed at once.
    Refuse,
    /// The one that has been silent for longest is closed for it.
    Oldest,
}

/// Why a newcomer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Denied,
    PerClient,
    Full,
}

impl Refusal {
    pub fn counter(self) -> Counter {
        match self {
            Self::Denied => Counter::RefusedDenied,
            Self::PerClient => Counter::RefusedPerClient,
            Self::Full => Counter::RefusedFull,
        }
    }
}

impl Admission<'_> {
    /// Whether a newcomer has to be looked at.
    pub(crate) fn is_particular(&self) -> bool {
        self.allow.len() | self.deny.len() | self.per_client as usize != 0
    }

    /// Whether these terms hold a peer off; `None` is a peer of a local socket. Who is not held off is counted.
    pub(crate) fn refuses(&self, listener: u8, address: Option<IpAddr>, clients: &mut Clients<'_>) -> Option<Refusal> {
        if !lets_in(self.allow, self.deny, address) {
            return Some(Refusal::Denied);
        }
        let client = self.counted(listener, address)?;
        (!clients.enter(client, self.per_client)).then_some(Refusal::PerClient)
    }

    /// Whom these terms count a connection to.
    pub(crate) fn counted(&self, listener: u8, address: Option<IpAddr>) -> Option<Client> {
        address.filter(|_| self.per_client > 0).map(|address| Client::of(listener, address))
    }
}

/// The terms need more memory than was lent: [`Storage::clients`](crate::dispatch::Storage::clients) for `per_client`,
/// [`Storage::elder_cells`](crate::dispatch::Storage::elder_cells) for `WhenFull::Oldest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLent;

//! A listener: its socket and its share of the pool; and the rules for its connections.

use crate::admission::Admission;
use crate::elders::Elders;
use crate::pool::ShareId;
use crate::rate::Bucket;

/// What holds for every connection of a listener. Times in milliseconds; 0 is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'m> {
    /// Silence in both directions before a connection is closed.
    pub idle_ms: u64,
    /// From the first byte of a request to its last: absolute, so that a byte now and then does not extend it.
    pub request_ms: u64,
    /// Without progress in sending.
    pub write_ms: u64,
    /// Free text for the service (`DBInfo`).
    pub info: &'m str,
}

/// Names a listener: its place in the order of [`Dispatcher::listen`](crate::dispatch::Dispatcher::listen).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(pub(crate) usize);

impl ListenerId {
    /// The number services see as [`Context::listener`](crate::service::Context::listener).
    pub fn index(self) -> usize {
        self.0
    }
}

pub(crate) struct Listener<'m, L> {
    /// Gone once draining has begun.
    pub socket: Option<L>,
    pub share: ShareId,
    /// Whether the world reports waiting connections now.
    pub watched: bool,
    /// The log knows that newcomers wait. One line is enough until nobody waits any more: a server that is full for
    /// days must not fill a flash with saying so at each connection that leaves and each that takes its place.
    pub told: bool,
    pub admission: Admission<'m>,
    pub bucket: Bucket,
    /// With `WhenFull::Oldest`.
    pub elders: Option<Elders<'m>>,
}

impl<L> Listener<'_, L> {
    /// One that lets everyone in and is not watched yet.
    pub fn new(socket: L, share: ShareId) -> Self {
        Self {
            socket: Some(socket),
            share,
            watched: false,
            told: false,
            admission: Admission::default(),
            bucket: Bucket::default(),
            elders: None,
        }
    }
}

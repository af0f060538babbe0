//! Where the server as a whole stands, and the legal ways from one such place to the next.

use super::Tell;

/// Where the server as a whole stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Idle,
    Serving,
    /// Asked to serve nobody for now.
    Parked,
    Draining,
    Stopping,
    Killing,
}

/// What can move a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Start,
    Term,
    Quit,
    Park,
    Reload,
    /// The successor serves.
    Replaced,
    /// The respawn limit was reached.
    Limit,
    /// The phase's own deadline passed.
    Late,
}

impl Phase {
    /// The legal transitions; everything not listed changes nothing.
    pub(super) const fn after(self, cause: Cause) -> Self {
        match (self, cause) {
            (Phase::Idle, Cause::Start) => Phase::Serving,
            (Phase::Idle | Phase::Serving | Phase::Parked | Phase::Draining, Cause::Term) => Phase::Stopping,
            (Phase::Idle | Phase::Serving | Phase::Parked, Cause::Quit) => Phase::Draining,
            (Phase::Serving | Phase::Parked, Cause::Replaced) => Phase::Draining,
            (Phase::Serving, Cause::Park) => Phase::Parked,
            (Phase::Parked, Cause::Reload) => Phase::Serving,
            (Phase::Serving, Cause::Limit) => Phase::Stopping,
            (Phase::Draining, Cause::Late) => Phase::Stopping,
            (Phase::Stopping, Cause::Late) => Phase::Killing,
            (same, _) => same,
        }
    }

    /// What every living worker must have been told by now.
    pub(super) const fn tell(self) -> Option<Tell> {
        match self {
            Phase::Idle | Phase::Serving | Phase::Parked => None,
            Phase::Draining => Some(Tell::Quit),
            Phase::Stopping => Some(Tell::Term),
            Phase::Killing => Some(Tell::Kill),
        }
    }

    /// Whether leavers are still pressed one by one; later all are at once.
    pub(super) const fn presses(self) -> bool {
        matches!(self, Phase::Serving | Phase::Parked | Phase::Draining)
    }
}

//! The server that is to take this one's place, until it does.
//!
//! It is on probation: it may serve within its bound and take over, or it is killed and this server goes on. One that
//! is condemned stays so, whatever it says later, and until it is known to be gone nothing new begins.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Successor {
    Nobody,
    /// Started and not yet serving; `None` is no bound.
    Starting {
        by_ms: Option<u64>,
    },
    /// To be killed, or killed and not yet collected.
    Condemned {
        told: bool,
    },
}

impl Successor {
    pub fn starting(bound_ms: u64, now_ms: u64) -> Self {
        Successor::Starting { by_ms: (bound_ms > 0).then(|| now_ms.saturating_add(bound_ms)) }
    }

    pub const fn is_somebody(self) -> bool {
        !matches!(self, Successor::Nobody)
    }

    pub const fn is_starting(self) -> bool {
        matches!(self, Successor::Starting { .. })
    }

    pub const fn deadline(self) -> Option<u64> {
        match self {
            Successor::Starting { by_ms } => by_ms,
            _ => None,
        }
    }

    /// It may not take over any more.
    pub fn condemn(&mut self) {
        if self.is_starting() {
            *self = Successor::Condemned { told: false };
        }
    }

    /// Time passed.
    pub fn press(&mut self, now_ms: u64) {
        if self.deadline().is_some_and(|by_ms| by_ms <= now_ms) {
            self.condemn();
        }
    }

    /// Whether it must be killed now; asked once, it has been.
    pub fn owed_its_end(&mut self) -> bool {
        let owed = *self == Successor::Condemned { told: false };
        if owed {
            *self = Successor::Condemned { told: true };
        }
        owed
    }
}

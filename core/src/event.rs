//! What the world reports and what it is asked to report: tokens, readiness, interest.

/// Names one connection, one listener, or one source of the world's own for as long as it lives.
///
/// A slot number and the generation of its use. Only the pool looks inside (invariant 1); everyone else carries it.
/// Odd generations are connections; generation 0 is a listener; generation 2 is the world's own (a signal source, a
/// timer), which the dispatcher ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl Token {
    pub(crate) const fn of_listener(index: usize) -> Self {
        Self { slot: index as u32, generation: 0 }
    }

    /// A token for a source of the world's own; the dispatcher never uses it.
    pub const fn of_world(number: u32) -> Self {
        Self { slot: number, generation: 2 }
    }

    /// The number given to [`Token::of_world`], if this is such a token.
    pub const fn world(self) -> Option<u32> {
        if self.generation == 2 { Some(self.slot) } else { None }
    }

    pub(crate) const fn listener(self) -> Option<usize> {
        if self.generation == 0 { Some(self.slot as usize) } else { None }
    }

    /// The token as one word, for a world that carries 64 bits (`epoll_data`).
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The inverse of [`Token::to_bits`]. Any word is safe: a token nobody was given reaches nobody.
    pub const fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// What can be done without waiting. Errors and hang-ups are reported as both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Ready(u8);

impl Ready {
    pub const READ: Self = Self(1);
    pub const WRITE: Self = Self(2);
    pub const BOTH: Self = Self(3);

    /// The readiness with these two halves.
    pub const fn of(read: bool, write: bool) -> Self {
        Self(read as u8 | (write as u8) << 1)
    }

    pub const fn read(self) -> bool {
        self.0 & 1 != 0
    }

    pub const fn write(self) -> bool {
        self.0 & 2 != 0
    }

    /// The part of it that was asked for.
    pub(crate) const fn asked(self, interest: Interest) -> Self {
        Self(self.0 & interest.0)
    }
}

/// One report from the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub token: Token,
    pub ready: Ready,
}

/// What the world is asked to report for a connection, level-triggered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Interest(u8);

impl Interest {
    pub const NONE: Self = Self(0);
    pub const READ: Self = Self(1);
    pub const WRITE: Self = Self(2);
    pub const BOTH: Self = Self(3);

    pub const fn read(self) -> bool {
        self.0 & 1 != 0
    }

    pub const fn write(self) -> bool {
        self.0 & 2 != 0
    }

    /// The interest with these two halves.
    pub const fn of(read: bool, write: bool) -> Self {
        Self(read as u8 | (write as u8) << 1)
    }
}

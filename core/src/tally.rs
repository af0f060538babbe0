//! What every set of counts is made of: an enum whose variants have names, and cells that can be added up.
//!
//! Apart from the counts themselves, so that a protocol can have its own without knowing the dispatcher's.

use core::cell::Cell;

macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            pub const COUNT: usize = Self::ALL.len();

            /// The name used in logs and status pages.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

pub(crate) use named_enum;

/// Adds theirs to ours, one by one. Counts wrap after 2^64.
pub(crate) fn sum(ours: &[Cell<u64>], theirs: &[Cell<u64>]) {
    for (count, more) in ours.iter().zip(theirs) {
        count.set(count.get().wrapping_add(more.get()));
    }
}

//! Several services behind one dispatcher: an enum, so that the shipped binary calls none of them through a pointer.

/// Declares a service set: a struct with one field per service, a `Kind` that names them, and the state enum. Each
/// listener is given a kind with `assign`; a connection's state remembers which service it belongs to. A service that
/// borrows (`struct Set<'m>, ...`) names its state behind a second colon, so that the states borrow nothing:
/// `http: Http<'m, F>: HttpState = "http"`.
///
/// ```
/// use tidegate_core::service::{Discard, Echo};
/// tidegate_core::service_set! {
///     /// Echo and discard.
///     pub struct Both, Kind, State { echo: Echo = "echo", discard: Discard = "discard" }
/// }
/// let mut both = Both::new(Echo, Discard);
/// assert!(both.assign(0, Kind::named("discard").unwrap()));
/// assert!(Kind::named("chargen").is_none());
/// ```
#[macro_export]
macro_rules! service_set {
    ($(#[$doc:meta])* $vis:vis struct $set:ident $(<$($life:lifetime),+>)?, $kind:ident, $state:ident {
        $($field:ident : $service:ty $(: $kept:ty)? = $name:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        $vis struct $set $(<$($life),+>)? {
            kinds: [$kind; $crate::limits::LISTENERS_MAX],
            $(pub $field: $service,)+
        }

        /// Names the services of the set.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $kind { $($field,)+ }

        impl $kind {
            /// The service of this configuration name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$field),)+ _ => None }
            }
        }

        /// A connection's state: whichever service serves it. All zero bytes are `None`, so that a table of them is
        /// lent as fresh pages.
        #[allow(non_camel_case_types)]
        #[derive(Default)]
        #[repr(u8)]
        $vis enum $state {
            /// Not opened yet.
            #[default]
            None = 0,
            $($field($crate::service_set!(@state $service $(, $kept)?)),)+
        }

        impl $(<$($life),+>)? $set $(<$($life),+>)? {
            #[allow(clippy::too_many_arguments)]
            pub fn new($($field: $service),+) -> Self {
                let first = [$($kind::$field),+][0];
                Self { kinds: [first; $crate::limits::LISTENERS_MAX], $($field,)+ }
            }

            /// Gives a listener its service; `false` if there can be no such listener.
            pub fn assign(&mut self, listener: usize, kind: $kind) -> bool {
                self.kinds.get_mut(listener).map(|k| *k = kind).is_some()
            }
        }

        impl $(<$($life),+>)? $crate::service::Service for $set $(<$($life),+>)? {
            type State = $state;

            #[inline]
            fn step(
                &mut self,
                state: &mut $state,
                cause: $crate::service::Cause,
                input: &[u8],
                out: &mut $crate::service::Outbox<'_>,
                context: &mut $crate::service::Context<'_, '_>,
            ) -> $crate::service::Step {
                if let $state::None = state {
                    *state = match self.kinds.get(context.listener()) {
                        $(Some($kind::$field) => $state::$field(Default::default()),)+
                        None => $state::None,
                    };
                }
                match state {
                    $($state::$field(state) => self.$field.step(state, cause, input, out, context),)+
                    $state::None => $crate::service::Step::close(input.len()),
                }
            }

            #[inline]
            fn sent(&mut self, state: &mut $state, bytes: usize) {
                match state {
                    $($state::$field(state) => $crate::service::Service::sent(&mut self.$field, state, bytes),)+
                    $state::None => {}
                }
            }

            fn closed(&mut self, state: &mut $state, context: &mut $crate::service::Context<'_, '_>) {
                match state {
                    $($state::$field(state) => self.$field.closed(state, context),)+
                    $state::None => {}
                }
            }
        }
    };
    (@state $service:ty) => { <$service as $crate::service::Service>::State };
    (@state $service:ty, $kept:ty) => { $kept };
}

crate::service_set! {
    /// The services of the shipped binary.
    pub struct BuiltIn, Kind, BuiltInState {
        echo: super::Echo = "echo",
        discard: super::Discard = "discard",
    }
}

//! The nine levels, by name, and what they are to the `log` facade and to syslog.

/// How bad it is: the seed's levels in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For whoever stands at the terminal: always to standard error, never to the file.
    Stderr,
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    #[default]
    Notice,
    Info,
    Debug,
}

impl Severity {
    pub const ALL: [Severity; 9] = [
        Severity::Stderr,
        Severity::Emerg,
        Severity::Alert,
        Severity::Crit,
        Severity::Error,
        Severity::Warn,
        Severity::Notice,
        Severity::Info,
        Severity::Debug,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Severity::Stderr => "stderr",
            Severity::Emerg => "emerg",
            Severity::Alert => "alert",
            Severity::Crit => "crit",
            Severity::Error => "error",
            Severity::Warn => "warn",
            Severity::Notice => "notice",
            Severity::Info => "info",
            Severity::Debug => "debug",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }

    pub(super) const fn of(level: log::Level) -> Self {
        match level {
            log::Level::Error => Severity::Error,
            log::Level::Warn => Severity::Warn,
            log::Level::Info => Severity::Info,
            log::Level::Debug | log::Level::Trace => Severity::Debug,
        }
    }

    pub(super) const fn filter(self) -> log::LevelFilter {
        match self {
            Severity::Debug => log::LevelFilter::Trace,
            Severity::Info => log::LevelFilter::Info,
            Severity::Notice | Severity::Warn => log::LevelFilter::Warn,
            _ => log::LevelFilter::Error,
        }
    }

    /// As syslog(3) counts it, which knows no `stderr`.
    pub(super) const fn priority(self) -> u8 {
        match self {
            Severity::Stderr | Severity::Emerg => 0,
            Severity::Alert => 1,
            Severity::Crit => 2,
            Severity::Error => 3,
            Severity::Warn => 4,
            Severity::Notice => 5,
            Severity::Info => 6,
            Severity::Debug => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_known_by_name_and_ordered() {
        for severity in Severity::ALL {
            assert_eq!(Severity::named(severity.name()), Some(severity));
        }
        assert!(Severity::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Severity::named("loud"), None);
    }

    #[test]
    fn every_level_is_one_of_syslogs_eight_in_its_order() {
        let priorities: Vec<u8> = Severity::ALL.iter().map(|severity| severity.priority()).collect();
        assert_eq!(priorities, [0, 0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

//! Every section and every key of the language: what it takes, what it is when absent, what it is for.
//!
//! The parser, the checks, the help and the reference configuration are all read from here and know no key by heart.

pub mod frame;
pub mod http;

use super::kind::{Directive, Kind, SectionKind};
use crate::limits::{
    ACCEPT_RATE_MAX, ACCOUNT_BYTES_MAX, BLOCK_BYTES_MAX, BLOCKS_MAX, CONNECTIONS_MAX, ENTRIES_MAX, INFO_BYTES_MAX,
    KEEPALIVE_MS_MAX, LISTENERS_MAX, LOG_BYTES_MIN, PATH_BYTES_MAX, RESPAWN_LIMIT_MAX, SECTIONS_MAX,
    SOCKET_BUFFER_BYTES_MAX, TIMEOUT_MS_MAX, UNIX_PATH_BYTES_MAX, WORKERS_MAX,
};

/// The sections, in the order in which they are printed.
pub const SECTIONS: &[SectionKind] = &[
    SectionKind { name: "Process", count_max: 1, labelled: false, help: "The processes of the server." },
    SectionKind { name: "Log", count_max: 1, labelled: false, help: "Where messages go, and which." },
    SectionKind {
        name: "Memory",
        count_max: 1,
        labelled: false,
        help: "What the server may need, and what each worker sets aside at its start.",
    },
    SectionKind {
        name: "Socket",
        count_max: LISTENERS_MAX,
        labelled: true,
        help: "One listener, up to 16: [Socket] or [Socket NAME], each name once.",
    },
];

/// The keys, each section's in the order in which they are printed.
pub const DIRECTIVES: &[Directive] = &joined::<{ COMMON.len() + OF_SERVICES.len() }>(COMMON, OF_SERVICES);

const OF_SERVICES: &[Directive] =
    &joined::<{ http::DIRECTIVES.len() + frame::DIRECTIVES.len() }>(http::DIRECTIVES, frame::DIRECTIVES);

const COMMON: &[Directive] = &[
    Directive {
        section: "Process",
        key: "Daemon",
        kind: Kind::Switch,
        default: "off",
        help: "Leave the terminal and serve in the background.",
    },
    Directive {
        section: "Process",
        key: "Workers",
        kind: Kind::NumberOrAuto { min: 0, max: WORKERS_MAX as u64 },
        default: "1",
        help: "Processes that serve; auto is one per processor, 0 serves in the first process, for debugging.",
    },
    Directive {
        section: "Process",
        key: "User",
        kind: Kind::Text { max_bytes: ACCOUNT_BYTES_MAX },
        default: "",
        help: "Who the workers are once everything is open, a name or a number; empty is who started the server.",
    },
    Directive {
        section: "Process",
        key: "Group",
        kind: Kind::Text { max_bytes: ACCOUNT_BYTES_MAX },
        default: "",
        help: "Their only group, a name or a number; empty is the user's own.",
    },
    Directive {
        section: "Process",
        key: "Confine",
        kind: Kind::Switch,
        default: "off",
        help: "The kernel ends a worker that asks it for anything serving does not need.",
    },
    Directive {
        section: "Process",
        key: "PidFile",
        kind: Kind::Text { max_bytes: PATH_BYTES_MAX },
        default: "",
        help: "File for the number of the first process; empty for none.",
    },
    Directive {
        section: "Process",
        key: "ControlSocket",
        kind: Kind::Text { max_bytes: UNIX_PATH_BYTES_MAX },
        default: "",
        help: "Unix socket that `tidegate -s status` asks; empty is the PidFile with .sock behind it.",
    },
    Directive {
        section: "Process",
        key: "OpenFiles",
        kind: Kind::Number { min: 0, max: 1_048_576 },
        default: "0",
        help: "Files a worker may hold open; 0 is what the connections need.",
    },
    Directive {
        section: "Process",
        key: "DrainTimeout",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "30s",
        help: "How long a worker that was told to leave may finish its connections.",
    },
    Directive {
        section: "Process",
        key: "UpgradeTimeout",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "1m",
        help: "How long a new program may take until it serves and replaces this one; 0 is no limit.",
    },
    Directive {
        section: "Process",
        key: "RespawnLimit",
        kind: Kind::Number { min: 0, max: RESPAWN_LIMIT_MAX as u64 },
        default: "10",
        help: "This many worker deaths within a minute end the server; 0 is never.",
    },
    Directive {
        section: "Log",
        key: "File",
        kind: Kind::Text { max_bytes: PATH_BYTES_MAX },
        default: "stderr",
        help: "stderr, syslog (or syslog:/path for another socket), or the file that messages are added to.",
    },
    Directive {
        section: "Log",
        key: "Level",
        kind: Kind::Choice(&["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"]),
        default: "notice",
        help: "The least severe messages that are kept.",
    },
    Directive {
        section: "Log",
        key: "MaxSize",
        kind: Kind::SizeOrNone { min: LOG_BYTES_MIN, max: 1 << 40 },
        default: "1M",
        help: "Before it outgrows this the file is renamed to FILE.1, which it replaces; 0 is no bound.",
    },
    Directive {
        section: "Log",
        key: "MaxDaily",
        kind: Kind::SizeOrNone { min: LOG_BYTES_MIN, max: 1 << 40 },
        default: "4M",
        help: "Written to the file in any 24 hours, half of it at once, the rest evenly; 0 is no bound.",
    },
    Directive {
        section: "Memory",
        key: "Limit",
        kind: Kind::Size { min: 0, max: 1 << 40 },
        default: "0",
        help: "What all processes may need at full load; over it the server does not start; 0 is no limit.",
    },
    Directive {
        section: "Memory",
        key: "Reserve",
        kind: Kind::Choice(&["use", "start"]),
        default: "use",
        help: "start takes all memory before the first connection, use takes it as connections need it.",
    },
    Directive {
        section: "Memory",
        key: "Blocks",
        kind: Kind::Number { min: 8, max: BLOCKS_MAX as u64 },
        default: "256",
        help: "Buffers of each worker for unfinished input and unsent output.",
    },
    Directive {
        section: "Memory",
        key: "BlockSize",
        kind: Kind::Size { min: 256, max: BLOCK_BYTES_MAX as u64 },
        default: "2K",
        help: "Bytes of one buffer.",
    },
    Directive {
        section: "Memory",
        key: "FileCache",
        kind: Kind::Size { min: 0, max: 256 << 20 },
        default: "256K",
        help: "What each worker keeps of small files, for Service = http with a Root; 0 is nothing.",
    },
    Directive {
        section: "Memory",
        key: "CachedFile",
        kind: Kind::Size { min: 0, max: 1 << 20 },
        default: "16K",
        help: "The largest file that is kept; larger ones are sent from the disk.",
    },
    Directive {
        section: "Memory",
        key: "Transfers",
        kind: Kind::Number { min: 1, max: 65_535 },
        default: "64",
        help: "Files each worker has open to send them, however many ask for each; more are answered 503.",
    },
    Directive {
        section: "Socket",
        key: "ListenPort",
        kind: Kind::Number { min: 1, max: 65_535 },
        default: "5678",
        help: "The TCP port. It must be written, except with a unix: address.",
    },
    Directive {
        section: "Socket",
        key: "ListenAddress",
        kind: Kind::Address,
        default: "*",
        help: "The address to listen on; * is every IPv4 and IPv6 address of the machine.",
    },
    Directive {
        section: "Socket",
        key: "Service",
        kind: Kind::Choice(&["echo", "discard", "frame", "http"]),
        default: "echo",
        help: "What is done with the bytes that arrive.",
    },
    Directive {
        section: "Socket",
        key: "Connections",
        kind: Kind::Number { min: 1, max: CONNECTIONS_MAX as u64 },
        default: "1024",
        help: "Connections of each worker at one time.",
    },
    Directive {
        section: "Socket",
        key: "WhenFull",
        kind: Kind::Choice(&["wait", "refuse", "oldest"]),
        default: "wait",
        help: "With all Connections taken newcomers wait, are refused, or take the place of the longest silent.",
    },
    Directive {
        section: "Socket",
        key: "PerClient",
        kind: Kind::Number { min: 0, max: CONNECTIONS_MAX as u64 },
        default: "0",
        help: "Connections of one IPv4 address or IPv6 /64 with each worker; more are refused; 0 is no limit.",
    },
    Directive {
        section: "Socket",
        key: "Backlog",
        kind: Kind::Number { min: 1, max: 65_535 },
        default: "511",
        help: "Connections the kernel keeps waiting until a worker takes them.",
    },
    Directive {
        section: "Socket",
        key: "AcceptRate",
        kind: Kind::Number { min: 0, max: ACCEPT_RATE_MAX },
        default: "0",
        help: "Connections each worker takes in a second, in one burst or evenly; others wait; 0 is no limit.",
    },
    Directive {
        section: "Socket",
        key: "Allow",
        kind: Kind::Prefixes,
        default: "",
        help: "Who may connect, and no one else; empty is everyone that Deny does not name.",
    },
    Directive {
        section: "Socket",
        key: "Deny",
        kind: Kind::Prefixes,
        default: "",
        help: "Who may not connect, whatever Allow says.",
    },
    Directive {
        section: "Socket",
        key: "IdleTimeout",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "5m",
        help: "A connection without traffic is closed after this long; 0 is never.",
    },
    Directive {
        section: "Socket",
        key: "RequestTimeout",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "30s",
        help: "A request that began must be whole after this long; 0 is never.",
    },
    Directive {
        section: "Socket",
        key: "WriteTimeout",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "30s",
        help: "A peer that takes none of its reply for this long is closed; 0 is never.",
    },
    Directive {
        section: "Socket",
        key: "KeepAlive",
        kind: Kind::Time { max_ms: KEEPALIVE_MS_MAX },
        default: "0",
        help: "The kernel asks a peer that was silent for so long whether it is still there; 0 is never.",
    },
    Directive {
        section: "Socket",
        key: "UserTimeout",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "0",
        help: "The kernel gives up a peer that acknowledges or takes nothing for so long; 0 is its own limit.",
    },
    Directive {
        section: "Socket",
        key: "ReceiveBuffer",
        kind: Kind::Size { min: 0, max: SOCKET_BUFFER_BYTES_MAX },
        default: "0",
        help: "The kernel's buffer for what a connection received, half of what it takes; 0 is as it likes.",
    },
    Directive {
        section: "Socket",
        key: "SendBuffer",
        kind: Kind::Size { min: 0, max: SOCKET_BUFFER_BYTES_MAX },
        default: "0",
        help: "The kernel's buffer for what a connection is sent, half of what it takes; 0 is as it likes.",
    },
    Directive {
        section: "Socket",
        key: "DBInfo",
        kind: Kind::Text { max_bytes: INFO_BYTES_MAX },
        default: "",
        help: "Free text that is handed to the service.",
    },
];

const fn joined<const N: usize>(mut first: &[Directive], mut then: &[Directive]) -> [Directive; N] {
    let mut all = [COMMON[0]; N];
    let mut rest: &mut [Directive] = &mut all;
    while let [next, tail @ ..] = rest {
        match (first, then) {
            ([directive, others @ ..], _) => (*next, first) = (*directive, others),
            ([], [directive, others @ ..]) => (*next, then) = (*directive, others),
            ([], []) => {}
        }
        rest = tail;
    }
    all
}

/// The keys of one section.
pub fn of_section(section: &'static str) -> impl Iterator<Item = &'static Directive> + Clone {
    DIRECTIVES.iter().filter(move |directive| directive.section == section)
}

// Every section and key of a full configuration finds room.
const _: () = {
    let (mut sections, mut entries, mut rest) = (0, 0, SECTIONS);
    while let [kind, tail @ ..] = rest {
        sections += kind.count_max;
        let mut keys = DIRECTIVES;
        while let [directive, tail @ ..] = keys {
            if same(directive.section.as_bytes(), kind.name.as_bytes()) {
                entries += kind.count_max * directive.kind.times_max();
            }
            keys = tail;
        }
        rest = tail;
    }
    assert!(sections <= SECTIONS_MAX && entries <= ENTRIES_MAX);
    assert!(sections > 0 && entries >= DIRECTIVES.len());
};

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.is_empty() && b.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::value;

    #[test]
    fn every_default_is_a_value_its_own_key_takes() {
        for directive in DIRECTIVES {
            assert!(value::is_valid(directive.kind, directive.default), "{}", directive.key);
        }
    }

    #[test]
    fn a_key_stands_once_in_the_table_whatever_its_case() {
        for (at, directive) in DIRECTIVES.iter().enumerate() {
            let twin = DIRECTIVES.iter().skip(at + 1).find(|other| other.key.eq_ignore_ascii_case(directive.key));
            assert_eq!(twin, None, "{}", directive.key);
        }
    }

    #[test]
    fn every_key_has_a_section_and_every_section_a_key() {
        assert!(DIRECTIVES.iter().all(|directive| SECTIONS.iter().any(|kind| kind.name == directive.section)));
        assert!(SECTIONS.iter().all(|kind| of_section(kind.name).next().is_some()));
    }

    #[test]
    fn names_are_plain_words_and_helps_are_sentences() {
        for directive in DIRECTIVES {
            assert!(directive.key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", directive.key);
            assert!(directive.help.ends_with('.') && directive.help.len() < 100, "{}", directive.key);
        }
    }

    #[test]
    fn bounds_are_the_right_way_round() {
        for directive in DIRECTIVES {
            match directive.kind {
                Kind::Number { min, max }
                | Kind::NumberOrAuto { min, max }
                | Kind::Size { min, max }
                | Kind::SizeOrNone { min, max } => {
                    assert!(min < max, "{}", directive.key);
                }
                Kind::Choice(words) => assert!(words.len() > 1),
                _ => {}
            }
        }
    }
}

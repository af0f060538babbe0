//! The keys of a `[Socket]` that mean something with `Service = frame` alone.

use crate::conf::kind::{Directive, Kind};
use crate::limits::{FRAME_BYTES_MAX, TIMEOUT_MS_MAX};

/// The service's name.
pub const SERVICE: &str = "frame";

pub const DIRECTIVES: &[Directive] = &[
    Directive {
        section: "Socket",
        key: "MaxFrame",
        kind: Kind::Size { min: 64, max: FRAME_BYTES_MAX },
        default: "30000",
        help: "frame: the longest frame with its header; a longer one closes the connection.",
    },
    Directive {
        section: "Socket",
        key: "Heartbeat",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "20s",
        help: "frame: a client silent for longer is closed; 0 leaves that to IdleTimeout.",
    },
    Directive {
        section: "Socket",
        key: "FloodInterval",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "1s",
        help: "frame: the time in which a connection's frames are counted.",
    },
    Directive {
        section: "Socket",
        key: "FloodCount",
        kind: Kind::Number { min: 0, max: 1_000_000 },
        default: "0",
        help: "frame: more frames than this in that time close the connection; 0 is no limit.",
    },
    Directive {
        section: "Socket",
        key: "MaxUnanswered",
        kind: Kind::Number { min: 0, max: 1_000_000 },
        default: "1000",
        help: "frame: frames of each worker that wait for a command's answer; more are refused.",
    },
];

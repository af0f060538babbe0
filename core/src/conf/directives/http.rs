//! The keys of a `[Socket]` that mean something with `Service = http` alone.

use crate::conf::kind::{Directive, Kind};
use crate::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX, PATH_BYTES_MAX, ROUTE_PATH_BYTES_MAX, TIMEOUT_MS_MAX,
};

/// The service's name.
pub const SERVICE: &str = "http";

pub const DIRECTIVES: &[Directive] = &[
    Directive {
        section: "Socket",
        key: "Root",
        kind: Kind::Text { max_bytes: PATH_BYTES_MAX },
        default: "",
        help: "http: the folder whose files are served; nothing outside of it ever is; empty for none.",
    },
    Directive {
        section: "Socket",
        key: "Index",
        kind: Kind::FileName,
        default: "index.html",
        help: "http: the file that stands for its folder; empty for none.",
    },
    Directive {
        section: "Socket",
        key: "Listing",
        kind: Kind::Switch,
        default: "off",
        help: "http: a folder without such a file is answered with the names in it.",
    },
    Directive {
        section: "Socket",
        key: "ErrorPage",
        kind: Kind::Text { max_bytes: ROUTE_PATH_BYTES_MAX },
        default: "",
        help: "http: the file below Root that is sent with a 404; empty for a line of text.",
    },
    Directive {
        section: "Socket",
        key: "Answer",
        kind: Kind::Answer,
        default: "",
        help: "http: a fixed answer to a path and all below it; of several the longest path counts.",
    },
    Directive {
        section: "Socket",
        key: "Redirect",
        kind: Kind::Redirect,
        default: "",
        help: "http: another place for a path and all below it; of several the longest path counts.",
    },
    Directive {
        section: "Socket",
        key: "Status",
        kind: Kind::Switch,
        default: "off",
        help: "http: serve /status, /status.json, /metrics and /healthz.",
    },
    Directive {
        section: "Socket",
        key: "StatusAllow",
        kind: Kind::Prefixes,
        default: "127.0.0.0/8, ::1, unix:",
        help: "http: who may see them; empty is everyone who may connect.",
    },
    Directive {
        section: "Socket",
        key: "HeadSize",
        kind: Kind::Size { min: 256, max: HTTP_HEAD_BYTES_MAX },
        default: "8K",
        help: "http: the longest request without its body; longer ones are answered 431.",
    },
    Directive {
        section: "Socket",
        key: "HeaderCount",
        kind: Kind::Number { min: 1, max: HTTP_FIELDS_MAX },
        default: "64",
        help: "http: the most header lines of a request; more are answered 431.",
    },
    Directive {
        section: "Socket",
        key: "TargetLength",
        kind: Kind::Size { min: 64, max: HTTP_HEAD_BYTES_MAX },
        default: "2K",
        help: "http: the longest path with its query; longer ones are answered 414.",
    },
    Directive {
        section: "Socket",
        key: "BodySize",
        kind: Kind::Size { min: 0, max: HTTP_BODY_BYTES_MAX },
        default: "8K",
        help: "http: the longest body that is read and thrown away; longer ones are answered 413.",
    },
    Directive {
        section: "Socket",
        key: "CacheValid",
        kind: Kind::Time { max_ms: TIMEOUT_MS_MAX },
        default: "1s",
        help: "http: how long a file is served without a look whether it changed; 0 looks each time.",
    },
    Directive {
        section: "Socket",
        key: "AccessLog",
        kind: Kind::Choice(&["off", "common", "json"]),
        default: "off",
        help: "http: a line in the log for each request, in this form.",
    },
];

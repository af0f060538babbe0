//! Every fixed bound of the core, each with its reason. A bound a user may move lives in the configuration's
//! directive table; these are the ceilings behind them.

/// Listeners in one dispatcher. Sixteen `[Socket]` sections are more than a small box has ports to offer.
pub const LISTENERS_MAX: usize = 16;

/// Connections in one dispatcher, so that a deadline and a slot share one 64-bit heap cell (44 + 20 bits).
pub const CONNECTIONS_MAX: u32 = 1 << 20;

/// Blocks in one dispatcher: a block number is sixteen bits wide and one value is kept for "none".
pub const BLOCKS_MAX: usize = 65_535;

/// Bytes of one block: its offsets are sixteen bits wide.
pub const BLOCK_BYTES_MAX: usize = 32_768;

/// Bytes of a peer's text: `[` 39 digits and colons `%` scope of ten digits `]:` port of five.
pub const PEER_TEXT_BYTES: usize = 64;

/// Connections accepted in one wake-up, so that a connection storm cannot hold up those already here.
pub const ACCEPTS_PER_EVENT: usize = 32;

/// Service steps in one wake-up of one connection; after that it queues behind the others.
pub const STEPS_PER_EVENT: usize = 16;

/// Parts of files handed to the world in one wake-up of one connection, each of [`FILE_PART_BYTES_MAX`], so that a fast
/// reader of a large file leaves turns to the others. One large part costs less than several small ones.
pub const FILE_PARTS_PER_EVENT: usize = 1;

/// Bytes of one part of a file: some tens of microseconds. Beside 100 readers of 1 MiB a second each, parts of 64 and of
/// 128 KiB left the 99th percentile of 64 others no better than this does, and take more turns.
pub const FILE_PART_BYTES_MAX: u64 = 256 * 1_024;

/// Deadlines and wakes served in one call, so that a mass expiry cannot hold up traffic.
pub const TURNS_PER_CALL: usize = 64;

/// Connections looked at to find the one that has been silent for longest, so that no newcomer costs a walk over all.
pub const LOOKS_MAX: usize = 64;

/// How long a listener rests when descriptors or kernel memory ran out. Another process may free them and no event
/// will tell; four looks a second cost nothing and resume well within a second.
pub const ACCEPT_RETRY_MS: u64 = 250;

/// How long a connection that was shut down waits for the peer to end, so that a reset cannot destroy a reply still
/// on its way (RFC 1122, 4.2.2.13; nginx's `lingering_timeout` is 5 s for a similar reason).
pub const LINGER_MS: u64 = 2_000;

/// Workers under one master. More than cores never helps; a small box has few, and a table of 64 is a screenful.
pub const WORKERS_MAX: usize = 64;

/// Processes under one master: the workers of the configuration in force, and as many of earlier ones that still
/// drain.
pub const PROCESSES_MAX: usize = 2 * WORKERS_MAX;

/// The largest `RespawnLimit`: the supervisor remembers the time of that many deaths.
pub const RESPAWN_LIMIT_MAX: usize = 1_000;

/// Bytes of one line of a configuration: far past the longest path, and a column fits sixteen bits.
pub const LINE_BYTES_MAX: usize = 1_024;

/// Sections of one configuration: `[Process]`, `[Log]`, `[Memory]` and every listener.
pub const SECTIONS_MAX: usize = 3 + LISTENERS_MAX;

/// Keys of one configuration. The directive table proves that a file with every key once in every section fits.
pub const ENTRIES_MAX: usize = 1_040;

/// The smallest log: room for some hundred lines, and for one of each process in the same instant.
pub const LOG_BYTES_MIN: u64 = 64 * 1024;

/// Bytes of a path in the configuration: Linux's `PATH_MAX` of 4096 would not fit a line.
pub const PATH_BYTES_MAX: usize = 512;

/// Bytes of a decoded path in a request, the index name behind it included: what a file system may hold and a person
/// will not type.
pub const REQUEST_PATH_BYTES_MAX: usize = 1_024;

/// Bytes of a user's or a group's name: Linux's `LOGIN_NAME_MAX` without its end.
pub const ACCOUNT_BYTES_MAX: usize = 255;

/// Bytes of a unix socket's path: `sun_path` holds 108 with its end.
pub const UNIX_PATH_BYTES_MAX: usize = 107;

/// The largest `AcceptRate`: no machine accepts more.
pub const ACCEPT_RATE_MAX: u64 = 1_000_000;

/// Prefixes in one `Allow` or `Deny`: each newcomer is compared with all of them, and a line holds no more than some
/// forty short ones. Who needs more has a firewall.
pub const PREFIXES_MAX: usize = 32;

/// `Answer` and `Redirect` of one socket, each: every request is compared with all of them.
pub const ROUTES_MAX: usize = 8;

/// Bytes of a route's path.
pub const ROUTE_PATH_BYTES_MAX: usize = 255;

/// Bytes of a fixed answer's text and of the place a redirect leads to.
pub const ROUTE_TEXT_BYTES_MAX: usize = 512;

/// Bytes of a file's name: Linux's `NAME_MAX`.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// The longest head, and the longest body that is passed over, of an HTTP request: both together fit what a
/// connection may leave unread.
pub const HTTP_HEAD_BYTES_MAX: u64 = 16 * 1_024;
pub const HTTP_BODY_BYTES_MAX: u64 = 15 * 1_024;

/// The smallest block that an HTTP answer's head, with the longest place a redirect leads to, fits into.
pub const HTTP_BLOCK_BYTES_MIN: u64 = 1_024;

/// Fields of an HTTP request: their count is eight bits wide.
pub const HTTP_FIELDS_MAX: u64 = 255;

/// The longest frame: it and the start of the next fit what a connection may leave unread.
pub const FRAME_BYTES_MAX: u64 = 31 * 1_024;

/// Bytes of the free text a socket hands to its service.
pub const INFO_BYTES_MAX: usize = 255;

/// The largest `ReceiveBuffer` and `SendBuffer`: a gigabit link across the world has less than this on its way.
pub const SOCKET_BUFFER_BYTES_MAX: u64 = 64 << 20;

/// The longest time a configuration may ask for.
pub const TIMEOUT_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// The longest `KeepAlive`: TCP_KEEPIDLE takes 32767 s, a little over nine hours.
pub const KEEPALIVE_MS_MAX: u64 = 9 * 60 * 60 * 1_000;

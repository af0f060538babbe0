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

/// Workers under one master. More than cores never helps; a small box has few, and a table of 64 is a screenful.
pub const WORKERS_MAX: usize = 64;

/// The largest `RespawnLimit`: the supervisor remembers the time of that many deaths.
pub const RESPAWN_LIMIT_MAX: usize = 1_000;

//! The statistics of a whole server and the control socket that tells them, with the real binary.

#[allow(dead_code, reason = "shared with the tests of the process model")]
#[path = "../process/server.rs"]
mod server;

mod ask;
mod counts;
mod socket;

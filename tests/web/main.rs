//! The HTTP service of the shipped binary: real files, real sockets, clients that others wrote.
//!
//! What a request means is tested in `tests/http`, against pretend files. Here it is what Linux adds: roots that nothing
//! leads out of, a cache that is never stale for long, transfers that nobody has to wait for, and the log of it all.

#[allow(dead_code, reason = "shared with the tests of the process model")]
#[path = "../process/server.rs"]
mod server;

#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/proc.rs"]
mod proc;
#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/rig.rs"]
mod rig;

mod access;
mod answers;
mod attack;
mod browser;
mod cache;
mod client;
mod clients_of_others;
mod configuration;
mod crowd;
mod hostile;
mod pages;
mod site;
mod transfers;

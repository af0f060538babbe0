//! After the seal a worker allocates nothing, whatever peers and operators do to it.
//!
//! In debug builds the first such allocation aborts the worker, so every other test of the daemon is a test of this
//! too. Here one server meets everything that can be done to it at once, on small limits, so that each error path and
//! each line of the log is taken; in release builds the worker counts instead and says the number at its end. That
//! the alarm works at all is proved beside it, on this very program: it wears the same allocator.

#[allow(dead_code, reason = "shared with the tests of the process model")]
#[path = "../process/server.rs"]
mod server;

#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/proc.rs"]
mod proc;
#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/rig.rs"]
mod rig;

mod alarm;
mod traffic;

#[global_allocator]
static ALLOCATOR: tidegate::os::alloc::Sealable = tidegate::os::alloc::Sealable;

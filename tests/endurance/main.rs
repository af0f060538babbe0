//! What an operator relies on for years, in minutes: storms of change under load, millions of messages, hostile clients.
//!
//! The ordinary run is a shortened form of each. `TIDEGATE_ENDURANCE=full` asks for the figures the project promises;
//! run that in a release build, one test at a time: `cargo test --release --test endurance NAME -- --nocapture`.

#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/proc.rs"]
mod proc;
#[allow(dead_code, reason = "shared with the tests of the daemon")]
#[path = "../daemon/rig.rs"]
mod rig;
#[allow(dead_code, reason = "shared with the tests of the process model")]
#[path = "../process/server.rs"]
mod server;

mod bystanders;
mod hostile;
mod messages;
mod namespaces;
mod storm;
mod vanish;

/// Whether the full figures were asked for.
fn full() -> bool {
    std::env::var("TIDEGATE_ENDURANCE").is_ok_and(|value| value == "full")
}

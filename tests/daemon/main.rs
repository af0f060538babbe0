//! The daemon driven from outside with real clients: what a peer gets, whatever it and the operator do.
//!
//! One file per theme. Every test has a server of its own on a port of its own, a watchdog, and an end: the server is
//! stopped, leaves no process, and its log is searched for crashes and for allocations after the seal.

#[allow(dead_code, reason = "shared with the tests of the process model")]
#[path = "../process/server.rs"]
mod server;

mod client;
mod clients_of_others;
mod configuration;
mod crash;
mod echo;
mod frame;
mod full;
mod half_close;
mod hostile;
mod listeners;
mod proc;
mod rig;
mod stop;
mod timeouts;

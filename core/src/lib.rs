//! A TCP server's core without heap, without `std` and without I/O of its own.
//!
//! It decides; the world does. A program hands it memory, listeners and events; it accepts, receives, lets a
//! [service] step and sends, all through one small trait, [`net::Net`]. Linux implements that trait over
//! sockets and epoll, the simulator over a seeded pretend network, firmware over its own TCP stack.
//!
//! In the order an event travels:
//!
//! 1. [`event`]: the world reports an [`Event`](event::Event), a token and what can be done without waiting.
//! 2. [`dispatch`]: the [`Dispatcher`](dispatch::Dispatcher) finds whom it is for; the [`pool`] checks the token,
//!    here and only here.
//! 3. `serve`: the connection's turn. Receive into the worker's one scratch, step, send. What is left over waits in
//!    [`blocks`].
//! 4. [`service`]: the protocol, a pure step. Echo, discard, [`frame`]s and [`http`] (with the world's [`files`]) are
//!    here; yours looks the same.
//! 5. [`conn`]: what the connection is now; its interest and its deadline are functions of that. [`timer`] keeps the
//!    deadlines, [`listen`] the listeners, [`admission`] whom they let in ([`prefix`], [`clients`]), [`stats`] the counts,
//!    of which [`status`] is the report.
//!
//! Beside that path: [`conf`] reads configuration files, [`master`] is a supervisor of worker processes as a table,
//! [`text`] writes addresses, [`limits`] names every fixed bound with its reason.
//!
//! Nothing in here panics on bytes from outside (`tests/proofs` shows it at link time), allocates, spawns, or reads a
//! clock: time comes in as monotonic milliseconds with each call.

#![no_std]
#![forbid(unsafe_code)]

pub mod admission;
pub mod blocks;
pub mod clients;
pub mod conf;
pub mod conn;
pub mod dispatch;
mod elders;
pub mod event;
pub mod files;
pub mod frame;
pub mod histogram;
pub mod http;
pub mod limits;
pub mod listen;
pub mod master;
pub mod net;
pub mod pool;
pub mod prefix;
mod rate;
mod serve;
pub mod service;
pub mod stats;
pub mod status;
mod tally;
pub mod text;
pub mod timer;

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

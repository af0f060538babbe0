//! tidegate on Linux: the thin shell around `tidegate-core`.
//!
//! In the order a server lives:
//!
//! 1. [`cli`] reads the command line, [`conf`] the configuration file into [`settings`]; [`exit`] names every way to
//!    leave without having served.
//!    [`price`] says what they will cost, by the layout in [`storage`] that the worker takes.
//! 2. [`start`] opens the log, the lock and the [`listeners`], and with [`daemon`] leaves the terminal;
//!    [`welcome`] greets whoever stayed at it. [`ready`] is its word to whoever waits for it.
//!    [`accounts`] finds the user and group that it names, and [`privilege`] makes workers those.
//! 3. [`master`] forks workers and carries out the orders of the core's supervisor, reloads, and makes way for a new
//!    program, to which [`handover`] gives the sockets; [`control`] is the other end of its signals.
//!    What all of them count is on the [`board`]; [`status`] is the report of it, which [`control`] hands out.
//! 4. [`worker`] serves: the core's dispatcher over [`net`], its `Net` of Linux sockets, with the [`services`] and
//!    their [`files`]; [`access`] writes a line for each request.
//!
//! [`call`] is a client for the person at the bench. [`log`] writes what any of them has to say. [`os`] is everything asked of Linux, and the only unsafe code.

#![deny(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod access;
pub mod accounts;
pub mod board;
pub mod call;
pub mod cli;
pub mod conf;
pub mod control;
pub mod daemon;
pub mod exit;
pub mod files;
pub mod handover;
pub mod listeners;
pub mod log;
pub mod master;
pub mod net;
#[allow(unsafe_code)]
pub mod os;
pub mod price;
pub mod privilege;
pub mod ready;
pub mod services;
pub mod settings;
pub mod socket_path;
pub mod start;
pub mod status;
pub mod storage;
pub mod welcome;
pub mod worker;

//! The simulator: the real dispatcher and services on a pretend network and a virtual clock.
//!
//! `world` is the network, `peers` and `talk` are the clients and what they must hear, `plan` says what a seed
//! means, `run` plays it, `judge` and `audit` check the invariants after every call. One seed is one run:
//!
//!     SIM_SEED=4711 cargo test -p tidegate-core --test sim seeds -- --nocapture      one seed
//!     SIM_SEEDS=100000 cargo test -p tidegate-core --test sim seeds --release        many

mod admitted;
mod audit;
mod counted;
mod directed;
mod gate;
mod house;
mod judge;
mod link;
mod pages;
mod peers;
mod plan;
mod rig;
mod rng;
mod run;
mod scenarios;
mod services;
mod talk;
mod traps;
mod world;

mod seeds;

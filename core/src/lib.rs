#![no_std]
#![forbid(unsafe_code)]

pub mod blocks;
pub mod conf;
pub mod conn;
pub mod dispatch;
pub mod event;
pub mod limits;
pub mod listen;
pub mod master;
pub mod net;
pub mod pool;
mod serve;
pub mod service;
pub mod stats;
pub mod text;
pub mod timer;

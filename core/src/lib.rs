#![no_std]
#![forbid(unsafe_code)]

pub mod event;
pub mod limits;
pub mod master;
pub mod net;

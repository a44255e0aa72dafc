//! The outer ring on the far side: what implements the ports.

pub mod bus;
pub mod clock;
pub mod metrics;
pub mod presence;
pub mod redis;
pub mod roster;
pub mod storage;
pub mod webhook;

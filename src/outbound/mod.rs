//! The outer ring on the far side: what implements the ports.

pub mod clock;
pub mod local;
pub mod metrics;
pub mod redis;
pub mod storage;
pub mod webhook;

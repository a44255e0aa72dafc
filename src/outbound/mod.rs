//! The outer ring, driven side: what implements the core's ports.

pub mod storage;

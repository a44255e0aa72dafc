//! Pushi: a self-hosted realtime server.

pub mod config;
pub mod core;
pub mod inbound;
pub mod outbound;

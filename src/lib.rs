//! Pushi: a self-hosted realtime server.

pub mod core;
pub mod outbound;

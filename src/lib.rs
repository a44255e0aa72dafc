//! Pushi: a self-hosted realtime server.

pub mod core;

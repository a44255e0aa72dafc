#![doc = include_str!("../ARCHITECTURE.md")]

pub mod cli;
pub mod config;
pub mod core;
pub mod inbound;
pub mod outbound;
pub mod server;

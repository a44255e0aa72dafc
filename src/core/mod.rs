//! The inner ring: the rules of channels, and the ports to the outside.
//!
//! Nothing here names a driver, a web framework, an adapter or a configuration; of tokio it uses
//! `sync` and `time` alone (`tests/architecture.rs` checks it).

pub mod answers;
pub mod auth;
pub mod backoff;
pub mod error;
pub mod fair_queue;
pub mod hub;
pub mod limit;
pub mod member_list;
pub mod model;
pub mod order;
pub mod ordered_drain;
pub mod ports;
pub mod queue_losses;
pub mod service;
pub mod turn_budget;

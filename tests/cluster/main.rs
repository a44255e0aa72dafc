//! Several nodes act as one: the real binary, with a Redis that each test starts for itself and the PostgreSQL that
//! `PUSHI_TEST_POSTGRES_URL` names.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod api;
mod client;
mod cluster;
mod console;
mod events;
mod http;
mod load_balancers;
mod model;
mod node;
mod node_failure;
mod notifications;
mod order;
mod partition;
mod postgres;
mod presence;
mod proxy;
mod publish_rows;
mod queries;
mod redis;
mod redis_cluster;
mod redis_outage;
mod redis_unreachable;
mod rolling_restart;
mod webhooks;

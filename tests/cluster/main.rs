//! Several nodes act as one: the real binary, with a Redis that each test starts for itself and the PostgreSQL that
//! `PUSHI_TEST_POSTGRES_URL` names.

mod api;
mod balancers;
mod checking;
mod client;
mod death;
mod events;
mod http;
mod model;
mod node;
mod order;
mod outage;
mod partition;
mod postgres;
mod presence;
mod proxy;
mod questions;
mod redis;
mod rolling;
mod sharded;
mod stage;
mod webhooks;

//! What clients and back ends talk to: each room speaks one protocol and calls the use cases.

pub mod wire;

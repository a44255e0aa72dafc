//! The load generator as a process, against a server in this process.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod connections;
mod errors;
mod program;
mod publishing;
mod server;
mod soak;

//! The command line, the listener, the REST API and the Pusher HTTP API, each in its own folder. One binary, because every test
//! binary links the whole server.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod cli;
mod dashboard;
mod listen;
mod pusher;
mod rest;
mod tcp;

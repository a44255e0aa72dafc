//! The load generator as a process, against a server in this process.

mod connections;
mod errors;
mod program;
mod publishing;
mod server;

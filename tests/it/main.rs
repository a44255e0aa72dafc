//! The command line, the listener, the REST API and the Pusher HTTP API, each in its own folder. One binary, because every test
//! binary links the whole server.

mod cli;
mod dashboard;
mod listen;
mod pusher;
mod rest;

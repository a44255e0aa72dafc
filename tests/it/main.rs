//! The server's rooms, in process, over real sockets on port 0.

mod cli;
mod cli_commands;
mod cli_configuration;
mod cli_serve;
mod listen;
mod listen_http;
mod listen_stop;
mod listen_tls;
mod listen_upgrade;

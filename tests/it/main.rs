//! The server's rooms, in process, over real sockets on port 0.

mod listen;
mod listen_http;
mod listen_stop;
mod listen_tls;
mod listen_upgrade;

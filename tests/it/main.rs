//! The server's rooms, in process, over real sockets on port 0.

mod cli;
mod cli_bench;
mod cli_commands;
mod cli_configuration;
mod cli_copy;
mod cli_serve;
mod dashboard;
mod listen;
mod listen_http;
mod listen_stop;
mod listen_tls;
mod listen_upgrade;
mod pusher;
mod pusher_channels;
mod pusher_events;
mod pusher_signature;
mod rest;
mod rest_apps;
mod rest_document;
mod rest_edge;
mod rest_events;
mod rest_health;
mod rest_sessions;
mod rest_settings;
mod rest_sockets;
mod rest_store;
mod rest_subscriptions;
#[path = "../servers/mod.rs"]
mod servers;

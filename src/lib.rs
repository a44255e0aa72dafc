#![doc = include_str!("../ARCHITECTURE.md")]
//!
//! # Example
//!
//! A server inside another program, with its data in memory:
//!
//! ```no_run
//! use pushi::config::{Raw, resolve, variables};
//! use pushi::inbound::listen::{ListenerRole, bind};
//! use pushi::server::{Listening, Server};
//! use tokio_util::sync::CancellationToken;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let raw = Raw::from_pairs([(variables::DATABASE_URL, "sqlite::memory:")]);
//!     let settings = resolve(&raw)?.settings;
//!     let server = Server::open(&settings).await?;
//!     if let Some(first) = server.first_app().await? {
//!         println!("app key: {}", first.app.key);
//!     }
//!     let listening = Listening {
//!         bound: bind("127.0.0.1", 0).await?,
//!         role: ListenerRole::Api,
//!         tls: None,
//!     };
//!     println!("listening on {}", listening.bound.local_addr());
//!
//!     let stop = CancellationToken::new();
//!     let running = tokio::spawn(server.serve(vec![listening], stop.clone()));
//!     // Until the program ends; a cancelled token drains the connections and closes the store.
//!     stop.cancel();
//!     running.await?;
//!     Ok(())
//! }
//! ```

pub mod cli;
pub mod config;
pub mod core;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod inbound;
pub mod outbound;
pub mod server;

//! Connections to the Redis servers, and the names, scripts and messages that travel over them.

mod connections;
mod message;
mod names;
mod scripts;
mod slots;
mod target;

pub use connections::{Connections, Disconnected, Pushed, look};
pub use message::{Body, Frame, PresenceBody};
pub use names::{Names, carrier};
pub use scripts::Script;
pub use slots::slot;
pub use target::{Target, TargetError};

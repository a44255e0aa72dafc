//! The outer ring on the near side: what calls the use cases.

pub mod listen;
pub mod rest;
pub mod stream;
pub mod websocket;
pub mod wire;

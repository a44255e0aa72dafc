//! The outer ring on the far side: what implements the ports.

pub mod apns;
pub mod clock;
pub mod email;
pub mod jwt;
pub mod local;
pub mod message_format;
pub mod metrics;
pub mod net;
pub mod redis;
pub mod storage;
pub mod web_push;
pub mod webhook;

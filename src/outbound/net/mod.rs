//! Connections to targets that others choose: limited to public addresses, and in time and bytes.

pub(crate) mod address_filter;
mod http_client;

pub use http_client::HttpClient;
pub(crate) use http_client::{HttpFailure, HttpReply};

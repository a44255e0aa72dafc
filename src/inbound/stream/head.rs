//! The response heads of streams.
//!
//! The body of a stream ends with the connection (RFC 9112, section 6.3): clients of HTTP/1.0 and 1.1
//! read it, publishers write no chunk sizes into it, and a stream's connection could not be used again
//! before the stream ends anyway. That a stream is complete follows from its last event, not from HTTP.

use super::format::StreamFormat;
use crate::core::model::SocketId;

/// The header with the stream's id, by which `/sockets` lists it.
const STREAM: &str = "pushi-stream";

/// The header with the position of a stream before its first event.
const CURSOR: &str = "pushi-cursor";

/// The lines that let a page of another origin read a response.
pub(super) fn cors_lines(origin: Option<&str>) -> String {
    let is_printable = |origin: &&str| origin.bytes().all(|byte| byte.is_ascii_graphic());
    match origin.filter(is_printable) {
        Some(origin) => format!(
            "access-control-allow-origin: {origin}\r\n\
             access-control-expose-headers: Retry-After, Pushi-Stream, Pushi-Cursor\r\n\
             vary: Origin\r\n"
        ),
        None => String::new(),
    }
}

/// The head of a response with status 200; `length`: of the body in bytes, `None` where it ends with the
/// connection.
pub(super) fn head(
    format: StreamFormat,
    (id, cursor): (SocketId, &str),
    origin: Option<&str>,
    length: Option<usize>,
) -> String {
    let length = length.map_or_else(String::new, |length| {
        format!("content-length: {length}\r\n")
    });
    // nginx buffers the response of an upstream unless it is told not to, and `no-transform` keeps
    // proxies from compressing, which buffers, too.
    format!(
        "HTTP/1.1 200 OK\r\n\
         content-type: {}\r\n\
         cache-control: no-store, no-transform\r\n\
         x-accel-buffering: no\r\n\
         x-content-type-options: nosniff\r\n\
         {STREAM}: {id}\r\n\
         {CURSOR}: {cursor}\r\n\
         {}\
         {length}\
         connection: close\r\n\r\n",
        format.content_type(),
        cors_lines(origin),
    )
}

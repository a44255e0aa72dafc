//! Streams: the events of channels over plain HTTP, for clients that cannot or need not hold a
//! WebSocket.
//!
//! A stream is a connection like a WebSocket: it counts towards the limits, joins its channels in the
//! hub, has a mailbox, and is drained in the same way. Its session differs: the request names all
//! channels, nothing is read from the client after it, and there is no answer but the stream itself.
//!
//! # Positions
//!
//! Each event has an id, the cursor: the serial of the last stored event of every channel of the stream.
//! So a client that keeps only the last id, as browsers do, continues in all channels. The text of the
//! event is shared by all streams; the cursor is written by each mailbox (`positions`,
//! [`EventRenderer`](crate::core::hub::EventRenderer)), also for direct writes. An event that a stream has by
//! its position is dropped there. A publish to several channels arrives once in each of them, unlike on a
//! WebSocket: otherwise no position could tell what the client has.
//!
//! # A stream that continues
//!
//! 1. The channels are subscribed to in the hub, then their newest serials are read.
//! 2. While stored events of a channel follow its position they are read page by page. Live stored events of
//!    the channel are dropped meanwhile, because a later page has them; others are held back.
//! 3. What cannot be read any more is reported by a gap, which names the channel, before its next event.

mod cursor;
mod format;
mod handler;
mod head;
mod open;
mod pending;
mod poll;
mod positions;
mod refusal;
mod request;
mod session;

pub use handler::StreamRequests;

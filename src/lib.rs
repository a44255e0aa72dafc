//! Pushi: a self-hosted realtime server. Clients hold a WebSocket and subscribe to channels, back ends publish through a
//! REST API, and events can be kept and replayed, also to users who were away.
//!
//! # The house
//!
//! Three rings. The inner one, [`core`], knows the rules of channels and names no protocol, driver or framework. Around it
//! stand the edges: [`inbound`] calls the core's use cases, [`outbound`] implements its ports. The two never meet but in
//! the composition root.
//!
//! ```text
//!  inbound (rest, websocket)                      outbound (storage, bus, presence)
//!          |  calls                                        |  implements
//!          v                                               v
//!    core::service  ------------ uses ---------->  core::ports
//!          |                                               |
//!          v                                               v
//!    core::hub  ---------------------------------> core::model, core::auth, core::error
//! ```
//!
//! | to change | look at |
//! | --- | --- |
//! | a rule of channels, who may do what | [`core::service`], one verb a file |
//! | who gets a frame, what happens to a slow reader | [`core::hub`] |
//! | a frame's text | `inbound::websocket::dialect` |
//! | a route, an answer, the OpenAPI document | `inbound::rest`, a resource a file |
//! | how something is stored | `outbound::storage`, a store a folder; `migrations` |
//! | what webhooks are told, and when | [`core::service`], `webhooks`; how, `outbound::webhook` |
//! | what nodes tell each other | [`core::ports`], [`core::order`], `outbound::redis` |
//! | a setting | `config` |
//! | a command of the binary | `cli`, one file a command |
//!
//! `tests/architecture.rs` holds the rings in place.
//!
//! # A private subscription
//!
//! 1. `inbound::listen` accepts the connection, reads the request head and finds an upgrade; `inbound::websocket` takes
//!    the key from its path. [`core::service::Service::connect`] looks the app up (in memory, if it is known) and checks
//!    origins and limits. The session greets with the socket id.
//! 2. The client asks its back end for a signature over `<socket_id>:<channel>` and sends `pusher:subscribe`. The
//!    dialect decodes the frame into a [`core::service::Subscribe`], whose names are known to be good.
//! 3. [`core::service::Service::subscribe`] checks the signature in constant time and takes the place in the hub first:
//!    from then on the channel's frames gather in the connection's mailbox, where the session holds them back.
//! 4. With `since`, what the store has up to the channel's head is read. The answer is written, then what gathered is let
//!    go; serials that the answer covered are dropped. So there is no gap and no double, and nothing comes before the
//!    answer.
//!
//! # A persisted publish
//!
//! 1. A client's frame or `POST /events` becomes a publish; the app and the channel are checked.
//! 2. It enters the append queue. The session does not wait. The writer ([`core::service::Service::write`]) takes all that
//!    has gathered, and the store commits it at once: concurrent publishes share one disk flush. Only then has the event
//!    an `id` and a `serial`.
//! 3. The writer releases it to the bus in order, and tells the publisher. The bus brings it to every node that has
//!    somebody on the channel, this one included: there is one delivery path.
//! 4. The hub looks the channel up, encodes the frame once per dialect, and puts the shared bytes into each mailbox. Nobody
//!    waits: a mailbox that is full is closed with a reason.
//! 5. Each session takes all that waits in its mailbox and writes it with one system call. Under load this is where the
//!    speed comes from.
//!
//! # A persisted publish over two nodes
//!
//! 1. As above, until the writer releases the event. The bus is now [`core::order::Resequencer`] around `outbound::redis::RedisBus`: one
//!    `PUBLISH` on the channel's own topic, which only nodes with somebody on the channel listen on.
//! 2. It comes back to the node that said it and to the others, by one connection each that carries everything
//!    (`outbound::redis`). What two nodes publish at once may arrive in any order, so [`core::order`] lets events go on by serial; a
//!    missing one is waited for, and then read from the store.
//! 3. From there on it is the same on each node: hub, mailboxes, sessions.
//! 4. Where the connection fails, the node delivers itself what has not come back, and begins a new life: topics, its
//!    place in the register of nodes, presence lists, counts. What others published meanwhile is read from the store.
//!
//! # A shutdown
//!
//! One token ends everything, from the outside in. Readiness turns to 503 and the acceptors stop; connections are closed with
//! 4200, spread over the drain time, so that clients do not all come back at once; each session gives up what it held, and
//! presence announces who left. When the last session is gone, the writer commits what is still queued, and the store is
//! closed.

pub mod cli;
pub mod config;
pub mod core;
pub mod inbound;
pub mod outbound;
pub mod server;

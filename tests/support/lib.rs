//! What the test suites and the benchmarks share: a server in process, clients, stores that fail on demand, a clock that
//! tests move, and databases of their own. A crate and not a module, so that it is compiled once for all suites.

mod cases;
mod client;
mod clock;
mod databases;
mod env;
mod faults;
mod frame;
mod frame_schemas;
mod notify;
mod pusher_client;
mod receiver;
mod senders;
mod server;
mod source;
mod values;

pub use self::client::Client;
pub use self::clock::ManualClock;
pub use self::databases::{MongoDatabase, PostgresSchema, server_url};
pub use self::env::{Memory, Mongo, PATIENCE, Postgres, SqliteFile, StoreKind, TestEnv, until};
pub use self::faults::{FAULT_CAUSE, Fault, FaultSwitch, FaultyStore, STORE_TIMEOUT};
pub use self::frame::{Frame, event_texts, serials, users};
pub use self::frame_schemas::{
    FrameSchema, FrameSender, check_frame, frame_schemas, schema_channel,
};
pub use self::pusher_client::{PusherClient, replay};
pub use self::receiver::{Call, Receiver};
pub use self::senders::{senders, webhook_sender};
pub use self::server::{Composition, ServerSetup, TestServer};
pub use self::source::product_code;
pub use self::values::{channel, publishing, user};

//! The interfaces of the core to the outside, one trait a file.
//!
//! The documentation of a port states its guarantees and the obligations of the caller; every sentence is a case of the
//! contract suite in `tests/contract`, which every adapter passes. Ports with I/O are `#[async_trait]` so that they can be
//! `dyn`; none of their calls is made per recipient.
//!
//! Every storage call ends within the store timeout that its adapter was built with, also where the database does not
//! respond: then it fails with [`StorageError::Unavailable`](super::error::StorageError::Unavailable).

mod app_store;
mod archive;
mod bus;
mod cache_store;
mod clock;
mod delivery_log;
mod dialect;
mod event_store;
mod message_format;
mod metrics;
mod node_reports;
mod nodes;
mod notifications;
mod notifier;
mod outbox;
mod presence_store;
mod publish_rows;
mod roster;
mod sender;
mod session_store;
mod stores;
mod subscription_store;
mod target_store;
mod token_reader;

pub use app_store::{AppStore, CreateApp};
pub use archive::Archive;
pub use bus::{Bus, BusHealth, BusMessage, BusSink};
pub use cache_store::CacheStore;
pub use clock::Clock;
pub use delivery_log::DeliveryLog;
pub use dialect::{Dialect, DialectId};
pub use event_store::{EventStore, Pruning, ReadLimit};
pub use message_format::MessageFormat;
pub use metrics::{
    Call, Gauges, GuessedCredential, HttpRefusal, Metrics, NotificationOutcome, QueueKind, Source,
    Totals, WebhookOutcome,
};
pub use node_reports::{
    AddressRange, ClosedBy, ClosedConnection, ConnectionFilter, ConnectionInfo, NodeOverview,
    NodeQuery, NodeReport, NodeReports, NodeSample, TailBatch, TailEvent, TailFilter, TailPoll,
};
pub use nodes::Nodes;
pub use notifications::{DuePublishes, NotificationLog};
pub use notifier::Notifier;
pub use outbox::{
    AttemptResult, ClaimUpdate, Disposition, OLDEST_BYTES, OUTBOX_EVENT_BYTES, Outbox, OutboxBytes,
};
pub use presence_store::{Joined, PresenceStore};
pub use publish_rows::{
    Moved, OldestRow, PublishRow, PublishRows, RowContent, RowId, RowLimit, RowMove,
};
pub use roster::{OccupancyChange, OccupancyUpdate, Online, Roster};
pub use sender::{SendFailure, Sender, Senders, Verdict};
pub use session_store::SessionStore;
pub use stores::{Database, Stores};
pub use subscription_store::SubscriptionStore;
pub use target_store::TargetStore;
pub use token_reader::TokenReader;

//! What the core asks of the world, one trait a file.
//!
//! A port's documentation states its promises and what it demands of the caller; every sentence is a case of the
//! contract suite in `tests/contract`, which every adapter passes. Ports that are reached over I/O are
//! `#[async_trait]` so that they can be `dyn`; none of their calls is made per recipient.
//!
//! Every storage call ends within the store time-out that its adapter was built with, also where the server hangs:
//! then it answers [`StorageError::Unavailable`](super::error::StorageError::Unavailable).

mod app_store;
mod archive;
mod bus;
mod cache_store;
mod clock;
mod delivery_log;
mod dialect;
mod event_store;
mod metrics;
mod nodes;
mod notifier;
mod outbox;
mod presence_store;
mod roster;
mod session_store;
mod stores;
mod subscription_store;

pub use app_store::{AppStore, CreateApp};
pub use archive::Archive;
pub use bus::{Bus, BusHealth, BusMessage, BusSink};
pub use cache_store::CacheStore;
pub use clock::Clock;
pub use delivery_log::DeliveryLog;
pub use dialect::{Dialect, DialectId};
pub use event_store::{EventStore, Pruning};
pub use metrics::{Call, Gauges, Metrics, Source, WebhookOutcome};
pub use nodes::Nodes;
pub use notifier::Notifier;
pub use outbox::{AttemptResult, ClaimUpdate, Disposition, Outbox};
pub use presence_store::{Joined, PresenceStore};
pub use roster::{OccupancyChange, OccupancyUpdate, Online, Roster};
pub use session_store::SessionStore;
pub use stores::{Database, Stores};
pub use subscription_store::SubscriptionStore;

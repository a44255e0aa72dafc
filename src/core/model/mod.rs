//! The nouns of the domain. None carries a serialization derive: each edge has its own twin and converts.

mod app;
mod cached_event;
mod channel;
mod delivery;
mod event;
mod happening;
mod ids;
mod interval;
mod limits;
mod member;
mod occupancy;
mod roll;
mod secret;
mod session;
mod settings;
mod subscription;
mod target;
mod time;

pub use app::{App, AppIdent, IdentError, NewApp, PushCredentials};
pub use cached_event::CachedEvent;
pub use channel::{ChannelKind, ChannelName, NameError, PeerChannel, check_event_name};
pub use delivery::{Attempt, Claim, Delivery, Waiting};
pub use event::{Event, NewEvent, Payload, Position, RESERVED_MEMBERS};
pub use happening::{ClientSaid, Happened, Happening, Mark, Notice};
pub use ids::{Mid, PublishId, SocketId, UserId};
pub use interval::Interval;
pub use limits::{AppLimits, Limits};
pub use member::Member;
pub use occupancy::{Occupancy, OccupiedChannel, SocketInfo};
pub use roll::{Roll, RollText, Shown};
pub use secret::Secret;
pub use session::{Session, TokenHash};
pub use settings::{AppSettings, OverCapacity, Webhook, WebhookEvent};
pub use subscription::{Subscription, SubscriptionFilter};
pub use target::{Target, TargetKind};
pub use time::Timestamp;

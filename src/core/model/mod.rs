//! The types of the domain. None derives serialization: each edge has its own data transfer types and converts.

mod app;
mod away;
mod cached_event;
mod channel;
mod delivery;
mod device_token;
mod digest_window;
mod email_address;
mod event;
mod ids;
mod interval;
mod limits;
mod mail_url;
mod member;
mod message;
mod notification;
mod occupancy;
pub mod origin;
mod outbox_event;
mod p256_key;
mod push_check;
mod secret;
mod server_event;
mod session;
mod settings;
mod subscription;
mod target;
mod time;
mod token_key;
mod whole_duration;

pub use app::{App, AppIdent, CredentialError, IdentError, NewApp, PushCredentials};
pub use away::Away;
pub use cached_event::CachedEvent;
pub use channel::{ChannelKind, ChannelName, NameError, PeerChannel, check_event_name};
pub use delivery::{Attempt, Claim, Delivery, LostEvents, QueuedAddress};
pub use device_token::{DeviceToken, DeviceTokenError};
pub use digest_window::DigestWindow;
pub use email_address::{EmailAddress, EmailAddressError};
pub use event::{Event, FurtherMembers, NewEvent, Payload, Position, RESERVED_MEMBERS};
pub use ids::{Mid, PublishId, SocketId, UserId};
pub use interval::SubscriptionInterval;
pub use limits::{AppLimits, Limits};
pub use mail_url::{MailAccount, MailAccountError};
pub use member::Member;
pub use message::{
    ApnContent, ApnCredentials, ApnHeaderError, ApnHeaders, ApnMessage, BrowserKeys,
    BrowserKeysError, DigestContent, EmailMessage, EventPushError, MailContent, MailServer,
    MailTls, PushContent, PushContentError, PushTopic, Urgency, Vapid, VapidContactError,
    WebContent, WebMessage, WebMethod, WebPushMessage, WebSigning,
};
pub use notification::{
    DueMark, DuePublish, LoggedNotification, NotificationFilter, NotificationState,
};
pub use occupancy::{Occupancy, OccupiedChannel, SocketInfo};
pub use outbox_event::{
    ClientEventDetails, Notification, OutboxEvent, OutboxEventKind, QueuedEvent, ReportedPresence,
};
pub use p256_key::{P256Key, P256KeyError};
pub use push_check::PushCheckError;
pub use secret::Secret;
pub use server_event::ServerEvent;
pub use session::{ClientNetwork, CredentialDigest, Session, TokenHash};
pub use settings::{AppSettings, OverCapacity, Webhook, WebhookEvent};
pub use subscription::{SubscriptionFilter, UserSubscription};
pub use target::{NewTarget, NotificationTarget, TargetFilter, TargetKind, TargetQueue};
pub use time::Timestamp;
pub use token_key::{MAX_TOKEN_KEY_ID, MAX_TOKEN_KEYS, TokenKey, TokenKeyError, TokenKeyMaterial};

//! The use cases, which the edges (REST, WebSocket) call.
//!
//! [`Service`] has one public method for each, one verb a file. It authorises the call and hands the work to the
//! [`hub`](super::hub), a [port](super::ports), or one of its [`Parts`]: components with their own state, some with a task
//! of their own, `run(stop)`, that the composition root spawns.
//!
//! - [`AppendQueue`]: events on their way into the store and onto the bus.
//! - [`AppCache`], `SessionCache`: data that most requests read.
//! - `LoginThrottle`: failed logins by client.
//! - `CacheChannels`: the last event of each cache channel.
//! - [`RowPublisher`]: events that applications insert into the store in transactions of their own.
//! - [`WebhookQueue`], [`OutboxSender`], [`Reconciler`]: webhook events, see the module `webhooks`.
//! - [`NotificationQueue`], [`NotificationExpander`], [`NotificationSender`]: notifications, see the module `notifications`.
//! - [`Samples`], `Tail`, `ClosedConnections`: what a console shows of this node.
//! - [`Retention`]: removes expired data. [`MemberChangeAnnouncer`]: batched joins and leaves.
//!
//! A message from another node arrives at [`BusSink::deliver`], which hands it to the part or to the hub.

mod apn;
mod app_cache;
mod append_queue;
mod apps;
pub mod bootstrap;
mod cache_channels;
mod cached;
mod closed_connections;
mod connect;
mod connections;
mod console_sessions;
mod direct;
mod health;
mod history;
mod id_sequence;
mod login_throttle;
mod mail;
mod mail_unsubscribe;
mod member_changes;
mod node_overview;
mod notifications;
mod occupancy;
mod open_publish;
mod parts;
mod personal;
mod publish;
mod release;
mod replay;
mod retention;
mod row_publisher;
mod samples;
mod session_cache;
mod sessions;
mod short_secrets;
mod sign_in;
mod signature_check;
mod signed;
mod subscribe;
mod subscriptions;
mod tail;
mod targets;
mod trigger;
mod unsubscribe;
mod user_tokens;
mod vapid;
mod webhook_changes;
mod webhooks;
mod work_in_progress;

use std::sync::Arc;
use std::time::Duration;

pub use apn::{ApnIdentity, ApnIdentityError, GivenApnIdentity};
pub use app_cache::AppCache;
pub use append_queue::AppendQueue;
pub use apps::AppError;
pub use cached::Cached;
pub use connect::{ConnectError, Connecting, Encryption};
pub use connections::{ClosedPage, ConnectionPage};
pub use console_sessions::ConsoleAccess;
pub use direct::{DirectMessage, MAX_DIRECT_TARGETS, PushTarget, QueueMessagesError};
pub use health::NodeHealth;
pub use history::{AnswerReader, EventQuery, EventsPage, HistoryError};
pub use login_throttle::LoginsThrottled;
pub use mail::{GivenMailServer, MailServerError};
pub use mail_unsubscribe::UnsubscribeError;
pub use member_changes::MemberChangeAnnouncer;
pub use node_overview::OverviewOfNodes;
pub use notifications::{
    KINDS as NOTIFICATION_KINDS, NotificationExpander, NotificationQueue, NotificationRules,
    NotificationSender, NotificationTest, NotificationTestError, ReadEventPush, RefusedCredentials,
    RenderEvent,
};
pub use occupancy::RosterError;
pub use open_publish::{OpenPublish, OpenPublishError};
pub use parts::Parts;
pub use publish::{ClientPublish, PublishError, Publishing};
pub use replay::{ReplayedEvents, Since};
pub use retention::Retention;
pub use row_publisher::{ReadExtra, RowPublisher, RowState};
pub use samples::{SAMPLE_INTERVAL, Samples};
pub use sessions::{AppSession, LoginCredentials, LoginError, NewSessionToken};
pub use short_secrets::ShortSecrets;
pub use sign_in::{SignIn, SignInError, Watched};
pub use signature_check::{CheckedSignature, ClientSignature, RequestSignature};
pub use signed::SignedError;
pub use subscribe::{ChannelData, Subscribe, SubscribeError, Subscribed};
pub use subscriptions::SubscriptionError;
pub use tail::{TailAccess, TailEnd, TailItem, TailStream, TooManyWatchers};
pub use targets::{RegisterTarget, TargetError};
pub use trigger::{ClientEvent, ClientEventError, TriggerRequest};
pub use user_tokens::{HoldTokenError, TokenAccessError, TokenHeld, UserTokenError};
pub use vapid::{GivenVapid, NewVapidKeyError, VapidError};
pub use webhooks::{OutboxSender, Reconciler, WebhookLog, WebhookQueue, WebhookRules};

use self::id_sequence::IdSequence;
use super::answers::AnswerBudget;
use super::auth::RandomError;
use super::hub::Hub;
use super::model::{AppIdent, ChannelName, Limits, MailAccount, Mid, PublishId, ServerEvent};
use super::ports::{
    BusHealth, BusMessage, BusSink, Clock, Gauges, MessageFormat, NodeQuery, NodeReport, Nodes,
    Notifier, Senders, Stores, TokenReader,
};

/// The ports that the use cases depend on.
#[derive(Clone)]
pub struct Ports {
    /// The storage ports.
    pub stores: Stores,
    /// The connection to the other nodes.
    pub nodes: Nodes,
    /// Sends webhook requests.
    pub notifier: Arc<dyn Notifier>,
    /// Send messages to targets outside the connections.
    pub senders: Senders,
    /// Makes their content.
    pub format: Arc<dyn MessageFormat>,
    /// Renders events for notifications.
    pub render_event: RenderEvent,
    /// Reads further members of events that applications insert as rows.
    pub read_extra: ReadExtra,
    /// Reads from rendered events what browsers are sent.
    pub read_event_push: ReadEventPush,
    /// Verifies the tokens of users.
    pub tokens: Arc<dyn TokenReader>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

/// The configuration of the use cases.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The server's limits.
    pub limits: Limits,
    /// The lifetime of a session token.
    pub session_ttl: Duration,
    /// The longest time until a token of a user expires.
    pub max_token_ttl: Duration,
    /// The browser origins that may connect to any app; empty: all.
    pub allowed_origins: Vec<String>,
    /// The age up to which events are kept; `None`: without limit.
    pub retention: Option<Duration>,
    /// The events that each channel keeps; `None`: all.
    pub retention_events: Option<u64>,
    /// Whether rows that applications insert are published.
    pub publish_rows: bool,
    /// Timeouts and retries of webhooks.
    pub webhooks: WebhookRules,
    /// Timeouts and retries of notifications.
    pub notifications: NotificationRules,
    /// Timeouts and defaults of messages.
    pub messages: MessageRules,
}

/// Timeouts and defaults of messages to targets outside the connections.
#[derive(Debug, Clone)]
pub struct MessageRules {
    /// The timeout of one attempt.
    pub timeout: Duration,
    /// The operator's contact for push services, with its scheme.
    pub contact: Option<String>,
    /// The operator's mail server.
    pub mail: Option<MailAccount>,
    /// Seconds for which push services keep a message.
    pub web_push_ttl: u32,
    /// The address of the REST API for people, without a slash at its end; `None`: e-mails have no link to end a registration.
    pub public_url: Option<String>,
}

impl Default for MessageRules {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            contact: None,
            mail: None,
            web_push_ttl: 86_400,
            public_url: None,
        }
    }
}

/// The use cases, over the hub and the ports.
pub struct Service {
    ports: Ports,
    rules: Rules,
    hub: Arc<Hub>,
    parts: Parts,
    admission: connect::Admission,
    open_publishes: open_publish::OpenPublishRates,
    answers: AnswerBudget,
    mids: IdSequence,
    publishes: IdSequence,
}

impl Service {
    /// Builds the use cases and their parts.
    ///
    /// # Errors
    /// Fails where the operating system provides no random numbers.
    pub fn new(ports: Ports, rules: Rules, hub: Arc<Hub>) -> Result<Self, RandomError> {
        let parts = Parts::new(&ports, &rules, &hub)?;
        let admission =
            connect::Admission::new(rules.limits.connects_per_second, ports.clock.now());
        let answers = AnswerBudget::new(rules.limits.answers_bytes);
        Ok(Self {
            ports,
            rules,
            hub,
            parts,
            admission,
            open_publishes: open_publish::OpenPublishRates::default(),
            answers,
            mids: IdSequence::new()?,
            publishes: IdSequence::new()?,
        })
    }

    /// The parts, whose tasks the composition root spawns.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The connections of this node.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The bytes of the answers that are being prepared or sent.
    pub fn answers(&self) -> &AnswerBudget {
        &self.answers
    }

    /// The gauges of this node, as of now.
    pub fn gauges(&self) -> Gauges {
        let bus_up = match self.ports.nodes.bus.health() {
            BusHealth::SingleNode => None,
            health => Some(health == BusHealth::Up),
        };
        Gauges {
            bus_up,
            append_queue_bytes: self.parts.appends.bytes(),
            webhook_queue_bytes: self.parts.webhooks.bytes(),
            notification_queue_bytes: self.parts.notifications.bytes(),
            bus_queue_bytes: self.ports.nodes.bus.queued_bytes(),
            answer_bytes: self.answers.used(),
            row_lag: self.row_state().lag,
            ..self.hub.gauges()
        }
    }

    /// The configuration that the server was started with.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    fn new_mid(&self) -> Mid {
        Mid(self.mids.next().into())
    }

    /// A new id for the copies of one publish. It has a sequence of its own, without gaps: connections detect duplicates by
    /// it. It differs from each `mid`: a notification is sent once a target and publish, and a single event is its own publish.
    fn new_publish_id(&self) -> PublishId {
        PublishId(self.publishes.next().into())
    }
}

impl BusSink for Service {
    fn deliver(&self, message: BusMessage) {
        match message {
            BusMessage::AppChanged(app) => {
                self.parts.apps.invalidate();
                self.parts.notifications.targets_changed(&app);
                self.parts.notification_sender.app_changed(&app);
                self.parts.tail.check_access();
            }
            BusMessage::SessionEnded(hash) => {
                self.parts.sessions.invalidate(&hash);
                self.parts.ended_sessions.insert(hash);
                self.parts.tail.check_access();
            }
            BusMessage::NodeGone => self.parts.reconciler.node_failed(),
            BusMessage::Broadcast {
                app,
                event: ServerEvent::SubscriptionCount { channel, count },
                ..
            } => self
                .hub
                .send_count(&app, channel, count, self.ports.clock.now()),
            other => self.hub.deliver(other),
        }
    }

    fn report(&self, query: NodeQuery) -> Option<NodeReport> {
        Some(self.own_report(query))
    }

    fn wants(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        self.hub.wants(app, channel)
    }

    /// The resequencer reads missed events from the store; apps and the hub's state are refreshed here. An ended session is
    /// noticed within a second anyway, when its cache entry is read again.
    fn resumed(&self) {
        self.parts.apps.invalidate();
        self.parts.notifications.targets().all_changed();
        self.hub.resumed();
    }
}

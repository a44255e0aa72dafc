//! The parts of the service, and how they are connected.

use std::sync::Arc;

use super::app_cache::AppCache;
use super::append_queue::AppendQueue;
use super::cache_channels::CacheChannels;
use super::closed_connections::ClosedConnections;
use super::console_sessions::EndedSessions;
use super::direct::SendSlots;
use super::login_throttle::LoginThrottle;
use super::member_changes::MemberChangeAnnouncer;
use super::notifications::{
    Couriers, NotificationExpander, NotificationQueue, NotificationSender, SenderParts,
};
use super::retention::Retention;
use super::row_publisher::{RowParts, RowPublisher};
use super::samples::Samples;
use super::session_cache::SessionCache;
use super::tail::Tail;
use super::webhook_changes::WebhookChanges;
use super::webhooks::{OutboxSender, Reconciler, WebhookQueue};
use super::{Ports, Rules};
use crate::core::auth::{self, RandomError};
use crate::core::fair_queue::QueueBounds;
use crate::core::hub::Hub;

/// Components with their own state and ports. Those that are public have a task: `run(stop)`. Cheap to clone; all clones
/// are the same instances.
#[derive(Clone)]
pub struct Parts {
    /// Stores events and releases them to the bus.
    pub appends: Arc<AppendQueue>,
    /// Announces batched joins and leaves of presence channels.
    pub member_changes: Arc<MemberChangeAnnouncer>,
    /// Caches apps.
    pub apps: Arc<AppCache>,
    /// Writes webhook events into the outbox.
    pub webhooks: Arc<WebhookQueue>,
    /// Sends webhook events.
    pub sender: Arc<OutboxSender>,
    /// Records missed webhook events.
    pub reconciler: Arc<Reconciler>,
    /// Publishes on their way to their targets.
    pub notifications: Arc<NotificationQueue>,
    /// Puts notifications into the outbox.
    pub expander: Arc<NotificationExpander>,
    /// Sends notifications.
    pub notification_sender: Arc<NotificationSender>,
    /// Publishes rows that applications insert.
    pub rows: Arc<RowPublisher>,
    /// Removes expired data.
    pub retention: Arc<Retention>,
    /// Takes samples of what the node does.
    pub samples: Arc<Samples>,
    pub(super) tail: Arc<Tail>,
    pub(super) closed: Arc<ClosedConnections>,
    pub(super) sessions: Arc<SessionCache>,
    pub(super) ended_sessions: Arc<EndedSessions>,
    pub(super) logins: Arc<LoginThrottle>,
    pub(super) cache_channels: Arc<CacheChannels>,
    pub(super) sends: Arc<SendSlots>,
}

impl Parts {
    pub(super) fn new(ports: &Ports, rules: &Rules, hub: &Arc<Hub>) -> Result<Self, RandomError> {
        let Ports {
            stores,
            nodes,
            notifier,
            render_event,
            read_extra,
            clock,
            ..
        } = ports.clone();
        // A single node has a constant name, so that it finds its claims again after it was killed.
        let holder = match rules.webhooks.single_node {
            true => "alone".to_owned(),
            false => auth::random_hex::<8>()?,
        };
        let tail = Arc::new(Tail::new(Arc::clone(hub)));
        let samples = Samples::new(Arc::clone(hub), Arc::clone(&clock), Arc::clone(&tail));
        let webhook_changes = Arc::new(WebhookChanges::default());
        let cache_channels = Arc::new(CacheChannels::new(
            Arc::clone(&stores.cache),
            Arc::clone(&clock),
        ));
        let sessions = Arc::new(SessionCache::new(
            Arc::clone(&stores.sessions),
            Arc::clone(&clock),
        ));
        let apps = Arc::new(AppCache::new(
            Arc::clone(&stores.apps),
            Arc::clone(hub),
            Arc::clone(&nodes.bus),
            Arc::clone(&sessions),
            Arc::clone(&webhook_changes),
        ));
        let webhooks = Arc::new(WebhookQueue::new(
            &stores,
            nodes.clone(),
            Arc::clone(&clock),
            Arc::clone(&apps),
            rules.webhooks.single_node,
            &rules.limits,
            hub.metrics(),
        ));
        let notifications = Arc::new(NotificationQueue::new(
            &stores,
            rules.notifications.enabled,
            &rules.limits,
            hub.metrics(),
        ));
        // Not that of web hooks, whose release would end these claims.
        let notify_holder = format!("{holder}-notify");
        let expander = NotificationExpander::new(
            &stores,
            Arc::clone(&clock),
            Arc::clone(&notifications),
            rules.notifications,
            render_event,
            rules.limits.outbox_bytes,
            notify_holder.clone(),
        );
        let notification_sender = NotificationSender::new(SenderParts {
            stores: stores.clone(),
            couriers: Couriers::new(ports, &rules.messages),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(hub.metrics()),
            apps: Arc::clone(&apps),
            queue: Arc::clone(&notifications),
            rules: rules.notifications,
            outbox_bytes: rules.limits.outbox_bytes,
            holder: notify_holder,
            nodes: nodes.clone(),
        });
        let appends = Arc::new(AppendQueue::new(
            &stores,
            Arc::clone(&nodes.bus),
            Arc::clone(&tail),
            Arc::clone(&cache_channels),
            Arc::clone(&notifications),
            QueueBounds::new(rules.limits.queued_bytes, rules.limits.queued_bytes_all),
            Arc::clone(hub.metrics()),
        ));
        let rows = RowPublisher::new(RowParts {
            rows: Arc::clone(&stores.rows),
            apps: Arc::clone(&apps),
            appends: Arc::clone(&appends),
            notifications: Arc::clone(&notifications),
            bus: Arc::clone(&nodes.bus),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(hub.metrics()),
            limits: rules.limits.clone(),
            read_extra,
            enabled: rules.publish_rows,
            single_node: rules.webhooks.single_node,
        })?;
        Ok(Self {
            rows: Arc::new(rows),
            samples: Arc::new(samples),
            tail,
            closed: Arc::default(),
            expander: Arc::new(expander),
            notification_sender: Arc::new(notification_sender),
            appends,
            member_changes: Arc::new(MemberChangeAnnouncer::new(Arc::clone(hub))),
            sender: Arc::new(OutboxSender::new(
                notifier,
                Arc::clone(hub.metrics()),
                Arc::clone(&webhooks),
                rules.webhooks,
                holder,
            )),
            reconciler: Arc::new(Reconciler::new(
                Arc::clone(&stores.apps),
                Arc::clone(&webhooks),
                webhook_changes,
            )),
            logins: Arc::new(LoginThrottle::new(
                rules.limits.failed_logins,
                Arc::clone(&clock),
                Arc::clone(hub.metrics()),
            )),
            sessions,
            ended_sessions: Arc::default(),
            retention: Arc::new(Retention::new(
                stores,
                clock,
                rules.retention,
                rules.retention_events,
            )),
            apps,
            webhooks,
            cache_channels,
            sends: Arc::new(SendSlots::new()),
            notifications,
        })
    }
}

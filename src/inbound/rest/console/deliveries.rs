//! Deliveries to web hooks and notification targets, and their replay.

use std::sync::Arc;

use poem_openapi::param::{Path, Query};
use poem_openapi::registry::MetaSchema;
use poem_openapi::{Object, OpenApi};

use super::{app, limit};
use crate::core::error::StorageError;
use crate::core::model::{
    Delivery, LoggedNotification, NotificationFilter, NotificationState, QueuedAddress, TargetKind,
    Timestamp,
};
use crate::core::service::NOTIFICATION_KINDS;
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::{EmptyResult, JsonAnswer, done};
use crate::inbound::rest::params::{Accepts, Ident, Param, Whole};
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{example, plain};
use crate::inbound::rest::security::Caller;
use crate::inbound::rest::tags::Section;

/// The most deliveries, and the most queues, in one answer.
const MOST: usize = 1000;

/// The default number of entries.
const COUNT: usize = 100;

/// Events that wait for a web hook.
#[derive(Debug, Object)]
#[oai(rename = "WaitingWebhook")]
pub(in crate::inbound::rest) struct WaitingHook {
    /// The web hook's URL.
    pub address: String,
    /// Number of events that wait.
    pub events: u64,
    /// Number of failed attempts since the last successful one.
    pub attempts: u64,
    /// Time of the next attempt, in seconds since 1970.
    pub next_attempt: f64,
    /// HTTP status of the last failed attempt; absent if there was no response.
    #[oai(skip_serializing_if_is_none)]
    pub status: Option<u16>,
    /// Why the last attempt failed; absent if none failed.
    #[oai(skip_serializing_if_is_none)]
    pub problem: Option<String>,
}

/// Events that were sent to a web hook together, or given up.
#[derive(Debug, Object)]
#[oai(rename = "WebhookDelivery")]
pub(in crate::inbound::rest) struct HookDelivery {
    /// Unique in the app.
    pub id: u64,
    /// The web hook's URL.
    pub address: String,
    /// Time of the last attempt, in seconds since 1970.
    pub time: f64,
    /// Number of events.
    pub events: u64,
    /// Number of attempts.
    pub attempts: u64,
    /// `delivered`, `given_up`, or `lost`: never sent, because the app had reached a bound.
    pub state: String,
    /// HTTP status of the last attempt; absent if there was no response.
    #[oai(skip_serializing_if_is_none)]
    pub status: Option<u16>,
    /// Why the last attempt failed; absent if it succeeded.
    #[oai(skip_serializing_if_is_none)]
    pub problem: Option<String>,
}

/// The deliveries to the web hooks of an app.
#[derive(Debug, Object)]
#[oai(rename = "WebhookDeliveries")]
pub(in crate::inbound::rest) struct HookDeliveries {
    /// Web hooks with events that wait, ordered by address.
    pub waiting: Vec<WaitingHook>,
    /// Deliveries, newest first.
    pub deliveries: Vec<HookDelivery>,
}

/// The result of a replay.
#[derive(Debug, Object)]
#[oai(rename = "Replayed")]
pub(in crate::inbound::rest) struct ReplayedDelivery {
    /// Always `success`.
    #[oai(validator(pattern = "^success$"))]
    pub result: String,
    /// Number of events that are sent again; 0 if they were replayed before.
    pub events: u64,
}

/// A notification of one target.
#[derive(Debug, Object)]
#[oai(rename = "LoggedNotification")]
pub(in crate::inbound::rest) struct ShownNotification {
    /// Its id, to replay it.
    pub id: String,
    /// The kind of the target: `web`, `web_push`, `email` or `apn`.
    pub kind: String,
    /// The channel of the event.
    pub channel: String,
    /// The name of the event.
    pub event: String,
    /// The target, shortened: enough to recognise it.
    pub target: String,
    /// `waiting`, `failed` or `done`.
    pub state: String,
    /// Number of attempts.
    pub attempts: u64,
    /// HTTP status of the last attempt; absent if there was no response.
    #[oai(skip_serializing_if_is_none)]
    pub status: Option<u16>,
    /// Why the last attempt failed; absent if it did not.
    #[oai(skip_serializing_if_is_none)]
    pub problem: Option<String>,
    /// Time of the next attempt, in seconds since 1970; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    pub next_attempt: Option<f64>,
    /// Time of the event, in seconds since 1970.
    pub created: f64,
}

/// The notifications of an app.
#[derive(Debug, Object)]
#[oai(rename = "LoggedNotifications")]
pub(in crate::inbound::rest) struct ShownNotifications {
    /// Those that wait, newest first, then the others, newest first.
    pub notifications: Vec<ShownNotification>,
}

impl From<QueuedAddress> for WaitingHook {
    fn from(waiting: QueuedAddress) -> Self {
        Self {
            address: waiting.address.as_ref().into(),
            events: waiting.events,
            attempts: waiting.attempts,
            next_attempt: waiting.due.seconds(),
            status: waiting.last.status,
            problem: waiting.last.problem,
        }
    }
}

impl From<Delivery> for HookDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            address: delivery.address.as_ref().into(),
            time: delivery.at.seconds(),
            events: delivery.events,
            attempts: delivery.attempts,
            state: delivery.outcome().into(),
            status: delivery.last.status,
            problem: delivery.last.problem,
        }
    }
}

impl From<LoggedNotification> for ShownNotification {
    fn from(one: LoggedNotification) -> Self {
        Self {
            id: one.shown_id(),
            kind: one.kind.label().into(),
            target: one.shown_target(),
            state: one.state.name().into(),
            attempts: one.attempts,
            next_attempt: one.next_attempt.map(Timestamp::seconds),
            created: one.created.seconds(),
            channel: one.channel,
            event: one.event,
            status: one.last.status,
            problem: one.last.problem,
        }
    }
}

fn one_of(names: impl Iterator<Item = &'static str>, shown: &'static str) -> MetaSchema {
    let schema = MetaSchema {
        enum_items: names.map(Into::into).collect(),
        ..plain("string", "")
    };
    example(schema, shown)
}

/// A kind of targets.
enum Kind {}

impl Accepts for Kind {
    type Value = TargetKind;

    fn schema() -> MetaSchema {
        one_of(NOTIFICATION_KINDS.iter().map(|kind| kind.label()), "web")
    }

    fn read(text: &str) -> Result<TargetKind, &'static str> {
        TargetKind::from_label(text)
            .filter(|kind| NOTIFICATION_KINDS.contains(kind))
            .ok_or("must be web, web_push, email or apn")
    }
}

/// A state of notifications.
enum State {}

impl Accepts for State {
    type Value = NotificationState;

    fn schema() -> MetaSchema {
        one_of(
            NotificationState::ALL.iter().map(|state| state.name()),
            "failed",
        )
    }

    fn read(text: &str) -> Result<NotificationState, &'static str> {
        NotificationState::from_name(text).ok_or("must be waiting, failed or done")
    }
}

/// The id of a notification that can be replayed.
enum NotificationId {}

impl Accepts for NotificationId {
    type Value = (NotificationState, u64);

    fn schema() -> MetaSchema {
        let schema = MetaSchema {
            pattern: Some("^[we](0|[1-9][0-9]{0,17})$".into()),
            ..plain("string", "")
        };
        example(schema, "e7")
    }

    fn read(text: &str) -> Result<Self::Value, &'static str> {
        LoggedNotification::parse_shown_id(text)
            .filter(|(_, number)| i64::try_from(*number).is_ok())
            .ok_or("must be an id of the list of notifications, such as w7 or e7")
    }
}

/// The routes of deliveries.
pub(in crate::inbound::rest) struct DeliveryRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Console")]
impl DeliveryRoutes {
    /// List deliveries to web hooks
    ///
    /// Returns the web hooks of the app with events that wait, and a page of the deliveries, newest first. Successful deliveries are kept
    /// for a day, failed ones for a week. Any app with the administrator's token, and the session's own app with a session token.
    #[oai(
        path = "/apps/:ident/webhook_deliveries",
        method = "get",
        operation_id = "listWebhookDeliveries"
    )]
    async fn webhooks(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// Maximum number of deliveries, up to 1000. Default: 100.
        count: Query<Option<Param<Whole>>>,
        /// Only deliveries before this one: the last `id` of the previous page.
        before: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<HookDeliveries>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let count = limit(count.0, COUNT, MOST);
        let before = before.0.map(|before| before.0);
        let log = self.0.service.webhook_log(&app.ident, before, count);
        let log = log.await.map_err(unavailable)?;
        Ok(JsonAnswer::of(&HookDeliveries {
            waiting: log.waiting.into_iter().take(MOST).map(Into::into).collect(),
            deliveries: log.deliveries.into_iter().map(Into::into).collect(),
        }))
    }

    /// Replay a delivery to a web hook
    ///
    /// Sends the events of a delivery that was given up again, after those that wait. Any app with the administrator's token, and the
    /// session's own app with a session token.
    #[oai(
        path = "/apps/:ident/webhook_deliveries/:id/replay",
        method = "post",
        operation_id = "replayWebhookDelivery"
    )]
    async fn replay_webhook(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// The `id` of the delivery.
        id: Path<Param<Whole>>,
    ) -> Result<JsonAnswer<ReplayedDelivery>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let replayed = self.0.service.replay_webhook(&app.ident, id.0.0).await;
        let events = replayed.map_err(|error| match error {
            StorageError::NotFound => {
                Problem::not_found("there is no failed delivery with this id to replay")
            }
            error => unavailable(error),
        })?;
        Ok(JsonAnswer::of(&ReplayedDelivery {
            result: "success".into(),
            events,
        }))
    }

    /// List notifications
    ///
    /// Returns the notifications of the app's targets: those that wait, newest first, then the others, newest first. Delivered ones are
    /// kept for a day, failed ones for a week. Any app with the administrator's token, and the session's own app with a session token.
    #[oai(
        path = "/apps/:ident/notifications",
        method = "get",
        operation_id = "listNotifications"
    )]
    async fn notifications(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// Only notifications of targets of this kind.
        kind: Query<Option<Param<Kind>>>,
        /// Only notifications in this state.
        state: Query<Option<Param<State>>>,
        /// Maximum number of notifications, up to 1000. Default: 100.
        count: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<ShownNotifications>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let filter = NotificationFilter {
            kind: kind.0.map(|kind| kind.0),
            state: state.0.map(|state| state.0),
        };
        let count = limit(count.0, COUNT, MOST);
        let found = self.0.service.notifications(&app.ident, filter, count);
        let found = found.await.map_err(unavailable)?;
        Ok(JsonAnswer::of(&ShownNotifications {
            notifications: found.into_iter().map(Into::into).collect(),
        }))
    }

    /// Replay a notification
    ///
    /// Tries a notification that waits, or was given up, again at once. Any app with the administrator's token, and the session's own app
    /// with a session token.
    #[oai(
        path = "/apps/:ident/notifications/:id/replay",
        method = "post",
        operation_id = "replayNotification"
    )]
    async fn replay_notification(
        &self,
        caller: Caller,
        /// The `ident` of the app.
        ident: Path<Param<Ident>>,
        /// The `id` of the notification.
        id: Path<Param<NotificationId>>,
    ) -> Result<JsonAnswer<EmptyResult>, Problem> {
        let app = app(&self.0, &caller, &ident.0.0).await?;
        let (state, number) = id.0.0;
        let service = &self.0.service;
        let replayed = service.replay_notification(&app.ident, number, state).await;
        replayed.map_err(|error| match error {
            StorageError::NotFound => {
                Problem::not_found("no notification with this id waits or has failed")
            }
            error => unavailable(error),
        })?;
        Ok(done())
    }
}

fn unavailable(error: StorageError) -> Problem {
    crate::core::service::HistoryError::from(error).into()
}

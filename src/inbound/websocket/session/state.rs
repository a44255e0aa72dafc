//! The state and policy of one session, without I/O: a command becomes an [`Action`], its result
//! becomes [`Replies`].
//!
//! The loop in [`super`] performs actions and feeds their results back. Therefore everything that a
//! client can observe, apart from the bytes themselves, can be tested here without a stream.

use std::collections::HashSet;
use std::time::Duration;

use smallvec::smallvec;
use tokio::time::Instant;

use super::action::{Action, AliasReload, Replies, Reply};
use super::delivery::DeliveryQueue;
use super::error_codes::{self, CodedError};
use super::filters::HoldBack;
use super::publishing::OwnPublishes;
use super::timers::SessionTimers;
use crate::core::hub::{CloseReason, Connection, Receipt, ReceiptOutcome};
use crate::core::model::{ChannelKind, ChannelName, Limits};
use crate::core::ports::{Clock, DialectId};
use crate::core::service::{Since, Subscribe, SubscribeError, Subscribed};
use crate::inbound::websocket::dialect::{self, ErrorFrame, RequestContext, pushi};

/// The most publishes of one socket in the append queue; with more, the socket is not read.
const MAX_IN_FLIGHT: usize = 64;

/// The delay before aliases are read again that the store could not provide.
const RELOAD_DELAY: Duration = Duration::from_secs(1);

/// What the state reads of its connection and server.
pub(crate) struct SessionContext<'a> {
    /// The connection's handle in the hub.
    pub connection: &'a Connection,
    /// The server's limits, for which apps may have their own values.
    pub limits: &'a Limits,
    /// The time, for the rate limit.
    pub clock: &'a dyn Clock,
}

impl SessionContext<'_> {
    /// An error frame of the connection's dialect.
    pub(crate) fn error(&self, error: &ErrorFrame) -> Reply {
        let frame = dialect::error(self.connection.dialect(), error);
        Reply::Error(error.code, frame)
    }

    /// An error frame about a channel.
    pub(crate) fn channel_error(
        &self,
        (code, message): CodedError,
        channel: &ChannelName,
        request: RequestContext,
    ) -> Reply {
        self.error(&ErrorFrame {
            code,
            message,
            channel: channel.to_string(),
            request,
        })
    }

    fn subscribed_channels(&self) -> impl Iterator<Item = ChannelName> {
        self.connection
            .subscriptions()
            .into_iter()
            .map(|subscription| subscription.channel)
    }
}

/// A personal channel that the client subscribed to.
struct PersonalSubscription {
    channel: ChannelName,
    /// Whether the client asked for a new answer when its aliases change.
    follow: bool,
    /// The aliases in the answer that the client has, where they have changed without a new one.
    answered: Option<Vec<ChannelName>>,
}

/// The personal channels of a client.
#[derive(Default)]
struct PersonalChannels {
    /// Those that the client subscribed to.
    subscriptions: Vec<PersonalSubscription>,
    /// Those whose aliases changed.
    to_reload: Vec<ChannelName>,
}

/// The state of one session.
pub(super) struct SessionState {
    pub(super) deliveries: DeliveryQueue,
    /// Few clients have any.
    personal: Option<Box<PersonalChannels>>,
    /// Created with the first publish.
    publishing: Option<Box<OwnPublishes>>,
    /// Aliases that are read again, and the end of the client's token.
    pub(super) timers: SessionTimers,
}

impl SessionState {
    /// The state of a new session. At most `max_pending_bytes` are held back (0: no limit).
    pub(super) fn new(max_pending_bytes: u64) -> Self {
        Self {
            deliveries: DeliveryQueue::new(max_pending_bytes),
            personal: None,
            publishing: None,
            timers: SessionTimers::default(),
        }
    }

    /// Whether the client's messages are read now: not with too many publishes in the append queue.
    pub(super) fn reads(&self) -> bool {
        let publishing = self.publishing.as_ref();
        publishing.is_none_or(|publishing| publishing.in_flight() < MAX_IN_FLIGHT)
    }

    /// A binary frame.
    pub(super) fn on_binary(&self, context: &SessionContext<'_>) -> Action {
        let message = "binary frames are not supported: send text frames with JSON";
        Action::Reply(smallvec![context.error(&ErrorFrame::new(4321, message))])
    }

    /// Takes a token of the rate limit for publishes; `false`: the client publishes too fast.
    /// `rate` is per second (0: no limit).
    pub(super) fn take_publish_token(&mut self, rate: u64, clock: &dyn Clock) -> bool {
        if rate == 0 {
            return true;
        }
        let publishing = self.publishing.get_or_insert_default();
        publishing.take_token(rate, clock.now())
    }

    /// Whether a publish of this socket on the channel is in the append queue.
    pub(super) fn is_in_flight(&self, channel: &ChannelName) -> bool {
        let publishing = self.publishing.as_ref();
        publishing.is_some_and(|publishing| publishing.is_in_flight(channel))
    }

    /// A publish of this socket has entered the append queue.
    pub(super) fn on_queued(&mut self, channel: ChannelName) {
        self.publishing.get_or_insert_default().begin(channel);
    }

    /// A publish of this socket has left the append queue.
    pub(super) fn on_receipt(
        &mut self,
        context: &SessionContext<'_>,
        receipt: Receipt,
    ) -> Option<Reply> {
        if let Some(publishing) = &mut self.publishing {
            publishing.end(&receipt.channel);
        }
        match (receipt.outcome, receipt.reference) {
            (ReceiptOutcome::Stored(mid, serial, timestamp), Some(reference)) => {
                let channel = &receipt.channel;
                let frame = pushi::published(&reference, channel, &mid.0, serial, timestamp);
                Some(Reply::Frame(frame))
            }
            (ReceiptOutcome::Failed, reference) => {
                let message = "the event was not stored, or its outcome is unknown: the store is unavailable, try again later";
                let request = RequestContext {
                    event: receipt.event.to_string(),
                    reference,
                };
                Some(context.channel_error((4320, message.to_owned()), &receipt.channel, request))
            }
            (ReceiptOutcome::Stored(..), None) | (ReceiptOutcome::Delivered, _) => None,
        }
    }

    /// The server closes the connection.
    pub(super) fn on_closed(&self, context: &SessionContext<'_>, reason: CloseReason) -> Replies {
        let (code, text) = error_codes::close(reason);
        let mut replies = Replies::new();
        // A Pushi client receives only the close code when the server is stopping.
        if reason != CloseReason::Stopping || context.connection.dialect() == DialectId::Pusher {
            replies.push(context.error(&ErrorFrame::new(code, text)));
        }
        replies.push(Reply::Close(code, text));
        replies
    }

    /// Starts a subscription: until the answer is ready, frames of the channel are held back and
    /// all others are sent.
    pub(super) fn start_subscribe(
        &mut self,
        context: &SessionContext<'_>,
        subscribe: Box<Subscribe>,
        request: RequestContext,
    ) -> Action {
        let channel = &subscribe.channel;
        self.deliveries.subscribe(channel);
        let hold_back = match channel.kind() {
            ChannelKind::Personal => HoldBack::AllBut(unaffected_channels(context, &subscribe)),
            _ => HoldBack::Channel(channel.clone()),
        };
        self.deliveries.hold_back(hold_back);
        Action::Subscribe(subscribe, request)
    }

    /// Records the result of a subscription, and the channels that the connection left because of
    /// it. The dialect's answer follows, then [`DeliveryQueue::release`].
    pub(super) fn end_subscribe(
        &mut self,
        context: &SessionContext<'_>,
        subscribe: &Subscribe,
        succeeded: bool,
        left: &[ChannelName],
    ) {
        let channel = &subscribe.channel;
        self.deliveries.unsubscribe(left);
        if channel.kind() == ChannelKind::Personal {
            let keeps = !succeeded && !left.contains(channel);
            let personal = self.personal.get_or_insert_default();
            personal
                .subscriptions
                .retain(|personal| personal.channel != *channel || keeps);
            if succeeded {
                personal.subscriptions.push(PersonalSubscription {
                    channel: channel.clone(),
                    follow: subscribe.follow,
                    answered: None,
                });
            }
        }
        if succeeded {
            // The answer says anew what is behind.
            self.deliveries.end_behind(channel);
            for alias in context.connection.aliases(channel) {
                self.deliveries.end_behind(&alias);
            }
        } else if !context.connection.receives(channel) {
            self.deliveries.unsubscribe(std::slice::from_ref(channel));
        }
    }

    /// The aliases of a personal channel that the client knows. The original's Python client fails
    /// on a name that it has not received.
    pub(super) fn known_aliases(
        &self,
        context: &SessionContext<'_>,
        channel: &ChannelName,
    ) -> Vec<ChannelName> {
        self.personal
            .iter()
            .flat_map(|personal| &personal.subscriptions)
            .find(|personal| personal.channel == *channel)
            .and_then(|personal| personal.answered.clone())
            .unwrap_or_else(|| context.connection.aliases(channel))
    }

    /// The connection left channels because of an unsubscription.
    pub(super) fn leave(&mut self, channel: &ChannelName, left: &[ChannelName]) {
        if let Some(personal) = &mut self.personal {
            let subscriptions = &mut personal.subscriptions;
            subscriptions.retain(|personal| personal.channel != *channel);
        }
        self.deliveries.unsubscribe(left);
    }

    /// Records what an answer about a channel contained: events and changes that it covers are
    /// dropped, and further stored events of channels that are behind.
    pub(super) fn cover(&mut self, answer: Subscribed) {
        for alias in &answer.alias {
            self.deliveries.subscribe(alias);
        }
        self.deliveries.cover(answer.covered);
        self.deliveries.set_behind(&answer.behind);
        self.deliveries.cover_versions(answer.versions);
    }

    /// The channels that the user of a personal channel follows changed.
    pub(super) fn on_aliases_changed(&mut self, channel: ChannelName) {
        let personal = self.personal.get_or_insert_default();
        personal.to_reload.push(channel);
    }

    /// A timer expired: unavailable aliases are read again. Whether the client's token has expired.
    pub(super) fn on_timer(&mut self, now: Instant) -> bool {
        let due = self.timers.due_reloads(now);
        if !due.is_empty() {
            self.personal.get_or_insert_default().to_reload.extend(due);
        }
        self.timers.take_token_end(now)
    }

    /// Whether [`SessionState::next_reload`] has something.
    pub(super) fn has_reloads(&self) -> bool {
        let personal = self.personal.as_ref();
        personal.is_some_and(|personal| !personal.to_reload.is_empty())
    }

    /// Starts the next reload of aliases: frames of channels that the client is not subscribed to
    /// are held back.
    pub(super) fn next_reload(&mut self, context: &SessionContext<'_>) -> Option<Action> {
        let own = self.personal.as_deref_mut()?;
        while let Some(channel) = own.to_reload.pop() {
            own.to_reload.retain(|other| *other != channel);
            let error_sent = self.timers.take_unavailable(&channel);
            let mut known = own.subscriptions.iter_mut();
            let Some(personal) = known.find(|personal| personal.channel == channel) else {
                continue;
            };
            let known = context.connection.aliases(&channel);
            let follow = personal.follow;
            if !follow {
                personal.answered.get_or_insert_with(|| known.clone());
            }
            self.deliveries
                .hold_back(HoldBack::AllBut(context.subscribed_channels().collect()));
            return Some(Action::ReloadAliases(Box::new(AliasReload {
                known,
                channel,
                follow,
                error_sent,
            })));
        }
        None
    }

    /// The result of a reload (`None`: the client has left the channel), with the channels that the
    /// connection left because of it.
    pub(super) fn on_aliases_reloaded(
        &mut self,
        context: &SessionContext<'_>,
        reload: AliasReload,
        result: Result<Option<Subscribed>, SubscribeError>,
        left: &[ChannelName],
    ) -> Replies {
        self.deliveries.unsubscribe(left);
        let mut replies = Replies::new();
        match result {
            // The reload followed a lost connection between the nodes, not a change.
            Ok(Some(answer)) if answer.alias == reload.known => {}
            Ok(Some(answer)) => {
                // The original's clients take it for a new subscription and lose their handlers.
                if reload.follow {
                    let event = "pusher_internal:subscription_succeeded";
                    let frame = pushi::channel_state(event, &reload.channel, &answer, Vec::new());
                    replies.push(Reply::Parts(frame));
                }
                self.cover(answer);
            }
            Ok(None) => {}
            Err(error) => {
                if !reload.error_sent {
                    let request = RequestContext {
                        event: "pusher:subscribe".to_owned(),
                        reference: None,
                    };
                    let error = error_codes::subscribe(&error);
                    replies.push(context.channel_error(error, &reload.channel, request));
                }
                let at = Instant::now() + RELOAD_DELAY;
                self.timers.reload_later(reload.channel, at);
            }
        }
        self.deliveries.release();
        replies
    }
}

/// The channels that the answer to a personal subscription does not mention.
fn unaffected_channels(
    context: &SessionContext<'_>,
    subscribe: &Subscribe,
) -> HashSet<ChannelName> {
    let is_named = |channel: &ChannelName| match &subscribe.since {
        Some(Since::Each(each)) => each.iter().any(|(named, _)| named == channel),
        _ => false,
    };
    context
        .subscribed_channels()
        .filter(|channel| *channel != subscribe.channel && !is_named(channel))
        .collect()
}

#[cfg(test)]
mod tests;

//! The commands of a Pusher client and their answers.

use std::collections::HashSet;

use bytes::Bytes;
use smallvec::smallvec;

use super::action::{Action, Replies, Reply};
use super::error_codes;
use super::filters::HoldBack;
use super::state::{SessionContext, SessionState};
use crate::core::model::{ChannelName, Payload};
use crate::core::service::{
    Cached, ClientEvent, ClientEventError, SignInError, Subscribe, SubscribeError, Subscribed,
    Watched,
};
use crate::inbound::websocket::dialect::pusher::{
    self, ClientEventFrame, DecodeError, PusherCommand, SubscriptionErrorFrame,
};
use crate::inbound::websocket::dialect::{ErrorFrame, RequestContext};

/// A text frame.
pub(super) fn on_text(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    text: &str,
) -> Action {
    let decoded = pusher::decode(text, context.limits);
    if !matches!(decoded, Ok(PusherCommand::Ping | PusherCommand::Pong)) {
        context.connection.mailbox().record_activity();
    }
    match decoded {
        Ok(command) => on_command(state, context, command),
        Err(error) => Action::Reply(on_decode_error(context, &error)),
    }
}

/// A command.
pub(super) fn on_command(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    command: PusherCommand,
) -> Action {
    match command {
        PusherCommand::Subscribe(subscribe) => {
            state.start_subscribe(context, subscribe, RequestContext::default())
        }
        PusherCommand::Unsubscribe(channel) => Action::Unsubscribe(channel),
        PusherCommand::SignIn(sign_in, watchlist_cut) => {
            // Changes of watched users wait for the answer that contains their state.
            state.deliveries.hold_back(HoldBack::AllBut(HashSet::new()));
            Action::SignIn(sign_in, watchlist_cut)
        }
        PusherCommand::Token(token) => Action::HoldToken(token, RequestContext::default()),
        PusherCommand::ClientEvent(event) => on_client_event(state, context, *event),
        PusherCommand::Ping => Action::Reply(smallvec![Reply::Frame(pusher::pong())]),
        PusherCommand::Pong => Action::Reply(Replies::new()),
    }
}

fn on_decode_error(context: &SessionContext<'_>, error: &DecodeError) -> Replies {
    match error {
        DecodeError::Frame(code, message) => {
            smallvec![context.error(&ErrorFrame::new(*code, message.as_str()))]
        }
        DecodeError::Subscription(error) => smallvec![subscription_error(error)],
        DecodeError::SignIn(message) => sign_in_refused(context, message),
    }
}

fn subscription_error(error: &SubscriptionErrorFrame) -> Reply {
    Reply::Error(error.status, pusher::subscription_error(error))
}

fn sign_in_refused(context: &SessionContext<'_>, message: &str) -> Replies {
    smallvec![
        context.error(&ErrorFrame::new(4009, message)),
        Reply::Close(4009, "the sign-in was rejected")
    ]
}

fn on_client_event(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    frame: ClientEventFrame,
) -> Action {
    let app = context.connection.app();
    let limit = app.settings.limits.max_client_events;
    let rate = limit.unwrap_or(context.limits.client_events);
    if !state.take_publish_token(rate, context.clock) {
        let (code, message) = error_codes::rate_limited(rate, "client events", "max_client_events");
        return Action::Reply(smallvec![context.error(&ErrorFrame::new(code, message))]);
    }
    let ClientEventFrame {
        channel,
        event,
        data,
    } = frame;
    let user = context
        .connection
        .subscription(&channel)
        .and_then(|subscription| subscription.user);
    let extra = user.map(|user| pusher::sender_member(&user));
    let payload = Payload {
        event: event.into(),
        data: data.into(),
        extra: extra.unwrap_or_default(),
    };
    let behind = state.is_in_flight(&channel);
    Action::SendClientEvent(Box::new(ClientEvent {
        channel,
        payload,
        behind,
    }))
}

/// The result of a client event; `Ok(true)`: it has entered the append queue, and a receipt
/// follows.
pub(super) fn on_client_event_sent(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    channel: ChannelName,
    result: Result<bool, ClientEventError>,
) -> Option<Reply> {
    match result {
        Ok(true) => state.on_queued(channel),
        Ok(false) => {}
        Err(error) => {
            let (code, message) = error_codes::client_event(&error);
            return Some(context.error(&ErrorFrame::new(code, message)));
        }
    }
    None
}

/// The result of a subscription, with the frames of its past events and the channels that the connection left because of it.
pub(super) fn on_subscribed(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    subscribe: &Subscribe,
    events: Vec<Bytes>,
    result: Result<Subscribed, SubscribeError>,
    left: &[ChannelName],
) -> Replies {
    state.end_subscribe(context, subscribe, result.is_ok(), left);
    let replies = answer_subscription(state, &subscribe.channel, events, result);
    state.deliveries.release();
    replies
}

fn answer_subscription(
    state: &mut SessionState,
    channel: &ChannelName,
    events: Vec<Bytes>,
    result: Result<Subscribed, SubscribeError>,
) -> Replies {
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => {
            if let SubscribeError::Storage(cause) = &error {
                tracing::error!(error = cause.chain(), "subscription failed");
            }
            let error = error_codes::pusher_subscription(channel, &error);
            return smallvec![subscription_error(&error)];
        }
    };
    let mut replies: Replies = smallvec![Reply::Parts(pusher::subscribed(channel, &answer))];
    // Past events follow as ordinary ones.
    if !events.is_empty() {
        replies.push(Reply::Parts(events));
    }
    match &answer.cached {
        None => {}
        Some(Cached::Miss) => replies.push(Reply::Frame(pusher::cache_miss(channel))),
        Some(Cached::Event(event)) => {
            replies.push(Reply::Frame(pusher::cached(event)));
            // The same event may also be on its way.
            state.deliveries.cover_cached(channel, &event.mid);
        }
    }
    state.cover(answer);
    replies
}

/// The result of a sign-in with this user data. A client whose sign-in failed is disconnected.
pub(super) fn on_signed_in(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    user_data: &str,
    watchlist_cut: bool,
    result: Result<Option<Watched>, SignInError>,
) -> Replies {
    let watched = match result {
        Ok(watched) => watched,
        Err(error) => return sign_in_refused(context, &error.to_string()),
    };
    let mut replies: Replies = smallvec![Reply::Frame(pusher::signed_in(user_data))];
    if watchlist_cut {
        let message = "the watchlist has more than 100 users: the first 100 are watched";
        replies.push(context.error(&ErrorFrame::new(4302, message)));
    }
    if let Some(watched) = watched {
        state.deliveries.cover_watched(watched.version);
        let frame = pusher::watchlist_events(&watched.online, &watched.offline);
        replies.push(Reply::Frame(frame));
    }
    state.deliveries.release();
    replies
}

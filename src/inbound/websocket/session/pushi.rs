//! The commands of a Pushi client and their answers.

use bytes::Bytes;
use smallvec::smallvec;

use super::action::{Action, Reply};
use super::error_codes::{self, CodedError};
use super::state::{SessionContext, SessionState};
use crate::core::member_list::MemberList;
use crate::core::model::{ChannelKind, ChannelName};
use crate::core::service::{
    ClientPublish, HistoryError, PublishError, Subscribe, SubscribeError, Subscribed,
};
use crate::inbound::websocket::dialect::RequestContext;
use crate::inbound::websocket::dialect::pushi::{self, PushiCommand};

/// A text frame.
pub(super) fn on_text(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    text: &str,
) -> Action {
    let decoded = pushi::decode(text, context.limits);
    if !matches!(decoded, Ok((PushiCommand::Ping, _))) {
        context.connection.mailbox().record_activity();
    }
    match decoded {
        Ok((command, request)) => on_command(state, context, command, request),
        Err(error) => Action::Reply(smallvec![context.error(&error)]),
    }
}

/// A command.
pub(super) fn on_command(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    command: PushiCommand,
    request: RequestContext,
) -> Action {
    match command {
        PushiCommand::Subscribe(subscribe) => match check_covered(state, context, &subscribe) {
            Ok(()) => state.start_subscribe(context, subscribe, request),
            Err(error) => refuse(context, error, &subscribe.channel, request),
        },
        PushiCommand::Unsubscribe(channel) if !context.connection.receives(&channel) => {
            refuse(context, error_codes::not_on_channel(), &channel, request)
        }
        PushiCommand::Unsubscribe(channel) => Action::Unsubscribe(channel),
        PushiCommand::Latest { channel, .. } if !context.connection.receives(&channel) => {
            refuse(context, error_codes::not_on_channel(), &channel, request)
        }
        PushiCommand::Latest {
            channel,
            skip,
            count,
        } => Action::ReadHistory {
            channel,
            skip,
            count,
            request,
        },
        PushiCommand::Token(token) => Action::HoldToken(token, request),
        PushiCommand::Ping => Action::Reply(smallvec![Reply::Frame(pushi::pong())]),
        PushiCommand::Publish(publish) => on_publish(state, context, publish, request),
    }
}

fn refuse(
    context: &SessionContext<'_>,
    error: CodedError,
    channel: &ChannelName,
    request: RequestContext,
) -> Action {
    Action::Reply(smallvec![context.channel_error(error, channel, request)])
}

fn on_publish(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    mut publish: Box<ClientPublish>,
    request: RequestContext,
) -> Action {
    let app = context.connection.app();
    let limit = app.settings.limits.max_publishes;
    let rate = limit.unwrap_or(context.limits.publishes);
    if !state.take_publish_token(rate, context.clock) {
        let error = error_codes::rate_limited(rate, "publishes", "max_publishes");
        return refuse(context, error, &publish.channel, request);
    }
    publish.behind = state.is_in_flight(&publish.channel);
    Action::Publish(publish, request)
}

/// The result of a publish; `Ok(true)`: it has entered the append queue, and a receipt follows.
pub(super) fn on_published(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    channel: ChannelName,
    request: RequestContext,
    result: Result<bool, PublishError>,
) -> Option<Reply> {
    match result {
        Ok(true) => state.on_queued(channel),
        Ok(false) => {}
        Err(error) => {
            let error = error_codes::publish(&error);
            return Some(context.channel_error(error, &channel, request));
        }
    }
    None
}

/// A peer channel counts as no subscription, but a serial is stored for it after `since`: for no
/// more of them than there may be channels.
fn check_covered(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    subscribe: &Subscribe,
) -> Result<(), CodedError> {
    let app = context.connection.app();
    let limit = app.settings.limits.max_channels_per_connection;
    let max_channels = limit.unwrap_or(context.limits.channels_per_connection);
    let deliveries = &mut state.deliveries;
    let adds = subscribe.since.is_some()
        && subscribe.channel.kind() == ChannelKind::Peer
        && !deliveries.is_covered(&subscribe.channel);
    if !adds || max_channels == 0 || deliveries.covered_peers() < max_channels {
        return Ok(());
    }
    deliveries.retain_covered(|channel| context.connection.receives(channel));
    if deliveries.covered_peers() < max_channels {
        return Ok(());
    }
    let error = SubscribeError::Channels(max_channels);
    Err(error_codes::subscribe(&error))
}

/// The result of a subscription, with its rendered events and the channels that the connection left because of it.
pub(super) fn on_subscribed(
    state: &mut SessionState,
    context: &SessionContext<'_>,
    subscribe: &Subscribe,
    request: RequestContext,
    events: Vec<Bytes>,
    result: Result<Subscribed, SubscribeError>,
    left: &[ChannelName],
) -> Reply {
    let channel = &subscribe.channel;
    state.end_subscribe(context, subscribe, result.is_ok(), left);
    let reply = match result {
        Ok(answer) => {
            let event = "pusher_internal:subscription_succeeded";
            let frame = pushi::channel_state(event, channel, &answer, events);
            state.cover(answer);
            Reply::Parts(frame)
        }
        Err(error) => context.channel_error(error_codes::subscribe(&error), channel, request),
    };
    state.deliveries.release();
    reply
}

/// The result of an unsubscription: the channels that the connection left, and the answer with the
/// members that remain and the aliases that the channel had.
pub(super) fn on_unsubscribed(
    state: &mut SessionState,
    channel: &ChannelName,
    left: &[ChannelName],
    answer: &Subscribed,
) -> Reply {
    state.leave(channel, left);
    if channel.kind() == ChannelKind::Peer {
        state.deliveries.uncover(channel);
    }
    let event = "pusher_internal:unsubscription_succeeded";
    Reply::Parts(pushi::channel_state(event, channel, answer, Vec::new()))
}

/// The result of a read of past events: the rendered events, the channel's members, and whether events were left out.
pub(super) fn on_history(
    context: &SessionContext<'_>,
    channel: &ChannelName,
    request: RequestContext,
    events: Vec<Bytes>,
    result: Result<(MemberList, bool), HistoryError>,
) -> Reply {
    match result {
        Ok((members, more)) => {
            let answer = Subscribed {
                members,
                alias: context.connection.aliases(channel),
                more,
                ..Subscribed::default()
            };
            let event = "pusher_internal:latest";
            Reply::Parts(pushi::channel_state(event, channel, &answer, events))
        }
        Err(error) => context.channel_error(error_codes::history(&error), channel, request),
    }
}

//! One session: the loop between a client's stream, its mailbox and the use cases.
//!
//! [`state`] decides and this loop acts: it reads a message, asks the state for an action, awaits
//! the use case, feeds the result back and writes the replies. While a use case is awaited, frames
//! still go to the client: [`while_pumping`].

mod action;
mod answer;
mod close;
mod connect;
mod dedup;
mod delivery;
mod error_codes;
mod filters;
mod link;
mod publish;
mod publishing;
mod pusher;
mod pushi;
mod state;
mod timers;
mod token;

use std::future::poll_fn;
use std::mem::take;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use self::action::{Action, AliasReload, Reply};
use self::answer::{render_events, render_members};
use self::close::SessionEnd;
pub(crate) use self::close::close_label;
use self::connect::message_limit;
pub(super) use self::connect::{connect, reject};
use self::delivery::DeliveryQueue;
pub(crate) use self::error_codes::close as close_code;
use self::link::{Link, LinkEvent};
pub(super) use self::state::SessionContext;
use self::state::SessionState;
use super::Gateway;
use super::dialect::RequestContext;
use super::stream;
use crate::core::hub::{CloseReason, Connection};
use crate::core::model::ChannelName;
use crate::core::ports::DialectId;
use crate::core::service::{SignIn, Subscribe, Subscribed};

/// One connected client.
pub(super) struct ClientSession<S> {
    gateway: Arc<Gateway>,
    connection: Connection,
    link: Link<S>,
    state: SessionState,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ClientSession<S> {
    /// Serves the client until the connection ends.
    pub(super) async fn run(mut self: Box<Self>) {
        self.start();
        let end = loop {
            // While a client is idle, its task holds no more than this future.
            let event = match self.state.timers.next() {
                None => Some(self.next().await),
                Some(at) => Box::pin(timeout_at(at, self.next())).await.ok(),
            };
            if let Some(end) = Box::pin(self.handle(event)).await {
                break end;
            }
        };
        Box::pin(self.finish(end)).await;
    }

    fn start(&mut self) {
        // The shutdown may have closed all connections before this one was registered.
        if self.gateway.stopping.load(Ordering::Relaxed) {
            self.connection.mailbox().close(CloseReason::Stopping);
        }
        self.apply_message_limit();
    }

    async fn finish(self: Box<Self>, end: SessionEnd) {
        let Self {
            gateway,
            connection,
            link,
            ..
        } = *self;
        let metrics = gateway.service.hub().metrics();
        metrics.closed(end.metric_label());
        let (code, reason, by) = end.record();
        gateway.service.record_close(&connection, code, reason, by);
        gateway.service.disconnect(&connection).await;
        tracing::debug!(socket = %connection.id(), "disconnected");
        // Frees its slot before the closing handshake, which a client can delay.
        drop(connection);
        // The bytes of an unread answer count until they are freed.
        let (stream, _unread) = link.into_parts();
        if let SessionEnd::Close(frame) | SessionEnd::Closed(frame) = end {
            stream::close(stream, frame, &gateway.cut_off).await;
        }
    }

    /// The next event of the link.
    fn next(&mut self) -> impl Future<Output = LinkEvent> {
        poll_fn(move |cx| {
            let read = self.state.reads();
            self.link
                .poll_next(cx, &self.connection, &mut self.state.deliveries, read)
        })
    }

    /// Handles an event; `None`: the state's timer expired.
    async fn handle(&mut self, event: Option<LinkEvent>) -> Option<SessionEnd> {
        let end = match event {
            Some(LinkEvent::Message(Ok(message))) => self.on_message(message).await,
            Some(event) => self.on_event(event),
            None if self.state.on_timer(Instant::now()) => Box::pin(self.expire_token()).await,
            None => None,
        };
        if end.is_none() && self.state.has_reloads() {
            return Box::pin(self.reload_aliases()).await;
        }
        end
    }

    /// Handles everything but a message.
    fn on_event(&mut self, event: LinkEvent) -> Option<SessionEnd> {
        let context = self.gateway.context(&self.connection);
        match event {
            LinkEvent::Message(Ok(_)) => None,
            LinkEvent::Message(Err(error)) => match close::on_read_error(&context, &error) {
                Some(replies) => self.reply(replies),
                None => Some(SessionEnd::Gone),
            },
            LinkEvent::Receipt(receipt) => {
                let reply = self.state.on_receipt(&context, *receipt);
                self.reply(reply)
            }
            LinkEvent::AliasesChanged(channel) => {
                self.state.on_aliases_changed(*channel);
                None
            }
            LinkEvent::LimitChanged => {
                self.apply_message_limit();
                None
            }
            LinkEvent::Close(reason) => {
                tracing::debug!(socket = %self.connection.id(), ?reason, "closing");
                let replies = self.state.on_closed(&context, reason);
                self.reply(replies)
            }
            LinkEvent::Broken => Some(SessionEnd::Gone),
        }
    }

    /// Applies the app's current message limit.
    fn apply_message_limit(&mut self) {
        let app = self.connection.app();
        let default = self.gateway.service.rules().limits.message_bytes;
        let limit = app.settings.limits.max_message_bytes.unwrap_or(default);
        self.link.stream().set_limit(message_limit(limit));
    }

    async fn on_message(&mut self, message: Message) -> Option<SessionEnd> {
        self.gateway.service.hub().metrics().received(message.len());
        self.connection.mailbox().record_received();
        // One read can contain many messages; other tasks have to run in between.
        tokio::task::coop::consume_budget().await;
        let action = match message {
            Message::Text(text) => self.on_text(text.as_str()),
            Message::Binary(_) => {
                let context = self.gateway.context(&self.connection);
                self.state.on_binary(&context)
            }
            Message::Close(frame) => return Some(SessionEnd::Closed(frame)),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
        };
        match action {
            Action::Reply(replies) => self.reply(replies),
            Action::Publish(publish, request) => self.publish(*publish, request).await,
            action => Box::pin(self.perform(action)).await,
        }
    }

    fn on_text(&mut self, text: &str) -> Action {
        let context = self.gateway.context(&self.connection);
        match self.connection.dialect() {
            DialectId::Pushi | DialectId::Stream => pushi::on_text(&mut self.state, &context, text),
            DialectId::Pusher => pusher::on_text(&mut self.state, &context, text),
        }
    }

    /// Queues replies; the last one may end the session.
    fn reply(&mut self, replies: impl IntoIterator<Item = Reply>) -> Option<SessionEnd> {
        for reply in replies {
            match reply {
                Reply::Frame(frame) => self.link.stream().queue(&frame),
                Reply::Parts(frame) => self.link.stream().queue_parts(frame),
                Reply::Error(code, frame) => {
                    self.gateway.service.hub().metrics().error_sent(code);
                    self.link.stream().queue(&frame);
                }
                Reply::Close(code, reason) => return Some(SessionEnd::close(code, reason)),
            }
        }
        None
    }

    async fn perform(&mut self, action: Action) -> Option<SessionEnd> {
        match action {
            Action::Reply(replies) => self.reply(replies),
            Action::Subscribe(subscribe, request) => self.subscribe(&subscribe, request).await,
            Action::Unsubscribe(channel) => self.unsubscribe(&channel).await,
            Action::ReadHistory {
                channel,
                skip,
                count,
                request,
            } => self.read_history(&channel, skip, count, request).await,
            Action::Publish(publish, request) => self.publish(*publish, request).await,
            Action::SendClientEvent(event) => self.send_client_event(*event).await,
            Action::SignIn(sign_in, watchlist_cut) => self.sign_in(*sign_in, watchlist_cut).await,
            Action::HoldToken(token, request) => self.hold_token(&token, request).await,
            Action::ReloadAliases(reload) => self.reload(*reload).await,
        }
    }

    async fn unsubscribe(&mut self, channel: &ChannelName) -> Option<SessionEnd> {
        let service = &self.gateway.service;
        let context = self.gateway.context(&self.connection);
        let alias = self.state.known_aliases(&context, channel);
        let left = service.unsubscribe(&self.connection, channel).await;
        match self.connection.dialect() {
            DialectId::Pushi | DialectId::Stream => {
                let members = service.members(&self.connection.app(), channel).await;
                let names = service.acquire_members(&self.connection, &members).await;
                let answer = Subscribed {
                    // While too many answers are unread, the answer has none.
                    members: names
                        .as_ref()
                        .map_or_else(|_| Default::default(), |_| members),
                    alias,
                    ..Subscribed::default()
                };
                render_members(DialectId::Pushi, &answer.members).await;
                let reply = pushi::on_unsubscribed(&mut self.state, channel, &left, &answer);
                self.answer([reply], names.ok().flatten())
            }
            // The Pusher protocol has no answer to it.
            DialectId::Pusher => {
                self.state.leave(channel, &left);
                None
            }
        }
    }

    async fn subscribe(
        &mut self,
        subscribe: &Subscribe,
        request: RequestContext,
    ) -> Option<SessionEnd> {
        let mut left = Vec::new();
        let service = &self.gateway.service;
        let use_case = service.subscribe(&self.connection, subscribe, &mut left);
        let deliveries = &mut self.state.deliveries;
        let (mut result, pumped) =
            while_pumping(&mut self.link, &self.connection, deliveries, use_case).await;
        let end = self.on_pumped(pumped);
        let dialect = self.connection.dialect();
        let (mut events, mut permits) = (Vec::new(), [None, None]);
        if let Ok(answer) = &mut result {
            permits = [answer.permit.take(), answer.names_permit.take()];
            events = render_events(dialect, take(&mut answer.events)).await;
            render_members(dialect, &answer.members).await;
        }
        let permits = permits.into_iter().flatten();
        let context = self.gateway.context(&self.connection);
        let state = &mut self.state;
        let answered = match dialect {
            DialectId::Pushi | DialectId::Stream => {
                let reply = pushi::on_subscribed(
                    state, &context, subscribe, request, events, result, &left,
                );
                self.answer([reply], permits)
            }
            DialectId::Pusher => {
                let replies =
                    pusher::on_subscribed(state, &context, subscribe, events, result, &left);
                self.answer(replies, permits)
            }
        };
        end.or(answered)
    }

    async fn sign_in(&mut self, sign_in: SignIn, watchlist_cut: bool) -> Option<SessionEnd> {
        let user_data = sign_in.user_data.clone();
        let use_case = self.gateway.service.sign_in(&self.connection, sign_in);
        let deliveries = &mut self.state.deliveries;
        let (result, pumped) =
            while_pumping(&mut self.link, &self.connection, deliveries, use_case).await;
        let end = self.on_pumped(pumped);
        if end.is_some() && result.is_err() {
            return end;
        }
        let context = self.gateway.context(&self.connection);
        let replies =
            pusher::on_signed_in(&mut self.state, &context, &user_data, watchlist_cut, result);
        end.or(self.answer(replies, None))
    }

    async fn reload_aliases(&mut self) -> Option<SessionEnd> {
        loop {
            let context = self.gateway.context(&self.connection);
            let reload = self.state.next_reload(&context)?;
            if let Some(end) = self.perform(reload).await {
                return Some(end);
            }
        }
    }

    async fn reload(&mut self, reload: AliasReload) -> Option<SessionEnd> {
        let mut left = Vec::new();
        let use_case =
            self.gateway
                .service
                .refresh_personal(&self.connection, &reload.channel, &mut left);
        let deliveries = &mut self.state.deliveries;
        let (result, pumped) =
            while_pumping(&mut self.link, &self.connection, deliveries, use_case).await;
        let end = self.on_pumped(pumped);
        let context = self.gateway.context(&self.connection);
        let replies = self
            .state
            .on_aliases_reloaded(&context, reload, result, &left);
        end.or(self.answer(replies, None))
    }

    /// Handles what came up during a use case.
    fn on_pumped(&mut self, events: Vec<LinkEvent>) -> Option<SessionEnd> {
        // Only the last event can end the session.
        events
            .into_iter()
            .fold(None, |end, event| end.or(self.on_event(event)))
    }
}

/// Awaits a use case while frames go on to the client. Returns the result and the other events, to
/// be handled after it. Where the last of them ends the session, the use case still is awaited to
/// its end, so that nothing is left half done.
async fn while_pumping<S: AsyncRead + AsyncWrite + Unpin, T>(
    link: &mut Link<S>,
    connection: &Connection,
    deliveries: &mut DeliveryQueue,
    use_case: impl Future<Output = T>,
) -> (T, Vec<LinkEvent>) {
    let mut use_case = pin!(use_case);
    let mut events = Vec::new();
    loop {
        let event = tokio::select! {
            biased;
            result = &mut use_case => return (result, events),
            event = link.next(connection, deliveries, false) => event,
        };
        let ends = matches!(event, LinkEvent::Close(_) | LinkEvent::Broken);
        events.push(event);
        if ends {
            return (use_case.await, events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::listen::ClientStream;

    fn future_size<A, F>(_: fn(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_session_is_small() {
        let future = future_size(ClientSession::<ClientStream>::run);
        let session = size_of::<ClientSession<ClientStream>>();
        // Bytes on a 64-bit system, in one allocation each.
        assert!(future <= 64, "{future}");
        assert!(session <= 248, "{session}");
    }
}

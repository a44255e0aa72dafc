//! The policy of a session, driven without a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use serde_json::json;

use super::*;
use crate::core::error::StorageError;
use crate::core::hub::{Broadcast, ConnectionOrigin, Hub, MailboxItem};
use crate::core::model::{App, Mid, ServerEvent, Timestamp};
use crate::core::service::SignInError;
use crate::inbound::websocket::dialects;
use crate::inbound::websocket::session::delivery::DeliveryStep;
use crate::inbound::websocket::session::{pusher, pushi};
use crate::outbound::metrics::PrometheusMetrics;

const SECOND: i64 = 1_000_000;

struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A connection of an app with default settings, and its session's state.
struct Fixture {
    connection: Connection,
    limits: Limits,
    clock: ManualClock,
    state: SessionState,
}

impl Fixture {
    fn new(dialect: DialectId) -> Self {
        let metrics = Arc::new(PrometheusMetrics::new().unwrap());
        let hub = Arc::new(Hub::new(7, dialects(), metrics));
        let app = Arc::new(App::sample("app"));
        Self {
            connection: hub
                .connect(&app, dialect, (0, 0), 0, ConnectionOrigin::default())
                .unwrap(),
            limits: Limits::default(),
            clock: ManualClock(AtomicI64::new(SECOND)),
            state: SessionState::new(0),
        }
    }

    /// The state and what it reads.
    fn parts(&mut self) -> (&mut SessionState, SessionContext<'_>) {
        let context = SessionContext {
            connection: &self.connection,
            limits: &self.limits,
            clock: &self.clock,
        };
        (&mut self.state, context)
    }

    fn text(&mut self, frame: &serde_json::Value) -> Action {
        let (state, context) = self.parts();
        match context.connection.dialect() {
            DialectId::Pushi | DialectId::Stream => {
                pushi::on_text(state, &context, &frame.to_string())
            }
            DialectId::Pusher => pusher::on_text(state, &context, &frame.to_string()),
        }
    }

    /// Publishes, and enters the append queue.
    fn publish(&mut self, channel: &ChannelName) {
        let frame = json!({"event": "message", "channel": channel.as_str(), "data": "x"});
        let Action::Publish(_, request) = self.text(&frame) else {
            panic!("not a publish")
        };
        let (state, context) = self.parts();
        let reply = pushi::on_published(state, &context, channel.clone(), request, Ok(true));
        assert_eq!(reply, None);
    }

    /// A frame of this channel comes from the mailbox.
    fn receive(&mut self, channel: &str) {
        let dialect = self.connection.dialect();
        let channel = ChannelName::trusted(channel);
        let event = ServerEvent::SubscriptionCount { channel, count: 1 };
        let broadcast = Broadcast::new(event, None);
        broadcast.encode(dialect, &dialects());
        let item = MailboxItem::Broadcast(Arc::new(broadcast));
        self.state.deliveries.fill(|taken| taken.push(item));
    }

    /// The channels of the frames that would be sent now.
    fn sent(&mut self) -> Vec<String> {
        let dialect = self.connection.dialect();
        let mut channels = Vec::new();
        while let Some(delivery) = self.state.deliveries.pop(dialect) {
            let DeliveryStep::Frame(frame) = delivery else {
                panic!("not a frame: {delivery:?}")
            };
            channels.extend(frame.channel().map(ToString::to_string));
        }
        channels
    }
}

/// The codes of error frames and closes, in their order.
fn codes(replies: &[Reply]) -> Vec<u16> {
    let code = |reply: &Reply| match reply {
        Reply::Error(code, _) | Reply::Close(code, _) => Some(*code),
        Reply::Frame(_) | Reply::Parts(_) => None,
    };
    replies.iter().filter_map(code).collect()
}

fn error_codes_of(action: &Action) -> Vec<u16> {
    match action {
        Action::Reply(replies) => codes(replies),
        other => panic!("not a reply: {other:?}"),
    }
}

fn subscribe_frame(channel: &str) -> serde_json::Value {
    json!({"event": "pusher:subscribe", "data": {"channel": channel}})
}

#[test]
fn the_rate_limit_is_checked_before_the_channel() {
    let mut session = Fixture::new(DialectId::Pushi);
    session.limits.publishes = 1;
    let frame = json!({"event": "message", "channel": "c", "data": "x"});
    assert!(matches!(session.text(&frame), Action::Publish(..)));
    assert_eq!(error_codes_of(&session.text(&frame)), [4301]);
    session.clock.0.fetch_add(SECOND, Ordering::Relaxed);
    assert!(matches!(session.text(&frame), Action::Publish(..)));
}

#[test]
fn client_events_have_a_rate_limit_too() {
    let mut session = Fixture::new(DialectId::Pusher);
    session.limits.client_events = 1;
    let frame = json!({"event": "client-typing", "channel": "private-c", "data": "x"});
    assert!(matches!(session.text(&frame), Action::SendClientEvent(_)));
    assert_eq!(error_codes_of(&session.text(&frame)), [4301]);
}

#[test]
fn an_invalid_frame_is_rejected_before_its_channel_is_looked_up() {
    let mut session = Fixture::new(DialectId::Pushi);
    for (event, count, code) in [
        ("pusher:latest", json!(-1), 4314),
        ("pusher:latest", json!(1), 4317),
        ("pusher:unsubscribe", json!(1), 4317),
        ("pusher:unknown", json!(1), 4313),
    ] {
        let frame = json!({"event": event, "data": {"channel": "c", "count": count}});
        assert_eq!(error_codes_of(&session.text(&frame)), [code], "{event}");
    }
}

#[test]
fn frames_of_a_channel_wait_for_the_answer_to_its_subscription() {
    let mut session = Fixture::new(DialectId::Pusher);
    let Action::Subscribe(subscribe, request) = session.text(&subscribe_frame("a")) else {
        panic!("not a subscription")
    };
    assert_eq!(request, RequestContext::default());
    session.receive("a");
    session.receive("b");
    assert_eq!(session.sent(), ["b"]);
    // The subscription succeeds in the hub.
    let (state, context) = session.parts();
    let answer = Ok(Subscribed::default());
    let replies = pusher::on_subscribed(state, &context, &subscribe, Vec::new(), answer, &[]);
    assert!(matches!(replies[..], [Reply::Parts(_)]));
    session.receive("b");
    assert_eq!(session.sent(), ["a", "b"]);
}

#[test]
fn frames_of_a_channel_are_dropped_when_its_subscription_fails() {
    let mut session = Fixture::new(DialectId::Pusher);
    let Action::Subscribe(subscribe, _) = session.text(&subscribe_frame("a")) else {
        panic!("not a subscription")
    };
    session.receive("a");
    assert_eq!(session.sent(), [""; 0]);
    let (state, context) = session.parts();
    let failed = Err(SubscribeError::Presence);
    let replies = pusher::on_subscribed(state, &context, &subscribe, Vec::new(), failed, &[]);
    assert_eq!(codes(&replies), [503]);
    assert_eq!(session.sent(), [""; 0]);
}

#[test]
fn held_back_bytes_are_limited() {
    let mut session = Fixture::new(DialectId::Pusher);
    session.state = SessionState::new(64);
    session.text(&subscribe_frame("a"));
    // Two frames have more than 64 bytes.
    session.receive("a");
    session.receive("a");
    let next = session.state.deliveries.pop(DialectId::Pusher);
    assert!(matches!(next, Some(DeliveryStep::Overflow)), "{next:?}");
}

#[test]
fn reading_stops_with_too_many_publishes_in_the_append_queue() {
    let mut session = Fixture::new(DialectId::Pushi);
    let channel = ChannelName::trusted("c");
    for _ in 0..MAX_IN_FLIGHT {
        assert!(session.state.reads());
        session.publish(&channel);
    }
    assert!(!session.state.reads());
    let receipt = |reference: Option<&str>, outcome| Receipt {
        reference: reference.map(str::to_owned),
        channel: channel.clone(),
        event: "message".into(),
        outcome,
    };
    let stored = ReceiptOutcome::Stored(Mid("m".into()), 1, Timestamp::from_micros(0));
    let (state, context) = session.parts();
    let reply = state.on_receipt(&context, receipt(None, stored.clone()));
    assert_eq!(reply, None);
    let reply = state.on_receipt(&context, receipt(Some("r"), stored));
    assert!(matches!(reply, Some(Reply::Frame(_))));
    let reply = state.on_receipt(&context, receipt(None, ReceiptOutcome::Failed));
    assert!(matches!(reply, Some(Reply::Error(4320, _))));
    assert!(state.reads());
}

#[test]
fn the_sign_in_deadline_closes_with_an_error_frame() {
    let mut session = Fixture::new(DialectId::Pusher);
    let mailbox = session.connection.mailbox();
    mailbox.set_sign_in_deadline(1);
    mailbox.tick(120, 30, 0);
    let mut context = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    let closing = session.connection.poll_take(&mut context, &mut taken);
    assert_eq!(closing, Poll::Ready(Some(CloseReason::NotSignedIn)));
    let (state, context) = session.parts();
    let replies = state.on_closed(&context, CloseReason::NotSignedIn);
    assert_eq!(codes(&replies), [4009, 4009]);
}

#[test]
fn a_pushi_client_gets_no_error_frame_when_the_server_stops() {
    for (dialect, expected) in [
        (DialectId::Pushi, vec![4200]),
        (DialectId::Pusher, vec![4200, 4200]),
    ] {
        let mut session = Fixture::new(dialect);
        let (state, context) = session.parts();
        let replies = state.on_closed(&context, CloseReason::Stopping);
        assert_eq!(codes(&replies), expected, "{dialect:?}");
    }
}

#[test]
fn a_failed_sign_in_closes_the_connection() {
    let mut session = Fixture::new(DialectId::Pusher);
    let user_data = json!({"id": "u"}).to_string();
    let frame = json!({"event": "pusher:signin", "data": {"user_data": user_data}});
    assert!(matches!(session.text(&frame), Action::SignIn(_, false)));
    let (state, context) = session.parts();
    let failed = Err(SignInError::OtherUser);
    let replies = pusher::on_signed_in(state, &context, &user_data, false, failed);
    assert_eq!(codes(&replies), [4009, 4009]);
}

#[tokio::test]
async fn unavailable_aliases_are_reported_once_and_read_again() {
    let mut session = Fixture::new(DialectId::Pushi);
    let channel = ChannelName::trusted("personal-u");
    let Action::Subscribe(subscribe, request) = session.text(&subscribe_frame("personal-u")) else {
        panic!("not a subscription")
    };
    let (state, context) = session.parts();
    let answer = Ok(Subscribed::default());
    pushi::on_subscribed(
        state,
        &context,
        &subscribe,
        request,
        Vec::new(),
        answer,
        &[],
    );
    state.on_aliases_changed(channel);
    for expected in [vec![4320], Vec::new()] {
        assert!(state.has_reloads());
        let Some(Action::ReloadAliases(reload)) = state.next_reload(&context) else {
            panic!("not a reload")
        };
        let failed = Err(SubscribeError::Storage(StorageError::unavailable("down")));
        let replies = state.on_aliases_reloaded(&context, *reload, failed, &[]);
        assert_eq!(codes(&replies), expected);
        let due = state.timers.next().unwrap();
        assert!(!state.has_reloads());
        state.on_timer(due);
        assert!(state.timers.next().is_none());
    }
}

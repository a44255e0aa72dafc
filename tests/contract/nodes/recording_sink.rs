//! A sink that records the messages a node receives.

use std::time::Duration;

use parking_lot::Mutex;
use pushi::core::model::{AppIdent, ChannelName, ServerEvent};
use pushi::core::ports::{BusMessage, BusSink};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Records received messages.
#[derive(Default)]
pub(crate) struct RecordingSink {
    heard: Mutex<Vec<BusMessage>>,
    more: Notify,
}

impl BusSink for RecordingSink {
    fn deliver(&self, message: BusMessage) {
        // Nodes of other tests stop in the same Redis.
        if matches!(message, BusMessage::NodeGone) {
            return;
        }
        self.heard.lock().push(message);
        self.more.notify_waiters();
    }

    fn wants(&self, _app: &AppIdent, _channel: &ChannelName) -> bool {
        true
    }

    fn resumed(&self) {}
}

impl RecordingSink {
    /// Everything so far.
    pub(crate) fn heard(&self) -> Vec<BusMessage> {
        self.heard.lock().clone()
    }

    /// Takes the messages once there are `count`.
    pub(crate) async fn take(&self, count: usize) -> Vec<BusMessage> {
        self.until(|heard| (heard.len() >= count).then_some(()))
            .await;
        std::mem::take(&mut *self.heard.lock())
    }

    /// Everything so far about a channel, abbreviated.
    pub(crate) fn told(&self, channel: &ChannelName) -> Vec<String> {
        self.heard()
            .iter()
            .filter(|message| message.channel().is_some_and(|(_, of)| of == channel))
            .map(short)
            .collect()
    }

    /// Waits until the received messages satisfy `what`.
    pub(crate) async fn until<T>(&self, what: impl Fn(&[BusMessage]) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(found) = what(&self.heard()) {
                    return found;
                }
                more.await;
            }
        };
        match timeout(Duration::from_secs(20), waiting).await {
            Ok(found) => found,
            Err(_) => panic!(
                "it did not come; this did: {:?}",
                self.heard().iter().map(short).collect::<Vec<_>>()
            ),
        }
    }

    /// Waits until exactly this was received for a channel.
    pub(crate) async fn until_told(&self, channel: &ChannelName, expected: &[&str]) {
        self.until(|_| {
            let told = self.told(channel);
            assert!(
                told.len() <= expected.len(),
                "{told:?} instead of {expected:?}"
            );
            (told == expected).then_some(())
        })
        .await;
    }
}

/// An abbreviated message: an event's data, `+user`, `-user`.
fn short(message: &BusMessage) -> String {
    let BusMessage::Broadcast { event, .. } = message else {
        return format!("{message:?}");
    };
    match event {
        ServerEvent::Published { event, .. } => event.payload.data.to_string(),
        ServerEvent::MemberAdded { member, .. } => format!("+{}", member.user_id),
        ServerEvent::MemberRemoved { member, .. } => format!("-{}", member.user_id),
        _ => format!("{message:?}"),
    }
}

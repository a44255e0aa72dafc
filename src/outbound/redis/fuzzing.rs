//! The target `bus_message`.

#![expect(clippy::unwrap_used, reason = "a panic is how a target fails")]

use super::connection::{MessageBody, NodeMessage};

fn encoded(body: MessageBody<'_>) -> String {
    let message = NodeMessage {
        node: 1,
        sequence: 2,
        resent: false,
        body,
    };
    serde_json::to_string(&message).unwrap()
}

/// What is decoded from a message and encoded again is decoded to the same.
pub(crate) fn bus_message(bytes: &[u8]) {
    let Ok(message) = serde_json::from_slice::<NodeMessage<'_>>(bytes) else {
        return;
    };
    if let MessageBody::MemberChange(change) = &message.body {
        let _ = (change.member(), change.socket());
    }
    let Some(decoded) = message.body.to_bus() else {
        return;
    };
    let Some(body) = MessageBody::from_bus(&decoded) else {
        return;
    };
    let first = encoded(body);
    let again: NodeMessage<'_> = serde_json::from_str(&first).unwrap();
    let again = again.body.to_bus().unwrap();
    let second = encoded(MessageBody::from_bus(&again).unwrap());
    assert_eq!(first, second);
}

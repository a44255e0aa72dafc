//! The targets `pushi_decoder` and `pusher_decoder`.

#![expect(clippy::unwrap_used, reason = "a panic is how a target fails")]

use serde_json::Value;

use super::pusher::DecodeError;
use super::pushi::PushiCommand;
use super::{ErrorFrame, error, pusher, pushi};
use crate::core::model::Limits;
use crate::core::ports::DialectId;

/// Texts of an error are about the frame, and not the frame itself.
const LONGEST_ERROR: usize = 4096;

/// The payload of an unmasked frame.
fn text_of(frame: &[u8]) -> &[u8] {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    &frame[header..]
}

/// An error frame is JSON with its code, however the frame that caused it looks.
fn check_error(dialect: DialectId, frame: &ErrorFrame) {
    assert!(frame.message.len() <= LONGEST_ERROR, "{}", frame.message);
    let encoded = error(dialect, frame);
    let json: Value = serde_json::from_slice(text_of(&encoded)).unwrap();
    assert_eq!(json["data"]["code"], frame.code);
    assert_eq!(json["data"]["message"], frame.message);
}

/// A frame of a Pushi client is a command with valid names, or has an error that can be sent.
pub(crate) fn pushi(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match pushi::decode(text, &Limits::default()) {
        Err(frame) => check_error(DialectId::Pushi, &frame),
        Ok((command, context)) => {
            let longest = usize::try_from(Limits::default().channel_name).unwrap();
            let channel = match &command {
                PushiCommand::Subscribe(subscribe) => subscribe.channel.as_str(),
                PushiCommand::Publish(publish) => publish.channel.as_str(),
                PushiCommand::Unsubscribe(channel) | PushiCommand::Latest { channel, .. } => {
                    channel.as_str()
                }
                PushiCommand::Token(_) | PushiCommand::Ping => return,
            };
            let length = channel.chars().count();
            assert!((1..=longest).contains(&length), "{channel}");
            let frame = ErrorFrame {
                channel: channel.to_owned(),
                request: context,
                ..ErrorFrame::new(4301, "unavailable")
            };
            check_error(DialectId::Pushi, &frame);
        }
    }
}

/// The same for a Pusher client.
pub(crate) fn pusher(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match pusher::decode(text, &Limits::default()) {
        Err(DecodeError::Frame(code, message)) => {
            check_error(DialectId::Pusher, &ErrorFrame::new(code, message));
        }
        Err(DecodeError::Subscription(error)) => {
            assert!(error.message.len() <= LONGEST_ERROR, "{}", error.message);
        }
        Err(DecodeError::SignIn(_)) | Ok(_) => {}
    }
}

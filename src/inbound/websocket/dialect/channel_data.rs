//! Channel data: the member that a client is on a presence channel.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fields::string;
use crate::core::model::UserId;
use crate::core::service::ChannelData;
use crate::inbound::wire::compact;

/// Parses channel data: a JSON object, or a string that contains one. `None`: it is neither.
pub(super) fn channel_data(value: &RawValue) -> Option<ChannelData> {
    let signed = if value.get().starts_with('"') {
        string(value)?
    } else {
        value.get().to_owned()
    };
    let mut object = serde_json::from_str::<Map<String, Value>>(&signed).ok()?;
    let peer = object.get("peer") == Some(&Value::Bool(true));
    let (user_id, text) = match object.get("user_id") {
        Some(Value::String(id)) => (UserId::parse(id), compact(&signed).into_owned()),
        Some(Value::Number(id)) => {
            // A number and the string of its digits are the same user id.
            let id = id.to_string();
            object.insert("user_id".to_owned(), Value::String(id.clone()));
            (
                UserId::parse(&id),
                serde_json::to_string(&object).unwrap_or_default(),
            )
        }
        _ => (None, compact(&signed).into_owned()),
    };
    Some(ChannelData {
        signed: signed.into(),
        object: Arc::from(text),
        user_id,
        peer,
    })
}

//! `pusher:token`, and its answer, the same in all dialects.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::fields::{FrameFields, string};
use super::frame_text::{begin_frame, finish_frame, push_string_field};
use crate::core::model::Secret;
use crate::core::service::TokenHeld;
use crate::inbound::wire::push_json_string;

/// What `data` of `pusher:token` must be.
pub(super) const TOKEN_DATA: &str =
    "data must be an object with the member \"token\", a string: a JSON Web Token";

/// The token in the `data` of a frame: in an object, in a string that contains one, or as a string; `None`: there is none.
pub(super) fn token(data: Option<&RawValue>) -> Option<Secret> {
    let data = data?;
    let token = |object: &str| {
        let fields = serde_json::from_str::<FrameFields<'_>>(object).ok()?;
        string(fields.token?)
    };
    let token = match string(data) {
        None => token(data.get())?,
        Some(text) if text.starts_with('{') => token(&text)?,
        Some(text) => text,
    };
    Some(Secret::new(token))
}

/// The answer to a token that is valid.
pub fn token_accepted(held: &TokenHeld) -> Bytes {
    let mut data = String::from("{");
    if let Some(user) = &held.user {
        data.push_str("\"user_id\":");
        push_json_string(&mut data, user.as_str());
        data.push(',');
    }
    data.push_str(&format!("\"expires_in\":{}}}", held.left.as_secs()));
    let mut json = begin_frame("pusher_internal:token_accepted", data.len() + 32);
    push_string_field(&mut json, "data", &data);
    finish_frame(json)
}

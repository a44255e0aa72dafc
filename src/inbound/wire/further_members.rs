//! Members of an event besides its name, channel and data.

use std::borrow::Cow;

use serde_json::Value;

use super::{RawMembers, check_apn_headers, compact, push_content, push_json_string};
use crate::core::model::{FurtherMembers, RESERVED_MEMBERS};

/// Members of a publish that are no further ones.
const OWN: [&str; 4] = ["channel", "event", "data", "persist"];

/// Reads the text of a JSON object, without reserved members.
///
/// # Errors
/// The text is not a JSON object, or a member cannot be encoded; the text says why.
pub fn read_further_members(object: &str) -> Result<FurtherMembers, String> {
    let members: RawMembers<'_> =
        serde_json::from_str(object).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => "is not a JSON object".to_owned(),
            _ => format!("is not JSON: {error}"),
        })?;
    let mut further = Vec::with_capacity(members.0.len());
    for (name, value) in &members.0 {
        let name = name.as_ref();
        if !RESERVED_MEMBERS.contains(&name) && !OWN.contains(&name) {
            further.push(further_member(name, value)?);
        }
    }
    Ok(FurtherMembers::of(further))
}

/// The name and the value of a member as JSON text. Stores and subscribers must be able to parse it, so it is validated here
/// once.
///
/// # Errors
/// The member cannot be encoded, or its message would reach no target, which the publisher can learn only here.
pub fn further_member<'v>(name: &str, value: &'v str) -> Result<(String, Cow<'v, str>), String> {
    if let Err(error) = serde_json::from_str::<Value>(value) {
        return Err(format!("the member {name} cannot be encoded: {error}"));
    }
    match name {
        "web_push" => drop(push_content(Some(value)).map_err(|error| format!("{name}{error}"))?),
        "apn" => check_apn_headers(value).map_err(|error| format!("{name}.headers: {error}"))?,
        _ => {}
    }
    let mut quoted = String::new();
    push_json_string(&mut quoted, name);
    Ok((quoted, compact(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_those_of_an_object_without_reserved_ones() {
        let read = |text: &str| read_further_members(text).map(|members| members.to_object());
        let text = r#"{"a": [1.50, 2], "serial": 7, "channel": "x", "data": 1, "b": "c"}"#;
        assert_eq!(read(text).as_deref(), Ok(r#"{"a":[1.50,2],"b":"c"}"#));
        assert_eq!(read("{}").as_deref(), Ok("{}"));
        for (text, reason) in [
            ("[]", "is not a JSON object"),
            ("nonsense", "is not JSON"),
            (r#"{"a": "\ud800"}"#, "the member a cannot be encoded"),
            (r#"{"web_push": {"ttl": -1}}"#, "web_push.ttl"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}

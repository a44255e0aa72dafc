//! The text of server frames, in the form that all dialects have in common.

use bytes::Bytes;

use crate::core::member_list::{MemberList, Rendered};
use crate::core::model::Member;
use crate::inbound::websocket::stream::{text_frame, text_frame_of_parts};
use crate::inbound::wire::{push_escaped, push_json_string};

/// Begins a frame: `{"event":<name>`. `capacity` is the estimated number of bytes that follow.
pub(super) fn begin_frame(event: &str, capacity: usize) -> String {
    let mut json = String::with_capacity(capacity + event.len() + 64);
    json.push_str("{\"event\":");
    push_json_string(&mut json, event);
    json
}

/// Appends `,"<name>":` and a string. `name` must not need escapes.
pub(super) fn push_string_field(json: &mut String, name: &str, value: &str) {
    push_field_name(json, name);
    push_json_string(json, value);
}

/// Appends `,"<name>":`, for a value that is JSON already. `name` must not need escapes.
pub(super) fn push_field_name(json: &mut String, name: &str) {
    json.push_str(",\"");
    json.push_str(name);
    json.push_str("\":");
}

/// Appends each item with `push`, separated by commas.
pub(super) fn push_list<'a, T: 'a>(
    json: &mut String,
    items: impl IntoIterator<Item = &'a T>,
    push: impl Fn(&mut String, &T),
) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        push(json, item);
    }
}

/// A part of the JSON text that a frame contains as a string.
pub(super) enum TextPart<'a> {
    /// Text of this frame alone.
    Own(String),
    /// Text that is escaped already, in parts that are not copied.
    Escaped(Vec<Bytes>),
    /// The cached rendering of a member list; the function renders one member.
    MemberList(&'a MemberList, Rendered, fn(&mut String, &Member)),
}

/// The length in bytes from which a cached text is sent from the cache's memory; a shorter one is
/// copied.
const MIN_SHARED: usize = 4096;

/// Renders a member as it is in a frame.
fn escaped(write: fn(&mut String, &Member)) -> impl Fn(&mut String, &Member) {
    move |text, member| {
        let mut plain = String::with_capacity(member.data.len() + 64);
        write(&mut plain, member);
        push_escaped(text, &plain);
    }
}

/// Renders a member list for [`TextPart::MemberList`] piece by piece: see [`MemberList::prepare`].
pub(super) fn prepare_members(
    list: &MemberList,
    rendered: Rendered,
    write: fn(&mut String, &Member),
) -> impl Iterator<Item = usize> {
    list.prepare(rendered, escaped(write))
}

/// Finishes a frame with `,"<name>":` and a string that consists of `text`, and returns the frame
/// in parts. `name` must not need escapes.
pub(super) fn finish_frame_with(
    mut json: String,
    name: &str,
    text: Vec<TextPart<'_>>,
) -> Vec<Bytes> {
    let mut parts = Vec::new();
    push_field_name(&mut json, name);
    json.push('"');
    for part in text {
        match part {
            TextPart::Own(text) => push_escaped(&mut json, &text),
            TextPart::Escaped(pieces) => {
                for piece in pieces {
                    match std::str::from_utf8(&piece) {
                        Ok(short) if short.len() < MIN_SHARED => json.push_str(short),
                        _ => parts.extend([Bytes::from(std::mem::take(&mut json)), piece]),
                    }
                }
            }
            TextPart::MemberList(list, rendered, write) => {
                for (index, text) in list.texts(rendered, escaped(write)).enumerate() {
                    // Each member's text begins with a comma, also the first.
                    let comma = usize::from(index == 0);
                    if text.as_str().len() < MIN_SHARED {
                        json.push_str(text.as_str().get(comma..).unwrap_or_default());
                    } else {
                        parts.extend([
                            Bytes::from(std::mem::take(&mut json)),
                            Bytes::from_owner(text).slice(comma..),
                        ]);
                    }
                }
            }
        }
    }
    json.push_str("\"}");
    if parts.is_empty() {
        return vec![text_frame(&json)];
    }
    parts.push(json.into());
    text_frame_of_parts(parts)
}

/// Finishes a frame: the bytes for the wire.
pub(super) fn finish_frame(mut json: String) -> Bytes {
    json.push('}');
    text_frame(&json)
}

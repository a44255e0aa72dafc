//! The pieces that the frames of every dialect are made of.

use bytes::Bytes;

use crate::core::member_list::{MemberList, Rendered};
use crate::core::model::Member;
use crate::inbound::websocket::frame::{text_frame, text_frame_of};
use crate::inbound::wire::{push_escaped, push_json_string};

/// `{"event":<name>`: how every frame begins. `capacity` is about how much follows.
pub fn begin(event: &str, capacity: usize) -> String {
    let mut json = String::with_capacity(capacity + event.len() + 64);
    json.push_str("{\"event\":");
    push_json_string(&mut json, event);
    json
}

/// `,"<name>":` with a string behind it. `name` needs no escapes.
pub fn member_string(json: &mut String, name: &str, value: &str) {
    member_name(json, name);
    push_json_string(json, value);
}

/// `,"<name>":`, for a value that is JSON already. `name` needs no escapes.
pub fn member_name(json: &mut String, name: &str) {
    json.push_str(",\"");
    json.push_str(name);
    json.push_str("\":");
}

/// Each item by `push`, commas between them.
pub fn separated<'a, T: 'a>(
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

/// A piece of the text of a JSON value that a frame has in a string.
pub enum Piece<'a> {
    /// What is written for this frame alone.
    Own(String),
    /// What is kept of a roll, written for every member by the function.
    Kept(&'a MemberList, Rendered, fn(&mut String, &Member)),
}

/// A kept text that is as long goes out from where it is kept; a shorter one is copied.
const SHARED: usize = 4096;

/// The pieces of a frame that ends with `,"<name>":` and a string behind it that consists of these pieces. `name` needs no
/// escapes.
pub fn finish_with(mut json: String, name: &str, pieces: &[Piece<'_>]) -> Vec<Bytes> {
    let mut done = Vec::new();
    member_name(&mut json, name);
    json.push('"');
    for piece in pieces {
        match piece {
            Piece::Own(text) => push_escaped(&mut json, text),
            Piece::Kept(roll, shown, write) => {
                let escaped = |text: &mut String, member: &Member| {
                    let mut plain = String::with_capacity(member.data.len() + 64);
                    write(&mut plain, member);
                    push_escaped(text, &plain);
                };
                for (index, text) in roll.texts(*shown, escaped).enumerate() {
                    // A comma stands before each member, the first as well.
                    let comma = usize::from(index == 0);
                    if text.as_str().len() < SHARED {
                        json.push_str(text.as_str().get(comma..).unwrap_or_default());
                    } else {
                        done.extend([
                            Bytes::from(std::mem::take(&mut json)),
                            Bytes::from_owner(text).slice(comma..),
                        ]);
                    }
                }
            }
        }
    }
    json.push_str("\"}");
    if done.is_empty() {
        return vec![text_frame(&json)];
    }
    done.push(json.into());
    text_frame_of(done)
}

/// The frame, ready for the wire.
pub fn finish(mut json: String) -> Bytes {
    json.push('}');
    text_frame(&json)
}

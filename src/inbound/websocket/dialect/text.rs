//! The pieces that the frames of every dialect are made of.

use bytes::Bytes;

use crate::core::model::{Member, Roll, Shown};
use crate::inbound::websocket::frame::text_frame;
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
pub fn separated<'a, T: 'a>(json: &mut String, items: impl IntoIterator<Item = &'a T>, push: impl Fn(&mut String, &T)) {
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
    Kept(&'a Roll, Shown, fn(&mut String, &Member)),
}

/// `,"<name>":` with a string behind it that consists of these pieces. `name` needs no escapes.
pub fn member_pieces(json: &mut String, name: &str, pieces: &[Piece<'_>]) {
    member_name(json, name);
    json.push('"');
    for piece in pieces {
        match piece {
            Piece::Own(text) => push_escaped(json, text),
            Piece::Kept(roll, shown, write) => {
                let escaped = |text: &mut String, member: &Member| {
                    let mut plain = String::with_capacity(member.data.len() + 64);
                    write(&mut plain, member);
                    push_escaped(text, &plain);
                };
                json.reserve(roll.texts(*shown, escaped).map(|text| text.len() + 1).sum());
                for (index, text) in roll.texts(*shown, escaped).enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    json.push_str(text);
                }
            }
        }
    }
    json.push('"');
}

/// The frame, ready for the wire.
pub fn finish(mut json: String) -> Bytes {
    json.push('}');
    text_frame(&json)
}

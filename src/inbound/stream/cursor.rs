//! Positions in channels as text: what a client sends back to continue.

use crate::core::model::ChannelName;

/// The most characters of a channel in a cursor: a point, the tag, and the digits of a serial. A
/// cursor has at most as many times [`MAX_CHANNELS`](super::request::MAX_CHANNELS).
const MAX_ENTRY: usize = 1 + TAG_CHARS + 20;

/// A tag stands for a channel's name, which would be longer: 30 bits of its hash.
const TAG_CHARS: usize = 5;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~";

/// The tag of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChannelTag([u8; TAG_CHARS]);

impl ChannelTag {
    /// FNV-1a, folded. Where two channels of a stream have the same, their order decides.
    pub(super) fn of(channel: &ChannelName) -> Self {
        let hash = channel
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let mut rest = hash ^ (hash >> 30);
        Self(std::array::from_fn(|_| {
            let digit = ALPHABET[(rest & 63) as usize];
            rest >>= 6;
            digit
        }))
    }
}

/// Appends the positions of channels, in the order of the channels' names.
pub(super) fn push_cursor(
    out: &mut Vec<u8>,
    positions: impl IntoIterator<Item = (ChannelTag, u64)>,
) {
    for (index, (tag, serial)) in positions.into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(&tag.0);
        push_number(out, serial);
    }
}

/// Appends the decimal digits: a fan-out does so for each connection.
fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A cursor that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor(Vec<(ChannelTag, u64)>);

impl Cursor {
    /// Parses the text of [`push_cursor`] with at most `channels` channels; `None`: it is not one.
    pub(super) fn parse(text: &str, channels: usize) -> Option<Self> {
        if text.len() > channels.saturating_mul(MAX_ENTRY) {
            return None;
        }
        let entry = |entry: &str| {
            let (tag, digits) = entry.as_bytes().split_at_checked(TAG_CHARS)?;
            let tag: [u8; TAG_CHARS] = tag.try_into().ok()?;
            let is_number =
                (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
            if !is_number || !tag.iter().all(|letter| ALPHABET.contains(letter)) {
                return None;
            }
            let serial = std::str::from_utf8(digits).ok()?.parse().ok()?;
            Some((ChannelTag(tag), serial))
        };
        text.split('.').map(entry).collect::<Option<_>>().map(Self)
    }

    /// Removes and returns the position in a channel; in the order of the channels' names.
    pub(super) fn take(&mut self, channel: &ChannelName) -> Option<u64> {
        let tag = ChannelTag::of(channel);
        let index = self.0.iter().position(|(known, _)| *known == tag)?;
        Some(self.0.remove(index).1)
    }
}

/// The text of positions.
pub(super) fn cursor_text(positions: impl IntoIterator<Item = (ChannelTag, u64)>) -> String {
    let mut bytes = Vec::new();
    push_cursor(&mut bytes, positions);
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::stream::request::MAX_CHANNELS;

    fn channel(name: &str) -> ChannelName {
        ChannelName::trusted(name)
    }

    #[test]
    fn a_cursor_is_read_back_whatever_the_order() {
        let names = [channel("a"), channel("b.c"), channel("presence-ü")];
        let serials = [0, 12, u64::MAX];
        let text = cursor_text(names.iter().map(ChannelTag::of).zip(serials));
        let mut cursor = Cursor::parse(&text, 3).unwrap();
        for (name, serial) in names.iter().zip(serials).rev() {
            assert_eq!(cursor.take(name), Some(serial), "{name}");
            assert_eq!(cursor.take(name), None);
        }
        assert_eq!(cursor.take(&channel("other")), None);
    }

    #[test]
    fn its_length_is_bounded_by_the_number_of_channels() {
        let tag = ChannelTag::of(&channel("a"));
        let longest = cursor_text((0..MAX_CHANNELS).map(|_| (tag, u64::MAX)));
        assert!(longest.len() <= MAX_CHANNELS * MAX_ENTRY);
        assert!(Cursor::parse(&longest, MAX_CHANNELS).is_some());
        assert!(Cursor::parse(&format!("{longest}.{longest}"), MAX_CHANNELS).is_none());
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in [
            "",
            ".",
            "abc",
            "AAAAA",
            "AAAAA-1",
            "AAAAA1.",
            "AAAA!1",
            "AAAAAx",
            "ääää1",
            "AAAAA99999999999999999999",
            "AAAAA1.AAAAA",
            "12",
            "null",
        ] {
            assert_eq!(Cursor::parse(text, 10), None, "{text}");
        }
    }
}

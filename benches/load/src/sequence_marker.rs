//! The sequence number in an event's data, by which a delivery is matched with its publish.
//!
//! It has a fixed width, so that numbering an event changes eight bytes of a prepared frame, and a
//! delivery is read at the offset of the last one without parsing JSON.

use crate::protocol::find;

const PREFIX: &[u8] = b"#b";
const SUFFIX: u8 = b'#';
const DIGITS: usize = 8;

/// The length of a marker in bytes, and so the smallest size of an event's data.
pub(crate) const LENGTH: usize = PREFIX.len() + DIGITS + 1;

/// The data of an event: a marker with number 0, padded to `bytes`.
pub(crate) fn event_data(bytes: usize) -> String {
    let marker = format!("#b{:08x}#", 0);
    format!("{marker}{}", "x".repeat(bytes.saturating_sub(LENGTH)))
}

/// The position of the marker in a frame or request body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SequenceMarker {
    /// Offset of the first digit.
    offset: usize,
}

impl SequenceMarker {
    pub(crate) fn find(bytes: &[u8]) -> Option<Self> {
        let offset = find(bytes, PREFIX)? + PREFIX.len();
        number_at(bytes, offset).map(|_| Self { offset })
    }

    /// Overwrites the number.
    pub(crate) fn write(self, bytes: &mut [u8], number: u32) {
        let digits = bytes
            .get_mut(self.offset..self.offset + DIGITS)
            .unwrap_or_default();
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
        }
    }
}

fn number_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let (digits, rest) = bytes.get(offset..)?.split_at_checked(DIGITS)?;
    let prefix = bytes.get(offset.checked_sub(PREFIX.len())?..offset);
    if rest.first() != Some(&SUFFIX) || prefix != Some(PREFIX) {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        Some(number << 4 | char::from(*digit).to_digit(16)?)
    })
}

/// Reads the numbers of deliveries. It tries the offset of the last delivery first, which rarely
/// changes.
#[derive(Default)]
pub(crate) struct SequenceReader {
    offset: usize,
}

impl SequenceReader {
    /// The number in a delivery; `None`: the payload has no marker.
    pub(crate) fn read(&mut self, payload: &[u8]) -> Option<u32> {
        if let Some(number) = number_at(payload, self.offset) {
            return Some(number);
        }
        self.offset = SequenceMarker::find(payload)?.offset;
        number_at(payload, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_at_any_offset() {
        let mut reader = SequenceReader::default();
        for (front, number) in [
            ("", 0),
            ("{\"data\":\"", 1),
            ("{\"data\":\"", u32::MAX),
            ("{\"channel\":\"#b\",\"data\":\"", 0xabc),
        ] {
            let mut frame = format!("{front}{}\"}}", event_data(64)).into_bytes();
            let Some(marker) = SequenceMarker::find(&frame) else {
                // Text that only begins like a marker hides the one behind it; no channel of a run
                // has such a name.
                assert_eq!(number, 0xabc);
                continue;
            };
            marker.write(&mut frame, number);
            assert_eq!(reader.read(&frame), Some(number));
        }
        assert_eq!(reader.read(b"{\"event\":\"pusher:ping\"}"), None);
        assert_eq!(
            (
                event_data(64).len(),
                event_data(LENGTH).len(),
                event_data(0).len()
            ),
            (64, LENGTH, LENGTH)
        );
    }
}

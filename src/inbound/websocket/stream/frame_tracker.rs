//! The boundaries of messages in a client's bytes.

/// The longest header of a frame.
const MAX_HEADER: usize = 14;

/// The largest payload whose buffer is kept for the next message.
const MAX_KEPT_PAYLOAD: u64 = 4096;

/// Follows the frames in the bytes that a parser has taken, because tungstenite does not say whether
/// it is within a message.
#[derive(Debug, Default)]
pub(super) struct FrameTracker {
    /// The beginning of a header.
    header: [u8; MAX_HEADER],
    header_bytes: usize,
    /// Bytes of the payload that follow.
    payload: u64,
    /// A message of several frames has begun.
    in_message: bool,
    /// A close frame has begun: the parser is not as at its start again.
    is_closed: bool,
    /// A frame was larger than [`MAX_KEPT_PAYLOAD`].
    is_large: bool,
}

impl FrameTracker {
    /// Records bytes that the parser has taken.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let wanted = match self.payload {
                0 => header_length(&self.header[..self.header_bytes]) - self.header_bytes,
                payload => usize::try_from(payload).unwrap_or(usize::MAX),
            };
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            if self.payload > 0 {
                self.payload -= taken.len() as u64;
                continue;
            }
            let end = self.header_bytes + taken.len();
            self.header[self.header_bytes..end].copy_from_slice(taken);
            self.header_bytes = end;
            if end >= 2 && end == header_length(&self.header[..end]) {
                self.end_header();
            }
        }
    }

    fn end_header(&mut self) {
        let [first, second, extended @ ..] = self.header;
        let mut number = [0; 8];
        self.payload = match second & 0x7f {
            126 => {
                number[6..].copy_from_slice(&extended[..2]);
                u64::from_be_bytes(number)
            }
            127 => {
                number.copy_from_slice(&extended[..8]);
                u64::from_be_bytes(number)
            }
            length => length.into(),
        };
        let opcode = first & 0x0f;
        if opcode < 0x8 {
            self.in_message = first & 0x80 == 0;
        }
        self.is_closed |= opcode == 0x8;
        self.is_large |= self.payload > MAX_KEPT_PAYLOAD;
        self.header_bytes = 0;
    }

    /// Whether the bytes end between two messages, and the parser is as at its start.
    pub(super) fn is_at_start(&self) -> bool {
        self.header_bytes == 0 && self.payload == 0 && !self.in_message && !self.is_closed
    }

    /// Whether the parser has a large buffer.
    pub(super) fn is_large(&self) -> bool {
        self.is_large
    }
}

/// The length of a header, as far as its beginning says (RFC 6455, section 5.2).
fn header_length(header: &[u8]) -> usize {
    let Some(second) = header.get(1) else {
        return 2;
    };
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    2 + extended + mask
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

    use super::*;

    fn frame(opcode: OpCode, is_final: bool, payload: usize) -> Vec<u8> {
        let header = FrameHeader {
            opcode,
            is_final,
            mask: Some([1, 2, 3, 4]),
            ..FrameHeader::default()
        };
        let mut bytes = Vec::new();
        Frame::from_payload(header, vec![0x81; payload].into())
            .format(&mut bytes)
            .unwrap();
        bytes
    }

    /// Whether it is at the start after each byte.
    fn starts(bytes: &[u8]) -> Vec<bool> {
        let mut tracker = FrameTracker::default();
        bytes
            .chunks(1)
            .map(|byte| {
                tracker.advance(byte);
                tracker.is_at_start()
            })
            .collect()
    }

    #[test]
    fn only_the_last_byte_of_a_message_ends_it() {
        let text = OpCode::Data(Data::Text);
        for length in [0, 1, 125, 126, 4096] {
            let bytes = frame(text, true, length);
            let starts = starts(&bytes);
            let first = starts.iter().position(|is_start| *is_start);
            assert_eq!(first, Some(bytes.len() - 1), "{length}");
            let mut whole = FrameTracker::default();
            whole.advance(&bytes.repeat(3));
            assert!(whole.is_at_start(), "{length}");
            whole.advance(&bytes[..bytes.len() - 1]);
            assert!(!whole.is_at_start(), "{length}");
        }
    }

    #[test]
    fn a_message_of_several_frames_ends_with_the_final_one() {
        let (text, more) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
        let parts = [
            frame(text, false, 3),
            frame(OpCode::Control(Control::Ping), true, 5),
            frame(more, false, 200),
            frame(more, true, 0),
        ];
        let starts = starts(&parts.concat());
        let first = starts.iter().position(|is_start| *is_start);
        assert_eq!(first, Some(starts.len() - 1));
    }

    #[test]
    fn a_close_frame_changes_the_parser_and_a_large_one_its_buffer() {
        let close = frame(OpCode::Control(Control::Close), true, 2);
        assert!(!starts(&close).contains(&true));
        for (length, is_large) in [(4096, false), (4097, true), (70_000, true)] {
            let mut tracker = FrameTracker::default();
            tracker.advance(&frame(OpCode::Data(Data::Binary), true, length));
            let found = (tracker.is_at_start(), tracker.is_large());
            assert_eq!(found, (true, is_large), "{length}");
        }
    }
}

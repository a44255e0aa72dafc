//! Encoded text frames, for messages that are encoded once and sent to many connections.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// An unmasked text frame with `text` as its payload.
pub(crate) fn text_frame(text: &str) -> Bytes {
    let mut frame = text_header(text.len(), text.len());
    frame.extend_from_slice(text.as_bytes());
    frame.into()
}

/// An unmasked text frame whose payload consists of `parts`, as parts that are not copied.
pub(crate) fn text_frame_of_parts(parts: Vec<Bytes>) -> Vec<Bytes> {
    let header = text_header(parts.iter().map(Bytes::len).sum(), 0);
    std::iter::once(header.into()).chain(parts).collect()
}

/// The header of a text frame with the given payload size, in a buffer with room for exactly `room`
/// more bytes.
fn text_header(payload: usize, room: usize) -> Vec<u8> {
    let header = FrameHeader {
        opcode: OpCode::Data(Data::Text),
        ..FrameHeader::default()
    };
    let payload = payload as u64;
    let mut frame = Vec::with_capacity(header.len(payload) + room);
    // Writing to a vector cannot fail.
    let _ = header.format(payload, &mut frame);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        let header = |len: usize| {
            text_frame(&"x".repeat(len))
                .slice(..10.min(len + 2))
                .to_vec()
        };
        assert_eq!(header(5)[..2], [0x81, 5]);
        assert_eq!(header(125)[..2], [0x81, 125]);
        assert_eq!(header(126)[..4], [0x81, 126, 0, 126]);
        assert_eq!(header(65_535)[..4], [0x81, 126, 0xff, 0xff]);
        assert_eq!(header(65_536)[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_payload_in_parts_makes_the_same_frame() {
        let parts: Vec<Bytes> = (0..70).map(|n| "é".repeat(n * 10).into()).collect();
        assert_eq!(
            text_frame_of_parts(parts).concat(),
            text_frame(&"é".repeat(24_150))
        );
    }
}

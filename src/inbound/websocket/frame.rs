//! WebSocket frames as bytes on the wire, for what is encoded once and sent to many.

use bytes::Bytes;
use bytes::{BufMut, BytesMut};

/// FIN and the text opcode (RFC 6455, section 5.2).
const TEXT: u8 = 0x81;

/// The largest head of a frame from a server.
const HEAD: usize = 10;

/// A whole unmasked text frame around `text`.
pub fn text_frame(text: &str) -> Bytes {
    let mut frame = BytesMut::with_capacity(text.len() + HEAD);
    put_head(&mut frame, text.len());
    frame.put_slice(text.as_bytes());
    frame.freeze()
}

/// The same around a text in pieces: the pieces of the frame.
pub fn text_frame_of(text: Vec<Bytes>) -> Vec<Bytes> {
    let mut head = BytesMut::with_capacity(HEAD);
    put_head(&mut head, text.iter().map(Bytes::len).sum());
    std::iter::once(head.freeze()).chain(text).collect()
}

fn put_head(frame: &mut BytesMut, length: usize) {
    frame.put_u8(TEXT);
    // The length has 7, 16 or 64 bits.
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => frame.put_u8(short),
        (_, Ok(medium)) => {
            frame.put_u8(126);
            frame.put_u16(medium);
        }
        _ => {
            frame.put_u8(127);
            frame.put_u64(length as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        let head = |len: usize| {
            text_frame(&"x".repeat(len))
                .slice(..10.min(len + 2))
                .to_vec()
        };
        assert_eq!(head(5)[..2], [0x81, 5]);
        assert_eq!(head(125)[..2], [0x81, 125]);
        assert_eq!(head(126)[..4], [0x81, 126, 0, 126]);
        assert_eq!(head(65_535)[..4], [0x81, 126, 0xff, 0xff]);
        assert_eq!(head(65_536)[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_text_in_pieces_makes_the_same_frame() {
        let pieces: Vec<Bytes> = (0..70).map(|n| "é".repeat(n * 10).into()).collect();
        assert_eq!(
            text_frame_of(pieces).concat(),
            text_frame(&"é".repeat(24_150))
        );
    }
}

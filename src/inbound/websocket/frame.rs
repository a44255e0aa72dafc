//! WebSocket frames as bytes on the wire, for what is encoded once and sent to many.

use bytes::Bytes;
use bytes::{BufMut, BytesMut};

/// FIN and the text opcode (RFC 6455, section 5.2).
const TEXT: u8 = 0x81;

/// A whole unmasked text frame around `text`.
pub fn text_frame(text: &str) -> Bytes {
    let mut frame = BytesMut::with_capacity(text.len() + 10);
    frame.put_u8(TEXT);
    // The length has 7, 16 or 64 bits.
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(short), _) if short < 126 => frame.put_u8(short),
        (_, Ok(medium)) => {
            frame.put_u8(126);
            frame.put_u16(medium);
        }
        _ => {
            frame.put_u8(127);
            frame.put_u64(text.len() as u64);
        }
    }
    frame.put_slice(text.as_bytes());
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        let head = |len: usize| text_frame(&"x".repeat(len)).slice(..10.min(len + 2)).to_vec();
        assert_eq!(head(5)[..2], [0x81, 5]);
        assert_eq!(head(125)[..2], [0x81, 125]);
        assert_eq!(head(126)[..4], [0x81, 126, 0, 126]);
        assert_eq!(head(65_535)[..4], [0x81, 126, 0xff, 0xff]);
        assert_eq!(head(65_536)[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}

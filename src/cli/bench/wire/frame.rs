//! WebSocket frames (RFC 6455, section 5.2), read by their heads only.

/// Text.
pub const TEXT: u8 = 1;
/// The end, with a code.
pub const CLOSE: u8 = 8;
/// To be answered by [`PONG`].
pub const PING: u8 = 9;
/// The answer to [`PING`].
pub const PONG: u8 = 10;

/// A frame from a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is; 0 continues the frame before.
    pub opcode: u8,
    /// Nothing of the message follows.
    pub last: bool,
    /// What it carries.
    pub payload: &'a [u8],
    /// Bytes of the whole frame.
    pub length: usize,
}

/// The frame that `bytes` begin with; `None` where it is not all there. A server masks nothing, so a masked frame is read as
/// what it is not, and understood by nobody.
pub fn first(bytes: &[u8]) -> Option<Frame<'_>> {
    let (&[head, short], rest) = bytes.split_first_chunk::<2>()?;
    let (size, head_size) = match short & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (
            usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?,
            10,
        ),
        size => (usize::from(size), 2),
    };
    let length = size.checked_add(head_size)?;
    let payload = bytes.get(head_size..length)?;
    Some(Frame {
        opcode: head & 0x0f,
        last: head & 0x80 != 0,
        payload,
        length,
    })
}

/// Appends a whole frame of a client, which must be masked.
pub fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(0x80 | opcode);
    // Each number fits where its arm says so.
    match payload.len() {
        size @ 0..126 => out.push(0x80 | size as u8),
        size @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(size as u16).to_be_bytes());
        }
        size => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}

/// The code in a close frame's payload; 1005 where there is none (RFC 6455, section 7.1.5).
pub fn close_code(payload: &[u8]) -> u16 {
    payload
        .first_chunk()
        .map_or(1005, |code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_server(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push(&mut bytes, TEXT, payload, [0; 4]);
        // The same without the mask.
        let head = bytes.len() - payload.len() - 4;
        bytes.drain(head..head + 4);
        bytes[1] &= 0x7f;
        bytes
    }

    #[test]
    fn every_form_of_length_is_read_back_and_no_part_of_a_frame_is_one() {
        for size in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; size];
            let mut bytes = of_server(&payload);
            assert_eq!(
                first(&bytes),
                Some(Frame {
                    opcode: TEXT,
                    last: true,
                    payload: &payload,
                    length: bytes.len()
                })
            );
            for part in 0..bytes.len().min(20) {
                assert_eq!(first(&bytes[..part]), None, "{part} of {size}");
            }
            assert_eq!(first(&bytes[..bytes.len() - 1]), None);
            bytes.push(0x81);
            assert_eq!(first(&bytes).unwrap().payload.len(), size);
        }
    }

    #[test]
    fn a_length_beyond_all_memory_is_never_there() {
        assert_eq!(
            first(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255, 0]),
            None
        );
    }

    #[test]
    fn what_a_client_sends_is_masked() {
        let mut out = Vec::new();
        push(&mut out, TEXT, b"abcde", [1, 2, 3, 4]);
        assert_eq!(
            out,
            [
                0x81,
                0x85,
                1,
                2,
                3,
                4,
                b'a' ^ 1,
                b'b' ^ 2,
                b'c' ^ 3,
                b'd' ^ 4,
                b'e' ^ 1
            ]
        );
    }

    #[test]
    fn a_close_frame_has_a_code_or_1005() {
        assert_eq!(
            (
                close_code(&[16, 4, b'x']),
                close_code(&[]),
                close_code(&[1])
            ),
            (4100, 1005, 1005)
        );
    }
}

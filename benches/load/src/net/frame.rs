//! WebSocket frames (RFC 6455, section 5.2).

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame from a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// 0: a continuation of the frame before.
    pub(crate) opcode: u8,
    /// Whether it is the last frame of its message.
    pub(crate) fin: bool,
    pub(crate) payload: &'a [u8],
    /// Length of the whole frame in bytes.
    pub(crate) length: usize,
}

/// Parses the frame at the start of `bytes`; `None`: it is incomplete. Servers must not mask, so
/// the mask bit is ignored.
pub(crate) fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
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
        fin: head & 0x80 != 0,
        payload,
        length,
    })
}

/// Appends an unfragmented frame, masked as clients must.
pub(crate) fn push_masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(0x80 | opcode);
    // The patterns guarantee that each length fits its integer type.
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

/// The code in the payload of a close frame; 1005: there is none (RFC 6455, section 7.1.5).
pub(crate) fn close_code(payload: &[u8]) -> u16 {
    payload
        .first_chunk()
        .map_or(1005, |code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_masked(&mut bytes, TEXT, payload, [0; 4]);
        let head = bytes.len() - payload.len() - 4;
        bytes.drain(head..head + 4);
        bytes[1] &= 0x7f;
        bytes
    }

    #[test]
    fn every_length_encoding_is_parsed_and_incomplete_frames_are_not() {
        for size in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; size];
            let mut bytes = unmasked(&payload);
            assert_eq!(
                parse(&bytes),
                Some(Frame {
                    opcode: TEXT,
                    fin: true,
                    payload: &payload,
                    length: bytes.len()
                })
            );
            for part in 0..bytes.len().min(20) {
                assert_eq!(parse(&bytes[..part]), None, "{part} of {size}");
            }
            assert_eq!(parse(&bytes[..bytes.len() - 1]), None);
            bytes.push(0x81);
            assert_eq!(parse(&bytes).unwrap().payload.len(), size);
        }
    }

    #[test]
    fn a_length_beyond_memory_is_incomplete() {
        assert_eq!(
            parse(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255, 0]),
            None
        );
    }

    #[test]
    fn client_frames_are_masked() {
        let mut out = Vec::new();
        push_masked(&mut out, TEXT, b"abcde", [1, 2, 3, 4]);
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
    fn a_missing_close_code_is_1005() {
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

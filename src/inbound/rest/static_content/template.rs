//! Content that is the same for every client but for a few short values, such as the server's address.
//!
//! The text between the values is compressed once, in pieces that need nothing of each other. For a request, the pieces and the values
//! are joined into one stream of gzip (RFC 1952), in which the values are stored as they are (RFC 1951, section 3.2.4).

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::{Compress, Compression, Crc, FlushCompress};
use poem::{Request, Response};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::{Representation, prefers_gzip, respond};

/// The header of gzip, without a name or a time.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
/// A last block that is empty.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// A part of the content.
enum Part {
    Text(String),
    /// The value with this number.
    Value(usize),
}

/// A part that is compressed.
enum Piece {
    Text { deflated: Vec<u8>, check: Crc },
    Value(usize),
}

/// Content with `N` values, in at most two encodings.
pub(in crate::inbound::rest) struct TemplateContent<const N: usize> {
    content_type: &'static str,
    parts: Arc<[Part]>,
    /// Derived from the text.
    tag: [u8; 32],
    /// Compressed when the first client accepts it; `None`: that failed.
    pieces: OnceCell<Option<Vec<Piece>>>,
}

impl<const N: usize> TemplateContent<N> {
    /// `marks` stand for the values in the text.
    pub(in crate::inbound::rest) fn new(
        content_type: &'static str,
        text: &str,
        marks: [&str; N],
    ) -> Self {
        Self {
            content_type,
            parts: split(text, &marks).into(),
            tag: Sha256::digest(text).into(),
            pieces: OnceCell::new(),
        }
    }

    /// Answers `GET` and, without the body, every other method.
    pub(in crate::inbound::rest) async fn answer(
        &self,
        request: &Request,
        values: [&str; N],
    ) -> Response {
        let mut hash = Sha256::new_with_prefix(self.tag);
        for value in values {
            hash.update(value);
            hash.update([0]);
        }
        let tag = HEXLOWER.encode(&hash.finalize()[..12]);
        let joined = match prefers_gzip(request.headers()) {
            true => self.pieces().await.and_then(|pieces| join(pieces, &values)),
            false => None,
        };
        let chosen = match joined {
            Some(body) => Representation {
                body,
                tag: format!("\"{tag}-gzip\""),
                is_gzip: true,
            },
            None => Representation {
                body: self.plain(&values),
                tag: format!("\"{tag}\""),
                is_gzip: false,
            },
        };
        respond(request, self.content_type, chosen, true)
    }

    fn plain(&self, values: &[&str; N]) -> Bytes {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text,
            Part::Value(number) => values[*number],
        });
        parts.collect::<String>().into()
    }

    async fn pieces(&self) -> Option<&[Piece]> {
        let compress = || async {
            let parts = Arc::clone(&self.parts);
            let compress = move || parts.iter().map(compress).collect();
            tokio::task::spawn_blocking(compress).await
        };
        // It fails only where the runtime stops.
        let pieces = self.pieces.get_or_try_init(compress).await;
        pieces.ok()?.as_deref()
    }
}

fn split(text: &str, marks: &[&str]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    let next = |rest: &str| {
        let found = marks.iter().enumerate();
        let found = found.filter_map(|(number, mark)| Some((rest.find(mark)?, number)));
        found.min()
    };
    while let Some((at, number)) = next(rest) {
        parts.push(Part::Text(rest[..at].to_owned()));
        parts.push(Part::Value(number));
        rest = &rest[at + marks[number].len()..];
    }
    parts.push(Part::Text(rest.to_owned()));
    parts
}

fn compress(part: &Part) -> Option<Piece> {
    let text = match part {
        Part::Text(text) => text.as_bytes(),
        Part::Value(number) => return Some(Piece::Value(*number)),
    };
    // What cannot be compressed grows by five bytes in 16 KiB.
    let mut deflated = Vec::with_capacity(text.len() + text.len() / 1_000 + 64);
    let mut deflate = Compress::new(Compression::best(), false);
    // The flush ends the piece at a whole byte.
    let flush = FlushCompress::Full;
    deflate.compress_vec(text, &mut deflated, flush).ok()?;
    let is_whole = deflate.total_in() == text.len() as u64 && deflated.len() < deflated.capacity();
    let mut check = Crc::new();
    check.update(text);
    is_whole.then_some(Piece::Text { deflated, check })
}

/// `None`: a value is longer than a stored block.
fn join(pieces: &[Piece], values: &[&str]) -> Option<Bytes> {
    let lengths = pieces.iter().map(|piece| match piece {
        Piece::Text { deflated, .. } => deflated.len(),
        Piece::Value(number) => values[*number].len() + 5,
    });
    let mut joined = Vec::with_capacity(lengths.sum::<usize>() + 20);
    joined.extend(HEADER);
    let mut whole = Crc::new();
    for piece in pieces {
        match piece {
            Piece::Text { deflated, check } => {
                joined.extend(deflated);
                whole.combine(check);
            }
            Piece::Value(number) => {
                let value = values[*number].as_bytes();
                let length = u16::try_from(value.len()).ok()?;
                joined.push(0);
                joined.extend(length.to_le_bytes());
                joined.extend((!length).to_le_bytes());
                joined.extend(value);
                let mut check = Crc::new();
                check.update(value);
                whole.combine(&check);
            }
        }
    }
    joined.extend(LAST_BLOCK);
    joined.extend(whole.sum().to_le_bytes());
    joined.extend(whole.amount().to_le_bytes());
    Some(joined.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_values_stand_where_their_marks_were() {
        let noise: String = (0..4_000u64)
            .map(|n| HEXLOWER.encode(&Sha256::digest(n.to_le_bytes())))
            .collect();
        for text in [
            "",
            "ONE",
            "ONETWOONE",
            "a ONE b TWO c",
            "no mark",
            &format!("TWO{noise}ONE{noise}"),
            &"long ".repeat(20_000),
        ] {
            for values in [["1", "22"], ["", ""], ["TWO", &"v".repeat(60_000)]] {
                let content = TemplateContent::new("text/plain", text, ["ONE", "TWO"]);
                let plain = content.plain(&values);
                // Values are not looked at.
                let expected = text.replace("TWO", "\0").replace("ONE", values[0]);
                assert_eq!(plain, expected.replace('\0', values[1]));
                let pieces: Option<Vec<_>> = content.parts.iter().map(compress).collect();
                let joined = join(&pieces.unwrap(), &values).unwrap();
                let mut read = Vec::new();
                let mut decoder = GzDecoder::new(&joined[..]);
                decoder.read_to_end(&mut read).unwrap();
                assert!(decoder.into_inner().is_empty());
                assert!(read == plain);
            }
        }
        let pieces = [Piece::Value(0)];
        assert!(join(&pieces, &[&"v".repeat(65_536)]).is_none());
    }
}

//! Answers of an HTTP server, as far as a load generator reads them.

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of its first line.
    pub status: u16,
    /// Bytes of head and body.
    pub length: usize,
    /// The server closes the connection behind it.
    pub last: bool,
}

/// It is not HTTP, or not a form that is read here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer is not HTTP/1.1 with a length")]
pub struct Unreadable;

/// The answer that `bytes` begin with; `None` where it is not all there.
pub fn first(bytes: &[u8]) -> Result<Option<Answer>, Unreadable> {
    let Some((head, body_at)) = head(bytes)? else {
        return Ok(None);
    };
    let Some(body) = body(&head, bytes.get(body_at..).unwrap_or_default())? else {
        return Ok(None);
    };
    Ok(Some(Answer {
        status: head.status,
        length: body_at + body,
        last: head.last,
    }))
}

/// The answer to an upgrade: its status, and the bytes of its head, where the head is all there.
pub fn upgraded(bytes: &[u8], accept: &str) -> Result<Option<Upgraded>, Unreadable> {
    let Some((head, length)) = head(bytes)? else {
        return Ok(None);
    };
    let agreed = head.status == 101 && head.accept.as_deref() == Some(accept.as_bytes());
    Ok(Some(Upgraded {
        agreed,
        status: head.status,
        length,
    }))
}

/// What an upgrade came to.
pub struct Upgraded {
    /// The connection is a WebSocket now.
    pub agreed: bool,
    /// Of the answer.
    pub status: u16,
    /// Bytes of its head.
    pub length: usize,
}

struct Head {
    status: u16,
    size: Option<usize>,
    chunked: bool,
    last: bool,
    accept: Option<Vec<u8>>,
}

fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = answer.parse(bytes).map_err(|_| Unreadable)? else {
        return Ok(None);
    };
    let value = |name: &str| {
        answer
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    let is =
        |name: &str, what: &[u8]| value(name).is_some_and(|value| value.eq_ignore_ascii_case(what));
    let size = value("content-length")
        .and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let head = Head {
        status: answer.code.unwrap_or_default(),
        size,
        chunked: is("transfer-encoding", b"chunked"),
        last: is("connection", b"close"),
        accept: value("sec-websocket-accept").map(<[u8]>::to_vec),
    };
    Ok(Some((head, length)))
}

/// Bytes of the body, where it is all there.
fn body(head: &Head, bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
    match head.size {
        _ if head.chunked => chunks(bytes),
        Some(size) => Ok((bytes.len() >= size).then_some(size)),
        None if matches!(head.status, 100..200 | 204 | 304) => Ok(Some(0)),
        None => Err(Unreadable),
    }
}

/// Bytes of a chunked body (RFC 9112, section 7.1), where it is all there; trailers are not expected.
fn chunks(bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let httparse::Status::Complete((line, size)) =
            httparse::parse_chunk_size(rest).map_err(|_| Unreadable)?
        else {
            return Ok(None);
        };
        let size = usize::try_from(size).map_err(|_| Unreadable)?;
        let end = size.checked_add(at + line + 2).ok_or(Unreadable)?;
        if bytes.len() < end {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(end));
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nconnection: close\r\n\r\nabcHTTP/1.1";
        let length = text.len() - 8;
        assert_eq!(
            first(text),
            Ok(Some(Answer {
                status: 200,
                length,
                last: true
            }))
        );
        for part in 0..length {
            assert_eq!(first(&text[..part]), Ok(None), "{part}");
        }
        assert_eq!(
            first(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap()
                .unwrap()
                .length,
            27
        );
    }

    #[test]
    fn a_chunked_answer_ends_with_its_last_chunk() {
        let text = b"HTTP/1.1 429 Slow\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nmore";
        let length = text.len() - 4;
        assert_eq!(
            first(text),
            Ok(Some(Answer {
                status: 429,
                length,
                last: false
            }))
        );
        for part in 0..length {
            assert_eq!(first(&text[..part]), Ok(None), "{part}");
        }
        assert_eq!(
            first(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            Err(Unreadable)
        );
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert_eq!(first(b"220 smtp.example\r\n"), Err(Unreadable));
        assert_eq!(
            first(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
            Err(Unreadable)
        );
    }

    #[test]
    fn an_upgrade_counts_with_the_right_answer_to_the_key_alone() {
        let text = b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: right\r\n\r\n\x81\x00";
        let answer = |accept| upgraded(text, accept).unwrap().unwrap();
        assert!(answer("right").agreed && answer("right").length == text.len() - 2);
        assert!(!answer("wrong").agreed);
        assert!(
            !upgraded(b"HTTP/1.1 404 Not Found\r\n\r\n", "right")
                .unwrap()
                .unwrap()
                .agreed
        );
    }
}

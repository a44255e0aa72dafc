//! HTTP/1.1 responses: status and length only.

/// A complete response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    /// Length of head and body in bytes.
    pub(crate) length: usize,
    /// Whether the server closes the connection after it.
    pub(crate) closes: bool,
}

/// The bytes are not HTTP/1.1, or the body has no stated length.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's response is not HTTP/1.1 with a stated length")]
pub(crate) struct InvalidResponse;

/// Parses the response at the start of `bytes`; `None`: it is incomplete.
///
/// # Errors
///
/// [`InvalidResponse`]; the connection cannot be used further.
pub(crate) fn parse_response(bytes: &[u8]) -> Result<Option<HttpResponse>, InvalidResponse> {
    let Some((head, body_offset)) = head(bytes)? else {
        return Ok(None);
    };
    let Some(body) = body_length(&head, bytes.get(body_offset..).unwrap_or_default())? else {
        return Ok(None);
    };
    Ok(Some(HttpResponse {
        status: head.status,
        length: body_offset + body,
        closes: head.closes,
    }))
}

/// Parses the response to a WebSocket upgrade; `None`: its head is incomplete. `accept`: the
/// expected `Sec-WebSocket-Accept`.
///
/// # Errors
///
/// [`InvalidResponse`].
pub(crate) fn parse_upgrade(
    bytes: &[u8],
    accept: &str,
) -> Result<Option<UpgradeResponse>, InvalidResponse> {
    let Some((head, length)) = head(bytes)? else {
        return Ok(None);
    };
    let accepted = head.status == 101 && head.accept.as_deref() == Some(accept.as_bytes());
    Ok(Some(UpgradeResponse {
        accepted,
        status: head.status,
        length,
    }))
}

/// The response to a WebSocket upgrade.
pub(crate) struct UpgradeResponse {
    /// Whether the connection is a WebSocket now.
    pub(crate) accepted: bool,
    pub(crate) status: u16,
    /// Length of the head in bytes.
    pub(crate) length: usize,
}

struct ResponseHead {
    status: u16,
    content_length: Option<usize>,
    chunked: bool,
    closes: bool,
    accept: Option<Vec<u8>>,
}

fn head(bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, InvalidResponse> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes).map_err(|_| InvalidResponse)?
    else {
        return Ok(None);
    };
    let value = |name: &str| {
        response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    let is =
        |name: &str, what: &[u8]| value(name).is_some_and(|value| value.eq_ignore_ascii_case(what));
    let content_length = value("content-length")
        .and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let head = ResponseHead {
        status: response.code.unwrap_or_default(),
        content_length,
        chunked: is("transfer-encoding", b"chunked"),
        closes: is("connection", b"close"),
        accept: value("sec-websocket-accept").map(<[u8]>::to_vec),
    };
    Ok(Some((head, length)))
}

/// The length of the body; `None`: it is incomplete.
fn body_length(head: &ResponseHead, bytes: &[u8]) -> Result<Option<usize>, InvalidResponse> {
    match head.content_length {
        _ if head.chunked => chunked_length(bytes),
        Some(size) => Ok((bytes.len() >= size).then_some(size)),
        None if matches!(head.status, 100..200 | 204 | 304) => Ok(Some(0)),
        None => Err(InvalidResponse),
    }
}

/// The length of a chunked body (RFC 9112, section 7.1) without trailers; `None`: it is incomplete.
fn chunked_length(bytes: &[u8]) -> Result<Option<usize>, InvalidResponse> {
    let mut offset = 0;
    loop {
        let rest = bytes.get(offset..).unwrap_or_default();
        let httparse::Status::Complete((line, size)) =
            httparse::parse_chunk_size(rest).map_err(|_| InvalidResponse)?
        else {
            return Ok(None);
        };
        let size = usize::try_from(size).map_err(|_| InvalidResponse)?;
        let end = size.checked_add(offset + line + 2).ok_or(InvalidResponse)?;
        if bytes.len() < end {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(end));
        }
        offset = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_ends_after_its_content_length() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nconnection: close\r\n\r\nabcHTTP/1.1";
        let length = text.len() - 8;
        assert_eq!(
            parse_response(text),
            Ok(Some(HttpResponse {
                status: 200,
                length,
                closes: true
            }))
        );
        for part in 0..length {
            assert_eq!(parse_response(&text[..part]), Ok(None), "{part}");
        }
        assert_eq!(
            parse_response(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap()
                .unwrap()
                .length,
            27
        );
    }

    #[test]
    fn a_chunked_response_ends_with_its_last_chunk() {
        let text = b"HTTP/1.1 429 Slow\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nmore";
        let length = text.len() - 4;
        assert_eq!(
            parse_response(text),
            Ok(Some(HttpResponse {
                status: 429,
                length,
                closes: false
            }))
        );
        for part in 0..length {
            assert_eq!(parse_response(&text[..part]), Ok(None), "{part}");
        }
        assert_eq!(
            parse_response(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"
            ),
            Err(InvalidResponse)
        );
    }

    #[test]
    fn responses_without_a_length_are_errors() {
        assert_eq!(
            parse_response(b"220 smtp.example\r\n"),
            Err(InvalidResponse)
        );
        assert_eq!(
            parse_response(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
            Err(InvalidResponse)
        );
    }

    #[test]
    fn an_upgrade_needs_the_right_accept_key() {
        let text = b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: right\r\n\r\n\x81\x00";
        let upgrade = |accept| parse_upgrade(text, accept).unwrap().unwrap();
        assert!(upgrade("right").accepted && upgrade("right").length == text.len() - 2);
        assert!(!upgrade("wrong").accepted);
        assert!(
            !parse_upgrade(b"HTTP/1.1 404 Not Found\r\n\r\n", "right")
                .unwrap()
                .unwrap()
                .accepted
        );
    }
}

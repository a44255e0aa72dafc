//! Reading and parsing the first request head of a connection.
//!
//! The head is parsed here (by httparse) although hyper parses it again for ordinary requests: a
//! WebSocket upgrade is routed by it without ever creating a hyper connection, which would cost
//! memory and time at each connect. hyper also has only one `header_read_timeout`, and the limits
//! differ: 10 s for TLS and the first head together, 75 s for an idle HTTP connection.

use std::io;

use bytes::BufMut;
use httparse::{EMPTY_HEADER, Error, Status};
use hyper::{Method, StatusCode, Uri, Version};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::error_response::ErrorResponse;
use super::headers::Headers;

/// The largest request head in bytes.
pub(super) const MAX_HEAD: usize = 16 * 1024;
/// The largest number of headers.
pub(super) const MAX_HEADERS: usize = 100;
/// Most heads fit into this many bytes; the buffer doubles from here.
const INITIAL_BUFFER: usize = 1024;

/// A complete request head.
pub(super) struct RequestHead<'a> {
    pub method: Method,
    pub uri: Uri,
    /// HTTP/1.0 or 1.1.
    pub version: Version,
    pub headers: Headers<'a>,
    /// In bytes, with the empty line.
    pub length: usize,
}

/// Parses the head at the beginning of `bytes`. `Ok(None)`: the head is incomplete.
///
/// # Errors
/// The response to a head that is invalid or too large.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<RequestHead<'_>>, ErrorResponse<'static>> {
    if bytes.first() == Some(&0x16) {
        return Err(ErrorResponse::malformed(
            "TLS request to a plain HTTP listener: use http:// or ws://",
        ));
    }
    let mut slots = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut slots);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(Status::Partial) => {
            return Err(too_large(
                "the request head is larger than 16 KiB: send fewer or shorter headers",
            ));
        }
        Err(Error::TooManyHeaders) => {
            return Err(too_large(
                "the request has more than 100 headers: send fewer",
            ));
        }
        Err(_) => return Err(ErrorResponse::malformed("the request is not HTTP/1.1")),
    };
    let method = request
        .method
        .and_then(|method| method.parse().ok())
        .ok_or(ErrorResponse::malformed("the method is malformed"))?;
    let uri = request
        .path
        .and_then(|path| path.parse().ok())
        .ok_or(ErrorResponse::malformed("the request target is malformed"))?;
    let version = if request.version == Some(0) {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    let headers = Headers::new(
        request
            .headers
            .iter()
            .map(|header| (header.name, header.value)),
    );
    check_framing(version, &headers)?;
    Ok(Some(RequestHead {
        method,
        uri,
        version,
        headers,
        length,
    }))
}

/// Checks that the length of the body is unambiguous (RFC 9112, section 6.3). hyper checks it too,
/// but its error response has no body.
fn check_framing(version: Version, headers: &Headers<'_>) -> Result<(), ErrorResponse<'static>> {
    let mut lengths = headers.all("content-length");
    if let Some(length) = lengths.next() {
        let is_number =
            !length.is_empty() && length.iter().all(u8::is_ascii_digit) && length.len() < 20;
        if !is_number || lengths.any(|other| other != length) {
            return Err(ErrorResponse::malformed(
                "Content-Length must be one number",
            ));
        }
    }
    let Some(coding) = headers.all("transfer-encoding").next_back() else {
        return Ok(());
    };
    let last = coding
        .rsplit(|b| *b == b',')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if version < Version::HTTP_11 || !last.eq_ignore_ascii_case(b"chunked") {
        return Err(ErrorResponse::malformed(
            "Transfer-Encoding must end with chunked, and needs HTTP/1.1",
        ));
    }
    Ok(())
}

fn too_large(message: &'static str) -> ErrorResponse<'static> {
    ErrorResponse::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "HeadTooLarge",
        message,
    )
}

/// Reads until `bytes` holds a complete head, or bytes that cannot become one; [`parse`] decides
/// which. `false`: the client has closed the connection before.
///
/// # Errors
/// The connection failed.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> io::Result<bool> {
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve_exact(bytes.len().max(INITIAL_BUFFER).min(MAX_HEAD - bytes.len()));
        }
        let before = bytes.len();
        if stream
            .read_buf(&mut (&mut *bytes).limit(MAX_HEAD - before))
            .await?
            == 0
        {
            return Ok(false);
        }
        // A head can only become complete at the end of a line, and the first bytes suffice to
        // detect other protocols. A head that arrives byte by byte is not parsed at each byte.
        let worth_parsing =
            before == 0 || bytes.len() == MAX_HEAD || bytes[before..].contains(&b'\n');
        if worth_parsing && !matches!(parse(bytes), Ok(None)) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(bytes: &[u8]) -> Option<u16> {
        parse(bytes).err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_head_is_complete_at_its_empty_line() {
        let bytes = b"GET /key?x=1 HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for end in 1..bytes.len() - 4 {
            assert!(matches!(parse(&bytes[..end]), Ok(None)), "{end}");
        }
        let head = parse(bytes).ok().flatten().unwrap();
        assert_eq!(
            (head.uri.path(), head.uri.query(), head.length),
            ("/key", Some("x=1"), bytes.len() - 4)
        );
        assert_eq!(
            (head.method, head.version, head.headers.first("host")),
            (Method::GET, Version::HTTP_11, Some(&b"a"[..]))
        );
    }

    #[test]
    fn other_protocols_are_rejected_at_once() {
        assert_eq!(status(b"\x16\x03\x01"), Some(400));
        assert_eq!(status(b"\0\0"), Some(400));
        assert_eq!(status(b"GET / HTTP/2.0\r\n"), Some(400));
        assert_eq!(status(b"GET /\x7f\x80 HTTP/1.1\r\n\r\n"), Some(400));
    }

    #[test]
    fn the_length_of_the_body_must_be_unambiguous() {
        let of = |version: &str, headers: &str| {
            status(format!("POST / HTTP/{version}\r\n{headers}\r\n").as_bytes())
        };
        for good in [
            "",
            "content-length: 5\r\n",
            "content-length: 5\r\ncontent-length: 5\r\n",
            "transfer-encoding: gzip, Chunked\r\n",
        ] {
            assert_eq!(of("1.1", good), None, "{good}");
        }
        for bad in [
            "content-length: x\r\n",
            "content-length: -1\r\n",
            "content-length:\r\n",
            "content-length: 99999999999999999999\r\n",
            "content-length: 5\r\ncontent-length: 6\r\n",
            "transfer-encoding: chunked, gzip\r\n",
        ] {
            assert_eq!(of("1.1", bad), Some(400), "{bad}");
        }
        assert_eq!(of("1.0", "transfer-encoding: chunked\r\n"), Some(400));
    }

    #[test]
    fn a_head_is_limited_in_bytes_and_headers() {
        let long = [b"GET / HTTP/1.1\r\na: ".to_vec(), vec![b'x'; MAX_HEAD]].concat();
        assert_eq!(status(&long[..MAX_HEAD - 1]), None);
        assert_eq!(status(&long[..MAX_HEAD]), Some(431));
        let many = |n| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n));
        assert_eq!(status(many(MAX_HEADERS).as_bytes()), None);
        assert_eq!(status(many(MAX_HEADERS + 1).as_bytes()), Some(431));
    }

    #[tokio::test]
    async fn reading_stops_at_a_complete_head_an_invalid_one_the_limit_and_the_end() {
        let read = async |parts: &[&[u8]]| {
            let mut stream = Parts(parts.iter().map(|part| part.to_vec()).collect());
            let mut bytes = Vec::new();
            let found = super::read(&mut stream, &mut bytes).await.unwrap();
            (found, bytes.len())
        };
        assert_eq!(
            read(&[b"GET / HT", b"TP/1.1\r\n", b"\r\n"]).await,
            (true, 18)
        );
        assert_eq!(read(&[b"GET / HTTP/1.1\r\n"]).await, (false, 16));
        assert_eq!(read(&[b"\0"]).await, (true, 1));
        assert_eq!(
            read(&[b"GET / HTTP/1.1\r\na: ", &vec![b'x'; 2 * MAX_HEAD]]).await,
            (true, MAX_HEAD)
        );
    }

    /// Returns its parts one per read, then the end of the stream.
    struct Parts(std::collections::VecDeque<Vec<u8>>);

    impl AsyncRead for Parts {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            if let Some(mut part) = self.0.pop_front() {
                let rest = part.split_off(part.len().min(buf.remaining()));
                buf.put_slice(&part);
                if !rest.is_empty() {
                    self.0.push_front(rest);
                }
            }
            std::task::Poll::Ready(Ok(()))
        }
    }
}

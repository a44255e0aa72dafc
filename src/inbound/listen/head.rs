//! The first request head of a connection.

use std::io;

use bytes::BufMut;
use httparse::{EMPTY_HEADER, Error, Status};
use hyper::{Method, StatusCode, Uri, Version};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::answer::Problem;
use super::headers::Headers;

/// A request head may have this many bytes.
pub const MAX_HEAD: usize = 16 * 1024;
/// … and this many headers.
pub const MAX_HEADERS: usize = 100;
/// Most heads fit into this.
const FIRST_BUFFER: usize = 1024;

/// A whole request head.
pub struct Head<'a> {
    /// The method.
    pub method: Method,
    /// What is asked for.
    pub uri: Uri,
    /// HTTP/1.0 or 1.1.
    pub version: Version,
    /// In the order in which they came.
    pub headers: Headers<'a>,
    /// How many bytes it has.
    pub length: usize,
}

/// Parses the head at the beginning of `bytes`; `Ok(None)`: more is needed.
pub fn parse(bytes: &[u8]) -> Result<Option<Head<'_>>, Problem<'static>> {
    if bytes.first() == Some(&0x16) {
        return Err(Problem::malformed(
            "this is TLS, but the listener speaks plain HTTP: use http:// or ws://",
        ));
    }
    let mut slots = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut slots);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(Status::Partial) => {
            return Err(too_large(
                "the request head has more than 16 KiB: send fewer or shorter headers",
            ));
        }
        Err(Error::TooManyHeaders) => {
            return Err(too_large(
                "the request has more than 100 headers: send fewer",
            ));
        }
        Err(_) => return Err(Problem::malformed("the request is not HTTP/1.1")),
    };
    let method = request
        .method
        .and_then(|method| method.parse().ok())
        .ok_or(Problem::malformed("the method is malformed"))?;
    let uri = request
        .path
        .and_then(|path| path.parse().ok())
        .ok_or(Problem::malformed("the request target is malformed"))?;
    let version = if request.version == Some(0) {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    let headers = Headers::of(
        request
            .headers
            .iter()
            .map(|header| (header.name, header.value)),
    );
    check_framing(version, &headers)?;
    Ok(Some(Head {
        method,
        uri,
        version,
        headers,
        length,
    }))
}

/// Whether it is clear where the body ends (RFC 9112, section 6.3). hyper checks this too, and answers without a word.
fn check_framing(version: Version, headers: &Headers<'_>) -> Result<(), Problem<'static>> {
    let mut lengths = headers.all("content-length");
    if let Some(length) = lengths.next() {
        let number =
            !length.is_empty() && length.iter().all(u8::is_ascii_digit) && length.len() < 20;
        if !number || lengths.any(|other| other != length) {
            return Err(Problem::malformed("Content-Length must be one number"));
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
        return Err(Problem::malformed(
            "Transfer-Encoding must end with chunked, and needs HTTP/1.1",
        ));
    }
    Ok(())
}

fn too_large(message: &'static str) -> Problem<'static> {
    Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "HeadTooLarge",
        message,
    )
}

/// Reads until `bytes` holds a whole head or what cannot be one: [`parse`] says which. `false`: the client has closed.
pub async fn read(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve_exact(bytes.len().max(FIRST_BUFFER).min(MAX_HEAD - bytes.len()));
        }
        let before = bytes.len();
        if stream
            .read_buf(&mut (&mut *bytes).limit(MAX_HEAD - before))
            .await?
            == 0
        {
            return Ok(false);
        }
        // A head can only be whole where a line ends; the first bytes show what is no HTTP at all. So one that comes
        // byte by byte is not parsed at each of them.
        let telling = before == 0 || bytes.len() == MAX_HEAD || bytes[before..].contains(&b'\n');
        if telling && !matches!(parse(bytes), Ok(None)) {
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
    fn a_head_is_whole_at_its_empty_line() {
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
    fn what_is_no_http_is_told_at_once() {
        assert_eq!(status(b"\x16\x03\x01"), Some(400));
        assert_eq!(status(b"\0\0"), Some(400));
        assert_eq!(status(b"GET / HTTP/2.0\r\n"), Some(400));
        assert_eq!(status(b"GET /\x7f\x80 HTTP/1.1\r\n\r\n"), Some(400));
    }

    #[test]
    fn it_must_be_clear_where_the_body_ends() {
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
    fn a_head_has_bounds() {
        let long = [b"GET / HTTP/1.1\r\na: ".to_vec(), vec![b'x'; MAX_HEAD]].concat();
        assert_eq!(status(&long[..MAX_HEAD - 1]), None);
        assert_eq!(status(&long[..MAX_HEAD]), Some(431));
        let many = |n| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n));
        assert_eq!(status(many(MAX_HEADERS).as_bytes()), None);
        assert_eq!(status(many(MAX_HEADERS + 1).as_bytes()), Some(431));
    }

    #[tokio::test]
    async fn reading_stops_at_a_head_at_what_is_none_at_the_limit_and_at_the_end() {
        let read = async |parts: &[&[u8]]| {
            let mut stream = Parts(parts.iter().map(|part| part.to_vec()).collect());
            let mut bytes = Vec::new();
            let whole = super::read(&mut stream, &mut bytes).await.unwrap();
            (whole, bytes.len())
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

    /// Gives its parts one by one, then the end.
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

//! Content that is the same for every client: with a validator, and compressed once for those that accept gzip.
//!
//! Only such content is compressed. An answer that has a secret beside text that a client chose would show the secret by its
//! compressed size (BREACH).

mod template;

use std::io::Write;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

pub(super) use template::TemplateContent;

use super::list::shared_body;

/// The bytes from which content is compressed: less fits into one packet anyway.
const LEAST: usize = 1_000;

/// Content that is the same for every client, in at most two encodings.
pub(super) struct StaticContent {
    content_type: &'static str,
    body: Bytes,
    /// Derived from the content, so that all nodes of a version agree; without quotes.
    tag: String,
    /// Compressed when the first client accepts it; `None`: that would not make it smaller.
    gzip: OnceCell<Option<Bytes>>,
}

/// One encoding of the content.
struct Representation {
    body: Bytes,
    tag: String,
    is_gzip: bool,
}

impl StaticContent {
    pub(super) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let hash = Sha256::digest(&body);
        Self {
            content_type,
            tag: HEXLOWER.encode(&hash[..12]),
            body,
            gzip: OnceCell::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Answers `GET` and, without the body, every other method.
    pub(super) async fn answer(&self, request: &Request) -> Response {
        let chosen = self.chosen(request.headers()).await;
        respond(request, self.content_type, chosen, self.body.len() >= LEAST)
    }

    async fn chosen(&self, headers: &HeaderMap) -> Representation {
        if self.body.len() >= LEAST
            && prefers_gzip(headers)
            && let Some(body) = self.compressed().await
        {
            return Representation {
                body,
                tag: format!("\"{}-gzip\"", self.tag),
                is_gzip: true,
            };
        }
        Representation {
            body: self.body.clone(),
            tag: format!("\"{}\"", self.tag),
            is_gzip: false,
        }
    }

    /// Compresses in a thread for it: the largest content takes some ten milliseconds.
    async fn compressed(&self) -> Option<Bytes> {
        let compress = || async {
            let body = self.body.clone();
            tokio::task::spawn_blocking(move || gzip(&body)).await
        };
        // It fails only where the runtime stops.
        let compressed = self.gzip.get_or_try_init(compress).await;
        compressed.ok().cloned().flatten()
    }
}

/// Answers `GET` and, without the body, every other method. `varies`: whether there is another encoding.
fn respond(
    request: &Request,
    content_type: &str,
    chosen: Representation,
    varies: bool,
) -> Response {
    let mut response = if is_known(request.headers(), &chosen.tag) {
        Response::builder()
            .status(StatusCode::NOT_MODIFIED)
            .finish()
    } else {
        let mut response = Response::builder()
            .content_type(content_type)
            .header(header::CONTENT_LENGTH, chosen.body.len())
            .finish();
        if chosen.is_gzip {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if *request.method() == Method::GET {
            response.set_body(shared_body(chosen.body));
        }
        response
    };
    let headers = response.headers_mut();
    // Cached but revalidated on every use, so that a new server version takes effect at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.extend(
        HeaderValue::try_from(chosen.tag)
            .ok()
            .map(|tag| (header::ETAG, tag)),
    );
    if varies {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

fn gzip(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < body.len()).then(|| compressed.into())
}

/// Whether the client has the representation of this tag (RFC 9110, section 13.1.2: compared weakly).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    items(headers, header::IF_NONE_MATCH)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// Whether gzip is accepted, and no less wanted than no encoding (RFC 9110, section 12.5.3).
fn prefers_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut others) = (None, None, None);
    for coding in items(headers, header::ACCEPT_ENCODING) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(weight).unwrap_or(1_000);
        match name.as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "identity" => identity = Some(weight),
            "*" => others = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(others).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// The weight that a parameter states, in thousandths; 0 where it is not valid. `None`: it is no weight.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value: f32 = value.trim().parse().unwrap_or(0.0);
    let valid = (0.0..=1.0).contains(&value);
    // At most 1,000, by the range.
    Some(if valid { (value * 1_000.0) as u16 } else { 0 })
}

/// The items of a header that is a list, over all of its lines.
fn items(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(encodings: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, encodings.parse().unwrap());
        headers
    }

    #[test]
    fn gzip_is_sent_to_those_that_accept_it() {
        for encodings in [
            "gzip",
            "GZIP",
            "x-gzip",
            "gzip, deflate, br, zstd",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "*",
            "identity;q=0, *",
            "identity;q=0.5, gzip;q=0.5",
            "gzip ; q = 0.001",
            "identity;q=0, gzip",
        ] {
            assert!(prefers_gzip(&accepting(encodings)), "{encodings}");
        }
        for encodings in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "gzip;Q=0",
            "*;q=0",
            "identity;q=0",
            "identity, gzip;q=0.5",
            "gzip;q=x",
            "gzip;q=-1",
            "gzip;q=2",
            "gzipped",
        ] {
            assert!(!prefers_gzip(&accepting(encodings)), "{encodings}");
        }
        assert!(!prefers_gzip(&HeaderMap::new()));
    }

    async fn ask(content: &StaticContent, method: Method, with: &[(&str, &str)]) -> Response {
        let request = Request::builder().method(method);
        let request = with.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        content.answer(&request.finish()).await
    }

    #[tokio::test]
    async fn each_encoding_has_a_tag_of_its_own() {
        let content = StaticContent::new("text/plain", "long ".repeat(1_000));
        let plain = ask(&content, Method::GET, &[]).await;
        let small = ask(&content, Method::GET, &[("accept-encoding", "gzip")]).await;
        assert_eq!(small.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        let tag = |response: &Response| {
            response.headers()[header::ETAG]
                .to_str()
                .unwrap()
                .to_owned()
        };
        let (plain_tag, small_tag) = (tag(&plain), tag(&small));
        assert_ne!(plain_tag, small_tag);
        for (encodings, tags, status) in [
            ("", plain_tag.clone(), StatusCode::NOT_MODIFIED),
            ("", format!("W/{plain_tag}"), StatusCode::NOT_MODIFIED),
            (
                "",
                format!("\"other\", {plain_tag}"),
                StatusCode::NOT_MODIFIED,
            ),
            ("", "*".to_owned(), StatusCode::NOT_MODIFIED),
            ("", small_tag.clone(), StatusCode::OK),
            ("", "\"other\"".to_owned(), StatusCode::OK),
            ("gzip", small_tag.clone(), StatusCode::NOT_MODIFIED),
            ("gzip", plain_tag.clone(), StatusCode::OK),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let with = [("accept-encoding", encodings), ("if-none-match", &tags)];
                let response = ask(&content, method, &with).await;
                assert_eq!(response.status(), status, "{encodings} {tags}");
                assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
                let expected = if encodings.is_empty() {
                    &plain_tag
                } else {
                    &small_tag
                };
                assert_eq!(&tag(&response), expected);
            }
        }
    }

    #[tokio::test]
    async fn head_is_as_get_without_the_body() {
        let content = StaticContent::new("text/plain", "long ".repeat(1_000));
        for encodings in ["gzip", "identity"] {
            let with = [("accept-encoding", encodings)];
            let get = ask(&content, Method::GET, &with).await;
            let head = ask(&content, Method::HEAD, &with).await;
            assert_eq!(get.headers(), head.headers());
            let body = get.into_body().into_vec().await.unwrap();
            assert_eq!(
                head.headers()[header::CONTENT_LENGTH],
                body.len().to_string()
            );
            assert!(head.into_body().is_empty());
        }
    }

    #[tokio::test]
    async fn what_is_short_or_grows_is_sent_as_it_is() {
        let noise: Vec<u8> = (0..200u64)
            .flat_map(|n| Sha256::digest(n.to_le_bytes()).to_vec())
            .collect();
        for content in [
            StaticContent::new("text/plain", "short"),
            StaticContent::new("image/png", noise),
        ] {
            let response = ask(&content, Method::GET, &[("accept-encoding", "gzip")]).await;
            assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        }
    }
}

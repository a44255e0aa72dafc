//! A file that is served from inside the binary.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};
use sha2::{Digest, Sha256};

use super::super::list::shared_body;
use super::super::problem::Problem;

/// A file that is served from inside the binary.
pub(super) struct File {
    /// Its path on the server.
    pub path: &'static str,
    content_type: &'static str,
    body: Bytes,
    /// Derived from the content, so that all nodes of a version agree.
    tag: String,
}

impl File {
    pub(super) fn new(path: &'static str, content_type: &'static str, body: String) -> Self {
        let hash = Sha256::digest(body.as_bytes());
        Self {
            path,
            content_type,
            body: body.into(),
            tag: format!("\"{}\"", HEXLOWER.encode(&hash[..12])),
        }
    }

    pub(super) fn answer(&self, request: &Request) -> Response {
        let mut response = match *request.method() {
            Method::GET if self.is_known(request) => Response::builder()
                .status(StatusCode::NOT_MODIFIED)
                .finish(),
            Method::HEAD if self.is_known(request) => Response::builder()
                .status(StatusCode::NOT_MODIFIED)
                .finish(),
            Method::GET => Response::builder()
                .content_type(self.content_type)
                .header(header::CONTENT_LENGTH, self.body.len())
                .body(shared_body(self.body.clone())),
            Method::HEAD => Response::builder().content_type(self.content_type).finish(),
            Method::OPTIONS => {
                return Response::builder()
                    .status(StatusCode::NO_CONTENT)
                    .header(header::ALLOW, super::METHODS)
                    .finish();
            }
            _ => {
                return Problem::from_framework(poem::error::MethodNotAllowedError.into())
                    .allowing(super::METHODS)
                    .into_answer();
            }
        };
        let headers = response.headers_mut();
        // Cached but revalidated on every use, so that a new server version takes effect at once.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.extend(
            HeaderValue::try_from(&self.tag)
                .ok()
                .map(|tag| (header::ETAG, tag)),
        );
        response
    }

    /// Whether the client has it (RFC 9110, section 13.1.2: compared weakly).
    fn is_known(&self, request: &Request) -> bool {
        let named = request
            .headers()
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok());
        named
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, tags: &str) -> Response {
        let request = Request::builder()
            .method(method)
            .header(header::IF_NONE_MATCH, tags)
            .finish();
        File::new("/a", "text/plain", "text".to_owned()).answer(&request)
    }

    #[test]
    fn who_has_it_is_told_so() {
        let tag = ask(Method::GET, "\"other\"").headers()[header::ETAG]
            .to_str()
            .unwrap_or_default()
            .to_owned();
        for tags in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"other\", {tag}"),
            "*".to_owned(),
        ] {
            let response = ask(Method::GET, &tags);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tags}");
            assert_eq!(response.headers()[header::ETAG], tag);
            assert_eq!(ask(Method::HEAD, &tags).status(), StatusCode::NOT_MODIFIED);
        }
        assert_eq!(ask(Method::GET, "\"other\"").status(), StatusCode::OK);
    }

    #[test]
    fn it_is_only_read() {
        assert_eq!(
            ask(Method::POST, "").status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
        assert_eq!(
            ask(Method::OPTIONS, "").headers()[header::ALLOW],
            super::super::METHODS
        );
    }
}

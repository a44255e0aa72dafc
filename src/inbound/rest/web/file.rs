//! A file that is served from inside the binary.

use poem::http::{Method, StatusCode, header};
use poem::{Request, Response};

use super::super::problem::Problem;
use super::super::static_content::StaticContent;

/// A file that is served from inside the binary.
pub(super) struct File {
    /// Its path on the server.
    pub path: &'static str,
    content: StaticContent,
}

impl File {
    pub(super) fn new(path: &'static str, content_type: &'static str, body: String) -> Self {
        Self {
            path,
            content: StaticContent::new(content_type, body),
        }
    }

    pub(super) async fn answer(&self, request: &Request) -> Response {
        match *request.method() {
            Method::GET | Method::HEAD => self.content.answer(request).await,
            Method::OPTIONS => Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header(header::ALLOW, super::METHODS)
                .finish(),
            _ => Problem::from_framework(poem::error::MethodNotAllowedError.into())
                .allowing(super::METHODS)
                .into_answer(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(method: Method) -> Response {
        let request = Request::builder().method(method).finish();
        let file = File::new("/a", "text/plain", "text".to_owned());
        file.answer(&request).await
    }

    #[tokio::test]
    async fn it_is_only_read() {
        let posted = ask(Method::POST).await;
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        let options = ask(Method::OPTIONS).await;
        assert_eq!(options.headers()[header::ALLOW], super::super::METHODS);
    }
}

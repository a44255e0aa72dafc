//! The page to which the links in e-mails point (RFC 8058): `GET` shows it, so that scanners of links end nothing, and `POST`, by
//! its button or by a mail program, ends the registration.

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

use super::RestContext;
use super::content_policy::{Element, hashes, protect};
use super::problem::Problem;
use crate::core::model::ChannelName;
use crate::core::service::UnsubscribeError;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");

/// Where [`PAGE`] has its text.
const CONTENT: &str = "<!-- content -->";

/// Requests below this path.
const PREFIX: &str = "/unsubscribe/";

pub(super) struct UnsubscribePage {
    page: &'static str,
    policy: Option<HeaderValue>,
}

impl UnsubscribePage {
    pub(super) fn new() -> Self {
        let page = include_str!("page.html");
        let policy = format!(
            "default-src 'none'; style-src{}; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            hashes(page, Element::Style)
        );
        Self {
            page,
            policy: HeaderValue::try_from(policy).ok(),
        }
    }

    /// The answer; `None`: the path is another.
    pub(super) async fn answer(&self, rest: &RestContext, request: &Request) -> Option<Response> {
        let token = request.uri().path().strip_prefix(PREFIX)?;
        let found = match *request.method() {
            Method::GET | Method::HEAD => {
                let channels = rest.service.mail_registrations(token).await;
                channels.map(|channels| match channels.is_empty() {
                    false => question(&channels),
                    true => ENDED.to_owned(),
                })
            }
            Method::POST => {
                let ended = rest.service.unsubscribe_mail(token).await;
                ended.map(|()| ENDED.to_owned())
            }
            Method::OPTIONS => {
                let response = Response::builder().status(StatusCode::NO_CONTENT);
                return Some(response.header(header::ALLOW, METHODS).finish());
            }
            _ => {
                let problem = Problem::from_framework(poem::error::MethodNotAllowedError.into());
                return Some(problem.allowing(METHODS).into_answer());
            }
        };
        let mut response = match found {
            Ok(content) => self.page(StatusCode::OK, &content),
            Err(UnsubscribeError::Invalid) => self.page(StatusCode::NOT_FOUND, INVALID),
            Err(error) => Problem::from(error).into_answer(),
        };
        if *request.method() == Method::HEAD {
            response.set_body(());
        }
        Some(response)
    }

    fn page(&self, status: StatusCode, content: &str) -> Response {
        let mut response = Response::builder()
            .status(status)
            .content_type("text/html; charset=utf-8")
            .header("x-robots-tag", "noindex")
            .body(self.page.replace(CONTENT, content));
        protect(response.headers_mut(), self.policy.as_ref());
        response
    }
}

const ENDED: &str = "<p>You are unsubscribed. Mails that were on their way may still arrive.</p>";

const INVALID: &str =
    "<p>This link is not valid, or not any more. Please use the link of the newest mail.</p>";

/// The channels that the page names at most.
const NAMED: usize = 20;

fn question(channels: &[ChannelName]) -> String {
    let named = channels.iter().take(NAMED);
    let named = named.map(|channel| format!("<b>{}</b>", escaped(channel.as_str())));
    let mut named = named.collect::<Vec<_>>().join(", ");
    if channels.len() > NAMED {
        named.push_str(", …");
    }
    format!(
        "<p>Do you want no more e-mails about {named}?</p>\n    <form method=\"post\"><button>Unsubscribe</button></form>"
    )
}

/// Text in HTML.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_channels_are_text() {
        assert_eq!(
            escaped("<b a=\"1\">&'é"),
            "&lt;b a=&quot;1&quot;&gt;&amp;'é"
        );
        assert!(UnsubscribePage::new().page.contains(CONTENT));
    }
}

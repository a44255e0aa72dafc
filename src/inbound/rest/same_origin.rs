//! Whether a page of this server sent a request: only then does the session cookie count.

use poem::Request;
use poem::http::{Method, header};

use super::problem::Problem;
use crate::inbound::listen::{ClientInfo, ForwardedHosts};

/// The sender of a request, as the browser states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// A page of this server.
    OwnPage,
    /// A page of another origin.
    OtherPage,
    /// Not known: a program, the address bar, or a browser that states nothing with this method.
    Unknown,
}

/// Refuses a request that shows the session only by its cookie, which browsers send along with requests of any page. A request
/// that changes something must state that it comes from a page of this server.
pub(super) fn check_cookie(request: &Request) -> Result<(), Problem> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match sender(request) {
        Sender::OwnPage => Ok(()),
        Sender::Unknown if reads => Ok(()),
        Sender::Unknown => Err(Problem::forbidden(
            "the session cookie changes something only for requests of a page of this server (Origin or Sec-Fetch-Site): send the token as sid in the query, or as Authorization: Bearer",
        )),
        Sender::OtherPage => Err(Problem::forbidden(
            "the session cookie does not count for requests of other origins: send the token as sid in the query, or as Authorization: Bearer",
        )),
    }
}

/// Refuses a request of a page of another origin.
pub(super) fn refuse_other_pages(request: &Request) -> Result<(), Problem> {
    match sender(request) {
        Sender::OtherPage => Err(Problem::forbidden(
            "a page of another origin must not use the console",
        )),
        Sender::OwnPage | Sender::Unknown => Ok(()),
    }
}

fn sender(request: &Request) -> Sender {
    // No page can set this header, and no proxy changes what it compares.
    match request.headers().get("sec-fetch-site") {
        Some(site) if site == "same-origin" => return Sender::OwnPage,
        Some(site) if site == "none" => return Sender::Unknown,
        Some(_) => return Sender::OtherPage,
        None => {}
    }
    let mut origins = request.headers().get_all(header::ORIGIN).into_iter();
    match (origins.next(), origins.next()) {
        (None, _) => Sender::Unknown,
        (Some(origin), None) if origin.to_str().is_ok_and(|origin| is_own(origin, request)) => {
            Sender::OwnPage
        }
        _ => Sender::OtherPage,
    }
}

/// Whether an `Origin` is that of this server: of the request's host, or of one that a trusted proxy forwards.
fn is_own(origin: &str, request: &Request) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "https" => ":443",
        // A plain page does not act on a server that is reached by TLS.
        "http" if !is_secure(request) => ":80",
        _ => return false,
    };
    let bare = |authority: &str| {
        let authority = authority.trim().to_ascii_lowercase();
        match authority.strip_suffix(default_port) {
            Some(bare) => bare.to_owned(),
            None => authority,
        }
    };
    let own = bare(authority);
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(|host| host.as_str()));
    let forwarded = request.extensions().get::<ForwardedHosts>();
    let forwarded = forwarded.into_iter().flat_map(|hosts| &hosts.0);
    !own.is_empty()
        && host
            .into_iter()
            .chain(forwarded.map(String::as_str))
            .any(|host| bare(host) == own)
}

fn is_secure(request: &Request) -> bool {
    let client = request.extensions().get::<ClientInfo>();
    client.is_some_and(|client| client.secure)
}

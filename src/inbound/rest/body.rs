//! Request bodies: read within the limit, checked for their media type, and parsed into members.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::marker::PhantomData;
use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt;
use poem::http::{HeaderMap, header};
use poem::web::Multipart;
use poem::{Body, FromRequest, Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Map, Value};

use super::answer::JSON;
use super::problem::Problem;
use super::{RestContext, form};
use crate::core::ports::HttpRefusal;

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// The largest number of characters of a header's value in an error message.
const MAX_SHOWN: usize = 32;

/// The members of a JSON object.
pub(super) type BodyMembers = Map<String, Value>;

/// A JSON body of the schema `T`, unread: the text as it was sent.
pub(super) struct JsonText<T> {
    /// The members, in their order.
    pub text: Bytes,
    of: PhantomData<fn() -> T>,
}

/// Few named values, in the query, in a JSON body or in a form; a body is optional, and its values count more.
pub(super) struct Fields<T> {
    members: BodyMembers,
    of: PhantomData<fn() -> T>,
}

/// The media type of a body.
#[derive(PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Multipart,
    Other,
}

/// Names and values of a query or a form, in order.
pub(super) type Pairs = Vec<(String, String)>;

/// The values of a request: those of its query, and those of its body.
pub(super) struct GivenValues {
    /// The query.
    pub query: Pairs,
    /// The body.
    pub body: GivenBody,
}

/// A body that is optional.
pub(super) enum GivenBody {
    /// There is none, or it is empty.
    Empty,
    /// A JSON object.
    Json(BodyMembers),
    /// A form, of either encoding.
    Form(Pairs),
}

impl GivenValues {
    /// Reads both.
    pub(super) async fn of(request: &Request, body: &mut RequestBody) -> Result<Self, Problem> {
        let query = collect(request.uri().query().unwrap_or_default())?;
        let text = read(request, body).await?;
        let body = match kind(request) {
            _ if text.is_empty() => GivenBody::Empty,
            Some(Kind::Other) => {
                return Err(Problem::unsupported_type(format!(
                    "the body must be JSON or a form: send Content-Type: {JSON}, {FORM} or {MULTIPART}"
                )));
            }
            Some(Kind::Form) => {
                let text = std::str::from_utf8(&text)
                    .map_err(|_| Problem::bad_request("the form is not UTF-8"))?;
                GivenBody::Form(collect(text)?)
            }
            Some(Kind::Multipart) => GivenBody::Form(parts(request, text).await?),
            Some(Kind::Json) => GivenBody::Json(object(&text)?),
            None => GivenBody::Json(object(&text).map_err(|_| {
                Problem::bad_request(format!(
                    "the body has no Content-Type and is not a JSON object: send Content-Type: {FORM} with a form, or {JSON} with JSON"
                ))
            })?),
        };
        Ok(Self { query, body })
    }
}

fn collect(text: &str) -> Result<Pairs, Problem> {
    let owned = |pair: Result<(Cow<'_, str>, Cow<'_, str>), Problem>| {
        pair.map(|(name, value)| (name.into_owned(), value.into_owned()))
    };
    form::pairs(text).map(owned).collect()
}

/// The fields of a `multipart/form-data` body that was read already; a file counts as its text.
async fn parts(request: &Request, text: Bytes) -> Result<Pairs, Problem> {
    let refused = |error: &dyn std::fmt::Display| {
        Problem::bad_request(format!("the form cannot be read: {error}"))
    };
    let mut body = RequestBody::new(Body::from_bytes(text));
    let parts = <Multipart as FromRequest>::from_request(request, &mut body).await;
    let mut parts = parts.map_err(|error| refused(&error))?;
    let mut pairs = Pairs::new();
    while let Some(part) = parts.next_field().await.map_err(|error| refused(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        let value = part.text().await.map_err(|error| refused(&error))?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

impl<T> Fields<T> {
    /// The value of a member: a non-empty string; `None`: it is missing or null.
    pub(super) fn optional(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.members.get(name) {
            Some(Value::Null) | None => Ok(None),
            Some(_) => self.required(name, false).map(Some),
        }
    }

    /// The value of a member: a non-empty string (with `number`, a whole number counts as its decimal text).
    pub(super) fn required(&self, name: &str, number: bool) -> Result<String, Problem> {
        match self.members.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::Number(value)) if number && value.is_i64() => Ok(value.to_string()),
            Some(Value::Null) | None => Err(Problem::bad_request(format!(
                "{name} is missing: send it in the query or the body"
            ))),
            Some(_) if number => Err(Problem::bad_request(format!(
                "{name} must be a non-empty string or an integer"
            ))),
            Some(_) => Err(Problem::bad_request(format!(
                "{name} must be a non-empty string"
            ))),
        }
    }
}

/// The members of the JSON object that a body must be.
pub(super) fn object(text: &[u8]) -> Result<BodyMembers, Problem> {
    match parse(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(Problem::bad_request("the body must be a JSON object")),
    }
}

fn parse(text: &[u8]) -> Result<Value, Problem> {
    if text.is_empty() {
        return Err(Problem::bad_request(
            "the body is empty: send a JSON object",
        ));
    }
    serde_json::from_slice(text)
        .map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))
}

/// The request's `Content-Type`; `None` without one.
fn kind(request: &Request) -> Option<Kind> {
    let value = request
        .headers()
        .get(header::CONTENT_TYPE)?
        .to_str()
        .unwrap_or("?");
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let json =
        essence == JSON || (essence.starts_with("application/") && essence.ends_with("+json"));
    Some(if json {
        Kind::Json
    } else if essence == FORM {
        Kind::Form
    } else if essence == MULTIPART {
        Kind::Multipart
    } else {
        Kind::Other
    })
}

/// Refuses a body with a media type other than JSON.
pub(super) fn check_json(request: &Request) -> Result<(), Problem> {
    if kind(request).is_some_and(|kind| kind != Kind::Json) {
        return Err(Problem::unsupported_type(
            "the body must be JSON: send Content-Type: application/json",
        ));
    }
    Ok(())
}

/// Refuses a compressed body.
fn check_coding(request: &Request) -> Result<(), Problem> {
    let codings = request
        .headers()
        .get_all(header::CONTENT_ENCODING)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    for coding in codings {
        if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
            continue;
        }
        let named: String = String::from_utf8_lossy(coding)
            .chars()
            .take(MAX_SHOWN)
            .collect();
        return Err(Problem::unsupported_type(format!(
            "the body has the content coding {named}, which is not supported: send it without Content-Encoding"
        )));
    }
    Ok(())
}

/// The whole body, at most as many bytes as [`RestContext::body_limit`] allows. Its memory is at most twice its bytes: pieces
/// are copied, for each of them keeps a read buffer of the connection.
pub(super) async fn read(request: &Request, body: &mut RequestBody) -> Result<Bytes, Problem> {
    check_coding(request)?;
    let rest = RestContext::of(request)?;
    let limit = rest.body_limit(request.uri().path());
    let refused = |problem, reason| {
        rest.service.hub().metrics().http_refused(reason);
        Err(problem)
    };
    let body = body
        .take()
        .map_err(|error| Problem::internal(error.to_string()))?;
    let declared = declared_length(request.headers());
    let mut pieces = pin!(body.into_bytes_stream());
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                return refused(Problem::body_timeout(), HttpRefusal::BodyTimeout);
            }
            Err(error) => {
                let message = format!("the body could not be read: {error}");
                return Err(Problem::bad_request(message));
            }
        };
        let length = text.len().saturating_add(piece.len());
        if u64::try_from(length).unwrap_or(u64::MAX) > limit {
            return refused(
                Problem::too_large(limit, rest.service.rules().limits.body_bytes),
                HttpRefusal::BodyBytes,
            );
        }
        grow(&mut text, length, declared);
        text.extend_from_slice(&piece);
    }
    Ok(text.into())
}

/// Makes room for `length` bytes: at most twice as many, and no more than were declared.
fn grow(text: &mut Vec<u8>, length: usize, declared: Option<u64>) {
    if text.capacity() < length {
        let declared = declared.map_or(usize::MAX, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        });
        let room = text.capacity().saturating_mul(2).min(declared).max(length);
        text.reserve_exact(room - text.len());
    }
}

/// The value of `Content-Length`.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Whether a body follows that is not empty, or may not be.
pub(super) fn has_body(request: &Request) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || declared_length(headers).is_some_and(|length| length > 0)
}

impl<'a, T: Type> ApiExtractor<'a> for JsonText<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType {
            content_type: JSON,
            schema: T::schema_ref(),
        }];
        Some(MetaRequest {
            description: None,
            content,
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        check_json(request)?;
        Ok(Self {
            text: read(request, body).await?,
            of: PhantomData,
        })
    }
}

impl<'a, T: Type> ApiExtractor<'a> for Fields<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        // Forms are accepted as well: generators make two types of a body with two media types.
        let content = vec![MetaMediaType {
            content_type: JSON,
            schema: T::schema_ref(),
        }];
        Some(MetaRequest {
            description: None,
            content,
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let GivenValues { query, body } = GivenValues::of(request, body).await?;
        let text = |(name, value)| (name, Value::String(value));
        let mut members: BodyMembers = query.into_iter().map(text).collect();
        match body {
            GivenBody::Empty => {}
            GivenBody::Json(given) => members.extend(given),
            GivenBody::Form(pairs) => members.extend(pairs.into_iter().map(text)),
        }
        Ok(Self {
            members,
            of: PhantomData,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_at_most_twice_its_bytes() {
        for declared in [None, Some(100_000)] {
            let mut text = Vec::new();
            for length in 1..=100_000 {
                grow(&mut text, length, declared);
                text.push(0);
                assert!(text.capacity() <= 2 * length, "{length}");
            }
            assert!(declared.is_none() || text.capacity() == 100_000);
        }
    }
}

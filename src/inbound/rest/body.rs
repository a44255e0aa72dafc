//! Request bodies: read within the limit, checked for their media type, and parsed into members.

use std::marker::PhantomData;

use bytes::Bytes;
use poem::http::header;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Map, Value};

use super::answer::JSON;
use super::problem::Problem;
use super::{RestContext, form};

const FORM: &str = "application/x-www-form-urlencoded";

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
    Other,
}

impl<T> JsonText<T> {
    /// The members of the object that the body must be.
    pub(super) fn members(&self) -> Result<BodyMembers, Problem> {
        object(&self.text)
    }
}

impl<T> Fields<T> {
    /// The fields of an object that was read already.
    pub(super) fn of(members: BodyMembers) -> Self {
        Self {
            members,
            of: PhantomData,
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

/// The whole body, at most as many bytes as configured (0: any number).
pub(super) async fn read(request: &Request, body: &mut RequestBody) -> Result<Bytes, Problem> {
    let limit = RestContext::of(request)?.service.rules().limits.body_bytes;
    let body = body
        .take()
        .map_err(|error| Problem::internal(error.to_string()))?;
    // The edge has checked a given length, and the HTTP connection enforces it.
    if limit == 0 || request.headers().contains_key(header::CONTENT_LENGTH) {
        return body
            .into_bytes()
            .await
            .map_err(|error| Problem::bad_request(format!("the body could not be read: {error}")));
    }
    match body
        .into_bytes_limit(usize::try_from(limit).unwrap_or(usize::MAX))
        .await
    {
        Ok(bytes) => Ok(bytes),
        Err(poem::error::ReadBodyError::PayloadTooLarge) => Err(Problem::too_large(limit)),
        Err(error) => Err(Problem::bad_request(format!(
            "the body could not be read: {error}"
        ))),
    }
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
        let media = |content_type| MetaMediaType {
            content_type,
            schema: T::schema_ref(),
        };
        Some(MetaRequest {
            description: None,
            content: vec![media(JSON), media(FORM)],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let mut members = BodyMembers::new();
        add_pairs(&mut members, request.uri().query().unwrap_or_default())?;
        let text = read(request, body).await?;
        match kind(request) {
            _ if text.is_empty() => {}
            Some(Kind::Other) => {
                return Err(Problem::unsupported_type(format!(
                    "the body must be JSON or a form: send Content-Type: {JSON} or {FORM}"
                ))
                .into());
            }
            Some(Kind::Form) => {
                let text = std::str::from_utf8(&text)
                    .map_err(|_| Problem::bad_request("the form is not UTF-8"))?;
                add_pairs(&mut members, text)?;
            }
            Some(Kind::Json) | None => match parse(&text)? {
                Value::Object(given) => members.extend(given),
                _ => return Err(Problem::bad_request("the body must be a JSON object").into()),
            },
        }
        Ok(Self::of(members))
    }
}

fn add_pairs(members: &mut BodyMembers, text: &str) -> Result<(), Problem> {
    for pair in form::pairs(text) {
        let (name, value) = pair?;
        members.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    Ok(())
}

//! The members of an app that is created or changed: JSON, a form or the query, as in the original.

use std::marker::PhantomData;

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;

use super::answer::JSON;
use super::app_dto::CREDENTIALS;
use super::body::{BodyMembers, GivenBody, GivenValues, Pairs};
use super::problem::Problem;
use super::settings::{RESET, Setting};
use super::tokens::SID;

/// Members of the schema `T`. The values of a body count more than those of the query.
pub(super) struct AppMembers<T> {
    /// With values of the types that JSON would have.
    pub members: BodyMembers,
    of: PhantomData<fn() -> T>,
}

impl<T> AppMembers<T> {
    async fn of(request: &Request, body: &mut RequestBody) -> Result<Self, Problem> {
        let GivenValues { mut query, body } = GivenValues::of(request, body).await?;
        query.retain(|(name, _)| name != SID);
        if !matches!(body, GivenBody::Empty) {
            // Beside a body, a query may have members that are meant for others.
            query.retain(|(name, _)| is_member(name));
        } else if query.is_empty() {
            return Err(Problem::bad_request(
                "the body is empty: send a JSON object, a form, or the members in the query",
            ));
        }
        let mut members = of_text(query);
        match body {
            GivenBody::Empty => {}
            GivenBody::Json(given) => members.extend(given),
            GivenBody::Form(pairs) => members.extend(of_text(pairs)),
        }
        Ok(Self {
            members,
            of: PhantomData,
        })
    }
}

fn is_member(name: &str) -> bool {
    name == RESET || CREDENTIALS.contains(&name) || Setting::find(name).is_some()
}

/// Members whose values are texts. A list may be given item by item.
fn of_text(pairs: Pairs) -> BodyMembers {
    let mut members = BodyMembers::new();
    for (name, text) in pairs {
        let value = match Setting::find(&name) {
            Some(setting) => setting.value_of_text(&text),
            // A form sends fields that were left empty.
            None if name == RESET => text.split(',').map(str::trim).collect(),
            None if text.is_empty() && CREDENTIALS.contains(&name.as_str()) => Value::Null,
            None => text.into(),
        };
        match (members.get_mut(&name), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (_, value) => drop(members.insert(name, value)),
        }
    }
    members
}

impl<'a, T: Type> ApiExtractor<'a> for AppMembers<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    /// Forms are not listed: their values are texts, which the schema does not describe.
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
        Ok(Self::of(request, body).await?)
    }
}

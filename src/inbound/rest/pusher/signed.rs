//! The app that signed a request.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSecurityScheme, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::super::answer::JSON;
use super::super::body::{BodyMembers, check_json, has_body, object, read};
use super::super::problem::Problem;
use super::super::tokens::client_network;
use super::super::{RestContext, form};
use crate::core::auth::{RequestError, SignedRequest};
use crate::core::model::{App, AppIdent};
use crate::core::service::SignedError;

/// The security scheme's name in the document.
pub(crate) const SCHEME: &str = "pusherSignature";

const ABOUT: &str = "A request is signed with the app's secret, in its query: `auth_key` (the app's key), `auth_timestamp` (seconds \
    since 1970, within 600 s of the server's time), `auth_version` (`1.0`), `body_md5` (the lower-case hex of the MD5 of the body, \
    where there is one) and `auth_signature`: the lower-case hex of HMAC-SHA256, keyed with the secret, over \
    `METHOD\\nPATH\\nQUERY`, where QUERY is every other parameter as `name=value`, names in lower case and sorted, values not \
    escaped, joined by `&`. The official Pusher server libraries do all of it.";

/// The app that signed a request, and the request's body.
pub(super) struct Signed {
    /// The app.
    pub app: Arc<App>,
    body: Bytes,
}

/// A signed request whose body is JSON of the schema `T`.
pub(super) struct SignedJson<T> {
    /// The app.
    pub app: Arc<App>,
    /// The members of its body.
    pub members: BodyMembers,
    of: PhantomData<fn() -> T>,
}

impl Signed {
    async fn of(request: &Request, body: &mut RequestBody) -> Result<Self, Problem> {
        let rest = RestContext::of(request)?;
        let pairs = form::pairs(request.uri().query().unwrap_or_default());
        let query = pairs
            .map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned())))
            .collect::<Result<Vec<_>, _>>()?;
        let path = request.uri().path();
        let decoded = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| Problem::bad_request("the path is not UTF-8"))?;
        // Routed here: /apps/<app_id>/…
        let ident = decoded.split('/').nth(2).unwrap_or_default();
        let mut signed = SignedRequest {
            method: request.method().as_str(),
            path,
            query: &query,
            has_body: has_body(request),
        };
        let others: Vec<_> =
            other_signed_paths(path, &decoded, rest.rules.path_prefix.as_deref()).collect();
        let mut judged = rest.service.signed_app(ident, &signed).await;
        for path in &others {
            if !matches!(judged, Err(SignedError::Signature(RequestError::Signature))) {
                break;
            }
            signed.path = path;
            judged = rest.service.signed_app(ident, &signed).await;
        }
        if let Err(SignedError::Signature(RequestError::Signature)) = judged {
            let client = client_network(request);
            rest.service
                .signature_failed(client, &AppIdent::trusted(ident));
        }
        let app = judged?;
        // Only now: no other client can have a body kept here.
        let body = read(request, body).await?;
        signed.check_body(&body).map_err(SignedError::from)?;
        Ok(Self { app, body })
    }
}

/// The paths other than the received one that a library may have signed: without escapes, for libraries sign a user id or
/// channel unescaped and their HTTP client escapes it afterwards, and below the prefix of a proxy, which is removed by then.
fn other_signed_paths<'a>(
    path: &'a str,
    decoded: &'a str,
    prefix: Option<&'a str>,
) -> impl Iterator<Item = Cow<'a, str>> {
    let forms = [path, decoded]
        .into_iter()
        .take(if path == decoded { 1 } else { 2 });
    let below = move |path: &str| prefix.map(|prefix| Cow::Owned(format!("{prefix}{path}")));
    let plain = forms.clone().skip(1).map(Cow::Borrowed);
    plain.chain(forms.filter_map(below))
}

fn register_scheme(registry: &mut Registry) {
    let scheme = MetaSecurityScheme {
        ty: "apiKey",
        description: Some(ABOUT),
        name: Some("auth_signature"),
        key_in: Some("query"),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    registry.create_security_scheme(SCHEME, scheme);
}

impl<'a> ApiExtractor<'a> for Signed {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_scheme(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self::of(request, body).await?)
    }
}

impl<'a, T: Type> ApiExtractor<'a> for SignedJson<T> {
    const TYPES: &'static [ApiExtractorType] = &[
        ApiExtractorType::SecurityScheme,
        ApiExtractorType::RequestObject,
    ];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_scheme(registry);
        T::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
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
        let Signed { app, body } = Signed::of(request, body).await?;
        check_json(request)?;
        Ok(Self {
            app,
            members: object(&body)?,
            of: PhantomData,
        })
    }
}

//! The OpenAPI document: generated from the operations, then corrected where the framework cannot express the schema, and written so
//! that the common code generators accept it.

mod mend;
mod responses;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{ContactObject, LicenseObject, OpenApi, OpenApiService, ServerObject};

use super::{Routes, streams};

/// The server's address, relative to that of the document: a proxy may serve both below a path of its own.
const SERVER: &str = ".";

/// The document's title.
pub(super) const TITLE: &str = "Pushi";

const ABOUT: &str = "Channels over WebSocket, publishing over REST.\n\n\
    `POST /login` with an app's `ident`, `key` and `secret` returns a session token, which is sent as `Authorization: Bearer`, as the \
    query parameter `sid` or as the cookie `sid`. Apps are administered with the token that the server was started with \
    (`PUSHI_ADMIN_TOKEN`), also sent as `Authorization: Bearer`. The routes of the Pusher HTTP API are signed with an app's secret \
    instead.\n\n\
    `/docs/websocket` shows the frames of the WebSocket protocols, and `/asyncapi.json` describes them for programs.\n\n\
    Names of channels, events and apps, and ids of users, must not contain control characters (U+0000 to U+001F and U+007F to \
    U+009F). Unknown members of a body are rejected where the schema has no additional properties, and otherwise ignored.\n\n\
    Every error has the same form, with a `message` that states the fault and how to correct it.";

/// The routes, for the document alone: nothing is served.
pub(super) struct Described;

impl OpenApi for Described {
    fn meta() -> Vec<MetaApi> {
        Routes::meta()
    }

    fn register(registry: &mut Registry) {
        Routes::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

/// The framework's service for the document.
pub(super) fn service() -> OpenApiService<Described, ()> {
    OpenApiService::new(Described, TITLE, env!("CARGO_PKG_VERSION"))
        .description(ABOUT)
        .contact(ContactObject::new().name("The Pushi project"))
        .license(
            LicenseObject::new("Apache-2.0").url("https://www.apache.org/licenses/LICENSE-2.0"),
        )
        .server(ServerObject::new(SERVER).description("This server."))
}

/// The OpenAPI document that the server serves, indented JSON. It depends on the program alone, not on how it is configured.
pub fn document() -> String {
    let mut document: serde_json::Value =
        serde_json::from_str(&service().spec()).unwrap_or_default();
    document["paths"][streams::PATH]["get"] = streams::operation();
    mend::mend(&mut document);
    let mut text = format!("{document:#}");
    text.push('\n');
    text
}

//! Signed-in users.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::registry::MetaSchema;

use super::super::RestContext;
use super::super::answer::JsonAnswer;
use super::super::params::{Ident, Param, User};
use super::super::problem::Problem;
use super::super::schema::{open, plain, shape};
use super::super::subscription_dto::read_user;
use super::super::tags::Section;
use super::NOTHING;
use super::signed::Signed;

shape! {
    /// An answer with nothing to show, in the document.
    NothingShape as "PusherDone" = |_| MetaSchema { additional_properties: open(), ..plain("object", "The response of an operation that returns no data.") }
}

/// The routes of users.
pub(crate) struct PusherUserRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Pusher")]
impl PusherUserRoutes {
    /// End a user's connections
    ///
    /// Closes the connections that are signed in as the user with 4009; clients do not reconnect after it.
    #[oai(
        path = "/apps/:app_id/users/:user_id/terminate_connections",
        method = "post",
        operation_id = "pusherTerminateConnections"
    )]
    async fn terminate(
        &self,
        signed: Signed,
        #[oai(name = "app_id")]
        /// The `ident` of the app.
        _app_id: Path<Param<Ident>>,
        /// The user.
        user_id: Path<Param<User>>,
    ) -> Result<JsonAnswer<NothingShape>, Problem> {
        let user = read_user(&user_id.0.0)?;
        self.0
            .service
            .terminate_user(&signed.app.ident, &user)
            .await?;
        Ok(JsonAnswer::text(NOTHING))
    }
}

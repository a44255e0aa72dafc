//! Users' persistent subscriptions.

use std::sync::Arc;

use poem_openapi::param::{Path, Query};
use poem_openapi::types::ToJSON;
use poem_openapi::{Object, OpenApi};

use super::RestContext;
use super::answer::{JsonAnswer, done};
use super::body::Fields;
use super::list::{self, ListPage};
use super::params::{AnyChannel, AnyUser, Channel, Ident, Param, User, Whole, YesNo};
use super::problem::Problem;
use super::publication::read_channel;
use super::security::{SessionByToken, SessionCaller, UserOrSession};
use super::subscription_dto::{
    EndedSubscription, SubscriptionBody, SubscriptionRequest, read_user,
};
use super::tags::Section;
use crate::core::model::{App, ChannelName, SubscriptionFilter, UserId};
use crate::core::service::{AppSession, TokenAccessError};

/// The most subscriptions in one answer.
const MOST: u64 = 10_000;

/// Subscriptions that are read at once.
const PAGE: usize = 500;

/// A page of subscriptions.
#[derive(Debug, Object)]
pub(super) struct SubscriptionList {
    /// Subscriptions, in the order of their creation.
    pub subscriptions: Vec<SubscriptionBody>,
}

/// The routes of subscriptions.
pub(super) struct SubscriptionRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Subscriptions")]
impl SubscriptionRoutes {
    /// Subscribe a user to a channel
    ///
    /// The subscription lasts until it is deleted, and applies to the user's connections at once. If it exists already, it is
    /// returned unchanged. The members are also accepted in the query. With the token of a user: only of this user, to a public channel
    /// or one that the token covers.
    #[oai(
        path = "/subscriptions",
        method = "post",
        operation_id = "createSubscription"
    )]
    async fn create(
        &self,
        caller: UserOrSession,
        body: Fields<SubscriptionRequest>,
    ) -> Result<JsonAnswer<SubscriptionBody>, Problem> {
        let (user, channel) = self.wish(&body)?;
        if let Some(grant) = caller.grant() {
            grant.check_user(&user)?;
            grant.check_subscribe(&channel)?;
        }
        self.add(caller.app(), &user, &channel).await
    }

    /// List subscriptions
    ///
    /// Returns a page of the subscriptions of the session's app, in the order of their creation. With the token of a user: only those of
    /// this user.
    #[oai(
        path = "/subscriptions",
        method = "get",
        operation_id = "listSubscriptions"
    )]
    async fn list(
        &self,
        caller: UserOrSession,
        /// Only subscriptions of this user. Empty: all users.
        user_id: Query<Option<Param<AnyUser>>>,
        /// Only subscriptions to this channel. Empty: all channels.
        event: Query<Option<Param<AnyChannel>>>,
        /// Maximum number of entries, up to 10000. Default: 10000.
        count: Query<Option<Param<Whole>>>,
        /// Only subscriptions with a greater `id`: the last `id` of the previous page.
        after: Query<Option<Param<Whole>>>,
    ) -> Result<JsonAnswer<SubscriptionList>, Problem> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let mut user_id = given(user_id.0.map(|user| user.0))
            .map(|user| read_user(&user))
            .transpose()?;
        if let Some(grant) = caller.grant() {
            let own = grant.user().ok_or(TokenAccessError::OtherUser)?;
            grant.check_user(user_id.get_or_insert_with(|| own.clone()))?;
        }
        let channel = given(event.0.map(|event| event.0))
            .map(|event| self.channel(&event))
            .transpose()?;
        let count = count.0.map_or(MOST, |count| count.0.min(MOST));
        let after = after.0.map_or(0, |after| after.0);
        let filter = SubscriptionFilter { user_id, channel };
        let service = Arc::clone(&self.0.service);
        let app = caller.app().ident.clone();
        let pages = list::pages((after, count), move |(after, left)| {
            let (service, app, filter) = (Arc::clone(&service), app.clone(), filter.clone());
            async move {
                let wanted = usize::try_from(left).map_or(PAGE, |left| left.min(PAGE));
                let found = match wanted {
                    0 => Vec::new(),
                    _ => service.subscriptions(&app, &filter, after, wanted).await?,
                };
                let left = left - wanted as u64;
                let is_last = found.len() < wanted || left == 0;
                let after = found.last().map_or(after, |last| last.id);
                let items = found
                    .iter()
                    .map(|found| SubscriptionBody::of(found).to_json_string());
                Ok((ListPage::new(items, is_last), (after, left)))
            }
        });
        let owner = Some((&*self.0.service, &caller.app().ident));
        let body = list::body(owner, "{\"subscriptions\":[", pages, "]}").await?;
        Ok(JsonAnswer::with_body(body))
    }

    /// End a subscription
    ///
    /// Returns the subscription, or `{"result":"success"}` if there was none. Earlier events stay in the user's inbox. With the token of a
    /// user: only of this user.
    #[oai(
        path = "/subscriptions/:user_id/:event",
        method = "delete",
        operation_id = "deleteSubscription"
    )]
    async fn delete(
        &self,
        caller: UserOrSession,
        /// The user.
        user_id: Path<Param<User>>,
        /// The channel.
        event: Path<Param<Channel>>,
        /// Whether a missing subscription is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedSubscription>, Problem> {
        let (user, channel) = (read_user(&user_id.0.0)?, self.channel(&event.0.0)?);
        if let Some(grant) = caller.grant() {
            grant.check_user(&user)?;
        }
        self.remove(
            caller.app(),
            &user,
            &channel,
            force.0.is_some_and(|force| force.0),
        )
        .await
    }

    /// Subscribe a user to a channel (compatible route)
    ///
    /// Equivalent to `POST /subscriptions`. The members are accepted as JSON, as a form, or in the query.
    #[oai(
        path = "/apps/:ident/subscribe",
        method = "post",
        operation_id = "subscribeUser"
    )]
    async fn subscribe(
        &self,
        session: SessionCaller,
        /// The `ident` of the session's app.
        ident: Path<Param<Ident>>,
        body: Fields<SubscriptionRequest>,
    ) -> Result<JsonAnswer<SubscriptionBody>, Problem> {
        own(&session.0, &ident.0.0)?;
        let (user, channel) = self.wish(&body)?;
        self.add(&session.0.app, &user, &channel).await
    }

    /// Subscribe a user to a channel with query parameters (compatible route)
    ///
    /// Equivalent to `POST /subscriptions`. The cookie alone does not authenticate this request.
    #[oai(
        path = "/apps/:ident/subscribe",
        method = "get",
        operation_id = "subscribeUserByQuery"
    )]
    async fn subscribe_by_query(
        &self,
        session: SessionByToken,
        /// The `ident` of the session's app.
        ident: Path<Param<Ident>>,
        /// The user.
        user_id: Query<Param<User>>,
        /// The channel.
        event: Query<Param<Channel>>,
    ) -> Result<JsonAnswer<SubscriptionBody>, Problem> {
        own(&session.0, &ident.0.0)?;
        self.add(
            &session.0.app,
            &read_user(&user_id.0.0)?,
            &self.channel(&event.0.0)?,
        )
        .await
    }

    /// End a subscription (compatible route)
    ///
    /// Equivalent to `DELETE /subscriptions/…`. The members are accepted as JSON, as a form, or in the query.
    #[oai(
        path = "/apps/:ident/unsubscribe",
        method = "post",
        operation_id = "unsubscribeUser"
    )]
    async fn unsubscribe(
        &self,
        session: SessionCaller,
        /// The `ident` of the session's app.
        ident: Path<Param<Ident>>,
        body: Fields<SubscriptionRequest>,
        /// Whether a missing subscription is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedSubscription>, Problem> {
        own(&session.0, &ident.0.0)?;
        let (user, channel) = self.wish(&body)?;
        self.remove(
            &session.0.app,
            &user,
            &channel,
            force.0.is_some_and(|force| force.0),
        )
        .await
    }

    /// End a subscription with query parameters (compatible route)
    ///
    /// Equivalent to `DELETE /subscriptions/…`. The cookie alone does not authenticate this request.
    #[oai(
        path = "/apps/:ident/unsubscribe",
        method = "get",
        operation_id = "unsubscribeUserByQuery"
    )]
    async fn unsubscribe_by_query(
        &self,
        session: SessionByToken,
        /// The `ident` of the session's app.
        ident: Path<Param<Ident>>,
        /// The user.
        user_id: Query<Param<User>>,
        /// The channel.
        event: Query<Param<Channel>>,
        /// Whether a missing subscription is a 404. 0 and 1 are accepted as false and true.
        force: Query<Option<Param<YesNo>>>,
    ) -> Result<JsonAnswer<EndedSubscription>, Problem> {
        own(&session.0, &ident.0.0)?;
        let (user, channel) = (read_user(&user_id.0.0)?, self.channel(&event.0.0)?);
        self.remove(
            &session.0.app,
            &user,
            &channel,
            force.0.is_some_and(|force| force.0),
        )
        .await
    }
}

impl SubscriptionRoutes {
    fn channel(&self, name: &str) -> Result<ChannelName, Problem> {
        read_channel(name, &self.0.service.rules().limits)
    }

    fn wish(&self, fields: &Fields<SubscriptionRequest>) -> Result<(UserId, ChannelName), Problem> {
        Ok((
            read_user(&fields.required("user_id", true)?)?,
            self.channel(&fields.required("event", false)?)?,
        ))
    }

    async fn add(
        &self,
        app: &App,
        user: &UserId,
        channel: &ChannelName,
    ) -> Result<JsonAnswer<SubscriptionBody>, Problem> {
        let subscription = self
            .0
            .service
            .add_subscription(&app.ident, user, channel)
            .await?;
        Ok(JsonAnswer::of(&SubscriptionBody::of(&subscription)))
    }

    async fn remove(
        &self,
        app: &App,
        user: &UserId,
        channel: &ChannelName,
        force: bool,
    ) -> Result<JsonAnswer<EndedSubscription>, Problem> {
        match self
            .0
            .service
            .remove_subscription(&app.ident, user, channel)
            .await?
        {
            Some(ended) => Ok(EndedSubscription::answer(&ended)),
            None if force => Err(Problem::not_found(
                "the user has no subscription to this channel",
            )),
            None => Ok(done()),
        }
    }
}

/// A path names the session's own app, or one that is not there for it.
fn own(session: &AppSession, ident: &str) -> Result<(), Problem> {
    if session.app.ident.as_str() == ident {
        Ok(())
    } else {
        Err(Problem::not_found("there is no such app"))
    }
}

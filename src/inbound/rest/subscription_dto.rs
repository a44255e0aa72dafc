//! Request and answer bodies of subscriptions.

use poem_openapi::Object;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{Example, ToJSON};
use serde_json::json;

use super::answer::JsonAnswer;
use super::problem::Problem;
use super::schema::{PRINTABLE, example, inline, name, number, plain, shape, whole};
use crate::core::model::{self, UserId};

/// A user's stored subscription to a channel.
#[derive(Debug, Object)]
#[oai(example, rename = "Subscription")]
pub(super) struct SubscriptionBody {
    /// A number unique in the app.
    pub id: u64,
    /// The user.
    pub user_id: String,
    /// The channel.
    pub event: String,
    /// The `ident` of the app.
    pub instance: String,
    /// Time at which it was created, in seconds since 1970.
    pub created: f64,
    /// Time of the last change, in seconds since 1970.
    pub modified: f64,
}

impl Example for SubscriptionBody {
    fn example() -> Self {
        Self {
            id: 1,
            user_id: "ann".into(),
            event: "news".into(),
            instance: "8f14e45fceea167a".into(),
            created: 1_795_337_092.27,
            modified: 1_795_337_092.27,
        }
    }
}

impl SubscriptionBody {
    /// The body of a stored subscription.
    pub(super) fn of(subscription: &model::UserSubscription) -> Self {
        Self {
            id: subscription.id,
            user_id: subscription.user_id.as_str().into(),
            event: subscription.channel.as_str().into(),
            instance: subscription.app.as_str().into(),
            created: subscription.created.seconds(),
            modified: subscription.modified.seconds(),
        }
    }
}

shape! {
    /// The answer to the end of a subscription: the subscription, or an empty result. One object, since generators cannot read a
    /// choice between two without a member that tells them apart.
    EndedSubscription as "EndedSubscription" = |_| {
        let text = |about| inline(plain("string", about));
        let properties = vec![
            ("id", inline(whole("A number unique in the app.", 1.0))),
            ("user_id", text("The user.")),
            ("event", text("The channel.")),
            ("instance", text("The `ident` of the app.")),
            ("created", inline(number("Time at which it was created, in seconds since 1970."))),
            ("modified", inline(number("Time of the last change, in seconds since 1970."))),
            ("result", text("`success`: there was no subscription. It is then the only member, and otherwise absent.")),
        ];
        MetaSchema { properties, ..plain("object", "The subscription that has ended, or `{\"result\":\"success\"}` if there was none.") }
    }
}

impl EndedSubscription {
    /// The answer with the ended subscription.
    pub(super) fn answer(ended: &model::UserSubscription) -> JsonAnswer<Self> {
        JsonAnswer::text(SubscriptionBody::of(ended).to_json_string())
    }
}

shape! {
    /// Schema: a user and a channel, to start or end a subscription.
    SubscriptionRequest as "SubscriptionWish" = |_| {
        let user = MetaSchema {
            min_length: Some(1),
            max_length: Some(UserId::MAX_CHARS),
            pattern: Some(PRINTABLE.into()),
            ..plain("string", "The user. An integer is accepted as its decimal text.")
        };
        let schema = MetaSchema {
            required: vec!["user_id", "event"],
            properties: vec![("user_id", inline(user)), ("event", inline(name("The channel.", 1, 200)))],
            ..plain("object", "A user and a public, private or presence channel.")
        };
        example(schema, json!({"user_id": "ann", "event": "news"}))
    }
}

/// A user's id.
pub(super) fn read_user(text: &str) -> Result<UserId, Problem> {
    let must = || {
        Problem::bad_request(format!(
            "user_id must have 1 to {} characters, without control characters",
            UserId::MAX_CHARS
        ))
    };
    UserId::parse(text).ok_or_else(must)
}

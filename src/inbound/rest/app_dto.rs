//! Request and answer bodies of apps.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde_json::{Map, Number, Value, json};

use super::body::BodyMembers;
use super::problem::Problem;
use super::schema::{
    closed, credential, example, ident, inline, list_shape, number, plain, shape, whole,
};
use super::settings::{self, Editable, RESET, SETTINGS, Setting, WebhookShape};
use crate::core::model::{App, AppIdent, NewApp, Secret, Timestamp};
use crate::core::service::AppSession;

/// The one ident that would hide behind a route.
const PING: &str = "ping";

/// The member that a new app must have.
const NAME: &str = "name";

/// Members that only an existing app has.
const PREVIOUS: &str = "previous_secret";

/// Members that only the administrator chooses.
pub(super) const CREDENTIALS: [&str; 3] = ["ident", "key", "secret"];

shape! {
    /// An app in an answer.
    AppShape as "App" = |registry| {
        WebhookShape::register(registry);
        let mut properties = identity();
        properties.extend(SETTINGS.iter().map(|setting| (setting.name, inline(setting.schema()))));
        let required = properties.iter().map(|(name, _)| *name).filter(|name| *name != PREVIOUS).collect();
        MetaSchema { properties, required, ..plain("object", "An app with its credentials and settings.") }
    }
}

shape! {
    /// An app that is to be created.
    DraftShape as "AppDraft" = |registry| {
        let nullable = |schema| inline(MetaSchema { nullable: true, ..schema });
        let mut properties = vec![
            ("ident", nullable(ident("The public identifier; `ping` is reserved. Default: random. Only the administrator may set it."))),
            ("key", nullable(credential("The public key that clients connect with; not `.` or `..`. Default: random. Only the administrator may set it."))),
            ("secret", nullable(credential("The secret that signs subscriptions and logs in. Default: random. Only the administrator may set it."))),
        ];
        WebhookShape::register(registry);
        properties.extend(SETTINGS.iter().filter(|setting| setting.name != PREVIOUS).map(|setting| {
            let schema = if setting.name == NAME { setting.schema() } else { setting.change_schema() };
            (setting.name, inline(schema))
        }));
        MetaSchema { properties, required: vec![NAME], additional_properties: closed(), ..draft_example() }
    }
}

shape! {
    /// A change of an app.
    ChangeShape as "AppChange" = |registry| {
        let about = "Any subset of the settings. An omitted setting and one that is null stay as they are; `reset` returns settings to their defaults.";
        let mut properties = changes(registry);
        properties.push((RESET, inline(settings::reset_schema())));
        let schema = MetaSchema { properties, additional_properties: closed(), ..plain("object", about) };
        example(schema, json!({"name": "shop", "client_publish": false, "replay": {"room-": 50}, "reset": ["max_members"]}))
    }
}

list_shape! {
    /// Apps in an answer.
    AppList as "AppList", "apps", AppShape, "Apps, in the order of their `id`."
}

fn identity() -> Vec<(&'static str, MetaSchemaRef)> {
    let seconds = |about| inline(example(number(about), 1_795_337_092.27));
    let text = |about, shown: &str| inline(example(plain("string", about), shown));
    vec![
        (
            "id",
            inline(example(whole("A number unique on the server.", 1.0), 1)),
        ),
        ("ident", text("The public identifier.", "8f14e45fceea167a")),
        (
            "key",
            text(
                "The public key that clients connect with.",
                "c9f0f895fb98ab91",
            ),
        ),
        (
            "secret",
            inline(MetaSchema {
                nullable: true,
                ..example(
                    plain(
                        "string",
                        "The secret that signs subscriptions and logs in. Only the back end may know it. Null if the session was opened with the previous one.",
                    ),
                    "45c48cce2e2d7fbd",
                )
            }),
        ),
        ("instance", text("Equal to `ident`.", "8f14e45fceea167a")),
        (
            "created",
            seconds("Time at which the app was created, in seconds since 1970."),
        ),
        (
            "modified",
            seconds("Time of the last change, in seconds since 1970."),
        ),
    ]
}

fn changes(registry: &mut Registry) -> Vec<(&'static str, MetaSchemaRef)> {
    WebhookShape::register(registry);
    SETTINGS
        .iter()
        .map(|setting| (setting.name, inline(setting.change_schema())))
        .collect()
}

fn draft_example() -> MetaSchema {
    example(
        plain(
            "object",
            "An app to create. Only the administrator may set `ident`, `key`, `secret`, `enabled` and `max_…`. Null counts as omitted.",
        ),
        json!({"name": "shop"}),
    )
}

/// An app as answers show it. A session reads only the secret that it was opened with.
pub(super) fn show(app: &App, session: Option<&AppSession>) -> Value {
    let reads =
        |secret: &Secret| session.is_none_or(|session| session.was_opened_with(app, secret));
    let seconds = |time: Timestamp| Value::from(Number::from_f64(time.seconds()));
    let mut shown = Map::with_capacity(40);
    let mut put = |name: &str, value: Value| drop(shown.insert(name.into(), value));
    put("id", app.id.into());
    put("ident", app.ident.as_str().into());
    put("key", app.key.as_str().into());
    let secret = Some(&app.secret).filter(|secret| reads(secret));
    put("secret", secret.map(Secret::expose).into());
    put("instance", app.ident.as_str().into());
    put("created", seconds(app.created));
    put("modified", seconds(app.modified));
    let mut editable = Editable::of(app);
    for setting in &SETTINGS {
        // Null would mean that there is none, and sent back would end it.
        let hidden = setting.name == PREVIOUS
            && app
                .previous_secret
                .as_ref()
                .is_some_and(|secret| !reads(secret));
        if !hidden {
            put(setting.name, setting.get(&mut editable));
        }
    }
    shown.into()
}

/// Reads an app that is to be created.
pub(super) fn draft(members: &BodyMembers, administrator: bool) -> Result<NewApp, Problem> {
    if members.contains_key(PREVIOUS) {
        return Err(Problem::bad_request(format!(
            "{PREVIOUS} cannot be set on a new app: omit it"
        )));
    }
    refuse_unknown(members, &CREDENTIALS)?;
    if !administrator
        && let Some(name) = CREDENTIALS
            .iter()
            .find(|name| members.get(**name).is_some_and(|value| !value.is_null()))
    {
        return Err(Problem::forbidden(format!(
            "{name} can be set only by the administrator: omit it to have it generated"
        )));
    }
    if members.get(NAME).is_none_or(Value::is_null) {
        return Err(Problem::bad_request(
            "name is missing: set a name of 1 to 200 characters",
        ));
    }
    let mut editable = Editable::default();
    settings::apply(members, &mut editable, administrator)?;
    let ident = chosen(members, "ident").map(AppIdent::parse).transpose()?;
    if ident.as_ref().is_some_and(|ident| ident.as_str() == PING) {
        return Err(Problem::bad_request(
            "ident must not be ping: /apps/ping is a route of its own",
        ));
    }
    let key = chosen(members, "key")
        .map(|key| NewApp::check_key(key).map(|()| key.to_owned()))
        .transpose()?;
    let secret = chosen(members, "secret")
        .map(|secret| NewApp::check_secret(secret).map(|()| Secret::new(secret)))
        .transpose()?;
    Ok(NewApp {
        name: editable.name,
        description: editable.description,
        ident,
        key,
        secret,
        push: editable.push,
        settings: editable.settings,
    })
}

/// A credential chosen by the caller; empty, which none may be, where it is not a string.
fn chosen<'a>(members: &'a BodyMembers, name: &'static str) -> Option<&'a str> {
    members
        .get(name)
        .filter(|value| !value.is_null())
        .map(|value| value.as_str().unwrap_or_default())
}

/// Refuses members of a change that are none, so that nothing is half done.
pub(super) fn check_change(members: &BodyMembers) -> Result<(), Problem> {
    const FIXED: [&str; 7] = [
        "id", "ident", "key", "secret", "instance", "created", "modified",
    ];
    if let Some(name) = FIXED.iter().find(|name| members.contains_key(**name)) {
        return Err(Problem::bad_request(format!(
            "{name} cannot be changed: omit it"
        )));
    }
    refuse_unknown(members, &[RESET])
}

fn refuse_unknown(members: &BodyMembers, known: &[&str]) -> Result<(), Problem> {
    match members
        .keys()
        .find(|name| !known.contains(&name.as_str()) && Setting::find(name).is_none())
    {
        Some(name) => Err(Problem::bad_request(format!(
            "{name} is unknown: see AppChange in /docs for the settings"
        ))),
        None => Ok(()),
    }
}

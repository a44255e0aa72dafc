//! Records of targets.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::{Value, json};

use crate::core::model::{AppIdent, NotificationTarget, TargetKind};
use crate::inbound::rest::schema::{example, inline, name, number, open, plain, whole};
use crate::inbound::rest::settings::WEB_ADDRESS;

/// The JSON text of a record.
pub(super) fn record(app: &AppIdent, target: &NotificationTarget) -> String {
    let created = target.created.seconds();
    let mut record = json!({
        "event": target.channel.as_str(),
        "id": target.id,
        "instance": app.as_str(),
        "created": created,
        "modified": created,
        "enabled": true,
        "description": null,
        "meta": {},
        "_id": target.id.to_string(),
    });
    if let Some(members) = record.as_object_mut() {
        let address = match target.kind {
            TargetKind::Web => "url",
            TargetKind::WebPush => "endpoint",
            TargetKind::Apn => "token",
            TargetKind::Smtp => "email",
        };
        members.insert(address.into(), target.address.expose().into());
        for (name, secret) in [("p256dh", &target.p256dh), ("auth", &target.auth)] {
            if let Some(secret) = secret {
                members.insert(name.into(), secret.expose().into());
            }
        }
    }
    if let (Some(digest), Some(members)) = (target.digest, record.as_object_mut()) {
        members.insert("digest".into(), digest.to_string().into());
    }
    if let (Some(away), Some(members)) = (&target.away, record.as_object_mut()) {
        members.insert("when".into(), "away".into());
        members.insert("delay".into(), away.delay_text().into());
        if let Some(user) = &away.user {
            members.insert("user_id".into(), user.as_str().into());
        }
    }
    record.to_string()
}

/// The members of the condition of a registration.
fn away_members() -> Vec<(&'static str, MetaSchemaRef)> {
    let when = MetaSchema {
        enum_items: vec!["always".into(), "away".into()],
        ..plain(
            "string",
            "`away`: the target is notified only if no connection of its user received the event. Default: `always`.",
        )
    };
    let delay = "For how long after the event the user may still receive it, up to 24h, such as `30s`. Only with `away`.";
    let user = "The user. Only with `away`; required unless the channel is `personal-<user>`.";
    vec![
        ("when", inline(when)),
        ("delay", inline(plain("string", delay))),
        ("user_id", inline(name(user, 1, 200))),
    ]
}

/// The members that the records of all kinds have, but `_id`: in most languages it would have the same name as `id`.
fn common_members() -> Vec<(&'static str, MetaSchemaRef)> {
    let description = MetaSchema {
        nullable: true,
        ..plain("string", "Always null.")
    };
    let meta = MetaSchema {
        additional_properties: open(),
        ..plain("object", "Always empty.")
    };
    vec![
        ("event", inline(name("The channel.", 1, 200))),
        (
            "id",
            inline(whole(
                "A number unique among the app's targets of this kind.",
                1.0,
            )),
        ),
        (
            "instance",
            inline(plain("string", "The `ident` of the app.")),
        ),
        (
            "created",
            inline(number(
                "Time at which it was registered, in seconds since 1970.",
            )),
        ),
        (
            "modified",
            inline(number("Time of the last change, in seconds since 1970.")),
        ),
        ("enabled", inline(plain("boolean", "Always true."))),
        ("description", inline(description)),
        ("meta", inline(meta)),
    ]
}

/// The address of a web hook or a push service.
pub(super) fn web_url(description: &'static str) -> MetaSchema {
    MetaSchema {
        pattern: Some(WEB_ADDRESS.into()),
        ..plain("string", description)
    }
}

/// The members of records that only their kind has.
pub(super) type OwnMembers = Vec<(&'static str, MetaSchemaRef)>;

/// A record with its own members and the common ones, like this one.
pub(super) fn record_schema(own: OwnMembers, about: &'static str, like: Value) -> MetaSchema {
    let mut properties: Vec<_> = own.into_iter().chain(common_members()).collect();
    let required = properties.iter().map(|(name, _)| *name).collect();
    properties.extend(away_members());
    let mut members = like;
    let common = json!({
        "event": "news", "id": 1, "instance": "8f14e45fceea167a", "created": 1_795_337_092.27, "modified": 1_795_337_092.27,
        "enabled": true, "description": null, "meta": {}
    });
    if let (Some(members), Value::Object(common)) = (members.as_object_mut(), common) {
        members.extend(common);
    }
    let schema = MetaSchema {
        required,
        properties,
        ..plain("object", about)
    };
    example(schema, members)
}

fn nothing_ended() -> (&'static str, MetaSchemaRef) {
    let about =
        "`success`: there was no registration. It is then the only member, and otherwise absent.";
    ("result", inline(plain("string", about)))
}

/// The answer to the end of one registration. One object, since generators cannot read a choice between two.
pub(super) fn ended_schema(own: OwnMembers) -> MetaSchema {
    let mut properties: Vec<_> = own.into_iter().chain(common_members()).collect();
    properties.extend(away_members());
    properties.push(nothing_ended());
    MetaSchema {
        properties,
        ..plain(
            "object",
            "The registration that has ended, or `{\"result\":\"success\"}` if there was none.",
        )
    }
}

/// The answer to the end of one registration, or of all.
pub(super) fn ended_several_schema(own: OwnMembers, item: MetaSchemaRef) -> MetaSchema {
    let about = "Without a channel: the registrations that have ended. It is then the only member.";
    let list = MetaSchema {
        items: Some(Box::new(item)),
        ..plain("array", about)
    };
    let mut properties: Vec<_> = own.into_iter().chain(common_members()).collect();
    properties.extend(away_members());
    properties.push(("subscriptions", inline(list)));
    properties.push(nothing_ended());
    MetaSchema {
        properties,
        ..plain(
            "object",
            "With a channel: the registration that has ended, or `{\"result\":\"success\"}` if there was none. Without: `subscriptions`.",
        )
    }
}

/// The body of a registration: members of its kind, and the channel.
pub(super) fn request_schema(own: OwnMembers, about: &'static str, like: Value) -> MetaSchema {
    let mut properties = own;
    properties.push(("event", inline(name("The channel.", 1, 200))));
    let required = properties.iter().map(|(name, _)| *name).collect();
    properties.extend(away_members());
    let schema = MetaSchema {
        required,
        properties,
        ..plain("object", about)
    };
    example(schema, like)
}

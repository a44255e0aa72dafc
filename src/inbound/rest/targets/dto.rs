//! Records of targets.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::json;

use crate::core::model::{AppIdent, NotificationTarget, TargetKind};
use crate::inbound::rest::schema::{example, inline, name, number, open, plain, shape, whole};
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
    record.to_string()
}

/// The members that the records of all kinds have.
pub(super) fn common_members() -> Vec<(&'static str, MetaSchemaRef)> {
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
        (
            "_id",
            inline(plain("string", "An identifier of the record.")),
        ),
    ]
}

/// The address of a web hook.
pub(super) fn web_url(description: &'static str) -> MetaSchema {
    MetaSchema {
        pattern: Some(WEB_ADDRESS.into()),
        ..plain("string", description)
    }
}

shape! {
    /// The record of a web hook.
    WebTargetShape as "WebTarget" = |_| {
        let mut properties = vec![("url", inline(web_url("The address of the receiver, `http` or `https`.")))];
        properties.extend(common_members());
        let schema = MetaSchema {
            required: properties.iter().map(|(name, _)| *name).collect(),
            properties,
            ..plain("object", "The registration of a web hook for the events of a channel.")
        };
        example(schema, json!({
            "url": "https://shop.example/hook", "event": "news", "id": 1, "instance": "8f14e45fceea167a",
            "created": 1_795_337_092.27, "modified": 1_795_337_092.27, "enabled": true, "description": null, "meta": {}, "_id": "1"
        }))
    }
}

shape! {
    /// The answer to the end of one registration of a web hook. One object, since generators cannot read a choice between two.
    EndedWebTarget as "EndedWebTarget" = |_| {
        let mut properties = vec![("url", inline(web_url("The address of the receiver.")))];
        properties.extend(common_members());
        properties.push(("result", inline(plain("string", "`success`: there was no registration. It is then the only member, and otherwise absent."))));
        MetaSchema { properties, ..plain("object", "The registration that has ended, or `{\"result\":\"success\"}` if there was none.") }
    }
}

shape! {
    /// The answer to the end of registrations by query parameters: that of one, or that of all.
    EndedWebTargets as "EndedWebTargets" = |registry| {
        WebTargetShape::register(registry);
        let items = Some(Box::new(WebTargetShape::schema_ref()));
        let list = MetaSchema { items, ..plain("array", "Without a channel: the registrations that have ended. It is then the only member.") };
        let mut properties = vec![("url", inline(web_url("The address of the receiver.")))];
        properties.extend(common_members());
        properties.push(("subscriptions", inline(list)));
        properties.push(("result", inline(plain("string", "`success`: there was no registration. It is then the only member, and otherwise absent."))));
        MetaSchema { properties, ..plain("object", "With a channel: the registration that has ended, or `{\"result\":\"success\"}` if there was none. Without: `subscriptions`.") }
    }
}

shape! {
    /// Schema: a web hook and a channel.
    WebTargetRequest as "WebTargetWish" = |_| {
        let schema = MetaSchema {
            required: vec!["url", "event"],
            properties: vec![
                ("url", inline(web_url("The address that receives the events, `http` or `https`, at most 1500 characters after the host."))),
                ("event", inline(name("The channel.", 1, 200))),
            ],
            ..plain("object", "A web hook and a channel.")
        };
        example(schema, json!({"url": "https://shop.example/hook", "event": "news"}))
    }
}

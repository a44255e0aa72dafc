//! Bodies and answers of direct messages, in the document.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::Type;
use serde_json::json;

use super::queue::queue_member;

use crate::core::service::MAX_DIRECT_TARGETS;
use crate::inbound::rest::schema::{example, inline, open, plain, shape};
use crate::inbound::rest::settings::WEB_ADDRESS;

pub(super) fn text(about: &'static str) -> MetaSchemaRef {
    inline(plain("string", about))
}

pub(super) fn list(about: &'static str, items: MetaSchemaRef) -> MetaSchemaRef {
    inline(list_schema(about, items))
}

/// A list that is not empty.
pub(super) fn targets(about: &'static str, items: MetaSchemaRef) -> MetaSchemaRef {
    inline(MetaSchema {
        min_items: Some(1),
        ..list_schema(about, items)
    })
}

fn list_schema(about: &'static str, items: MetaSchemaRef) -> MetaSchema {
    MetaSchema {
        items: Some(Box::new(items)),
        max_items: Some(MAX_DIRECT_TARGETS),
        ..plain("array", about)
    }
}

/// A body that can be queued, and whose optional members may be null, which means the same as leaving them out.
pub(super) fn body(mut schema: MetaSchema) -> MetaSchema {
    schema.properties.push(queue_member());
    for (name, member) in &mut schema.properties {
        // Any JSON includes null.
        if let MetaSchemaRef::Inline(member) = member
            && !schema.required.contains(name)
            && !member.ty.is_empty()
        {
            member.nullable = true;
        }
    }
    schema
}

pub(super) fn address(about: &'static str) -> MetaSchemaRef {
    inline(MetaSchema {
        pattern: Some(WEB_ADDRESS.into()),
        ..plain("string", about)
    })
}

pub(super) fn headers(about: &'static str) -> MetaSchemaRef {
    inline(MetaSchema {
        additional_properties: Some(Box::new(text("The value of the header."))),
        ..plain("object", about)
    })
}

pub(super) fn method(about: &'static str) -> MetaSchemaRef {
    inline(MetaSchema {
        pattern: Some(
            "^([Pp][Oo][Ss][Tt]|[Pp][Uu][Tt]|[Gg][Ee][Tt]|[Dd][Ee][Ll][Ee][Tt][Ee])$".into(),
        ),
        ..plain("string", about)
    })
}

const ENDPOINT: &str = "https://push.example/v1/4f1c";
const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

shape! {
    /// A browser's subscription in a body.
    BrowserShape as "PushSubscription" = |_| {
        let schema = MetaSchema {
            required: vec!["endpoint", "p256dh", "auth"],
            properties: vec![
                ("endpoint", address("The address of the browser's push service.")),
                ("p256dh", text("The browser's public key: base64url of a point of the curve P-256.")),
                ("auth", text("The browser's authentication secret: base64url of 16 bytes.")),
            ],
            ..plain("object", "A browser's subscription, as its `PushManager` gives it.")
        };
        example(schema, json!({"endpoint": ENDPOINT, "p256dh": P256DH, "auth": AUTH}))
    }
}

shape! {
    /// A target that did not accept a message, in an answer.
    FailedShape as "FailedTarget" = |_| {
        let schema = MetaSchema {
            required: vec!["target", "error"],
            properties: vec![("target", text("The target.")), ("error", text("The reason."))],
            ..plain("object", "A target that did not accept the message.")
        };
        example(schema, json!({"target": ENDPOINT, "error": "answered 503 Service Unavailable"}))
    }
}

shape! {
    /// The body of a direct message to web hooks.
    WebShape as "WebhookRequest" = |_| {
        let schema = MetaSchema {
            required: vec!["data"],
            properties: vec![
                ("urls", targets("The addresses, `http` or `https`. A string is accepted as a list of one.", address("An address."))),
                ("url", address("One address, if `urls` is not set.")),
                ("data", inline(plain("", "The body of the requests: a string as it is, and any other value as JSON text. Not null."))),
                ("headers", headers("Further headers. Those of the connection and of the signature are rejected.")),
                ("method", method("The method: POST, PUT, GET or DELETE, of which POST and PUT carry the body. Default: POST.")),
            ],
            additional_properties: open(),
            ..plain("object", "A request to send to web hooks.")
        };
        example(body(schema), json!({"urls": ["https://shop.example/hook"], "data": {"order": 17}}))
    }
}

shape! {
    /// The result of a direct message to web hooks.
    WebSentShape as "WebhookSent" = |registry| {
        FailedShape::register(registry);
        let mut properties = result("urls", "The addresses that answered with 2xx.");
        properties.push(("method", text("The method.")));
        MetaSchema {
            required: vec!["success", "urls", "method"],
            properties,
            ..plain("object", "The result of requests to web hooks.")
        }
    }
}

shape! {
    /// The body of a direct message to browsers.
    PushShape as "WebPushRequest" = |registry| {
        BrowserShape::register(registry);
        let schema = MetaSchema {
            properties: vec![
                ("subscriptions", list("The browsers.", BrowserShape::schema_ref())),
                ("endpoint", address("The address of one browser's push service, if `subscriptions` is not set.")),
                ("p256dh", text("The public key of this browser.")),
                ("auth", text("The authentication secret of this browser.")),
                ("message", inline(plain("", "The message: a string as it is, and any other value as JSON text; at most 3,993 bytes. The members `ttl` (seconds), `urgency` and `topic` of an object steer its delivery and are not sent. Default: an empty object."))),
                ("vapid_private_key", text("The key that identifies the sender: PEM, or base64url of its 32 bytes. Default: that of the app.")),
                ("vapid_email", text("The contact of the sender: an e-mail address, or a `mailto:` or `https:` address. Default: that of the app, else the server's (`PUSHI_CONTACT`).")),
            ],
            additional_properties: open(),
            ..plain("object", "A message to send to browsers.")
        };
        let browser = json!({"endpoint": ENDPOINT, "p256dh": P256DH, "auth": AUTH});
        example(body(schema), json!({"subscriptions": [browser], "message": {"title": "Order 17", "body": "Shipped"}}))
    }
}

shape! {
    /// The result of a direct message to browsers.
    PushSentShape as "WebPushSent" = |registry| {
        FailedShape::register(registry);
        MetaSchema {
            required: vec!["success", "endpoints"],
            properties: result("endpoints", "The push services that accepted the message, by their addresses."),
            ..plain("object", "The result of a message to browsers.")
        }
    }
}

pub(super) fn result(
    list_name: &'static str,
    list_about: &'static str,
) -> Vec<(&'static str, MetaSchemaRef)> {
    vec![
        (
            "success",
            inline(plain(
                "boolean",
                "Whether all targets accepted the message.",
            )),
        ),
        (list_name, list(list_about, text("A target."))),
        ("error", text("The first reason, where one has not.")),
        (
            "failed",
            list("The targets that have not.", FailedShape::schema_ref()),
        ),
    ]
}

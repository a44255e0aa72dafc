//! Bodies and answers of messages through several adapters, in the document.

use poem_openapi::registry::MetaSchema;
use serde_json::json;

use super::mail_shapes::{ApnSentShape, MailSentShape};
use super::shapes::{
    BrowserShape, PushSentShape, WebSentShape, address, body, headers, list, method, targets, text,
};
use crate::inbound::rest::schema::{example, inline, open, plain, shape};

shape! {
    /// The body of a message through several adapters.
    MessagesShape as "MessageRequest" = |registry| {
        BrowserShape::register(registry);
        let adapters = targets(
            "The adapters, by their names in any case: `apn`, `email` (or `smtp`), `webhook` (or `web`), `web_push` (or `webpush`). A string is accepted as a list of one.",
            text("The name of an adapter."),
        );
        let schema = MetaSchema {
            required: vec!["adapters"],
            properties: vec![
                ("adapters", adapters),
                ("data", inline(plain("", "The message of the adapters that have none of their own."))),
                ("apn_tokens", list("The Apple devices. A string is accepted as a list of one.", text("A device token: hexadecimal digits."))),
                ("apn_message", inline(plain("", "The message to Apple devices, as in `/messaging/apn`. Default: `data`."))),
                ("email_to", list("The recipients of e-mails. A string is accepted as a list of one.", text("An e-mail address."))),
                ("email_subject", text("The subject of the e-mails. Default: `Notification`.")),
                ("email_body", text("The text of the e-mails. Default: `data` as JSON, indented by two spaces.")),
                ("email_html", text("The same as HTML, an alternative to the text. `true` is accepted as well: then the text is HTML.")),
                ("webhook_urls", list("The addresses of web hooks. A string is accepted as a list of one.", address("An address."))),
                ("webhook_headers", headers("Further headers of requests to web hooks.")),
                ("webhook_method", method("The method of requests to web hooks. Default: POST.")),
                ("web_push_subscriptions", list("The browsers.", BrowserShape::schema_ref())),
                ("web_push_message", inline(plain("", "The message to browsers. Default: `data`."))),
            ],
            additional_properties: open(),
            ..plain("object", "A message to send through one or more adapters.")
        };
        example(body(schema), json!({"adapters": ["webhook"], "data": {"order": 17}, "webhook_urls": ["https://shop.example/hook"]}))
    }
}

shape! {
    /// The results by adapter.
    MessagesSentShape as "MessagesSent" = |registry| {
        ApnSentShape::register(registry);
        MailSentShape::register(registry);
        WebSentShape::register(registry);
        PushSentShape::register(registry);
        MetaSchema {
            properties: vec![
                ("apn", ApnSentShape::schema_ref()),
                ("email", MailSentShape::schema_ref()),
                ("webhook", WebSentShape::schema_ref()),
                ("web_push", PushSentShape::schema_ref()),
            ],
            additional_properties: open(),
            ..plain("object", "The results by adapter; those of unknown adapters have `success` and `error`.")
        }
    }
}

//! Bodies and answers of e-mails and messages to Apple devices, in the document.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::json;

use super::shapes::{FailedShape, body, result, targets, text};
use crate::inbound::rest::schema::{example, inline, open, plain, shape, whole};

/// A text that is not empty.
fn some_text(about: &'static str) -> MetaSchemaRef {
    inline(MetaSchema {
        min_length: Some(1),
        ..plain("string", about)
    })
}

shape! {
    /// The body of a direct e-mail.
    MailShape as "EmailRequest" = |_| {
        let port = MetaSchema { maximum: Some(65_535.0), ..whole("The port of this server. Default: 25, with STARTTLS 587; 465 means TLS from the start.", 1.0) };
        let schema = MetaSchema {
            required: vec!["to", "subject", "body"],
            properties: vec![
                ("to", targets("The recipients, who get one e-mail each. A string is accepted as a list of one.", text("An e-mail address."))),
                ("subject", some_text("The subject.")),
                ("body", some_text("The text.")),
                ("html", text("The same as HTML, an alternative to the text. `true` is accepted as well: then the body is HTML.")),
                ("smtp_host", text("The mail server. Default: that of the app (`smtp_url`), else that of the operator.")),
                ("smtp_port", inline(port)),
                ("smtp_user", text("The user at this server.")),
                ("smtp_password", text("The password of this user.")),
                ("smtp_starttls", inline(plain("boolean", "Whether the connection is encrypted by STARTTLS. Default: false."))),
                ("smtp_sender", text("The address that the e-mail comes from: `shop@shop.example` or `Shop <shop@shop.example>`.")),
            ],
            additional_properties: open(),
            ..plain("object", "An e-mail to send.")
        };
        example(body(schema), json!({"to": ["ann@shop.example"], "subject": "Order 17", "body": "Your order was shipped."}))
    }
}

shape! {
    /// The result of a direct e-mail.
    MailSentShape as "EmailSent" = |registry| {
        FailedShape::register(registry);
        MetaSchema {
            required: vec!["success", "recipients"],
            properties: result("recipients", "The recipients whose e-mail the mail server accepted."),
            ..plain("object", "The result of an e-mail.")
        }
    }
}

shape! {
    /// The body of a direct message to Apple devices.
    ApnShape as "ApnRequest" = |_| {
        let about = "The message: an object with `aps` is sent as it is, any other value as the alert. The member `headers` of an object has the \
            headers `apns-topic`, `apns-push-type`, `apns-priority`, `apns-expiration` and `apns-collapse-id`, and is not sent.";
        let schema = MetaSchema {
            required: vec!["tokens", "message"],
            properties: vec![
                ("tokens", targets("The devices. A string is accepted as a list of one.", text("A device token: hexadecimal digits."))),
                ("message", inline(plain("", about))),
                ("key_data", text("The private key, PEM. Default: `apn_key` of the app.")),
                ("cer_data", text("The certificate, PEM. Default: `apn_cer` of the app.")),
                ("sandbox", inline(plain("boolean", "Whether Apple's sandbox is used. Default: `apn_sandbox` of the app."))),
            ],
            additional_properties: open(),
            ..plain("object", "A message to send to Apple devices.")
        };
        let token = "740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad";
        example(body(schema), json!({"tokens": [token], "message": {"title": "Order 17", "body": "Shipped"}}))
    }
}

shape! {
    /// The result of a direct message to Apple devices.
    ApnSentShape as "ApnSent" = |registry| {
        FailedShape::register(registry);
        MetaSchema {
            required: vec!["success", "tokens"],
            properties: result("tokens", "The devices whose message Apple accepted."),
            ..plain("object", "The result of a message to Apple devices.")
        }
    }
}

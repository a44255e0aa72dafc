//! Direct e-mails.

use serde_json::{Value, json};

use super::body::DirectBody;
use super::outcome::{Outcome, attempted, not_attempted};
use crate::core::model::{App, EmailAddress, MailContent, MailServer, Secret, TargetKind};
use crate::core::service::{DirectMessage, GivenMailServer, MailServerError, Service};
use crate::inbound::rest::problem::Problem;
use crate::inbound::wire::read_string;

/// The list of those that got the mail, in results.
const LIST: &str = "recipients";

/// The members with a server in place of the app's.
pub(super) const OWN: [&str; 6] = [
    "smtp_host",
    "smtp_port",
    "smtp_user",
    "smtp_password",
    "smtp_starttls",
    "smtp_sender",
];

/// The subject of a mail without one.
const SUBJECT: &str = "Notification";

/// An e-mail that is to be sent.
pub(super) struct MailRequest {
    to: Vec<String>,
    content: MailContent,
    /// The server, or why there is none.
    server: Result<MailServer, MailServerError>,
}

/// Reads the body of `/messaging/email`.
pub(super) fn read(
    body: &DirectBody<'_>,
    service: &Service,
    app: &App,
) -> Result<MailRequest, Problem> {
    let missing = |problem: &'static str| move || Problem::bad_request(problem);
    let to = body.targets("to")?;
    if to.is_empty() {
        return Err(missing("No recipient specified")());
    }
    let subject = body.text("subject")?;
    let subject = subject.ok_or_else(missing("No subject specified"))?;
    let text = body
        .text("body")?
        .ok_or_else(missing("No body specified"))?;
    let html = html(body, "html")?;
    let server = service.mail_server(app, &given_server(body)?);
    match &server {
        Err(MailServerError::NoHost | MailServerError::NoSender | MailServerError::App(_))
        | Ok(_) => {}
        Err(of_body) => return Err(Problem::bad_request(of_body.to_string())),
    }
    Ok(MailRequest {
        to,
        content: content(subject.into_owned(), text.into_owned(), html),
        server,
    })
}

/// Reads the members of `/messaging/send`; `None`: there is no recipient.
pub(super) fn read_of_several(
    body: &DirectBody<'_>,
    service: &Service,
    app: &App,
) -> Result<Option<MailRequest>, Problem> {
    let to = body.targets("email_to")?;
    let subject = body.text("email_subject")?;
    let text = match body.text("email_body")? {
        Some(text) => text.into_owned(),
        None => body.get("data").map(indented).unwrap_or_default(),
    };
    let html = html(body, "email_html")?;
    if to.is_empty() {
        return Ok(None);
    }
    Ok(Some(MailRequest {
        to,
        content: content(
            subject.map_or_else(|| SUBJECT.to_owned(), Into::into),
            text,
            html,
        ),
        server: service.mail_server(app, &GivenMailServer::default()),
    }))
}

/// The HTML of a mail.
enum Html {
    /// There is none.
    None,
    /// The text is HTML.
    Text,
    /// An alternative to the text.
    Alternative(String),
}

fn html(body: &DirectBody<'_>, name: &str) -> Result<Html, Problem> {
    match body.get(name) {
        None | Some("false") => Ok(Html::None),
        Some("true") => Ok(Html::Text),
        Some(json) => match read_string(json) {
            Some(text) if text.is_empty() => Ok(Html::None),
            Some(text) => Ok(Html::Alternative(text.into_owned())),
            None => Err(Problem::bad_request(format!(
                "{name} must be a string with the HTML alternative, or true where the body is HTML"
            ))),
        },
    }
}

fn content(subject: String, text: String, html: Html) -> MailContent {
    let (text, html) = match html {
        Html::None => (text, None),
        Html::Text => (String::new(), Some(text)),
        Html::Alternative(page) => (text, Some(page)),
    };
    MailContent {
        subject,
        text,
        html,
    }
}

/// JSON indented by two spaces.
fn indented(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

fn given_server(body: &DirectBody<'_>) -> Result<GivenMailServer, Problem> {
    let text = |name| -> Result<Option<String>, Problem> { Ok(body.text(name)?.map(String::from)) };
    let port = |json: &str| {
        json.parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| Problem::bad_request("smtp_port must be an integer from 1 to 65535"))
    };
    Ok(GivenMailServer {
        host: text("smtp_host")?,
        port: body.get("smtp_port").map(port).transpose()?,
        user: text("smtp_user")?,
        password: text("smtp_password")?.map(Secret::new),
        starttls: body.flag("smtp_starttls")?,
        sender: text("smtp_sender")?,
    })
}

impl MailRequest {
    /// Sends it.
    pub(super) async fn outcome(self, service: &Service, app: &App) -> Outcome {
        let server = match self.server {
            Ok(server) => server,
            Err(error) => return not_attempted(LIST, &self.to, &error.to_string()),
        };
        let to = self.to.iter().map(|to| Secret::new(to.as_str())).collect();
        let results = service
            .send_to_addresses(app, to, &self.content, &server)
            .await;
        attempted(LIST, &self.to, &results)
    }

    /// What is queued of it.
    ///
    /// # Errors
    /// An address is none.
    pub(super) fn queued(self) -> Result<Vec<DirectMessage>, Problem> {
        for address in &self.to {
            EmailAddress::parse(address)
                .map_err(|error| Problem::bad_request(format!("the recipient {error}")))?;
        }
        let content = json!({
            "subject": self.content.subject,
            "body": self.content.text,
            "html": self.content.html,
        });
        Ok(vec![DirectMessage {
            kind: TargetKind::Smtp,
            addresses: self.to.into_iter().map(Secret::new).collect(),
            content: content.to_string(),
        }])
    }

    /// Sends it; the answer.
    pub(super) async fn send(self, service: &Service, app: &App) -> Value {
        Value::Object(self.outcome(service, app).await)
    }
}

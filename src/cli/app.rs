//! `pushi app`: administers apps in the store itself. Running servers follow within a second.

use poem::http::Method;
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::failure::Failure;
use super::workbench::{settings, work};
use crate::config::Raw;
use crate::core::model::AppIdent;

/// `GET /apps` answers at most so many.
const PAGE: usize = 10_000;

/// Administer apps
///
/// It works on the store itself, whether a server runs or not; running servers follow within a second.
#[derive(clap::Args)]
pub struct Apps {
    #[command(subcommand)]
    command: AppCommand,
}

#[derive(clap::Subcommand)]
enum AppCommand {
    Create(Create),
    List(List),
    Show(Show),
    Update(Update),
    Delete(Delete),
}

/// Create an app, and print its id, key and secret
#[derive(clap::Args)]
struct Create {
    /// For people
    #[arg(long)]
    name: String,
    /// For people, longer
    #[arg(long)]
    description: Option<String>,
    /// The id: 1 to 64 of A-Z a-z 0-9 _ -; made up where it is not given, as are key and secret
    #[arg(long)]
    ident: Option<String>,
    /// The public key
    #[arg(long)]
    key: Option<String>,
    /// The secret
    #[arg(long)]
    secret: Option<String>,
    #[command(flatten)]
    form: Form,
}

/// List the apps
#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    form: Form,
}

/// Show an app with its credentials and settings
#[derive(clap::Args)]
struct Show {
    /// The app's id
    ident: String,
    #[command(flatten)]
    form: Form,
}

/// Change an app's name, description or settings
#[derive(clap::Args)]
struct Update {
    /// The app's id
    ident: String,
    /// What to change, as PUT /apps/<ident> takes it: name=Shop client_events=true max_members=50 webhooks=null. A value is
    /// JSON, or else a text
    #[arg(required = true, value_name = "NAME=VALUE")]
    changes: Vec<String>,
    #[command(flatten)]
    form: Form,
}

/// Delete an app with everything that belongs to it
#[derive(clap::Args)]
struct Delete {
    /// The app's id
    ident: String,
    #[command(flatten)]
    form: Form,
}

/// What all of them take.
#[derive(clap::Args)]
struct Form {
    /// Print JSON, as the REST API answers it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    raw: Raw,
}

impl Apps {
    pub async fn run(self) -> Result<String, Failure> {
        match self.command {
            AppCommand::Create(create) => {
                let app = create
                    .form
                    .ask(Method::POST, "/apps", Some(create.body()))
                    .await?;
                Ok(create.form.print(&app, credentials))
            }
            AppCommand::List(List { form }) => {
                let apps = form.at_desk(all).await?;
                Ok(form.print(&json!({ "apps": apps }), |list| table(&list["apps"])))
            }
            AppCommand::Show(Show { ident, form }) => {
                let app = form.ask(Method::GET, &path(&ident)?, None).await?;
                Ok(form.print(&app, everything))
            }
            AppCommand::Update(Update {
                ident,
                changes,
                form,
            }) => {
                let app = form
                    .ask(Method::PUT, &path(&ident)?, Some(members(&changes)?))
                    .await?;
                Ok(form.print(&app, everything))
            }
            AppCommand::Delete(Delete { ident, form }) => {
                let done = form.ask(Method::DELETE, &path(&ident)?, None).await?;
                Ok(form.print(&done, |_| format!("deleted {ident}")))
            }
        }
    }
}

impl Create {
    fn body(&self) -> Value {
        let given = [
            ("description", &self.description),
            ("ident", &self.ident),
            ("key", &self.key),
            ("secret", &self.secret),
        ];
        let given = given
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.into())));
        let name = ("name".to_owned(), self.name.as_str().into());
        Value::Object(std::iter::once(name).chain(given).collect())
    }
}

impl Form {
    async fn at_desk<T>(
        &self,
        ask: impl AsyncFnOnce(Desk) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        work(&settings(&self.raw)?, async |service| {
            ask(Desk::new(service)?).await
        })
        .await
    }

    async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        self.at_desk(async |desk: Desk| desk.ask(method, target, body).await)
            .await
    }

    fn print(&self, answer: &Value, text: impl FnOnce(&Value) -> String) -> String {
        if self.json {
            answer.to_string()
        } else {
            text(answer)
        }
    }
}

/// An app's path; checked, so that nothing in it can mean another route.
fn path(ident: &str) -> Result<String, Failure> {
    AppIdent::parse(ident)
        .map(|ident| format!("/apps/{ident}"))
        .map_err(Failure::command)
}

/// `name=value …` as the body of a change.
fn members(changes: &[String]) -> Result<Value, Failure> {
    let member = |change: &String| {
        let (name, value) = change
            .split_once('=')
            .ok_or_else(|| Failure::Command(format!("{change:?} is not NAME=VALUE")))?;
        Ok((
            name.to_owned(),
            serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        ))
    };
    changes
        .iter()
        .map(member)
        .collect::<Result<Map<_, _>, _>>()
        .map(Value::Object)
}

async fn all(desk: Desk) -> Result<Vec<Value>, Failure> {
    let mut apps: Vec<Value> = Vec::new();
    loop {
        let after = apps.last().and_then(|app| app["id"].as_u64()).unwrap_or(0);
        let mut page = desk
            .ask(Method::GET, &format!("/apps?after={after}"), None)
            .await?;
        let page = page["apps"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        let whole = page.len() < PAGE;
        apps.extend(page);
        if whole {
            return Ok(apps);
        }
    }
}

fn credentials(app: &Value) -> String {
    ["ident", "key", "secret"]
        .map(|name| format!("{:<8}{}", shown_name(name), shown(&app[name])))
        .join("\n")
}

fn shown_name(name: &str) -> &str {
    // As `--app-id` calls it.
    if name == "ident" { "id" } else { name }
}

fn everything(app: &Value) -> String {
    // `id` is the store's own number, and `instance` the ident again.
    let hidden = ["id", "instance"];
    let members = app
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !hidden.contains(&name.as_str()));
    members
        .map(|(name, value)| format!("{:<28}{}", shown_name(name), shown(value)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn table(apps: &Value) -> String {
    let row = |app: &Value| ["ident", "key", "name"].map(|name| shown(&app[name]));
    let head = ["id", "key", "name"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head)
        .chain(apps.as_array().into_iter().flatten().map(row))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (ident, key) = (width(0), width(1));
    rows.iter()
        .map(|[a, b, c]| format!("{a:<ident$}  {b:<key$}  {c}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A value on one line; control characters, which could move the terminal's cursor, are left out.
fn shown(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_json_or_else_a_text() {
        let body = members(&[
            "name=Shop".into(),
            "enabled=false".into(),
            "max_members=5".into(),
            "description=a=b".into(),
        ]);
        assert_eq!(
            body,
            Ok(json!({"name": "Shop", "enabled": false, "max_members": 5, "description": "a=b"}))
        );
        assert!(members(&["name".into()]).is_err());
    }

    #[test]
    fn a_path_has_nothing_but_the_ident() {
        assert_eq!(path("shop"), Ok("/apps/shop".into()));
        assert!(path("../login").is_err() && path("shop/rotate").is_err() && path("").is_err());
    }

    #[test]
    fn what_is_printed_moves_no_cursor() {
        assert_eq!(shown(&"a\u{1b}[2Jb\n".into()), "a[2Jb");
        assert_eq!(shown(&json!([1])), "[1]");
    }
}

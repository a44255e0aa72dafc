//! `pushi app`: administers apps directly in the store. Running servers apply the changes within a
//! second.

use poem::http::Method;
use serde_json::{Map, Value, json};

use super::admin_api::AdminApi;
use super::context::{load_settings, with_service};
use super::error::CliError;
use super::output::OutputArgs;
use crate::core::model::AppIdent;

/// Apps per response of `GET /apps`.
const PAGE: usize = 10_000;

/// Administer apps
///
/// Works directly on the store, whether or not a server is running; running servers apply the
/// changes within a second.
#[derive(clap::Args)]
pub(super) struct AppArgs {
    #[command(subcommand)]
    command: AppCommand,
}

#[derive(clap::Subcommand)]
enum AppCommand {
    Create(CreateArgs),
    List(ListArgs),
    Show(ShowArgs),
    Update(UpdateArgs),
    Vapid(VapidArgs),
    Logout(LogoutArgs),
    Delete(DeleteArgs),
}

/// Create an app and print its id, key and secret
#[derive(clap::Args)]
struct CreateArgs {
    /// Display name
    #[arg(long)]
    name: String,
    /// Description
    #[arg(long)]
    description: Option<String>,
    /// Id: 1 to 64 of A-Z a-z 0-9 _ - [default: random, as for key and secret]
    #[arg(long)]
    ident: Option<String>,
    /// Public key: 1 to 256 printable ASCII characters without spaces
    #[arg(long, allow_hyphen_values = true)]
    key: Option<String>,
    /// Secret, as the key
    #[arg(long, allow_hyphen_values = true)]
    secret: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// List all apps
#[derive(clap::Args)]
struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
}

/// Show the credentials and settings of an app
#[derive(clap::Args)]
struct ShowArgs {
    /// Id of the app
    ident: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Change the name, description or settings of an app
#[derive(clap::Args)]
struct UpdateArgs {
    /// Id of the app
    ident: String,
    /// Changes as accepted by PUT /apps/<ident>, such as name=Shop client_events=true
    /// max_members=50. NAME=null resets a setting to its default. A value that is not valid JSON
    /// is a string
    #[arg(required = true, value_name = "NAME=VALUE")]
    changes: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Make a key pair for Web Push and print its public key
///
/// Browsers subscribe with the public key, which GET /vapid_key returns as well; the private key is
/// stored in the app.
#[derive(clap::Args)]
struct VapidArgs {
    /// Id of the app
    ident: String,
    /// Replace an existing key; browsers that subscribed with it have to subscribe again
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// End all sessions of an app
///
/// Every session token of the app is refused by running servers within a second. Back ends log in
/// again; connected clients are not affected.
#[derive(clap::Args)]
struct LogoutArgs {
    /// Id of the app
    ident: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Delete an app with all its data
#[derive(clap::Args)]
struct DeleteArgs {
    /// Id of the app
    ident: String,
    #[command(flatten)]
    output: OutputArgs,
}

impl AppArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        match self.command {
            AppCommand::Create(create) => {
                let body = create.body();
                let app = call(&create.output, Method::POST, "/apps", Some(body)).await?;
                Ok(create.output.format(&app, format_credentials))
            }
            AppCommand::List(ListArgs { output }) => {
                let apps = with_admin_api(&output, list_apps).await?;
                Ok(output.format(&json!({ "apps": apps }), |list| format_table(&list["apps"])))
            }
            AppCommand::Show(ShowArgs { ident, output }) => {
                let app = call(&output, Method::GET, &app_path(&ident)?, None).await?;
                Ok(output.format(&app, format_app))
            }
            AppCommand::Update(UpdateArgs {
                ident,
                changes,
                output,
            }) => {
                let body = parse_changes(&changes)?;
                let app = call(&output, Method::PUT, &app_path(&ident)?, Some(body)).await?;
                Ok(output.format(&app, format_app))
            }
            AppCommand::Vapid(VapidArgs {
                ident,
                replace,
                output,
            }) => {
                let replace = if replace { "?replace=1" } else { "" };
                let target = format!("{}/vapid{replace}", app_path(&ident)?);
                let key = call(&output, Method::POST, &target, None).await?;
                Ok(output.format(&key, |key| printable(&key["vapid_public_key"])))
            }
            AppCommand::Logout(LogoutArgs { ident, output }) => {
                let target = format!("{}/sessions/revoke", app_path(&ident)?);
                let response = call(&output, Method::POST, &target, None).await?;
                Ok(output.format(&response, |_| format!("ended all sessions of {ident}")))
            }
            AppCommand::Delete(DeleteArgs { ident, output }) => {
                let response = call(&output, Method::DELETE, &app_path(&ident)?, None).await?;
                Ok(output.format(&response, |_| format!("deleted {ident}")))
            }
        }
    }
}

impl CreateArgs {
    fn body(&self) -> Value {
        let optional = [
            ("description", &self.description),
            ("ident", &self.ident),
            ("key", &self.key),
            ("secret", &self.secret),
        ];
        let optional = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.into())));
        let name = ("name".to_owned(), self.name.as_str().into());
        Value::Object(std::iter::once(name).chain(optional).collect())
    }
}

/// Runs `operation` with the REST API over the configured store.
async fn with_admin_api<T>(
    output: &OutputArgs,
    operation: impl AsyncFnOnce(AdminApi) -> Result<T, CliError>,
) -> Result<T, CliError> {
    with_service(&load_settings(&output.raw)?, async |service| {
        operation(AdminApi::new(service)?).await
    })
    .await
}

/// Sends one request to the REST API over the configured store.
async fn call(
    output: &OutputArgs,
    method: Method,
    target: &str,
    body: Option<Value>,
) -> Result<Value, CliError> {
    with_admin_api(output, async |api: AdminApi| {
        api.send(method, target, body).await
    })
    .await
}

/// The path of an app. The ident is validated first, so that it cannot select another route.
fn app_path(ident: &str) -> Result<String, CliError> {
    AppIdent::parse(ident)
        .map(|ident| format!("/apps/{ident}"))
        .map_err(CliError::command)
}

/// Converts `name=value` arguments to the body of a `PUT`. A null adds the name to `reset`.
fn parse_changes(changes: &[String]) -> Result<Value, CliError> {
    let mut body = Map::new();
    let mut reset = Vec::new();
    for change in changes {
        let (name, value) = change
            .split_once('=')
            .ok_or_else(|| CliError::Command(format!("{change:?} is not NAME=VALUE")))?;
        match serde_json::from_str(value).unwrap_or_else(|_| value.into()) {
            Value::Null => reset.push(Value::from(name)),
            value => drop(body.insert(name.to_owned(), value)),
        }
    }
    if !reset.is_empty() {
        match body.entry("reset").or_insert_with(|| json!([])) {
            Value::Array(names) => names.append(&mut reset),
            _ => return Err(CliError::Command("reset is not a list of names".into())),
        }
    }
    Ok(body.into())
}

async fn list_apps(api: AdminApi) -> Result<Vec<Value>, CliError> {
    let mut apps: Vec<Value> = Vec::new();
    loop {
        let after = apps.last().and_then(|app| app["id"].as_u64()).unwrap_or(0);
        let target = format!("/apps?after={after}");
        let mut response = api.send(Method::GET, &target, None).await?;
        let page = response["apps"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        let is_last = page.len() < PAGE;
        apps.extend(page);
        if is_last {
            return Ok(apps);
        }
    }
}

fn format_credentials(app: &Value) -> String {
    ["ident", "key", "secret"]
        .map(|name| format!("{:<8}{}", label(name), printable(&app[name])))
        .join("\n")
}

/// The label of a field: `ident` is shown as `id`, as in `--app-id`.
fn label(field: &str) -> &str {
    if field == "ident" { "id" } else { field }
}

fn format_app(app: &Value) -> String {
    // `id` is the internal number of the store, and `instance` repeats the ident.
    let hidden = ["id", "instance"];
    let fields = app
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !hidden.contains(&name.as_str()));
    fields
        .map(|(name, value)| format!("{:<28}{}", label(name), printable(value)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn format_table(apps: &Value) -> String {
    let row = |app: &Value| ["ident", "key", "name"].map(|name| printable(&app[name]));
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

/// Formats a value on one line, without control characters, which could move the cursor of a
/// terminal.
fn printable(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_or_else_text() {
        let body = parse_changes(&[
            "name=Shop".into(),
            "enabled=false".into(),
            "max_members=5".into(),
            "description=a=b".into(),
        ]);
        assert_eq!(
            body,
            Ok(json!({"name": "Shop", "enabled": false, "max_members": 5, "description": "a=b"}))
        );
        assert!(parse_changes(&["name".into()]).is_err());
    }

    #[test]
    fn a_null_resets_a_setting() {
        let body = |changes: &[&str]| {
            parse_changes(
                &changes
                    .iter()
                    .map(|change| (*change).into())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            body(&["webhooks=null", "name=Shop"]),
            Ok(json!({"name": "Shop", "reset": ["webhooks"]}))
        );
        assert_eq!(
            body(&["max_members=null", r#"reset=["replay"]"#]),
            Ok(json!({"reset": ["replay", "max_members"]}))
        );
        assert!(body(&["max_members=null", "reset=replay"]).is_err());
    }

    #[test]
    fn a_path_contains_only_the_ident() {
        assert_eq!(app_path("shop"), Ok("/apps/shop".into()));
        assert!(
            app_path("../login").is_err()
                && app_path("shop/rotate").is_err()
                && app_path("").is_err()
        );
    }

    #[test]
    fn control_characters_are_not_printed() {
        assert_eq!(printable(&"a\u{1b}[2Jb\n".into()), "a[2Jb");
        assert_eq!(printable(&json!([1])), "[1]");
    }
}

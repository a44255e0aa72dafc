//! `pushi sql`: the statements for publishing in a transaction.

use serde_json::json;

use super::error::CliError;
use super::output::OutputArgs;
use crate::config::{StoreUrl, resolve};

/// Print the statements for a database role that may publish and nothing else
///
/// For PostgreSQL: a role that may insert into pushi_publish and cannot read. Run them as the owner of the tables, in the
/// schema of the server: pushi sql | psql DATABASE. On SQLite and MongoDB, prints how to publish there.
#[derive(clap::Args)]
pub(super) struct SqlArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Name of the role
    #[arg(long, value_name = "NAME", default_value = "pushi_publisher")]
    role: String,
}

impl SqlArgs {
    pub(super) fn run(self) -> Result<String, CliError> {
        let store = resolve(&self.output.raw)?.settings.store;
        let text = match store.url {
            StoreUrl::Postgres(_) => postgres(&self.role),
            StoreUrl::Sqlite { path } => sqlite(&path),
            StoreUrl::SqliteMemory => {
                "-- A database in memory cannot be reached by other programs: use a file, such as DATABASE_URL=sqlite://pushi.db.".into()
            }
            StoreUrl::Mongo { database, .. } => mongo(&database),
        };
        Ok(self
            .output
            .format(&json!({ "sql": text }), |_| text.clone()))
    }
}

fn postgres(role: &str) -> String {
    let (name, literal) = (quoted(role, '"'), quoted(role, '\''));
    format!(
        "-- Run as the owner of the tables, with the search_path of the server. Set a password: \\password {role}
DO $pushi$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal}) THEN
        CREATE ROLE {name} LOGIN;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), {literal});
END
$pushi$;
GRANT INSERT (app, channel, event, data, persist, extra) ON pushi_publish TO {name};
-- The id needs no further right: it is an identity column. Only for libraries that add RETURNING id to each INSERT:
-- GRANT SELECT (id) ON pushi_publish TO {name};
--
-- In the application's own transaction (app: the id or the key of the app):
-- INSERT INTO pushi_publish (app, channel, event, data) VALUES ('APP', 'orders', 'created', '{{\"id\":7}}');"
    )
}

/// A name or a text between `quote`s; a dollar quote around it must not end in it.
fn quoted(text: &str, quote: char) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{}{quote}", doubled.replace("$pushi$", "$pushi_$"))
}

fn sqlite(path: &str) -> String {
    format!(
        "-- SQLite has no roles: whoever can write {path} can publish. Insert in a transaction of your own
-- (app: the id or the key of the app); the server looks for rows every 250 ms.
INSERT INTO pushi_publish (app, channel, event, data) VALUES ('APP', 'orders', 'created', '{{\"id\":7}}');"
    )
}

fn mongo(database: &str) -> String {
    format!(
        "// Run in mongosh, as an administrator of the database {database}: a role that may insert and nothing else.
db.createRole({{ role: \"pushi_publisher\", roles: [], privileges: [
  {{ resource: {{ db: \"{database}\", collection: \"pushi_publish\" }}, actions: [\"insert\"] }} ] }});
// Insert in a transaction of your own, if the server is a replica set (app: the id or the key of the app):
// db.pushi_publish.insertOne({{ app: \"APP\", channel: \"orders\", event: \"created\", data: {{ id: 7 }} }});"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_roles_are_quoted() {
        assert_eq!(quoted(r#"a"b"#, '"'), r#""a""b""#);
        assert_eq!(quoted("a'b", '\''), "'a''b'");
        assert!(!quoted("$pushi$", '\'').contains("$pushi$"));
        let text = postgres("my role");
        assert!(text.contains("CREATE ROLE \"my role\" LOGIN"), "{text}");
    }
}

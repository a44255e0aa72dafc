//! The table of all variables, one row each.
//!
//! The flag of a variable is its name in lower case, with dashes and without the prefix `pushi-`.

/// A variable of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name in the environment.
    pub name: &'static str,
    /// The placeholder of the value in the help text. The flag of a [`SWITCH`] needs no value.
    pub kind: &'static str,
    /// The value if the variable is not set, in the format that the variable accepts; empty: none.
    pub default: &'static str,
    /// One line for the help text.
    pub help: &'static str,
    /// The group of the help text.
    pub heading: &'static str,
}

/// The kind of boolean variables; their flag without a value means 1.
pub const SWITCH: &str = "0|1";
/// The kind of variables whose value must not be shown.
const SECRET: &str = "SECRET";

impl Variable {
    /// Whether the value must not be shown.
    pub fn is_secret(&self) -> bool {
        self.kind == SECRET
    }

    /// Whether the value is a key or a secret, which are any printable characters.
    pub(crate) fn is_credential(&self) -> bool {
        self.is_secret() || self.kind == "KEY"
    }

    /// The command-line flag without the leading dashes.
    pub fn flag(&self) -> String {
        self.name
            .strip_prefix("PUSHI_")
            .unwrap_or(self.name)
            .to_ascii_lowercase()
            .replace('_', "-")
    }
}

/// Defines one constant per variable, and [`ALL`] with all of them. The row
///
/// ```text
/// variables! {
///     "Timeouts" {
///         PUSHI_DRAIN_SECONDS "DURATION" = "5s", "Period over which a shutdown closes the connections";
///     }
/// }
/// ```
///
/// expands to
///
/// ```text
/// /// Period over which a shutdown closes the connections
/// pub const PUSHI_DRAIN_SECONDS: Variable = Variable {
///     name: "PUSHI_DRAIN_SECONDS",
///     kind: "DURATION",
///     default: "5s",
///     help: "Period over which a shutdown closes the connections",
///     heading: "Timeouts",
/// };
/// /// All variables, in the order of the help text.
/// pub const ALL: &[Variable] = &[PUSHI_DRAIN_SECONDS];
/// ```
///
/// and thereby to the flag `--drain-seconds DURATION` of every command.
macro_rules! variables {
    ($($heading:literal { $($name:ident $kind:tt = $default:literal, $help:literal;)* })*) => {
        $($(
            #[doc = $help]
            pub const $name: Variable = Variable {
                name: stringify!($name),
                kind: $kind,
                default: $default,
                help: $help,
                heading: $heading,
            };
        )*)*
        /// All variables, in the order of the help text.
        pub const ALL: &[Variable] = &[$($($name,)*)*];
    };
}

variables! {
    "Listeners" {
        APP_HOST "HOST" = "127.0.0.1", "Address of the listener for the REST API, its documentation and the console";
        APP_PORT "PORT" = "8080", "Port of this listener; 0: a free port";
        APP_SSL "0|1" = "0", "Enable TLS on this listener";
        APP_SSL_KEY "FILE" = "", "PEM file with its private key";
        APP_SSL_CER "FILE" = "", "PEM file with its certificate chain";
        SERVER_HOST "HOST" = "127.0.0.1", "Address of the listener for WebSocket connections";
        SERVER_PORT "PORT" = "9090", "Port of this listener; 0: a free port; same host and port as above: one listener for both";
        SERVER_SSL "0|1" = "0", "Enable TLS on this listener";
        SERVER_SSL_KEY "FILE" = "", "PEM file with its private key";
        SERVER_SSL_CER "FILE" = "", "PEM file with its certificate chain";
        APP_SERVER "NAME" = "", "Ignored; selects the HTTP server in the original";
        PUSHI_TRUSTED_PROXIES "LIST" = "", "Addresses or networks of proxies whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are trusted";
        PUSHI_PATH_PREFIX "PATH" = "", "Path below which a proxy serves this server, such as /realtime, whether it strips it or not";
    }
    "Storage and nodes" {
        DATABASE_URL "URL" = "sqlite://pushi.db", "sqlite://PATH, sqlite::memory:, postgres://…, mongodb://… or mongodb+srv://…";
        MONGO_URL "URL" = "", "Used if DATABASE_URL is not set";
        MONGOHQ_URL "URL" = "", "Used if neither DATABASE_URL nor MONGO_URL is set";
        MONGO_DB "NAME" = "pushi", "Database of a MongoDB URL without a path";
        BUS_URL "URL" = "", "Connects several nodes: redis://…, rediss://… or redis-cluster://A,B; not set: single node";
        REDIS_URL "URL" = "", "Used if BUS_URL is not set";
        PUSHI_STORE_TIMEOUT "DURATION" = "5s", "Timeout of a database call";
        PUSHI_STORE_POOL "NUMBER" = "10", "Maximum number of database connections";
        PUSHI_SQL_PUBLISH "0|1" = "1", "Publish the rows that applications insert into pushi_publish: see pushi sql";
        PUSHI_NODE_LEASE "DURATION" = "10s", "Time without a heartbeat after which a node is considered dead";
        PUSHI_RETENTION "DURATION" = "0", "Maximum age of persisted events; 0: unlimited";
        PUSHI_RETENTION_EVENTS "NUMBER" = "0", "Maximum number of persisted events per channel; 0: unlimited";
    }
    "Access" {
        PUSHI_ADMIN_TOKEN "SECRET" = "", "Bearer token for the administration of apps and the console; not set: these routes answer 403";
        PUSHI_OPEN_REGISTRATION "0|1" = "0", "Allow creating apps without authentication, as in the original";
        PUSHI_APP_ID "IDENT" = "", "Id of an app to create or update at startup; requires its key and secret";
        PUSHI_APP_KEY "KEY" = "", "Key of this app";
        PUSHI_APP_SECRET "SECRET" = "", "Secret of this app";
        PUSHI_APP_NAME "NAME" = "", "Name of this app; not set: its id";
        PUSHI_ALLOWED_ORIGINS "LIST" = "", "Origins that may connect from browsers and that CORS responses allow; *.HOST: all subdomains; not set: any";
        PUSHI_SESSION_TTL "DURATION" = "30d", "Lifetime of a session token";
        PUSHI_MAX_TOKEN_TTL "DURATION" = "1d", "Longest time until a token of a user (JSON Web Token) may expire";
        PUSHI_CONSOLE "0|1" = "1", "Serve the console at /console, over TLS or to this machine";
        PUSHI_CONSOLE_INSECURE "0|1" = "0", "Serve the console to other machines without TLS, too; for networks that nobody else can read";
        PUSHI_DEMO "0|1" = "0", "Sign subscriptions for /examples/chat.html without authentication, under any user name; for trials only";
    }
    "Variables of other servers, used if the variable of Pushi is not set" {
        SOKETI_HOST "HOST" = "", "Alias of SERVER_HOST";
        SOKETI_PORT "PORT" = "", "Alias of SERVER_PORT";
        SOKETI_DEFAULT_APP_ID "IDENT" = "", "Alias of PUSHI_APP_ID; requires its key and secret";
        SOKETI_DEFAULT_APP_KEY "KEY" = "", "Alias of PUSHI_APP_KEY";
        SOKETI_DEFAULT_APP_SECRET "SECRET" = "", "Alias of PUSHI_APP_SECRET";
        REVERB_SERVER_HOST "HOST" = "", "Alias of SERVER_HOST";
        REVERB_SERVER_PORT "PORT" = "", "Alias of SERVER_PORT";
        REVERB_APP_ID "IDENT" = "", "Alias of PUSHI_APP_ID; requires its key and secret";
        REVERB_APP_KEY "KEY" = "", "Alias of PUSHI_APP_KEY";
        REVERB_APP_SECRET "SECRET" = "", "Alias of PUSHI_APP_SECRET";
        PUSHER_APP_ID "IDENT" = "", "Alias of PUSHI_APP_ID; requires its key and secret";
        PUSHER_APP_KEY "KEY" = "", "Alias of PUSHI_APP_KEY";
        PUSHER_APP_SECRET "SECRET" = "", "Alias of PUSHI_APP_SECRET";
    }
    "Limits (0: unlimited)" {
        PUSHI_MAX_CONNECTIONS "NUMBER" = "0", "Connections per node";
        PUSHI_MAX_CONNECTS_PER_SECOND "NUMBER" = "0", "New connections per second and node";
        PUSHI_MAX_FAILED_LOGINS "NUMBER" = "10", "Failed logins in a row per client address and app (three times as many with a token), then one per second";
        PUSHI_MAX_MESSAGE_BYTES "NUMBER" = "65536", "Size of a WebSocket message from a client";
        PUSHI_MAX_BODY_BYTES "NUMBER" = "262144", "Size of an HTTP request body";
        PUSHI_MAX_HTTP_CONNECTIONS "NUMBER" = "10000", "HTTP connections per node; WebSockets do not count";
        PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS "NUMBER" = "1000", "HTTP connections of one client address (IPv6: /64); trusted proxies do not count";
        PUSHI_MAX_DATA_BYTES "NUMBER" = "10240", "Size of the data of an event over the Pusher HTTP API";
        PUSHI_MAX_CHANNELS_PER_CONNECTION "NUMBER" = "1000", "Subscriptions per connection, not counting aliases";
        PUSHI_MAX_CHANNEL_NAME "NUMBER" = "200", "Characters of a channel name";
        PUSHI_MAX_EVENT_NAME "NUMBER" = "200", "Characters of an event name";
        PUSHI_MAX_MEMBERS "NUMBER" = "20000", "Members of a presence channel";
        PUSHI_MAX_MEMBER_BYTES "NUMBER" = "1024", "Size of the channel data of a member";
        PUSHI_MAX_CLIENT_EVENTS "NUMBER" = "10", "client- events per second and connection (Pusher protocol)";
        PUSHI_MAX_PUBLISHES "NUMBER" = "0", "Publishes per second and connection (Pushi protocol)";
        PUSHI_MAX_PENDING_BYTES "NUMBER" = "1048576", "Bytes queued for a slow client before its connection is closed";
        PUSHI_MAX_QUEUED_BYTES "NUMBER" = "16777216", "Bytes of one app in each queue of the server (publishes, webhook events); a publish above it is answered with 429 or 4301";
        PUSHI_MAX_QUEUED_BYTES_ALL "NUMBER" = "67108864", "Bytes of all apps in each queue of the server";
        PUSHI_MAX_OUTBOX_BYTES "NUMBER" = "67108864", "Bytes of stored webhook events of one app that wait for their receivers; later ones are dropped and logged";
        PUSHI_MAX_ANSWER_BYTES "NUMBER" = "1048576", "Bytes of events in an answer to a WebSocket client; what is larger continues in pages";
        PUSHI_MAX_ANSWERS_BYTES "NUMBER" = "33554432", "Bytes of all answers being prepared or sent, one half for those over 256 KiB; an app has at most a quarter of a half, an address an eighth";
        PUSHI_MAX_REPLAY "NUMBER" = "1000", "Events replayed by since, with paging in each page";
        PUSHI_MAX_HISTORY "NUMBER" = "100", "Events per response of latest or GET /events";
    }
    "Timeouts" {
        PUSHI_HANDSHAKE_TIMEOUT "DURATION" = "10s", "Timeout of the TLS handshake and HTTP request head together";
        PUSHI_BODY_TIMEOUT "DURATION" = "30s", "Timeout of a whole HTTP request body";
        PUSHI_ANSWER_TIMEOUT "DURATION" = "30s", "Time in which a client must take 64 KiB of an answer before its connection is closed";
        PUSHI_ACTIVITY_TIMEOUT "DURATION" = "30s", "Time without a frame from the client after which a ping is sent";
        PUSHI_IDLE_TIMEOUT "DURATION" = "0", "Time without a message after which a connection is closed; 0: never";
        PUSHI_DRAIN_SECONDS "DURATION" = "5s", "Period over which a shutdown closes the connections; 0: at once";
    }
    "Webhooks" {
        PUSHI_WEBHOOK_TIMEOUT "DURATION" = "5s", "Timeout of a webhook request";
        PUSHI_WEBHOOK_RETRY "DURATION" = "24h", "Period in which a failed delivery is retried; 0: no retries";
        PUSHI_WEBHOOK_ALLOW_PRIVATE "0|1" = "0", "Allow webhooks and other targets of notifications with private addresses";
    }
    "Notifications" {
        PUSHI_HANDLERS "0|1" = "1", "Notify the registered targets of events";
        PUSHI_NOTIFY_RETRY "DURATION" = "24h", "Period in which a failed notification is retried; 0: no retries";
        PUSHI_NOTIFY_TIMEOUT "DURATION" = "10s", "Timeout of an attempt to send a message to a target";
        PUSHI_CONTACT "ADDRESS" = "", "E-mail or https: address of the operator for push services; used for apps without vapid_email";
        WEB_PUSH_TTL "DURATION" = "24h", "Time for which push services keep a message for a browser that is offline";
        PUSHI_APNS_URL "URL" = "", "Push service in place of Apple's: https://…, or http://… on the loopback";
        PUSHI_PUBLIC_URL "URL" = "", "Address under which people reach the REST API, for links in e-mails";
    }
    "E-mail, for apps without smtp_url" {
        SMTP_URL "SECRET" = "", "Mail server: smtp://USER:PASSWORD@HOST:PORT?sender=ADDRESS; smtps:// uses STARTTLS (port 587), smtp+ssl:// and port 465 TLS from the start";
        SMTP_HOST "HOST" = "", "Mail server, used if SMTP_URL is not set";
        SMTP_PORT "PORT" = "25", "Port of SMTP_HOST; 465: TLS from the start";
        SMTP_USER "NAME" = "", "User at SMTP_HOST";
        SMTP_PASSWORD "SECRET" = "", "Password of SMTP_USER";
        SMTP_STARTTLS "0|1" = "0", "Use STARTTLS with SMTP_HOST";
        SMTP_SENDER "ADDRESS" = "", "Address that e-mails come from, such as Shop <shop@shop.example>";
    }
    "Logging (standard error)" {
        RUST_LOG "FILTER" = "warn,pushi=info", "Level or filter, such as pushi=debug; SIGHUP reloads it from .env. Libraries are never logged below info";
        PUSHI_LOG "text|json" = "text", "Format of log lines";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_follow_from_names() {
        assert_eq!(APP_SSL_KEY.flag(), "app-ssl-key");
        assert_eq!(PUSHI_MAX_MESSAGE_BYTES.flag(), "max-message-bytes");
        assert_eq!(RUST_LOG.flag(), "rust-log");
    }

    #[test]
    fn no_two_variables_share_a_name_or_a_flag() {
        let mut flags: Vec<_> = ALL.iter().map(Variable::flag).collect();
        flags.sort();
        flags.dedup();
        assert_eq!(flags.len(), ALL.len());
    }

    #[test]
    fn secrets_are_tokens_secrets_and_passwords() {
        let secret: Vec<_> = ALL
            .iter()
            .filter(|variable| variable.is_secret())
            .map(|variable| variable.name)
            .collect();
        let aliases = [
            "SOKETI_DEFAULT_APP_SECRET",
            "REVERB_APP_SECRET",
            "PUSHER_APP_SECRET",
        ];
        let own = ["PUSHI_ADMIN_TOKEN", "PUSHI_APP_SECRET"];
        let mail = ["SMTP_URL", "SMTP_PASSWORD"];
        assert_eq!(secret, [&own[..], &aliases, &mail].concat());
    }
}

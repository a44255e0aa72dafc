//! Every variable, one row each. A flag is its variable in lower case with dashes, without `pushi-`.

/// A variable of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Name in the environment.
    pub name: &'static str,
    /// What stands for a value in the help; [`SWITCH`] may be left out behind the flag.
    pub kind: &'static str,
    /// What holds where it is not set, in words that the variable itself accepts; empty: nothing.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
    /// The group it is listed in.
    pub heading: &'static str,
}

/// The kind of a variable that is on or off; its flag alone means on.
pub const SWITCH: &str = "0|1";
/// The kind of a variable whose value must not be shown.
const SECRET: &str = "SECRET";

impl Variable {
    /// Whether its value must not be shown.
    pub fn is_secret(&self) -> bool {
        self.kind == SECRET
    }

    /// Its command-line flag, without the dashes in front.
    pub fn flag(&self) -> String {
        self.name
            .strip_prefix("PUSHI_")
            .unwrap_or(self.name)
            .to_ascii_lowercase()
            .replace('_', "-")
    }
}

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
        /// All of them, in the order of the help.
        pub const ALL: &[Variable] = &[$($($name,)*)*];
    };
}

variables! {
    "Where it listens" {
        APP_HOST "HOST" = "127.0.0.1", "Address of the REST API, its documentation and the console";
        APP_PORT "PORT" = "8080", "Its port; 0 takes a free one";
        APP_SSL "0|1" = "0", "TLS on it";
        APP_SSL_KEY "FILE" = "", "PEM file with the private key for it";
        APP_SSL_CER "FILE" = "", "PEM file with the certificate chain for it";
        SERVER_HOST "HOST" = "127.0.0.1", "Address for WebSocket";
        SERVER_PORT "PORT" = "9090", "Its port; 0 takes a free one; the same host and port as above is one listener";
        SERVER_SSL "0|1" = "0", "TLS on it";
        SERVER_SSL_KEY "FILE" = "", "PEM file with the private key for it";
        SERVER_SSL_CER "FILE" = "", "PEM file with the certificate chain for it";
        APP_SERVER "NAME" = "", "Accepted and ignored: the original chose its HTTP server with it";
        PUSHI_TRUSTED_PROXIES "LIST" = "", "Addresses or networks that are believed when they send X-Forwarded-For and X-Forwarded-Proto";
    }
    "What it stores where" {
        DATABASE_URL "URL" = "sqlite://pushi.db", "sqlite://PATH, sqlite::memory:, postgres://…, mongodb://… or mongodb+srv://…";
        MONGO_URL "URL" = "", "Read where DATABASE_URL is not set";
        MONGOHQ_URL "URL" = "", "Read where neither of the two is set";
        MONGO_DB "NAME" = "pushi", "Database of a MongoDB URL without a path";
        BUS_URL "URL" = "", "redis://…, rediss://… or redis-cluster://A,B: several nodes act as one; without it a node is alone";
        REDIS_URL "URL" = "", "Read where BUS_URL is not set";
        PUSHI_STORE_TIMEOUT "DURATION" = "5s", "How long a store call may take";
        PUSHI_STORE_POOL "NUMBER" = "10", "Connections to the store";
        PUSHI_NODE_LEASE "DURATION" = "10s", "After how long a silent node counts as dead";
        PUSHI_RETENTION "DURATION" = "0", "How long persisted events are kept, by age; 0: for ever";
        PUSHI_RETENTION_EVENTS "NUMBER" = "0", "How many persisted events of a channel are kept; 0: all";
    }
    "Who may do what" {
        PUSHI_ADMIN_TOKEN "SECRET" = "", "Administers apps and the console, as Authorization: Bearer; without it those answer 403";
        PUSHI_OPEN_REGISTRATION "0|1" = "0", "Anybody may create apps, as in the original";
        PUSHI_APP_ID "IDENT" = "", "An app that is there after the start, created or updated; needs its key and secret too";
        PUSHI_APP_KEY "KEY" = "", "Its public key";
        PUSHI_APP_SECRET "SECRET" = "", "Its secret";
        PUSHI_APP_NAME "NAME" = "", "Its name; the id where it is not given";
        PUSHI_ALLOWED_ORIGINS "LIST" = "", "Browsers' origins that may connect, and that CORS answers name; any where it is not given";
        PUSHI_SESSION_TTL "DURATION" = "30d", "How long a session token is good";
        PUSHI_DEMO "0|1" = "0", "For trying /examples/chat.html: signs subscriptions for anybody, under any name";
    }
    "Names of other servers, read where ours are not set" {
        SOKETI_HOST "HOST" = "", "For SERVER_HOST";
        SOKETI_PORT "PORT" = "", "For SERVER_PORT";
        SOKETI_DEFAULT_APP_ID "IDENT" = "", "For PUSHI_APP_ID, where its key and secret are there too";
        SOKETI_DEFAULT_APP_KEY "KEY" = "", "For PUSHI_APP_KEY";
        SOKETI_DEFAULT_APP_SECRET "SECRET" = "", "For PUSHI_APP_SECRET";
        REVERB_SERVER_HOST "HOST" = "", "For SERVER_HOST";
        REVERB_SERVER_PORT "PORT" = "", "For SERVER_PORT";
        REVERB_APP_ID "IDENT" = "", "For PUSHI_APP_ID, where its key and secret are there too";
        REVERB_APP_KEY "KEY" = "", "For PUSHI_APP_KEY";
        REVERB_APP_SECRET "SECRET" = "", "For PUSHI_APP_SECRET";
        PUSHER_APP_ID "IDENT" = "", "For PUSHI_APP_ID, where its key and secret are there too";
        PUSHER_APP_KEY "KEY" = "", "For PUSHI_APP_KEY";
        PUSHER_APP_SECRET "SECRET" = "", "For PUSHI_APP_SECRET";
    }
    "Limits (0: none)" {
        PUSHI_MAX_CONNECTIONS "NUMBER" = "0", "Connections of the node";
        PUSHI_MAX_CONNECTS_PER_SECOND "NUMBER" = "0", "New connections a second";
        PUSHI_MAX_MESSAGE_BYTES "NUMBER" = "65536", "One WebSocket message from a client";
        PUSHI_MAX_BODY_BYTES "NUMBER" = "262144", "An HTTP body";
        PUSHI_MAX_DATA_BYTES "NUMBER" = "10240", "data over the Pusher HTTP API";
        PUSHI_MAX_CHANNELS_PER_CONNECTION "NUMBER" = "1000", "Subscriptions of a socket, aliases not counted";
        PUSHI_MAX_CHANNEL_NAME "NUMBER" = "200", "Characters of a channel's name";
        PUSHI_MAX_EVENT_NAME "NUMBER" = "200", "Characters of an event's name";
        PUSHI_MAX_MEMBERS "NUMBER" = "20000", "Members of a presence channel";
        PUSHI_MAX_MEMBER_BYTES "NUMBER" = "1024", "Channel data of one member";
        PUSHI_MAX_CLIENT_EVENTS "NUMBER" = "10", "Pusher client- events a second and socket";
        PUSHI_MAX_PUBLISHES "NUMBER" = "0", "Publishes a second of a Pushi socket";
        PUSHI_MAX_PENDING_BYTES "NUMBER" = "1048576", "Bytes that wait for a slow reader";
        PUSHI_MAX_REPLAY "NUMBER" = "1000", "Events replayed by since";
        PUSHI_MAX_HISTORY "NUMBER" = "100", "Events answered at once by latest or GET /events";
    }
    "Times" {
        PUSHI_HANDSHAKE_TIMEOUT "DURATION" = "10s", "For TLS and the HTTP request head together";
        PUSHI_ACTIVITY_TIMEOUT "DURATION" = "120s", "After so long a silent connection is pinged";
        PUSHI_IDLE_TIMEOUT "DURATION" = "0", "After so long a connection without a message is closed; 0: never";
        PUSHI_DRAIN_SECONDS "DURATION" = "5s", "Over how long connections are closed at a shutdown; 0: at once";
    }
    "Webhooks" {
        PUSHI_WEBHOOK_TIMEOUT "DURATION" = "5s", "How long one delivery may take";
        PUSHI_WEBHOOK_RETRY "DURATION" = "24h", "How long a delivery is tried again; 0: it is tried once";
        PUSHI_WEBHOOK_ALLOW_PRIVATE "0|1" = "0", "Webhooks may lead to private addresses";
    }
    "Logs, on standard error" {
        RUST_LOG "FILTER" = "warn,pushi=info", "Which lines, as in pushi=debug; SIGHUP reads it again from .env";
        PUSHI_LOG "text|json" = "text", "Their form";
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
    fn what_is_secret() {
        let secret: Vec<_> = ALL
            .iter()
            .filter(|variable| variable.is_secret())
            .map(|variable| variable.name)
            .collect();
        let theirs = [
            "SOKETI_DEFAULT_APP_SECRET",
            "REVERB_APP_SECRET",
            "PUSHER_APP_SECRET",
        ];
        assert_eq!(
            secret,
            [&["PUSHI_ADMIN_TOKEN", "PUSHI_APP_SECRET"][..], &theirs].concat()
        );
    }
}

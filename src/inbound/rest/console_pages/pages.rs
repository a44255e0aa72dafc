//! The content of the console's pages. What is in lists, their scripts add.

use maud::{Markup, html};

use super::app_form::settings_form;
use super::layout::{document, page};

/// All pages by their name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let of_app =
        |name, title, lead, content: Markup| (name, page(name, title, lead, true, &content));
    let of_all =
        |name, title, lead, content: Markup| (name, page(name, title, lead, false, &content));
    vec![
        (super::SIGN_IN, sign_in()),
        of_all(
            "overview",
            "Overview",
            "The last 15 minutes of all nodes.",
            overview(),
        ),
        of_all(
            "apps",
            "Apps",
            "Each app has its own key, secret, channels and settings.",
            apps(),
        ),
        of_app("app", "App", "Credentials and settings.", app()),
        of_app(
            "channels",
            "Channels",
            "Who is subscribed, who is present, and what was published.",
            channels(),
        ),
        of_app(
            "connections",
            "Connections",
            "Open connections, and why others were closed.",
            connections(),
        ),
        of_app("tail", "Live tail", "Events as they are published.", tail()),
        of_app(
            "deliveries",
            "Deliveries",
            "Web hooks and notifications: what was sent, and what the receivers answered.",
            deliveries(),
        ),
        of_all(
            "debugger",
            "Debugger",
            "Finds the wrong part of a signature.",
            debugger(),
        ),
    ]
}

fn sign_in() -> String {
    let body = html! {
        main id="main" class="narrow" {
            h1 { "Pushi console" }
            p class="quiet" { "Sign in with an app's credentials to see that app, or with the administrator's token to see all." }
            form id="sign-in" class="panel" {
                fieldset class="choice" {
                    legend { "Sign in as" }
                    label { input type="radio" name="role" value="app" checked; " App" }
                    label { input type="radio" name="role" value="administrator"; " Administrator" }
                }
                label class="field" id="app-field" {
                    span { "Id or key of the app" }
                    input id="app" autocomplete="username" spellcheck="false" autofocus required;
                }
                label class="field" {
                    span id="secret-label" { "Secret" }
                    input id="secret" type="password" autocomplete="current-password" required;
                }
                p id="problem" class="problem" role="alert" hidden {}
                div class="actions" { button { "Sign in" } }
            }
            p class="quiet" {
                "The server prints the credentials of its first app when it starts on an empty database. The administrator's token is "
                code { "PUSHI_ADMIN_TOKEN" } "."
            }
            p { a href="../" { "Front page" } }
        }
        script type="module" src="sign-in.mjs" {}
    };
    document("Sign in", &body)
}

fn overview() -> Markup {
    html! {
        div id="charts" class="charts" {}
        p id="charts-empty" class="empty" hidden {}
        section class="panel" aria-labelledby="health-title" id="health-panel" hidden {
            h2 id="health-title" { "Health" }
            dl id="health" class="facts" {}
        }
        section class="panel" aria-labelledby="nodes-title" {
            h2 id="nodes-title" { "Nodes" }
            div id="nodes" {}
        }
    }
}

fn apps() -> Markup {
    html! {
        form id="create" class="panel row-form" hidden {
            label class="field grow" {
                span { "Name of a new app" }
                input id="name" required maxlength="200" autocomplete="off";
            }
            button { "Create app" }
        }
        section id="created" class="panel" aria-labelledby="created-title" hidden {
            h2 id="created-title" { "Created" }
            dl id="credentials" class="facts" {}
        }
        div id="list" {}
    }
}

fn app() -> Markup {
    html! {
        section class="panel" aria-labelledby="credentials-title" {
            h2 id="credentials-title" { "Credentials" }
            dl id="credentials" class="facts" {}
            div class="actions" {
                button type="button" id="rotate" { "Rotate the secret" }
                button type="button" id="end-previous" class="danger" hidden { "End the previous secret" }
                button type="button" id="end-sessions" class="danger" { "End all sessions" }
            }
        }
        section class="panel" aria-labelledby="vapid-title" {
            h2 id="vapid-title" { "Web Push" }
            p id="vapid" {}
            div class="actions" { button type="button" id="make-vapid" { "Create a VAPID key" } }
        }
        section class="panel" aria-labelledby="settings-title" {
            h2 id="settings-title" { "Settings" }
            (settings_form())
        }
        section class="panel" aria-labelledby="delete-title" id="delete-panel" hidden {
            h2 id="delete-title" { "Delete" }
            p { "Deletes the app with all its events, subscriptions and targets, and closes its connections." }
            div class="actions" { button type="button" id="delete" class="danger" { "Delete this app" } }
        }
    }
}

fn channels() -> Markup {
    html! {
        div class="columns" {
            section aria-labelledby="occupied-title" {
                h2 id="occupied-title" { "Occupied channels" }
                form id="search" class="row-form" role="search" {
                    label class="field grow" {
                        span { "Name begins with" }
                        input id="prefix" type="search" autocomplete="off" spellcheck="false";
                    }
                    button class="plain" { "Search" }
                }
                div id="list" {}
                div class="actions" { button type="button" id="more" class="plain" hidden { "More channels" } }
                form id="open" class="row-form" {
                    label class="field grow" {
                        span { "Any channel, by its name" }
                        input id="open-name" required autocomplete="off" spellcheck="false" maxlength="200";
                    }
                    button class="plain" { "Open" }
                }
            }
            section id="channel" aria-labelledby="channel-title" {
                h2 id="channel-title" tabindex="-1" { "Channel" }
                p id="channel-empty" class="empty" { "Choose a channel to see its members and its history, and to publish to it." }
                div id="channel-content" hidden {
                    div id="members-part" hidden {
                        h3 { "Members" }
                        div id="members" {}
                    }
                    h3 { "Publish a test event" }
                    form id="publish" class="stack" {
                        label class="field" { span { "Event" } input id="event" value="message" required maxlength="200" autocomplete="off"; }
                        label class="field" { span { "Data: JSON, or any text" } textarea id="data" rows="3" spellcheck="false" { "hello world" } }
                        label class="check" { input type="checkbox" id="persist" checked; " Store it in the channel's history" }
                        div class="actions" { button { "Publish" } }
                    }
                    h3 { "History" }
                    ol id="history" class="events" {}
                    p id="history-empty" class="empty" hidden {}
                    div class="actions" {
                        button type="button" id="refresh" class="plain" { "Newest events" }
                        button type="button" id="older" class="plain" hidden { "Older events" }
                    }
                }
            }
        }
    }
}

fn connections() -> Markup {
    html! {
        form id="filters" class="row-form" role="search" {
            label class="field" { span { "User" } input id="user" type="search" autocomplete="off" spellcheck="false"; }
            label class="field" { span { "Channel" } input id="channel" type="search" autocomplete="off" spellcheck="false"; }
            label class="field" { span { "Address or network" } input id="address" type="search" autocomplete="off" spellcheck="false" placeholder="10.0.0.0/8"; }
            button class="plain" { "Apply" }
        }
        section aria-labelledby="open-title" {
            h2 id="open-title" { "Open" }
            div id="open" {}
            div class="actions" { button type="button" id="more" class="plain" hidden { "More connections" } }
        }
        section aria-labelledby="closed-title" {
            h2 id="closed-title" { "Closed" }
            p class="quiet" { "The last 1,000 of each node, newest first." }
            div id="closed" {}
        }
    }
}

fn tail() -> Markup {
    html! {
        form id="filters" class="row-form" {
            label class="field" { span { "Channel begins with" } input id="prefix" type="search" autocomplete="off" spellcheck="false"; }
            label class="field" { span { "Event" } input id="event" type="search" autocomplete="off" spellcheck="false"; }
            button class="plain" { "Apply" }
        }
        div class="actions start" {
            button type="button" id="pause" { "Pause" }
            button type="button" id="clear" class="plain" { "Clear" }
            button type="button" id="export" class="plain" { "Export as NDJSON" }
            span id="state" class="quiet" role="status" {}
        }
        p id="left-out" class="notice warn" hidden {}
        p id="empty" class="empty" { "Nothing was published since this page was opened. Publish a test event under Channels, or with " code { "pushi trigger" } "." }
        ol id="events" class="events" aria-label="Events, newest first" {}
    }
}

fn deliveries() -> Markup {
    html! {
        section aria-labelledby="waiting-title" {
            h2 id="waiting-title" { "Web hooks that wait" }
            div id="waiting" {}
        }
        section aria-labelledby="hooks-title" {
            h2 id="hooks-title" { "Web hooks, newest first" }
            div id="hooks" {}
            div class="actions" { button type="button" id="older" class="plain" hidden { "Older deliveries" } }
        }
        section aria-labelledby="notifications-title" {
            h2 id="notifications-title" { "Notifications, newest first" }
            form id="filters" class="row-form" {
                label class="field" {
                    span { "Kind" }
                    select id="kind" {
                        option value="" { "all" }
                        option value="web" { "web" }
                        option value="web_push" { "web_push" }
                        option value="email" { "email" }
                        option value="apn" { "apn" }
                    }
                }
                label class="field" {
                    span { "State" }
                    select id="state" {
                        option value="" { "all" }
                        option value="waiting" { "waiting" }
                        option value="failed" { "failed" }
                        option value="done" { "done" }
                    }
                }
            }
            div id="notifications" {}
        }
    }
}

fn debugger() -> Markup {
    html! {
        div class="columns" {
            section class="panel" aria-labelledby="subscription-title" {
                h2 id="subscription-title" { "Subscription or sign-in" }
                p class="quiet" { "What your back end answers to the client, and what it signed it for." }
                form id="subscription" class="stack" {
                    label class="field" { span { "Key" } input id="key" autocomplete="off" spellcheck="false"; }
                    label class="field" { span { "Signature (" code { "auth" } ")" } input id="auth" required autocomplete="off" spellcheck="false" placeholder="key:0123abcd…"; }
                    label class="field" { span { code { "socket_id" } } input id="socket" required autocomplete="off" spellcheck="false" placeholder="1234.5678"; }
                    label class="field" { span { "Channel; empty: a sign-in" } input id="channel" autocomplete="off" spellcheck="false" placeholder="private-room"; }
                    label class="field" { span { code { "channel_data" } ", or the user data of a sign-in" } textarea id="channel-data" rows="2" spellcheck="false" {} }
                    div class="actions" { button { "Check" } }
                }
            }
            section class="panel" aria-labelledby="request-title" {
                h2 id="request-title" { "Signed request" }
                p class="quiet" { "A request to the Pusher HTTP API, as your back end sent it." }
                form id="request" class="stack" {
                    label class="field" { span { "Method" } select id="method" { option { "POST" } option { "GET" } } }
                    label class="field" { span { "Address, or path and query" } textarea id="target" required rows="3" spellcheck="false" placeholder="/apps/ID/events?auth_key=…&auth_signature=…" {} }
                    label class="field" { span { "Body" } textarea id="body" rows="3" spellcheck="false" {} }
                    div class="actions" { button { "Check" } }
                }
            }
        }
        section id="verdict" class="panel" aria-labelledby="verdict-title" aria-live="polite" hidden {
            h2 id="verdict-title" { "Result" }
            p id="outcome" {}
            ul id="problems" class="problems" {}
            div id="to-sign" hidden {
                h3 { "What should have been signed" }
                pre { code id="string-to-sign" {} }
                p class="quiet" { "HMAC-SHA256 of exactly these characters, keyed with the app's secret, in lower-case hex. Line ends are shown as they are." }
            }
        }
    }
}

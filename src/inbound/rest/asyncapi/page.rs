//! The page: every frame with its members and examples, rendered once, without scripts.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

use super::super::web::VARIABLES;
use super::members::{Kind, MemberRow, is_code_list, is_described, rows};

/// Who sends the frames of a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

/// The page of a document. `address`: that of the server, without a slash at its end.
pub(super) fn page(document: &Value, address: &str) -> Markup {
    let schemas = &document["components"]["schemas"];
    let channels = members(&document["channels"]);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (string(&document["info"]["title"])) }
                link rel="icon" href="data:,";
                style { (PreEscaped(VARIABLES)) (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header {
                    h1 { (string(&document["info"]["title"])) }
                    (prose(string(&document["info"]["description"])))
                    p {
                        a href="../asyncapi.json" { "AsyncAPI document" } " · "
                        a href="../docs" { "REST API" } " · "
                        a href="../" { "This server" }
                    }
                }
                nav aria-label="Contents" {
                    @for (dialect, channel) in &channels {
                        div {
                            a href={ "#" (dialect) } { (string(&channel["title"])) }
                            @for from in [From::Client, From::Server] {
                                ul {
                                    @for (key, message) in messages(document, dialect, from) {
                                        li { a href={ "#" (dialect) "-" (key) } { (string(&message["title"])) } }
                                    }
                                }
                            }
                        }
                    }
                }
                main {
                    @for (dialect, channel) in &channels {
                        (dialect_part(document, dialect, channel, address))
                    }
                    section aria-labelledby="schemas" {
                        h2 id="schemas" { "Objects" }
                        @for (name, schema) in members(schemas).iter().filter(|(_, schema)| is_described(schema)) {
                            article {
                                h3 id={ "schema-" (name) } { (name) }
                                (prose(string(&schema["description"])))
                                (table(name, &rows(schemas, schema)))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn dialect_part(document: &Value, dialect: &str, channel: &Value, address: &str) -> Markup {
    let schemas = &document["components"]["schemas"];
    let path = string(&channel["address"]).replace("{appKey}", "APP_KEY");
    html! {
        section aria-labelledby=(dialect) {
            h2 id=(dialect) { (string(&channel["title"])) }
            p { code { (address) (path) } }
            (prose(string(&channel["description"])))
            @let query = &channel["bindings"]["ws"]["query"];
            @if query.is_object() {
                h3 { "Query of the address" }
                (table("Query", &rows(schemas, query)))
            }
            @for (from, title) in [(From::Client, "Frames of the client"), (From::Server, "Frames of the server")] {
                h3 { (title) }
                @for (key, message) in messages(document, dialect, from) {
                    (message_part(document, dialect, key, message))
                }
            }
            @for (name, schema) in members(schemas).iter().filter(|(_, schema)| is_code_list(schema)) {
                @if name.to_lowercase().starts_with(dialect) {
                    h3 id={ "schema-" (name) } { "Codes of error frames" }
                    (codes("Codes of error frames", "const", &schema["oneOf"]))
                }
            }
            h3 { "Codes of close frames" }
            (codes("Codes of close frames", "code", &channel["x-close-codes"]))
        }
    }
}

fn message_part(document: &Value, dialect: &str, key: &str, message: &Value) -> Markup {
    let schemas = &document["components"]["schemas"];
    let title = string(&message["title"]);
    let payload = &message["payload"];
    html! {
        article {
            h4 id={ (dialect) "-" (key) } {
                (title)
                @if let Some(event) = payload["properties"]["event"]["const"].as_str() {
                    " " code { (event) }
                }
            }
            (prose(string(&message["summary"])))
            (prose(string(&message["description"])))
            @let replies = replies(document, dialect, key);
            @if !replies.is_empty() {
                p {
                    "Answered by: "
                    @for (index, (key, reply)) in replies.iter().enumerate() {
                        @if index > 0 { ", " }
                        a href={ "#" (dialect) "-" (key) } { (string(&reply["title"])) }
                    }
                    "."
                }
            }
            (table(title, &rows(schemas, payload)))
            @if payload["additionalProperties"] == true {
                p { "Further members are possible." }
            }
            @for example in list(&message["examples"]) {
                pre { code { (compact(&example["payload"])) } }
            }
        }
    }
}

fn table(label: &str, rows: &[MemberRow]) -> Markup {
    html! {
        @if !rows.is_empty() {
            table aria-label={ "Members: " (label) } {
                thead { tr { th scope="col" { "Member" } th scope="col" { "Value" } th scope="col" { "Meaning" } } }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { code { (row.path) } @if !row.required { " " span class="quiet" { "optional" } } }
                            td {
                                @for (index, kind) in row.kinds.iter().enumerate() {
                                    @if index > 0 { " or " }
                                    (kind_text(kind))
                                }
                            }
                            td { (inline(&row.description)) }
                        }
                    }
                }
            }
        }
    }
}

fn kind_text(kind: &Kind) -> Markup {
    let link = |name: &str| html! { a href={ "#schema-" (name) } { (name) } };
    match kind {
        Kind::Plain(text) => html! { (text) },
        Kind::Value(text) => html! { code { (text) } },
        Kind::Named(name) => link(name),
        Kind::JsonText(Some(name)) => html! { "string with the JSON of " (link(name)) },
        Kind::JsonText(None) => html! { "string with JSON" },
    }
}

fn codes(label: &str, member: &str, all: &Value) -> Markup {
    html! {
        table aria-label=(label) {
            thead { tr { th scope="col" { "Code" } th scope="col" { "Case" } } }
            tbody {
                @for one in list(all) {
                    tr {
                        th scope="row" { code { (one[member].to_string()) } }
                        td { (inline(string(&one["description"]))) }
                    }
                }
            }
        }
    }
}

/// The messages of a dialect that one side sends, in the order of the document.
fn messages<'a>(document: &'a Value, dialect: &str, from: From) -> Vec<(&'a str, &'a Value)> {
    let sent: Vec<&str> = operations(document, dialect)
        .flat_map(|operation| {
            // The document describes the server: it receives what a client sends, and replies go the other way.
            let by_client = operation["action"] == "receive";
            let sent = if by_client == (from == From::Client) {
                &operation["messages"]
            } else {
                &operation["reply"]["messages"]
            };
            list(sent).iter().filter_map(key)
        })
        .collect();
    let all = &document["channels"][dialect]["messages"];
    let mut all = members(all);
    all.retain(|(key, _)| sent.contains(key));
    all
}

/// The messages that answer one.
fn replies<'a>(document: &'a Value, dialect: &str, asking: &str) -> Vec<(&'a str, &'a Value)> {
    let all = &document["channels"][dialect]["messages"];
    operations(document, dialect)
        .filter(|operation| {
            list(&operation["messages"])
                .iter()
                .filter_map(key)
                .any(|key| key == asking)
        })
        .flat_map(|operation| list(&operation["reply"]["messages"]).iter().filter_map(key))
        .map(|key| (key, &all[key]))
        .collect()
}

fn operations<'a>(document: &'a Value, dialect: &str) -> impl Iterator<Item = &'a Value> {
    let channel = format!("#/channels/{dialect}");
    document["operations"]
        .as_object()
        .into_iter()
        .flat_map(Map::values)
        .filter(move |operation| operation["channel"]["$ref"] == channel.as_str())
}

fn key(reference: &Value) -> Option<&str> {
    reference["$ref"].as_str()?.rsplit('/').next()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn members(value: &Value) -> Vec<(&str, &Value)> {
    let all = value.as_object().into_iter().flatten();
    all.map(|(name, member)| (name.as_str(), member)).collect()
}

/// An example as it is sent, with a space after each comma and colon outside of strings, where lines can break.
fn compact(example: &Value) -> String {
    let mut text = String::new();
    let (mut in_string, mut escaped) = (false, false);
    for c in example.to_string().chars() {
        text.push(c);
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '"' {
            in_string = true;
        } else if matches!(c, ',' | ':') {
            text.push(' ');
        }
    }
    text
}

/// Paragraphs of Markdown text that has no other markup than code.
fn prose(text: &str) -> Markup {
    html! {
        @for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            p { (inline(paragraph)) }
        }
    }
}

fn inline(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

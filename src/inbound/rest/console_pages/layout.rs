//! What all pages of the console have around their content.

use maud::{DOCTYPE, Markup, html};

/// The pages of the navigation: their name in addresses, and their title.
const NAVIGATION: [(&str, &str); 7] = [
    ("overview", "Overview"),
    ("apps", "Apps"),
    ("channels", "Channels"),
    ("connections", "Connections"),
    ("tail", "Live tail"),
    ("deliveries", "Deliveries"),
    ("debugger", "Debugger"),
];

/// A page for whoever is signed in. Its script has the page's name.
pub(super) fn page(name: &str, title: &str, lead: &str, of_app: bool, content: &Markup) -> String {
    let body = html! {
        a class="skip" href="#main" { "Skip to the content" }
        header class="bar" {
            a class="brand" href="../" { "Pushi" }
            nav aria-label="Console" {
                ul {
                    @for (target, title) in NAVIGATION {
                        li {
                            a href=(target) data-page=(target) aria-current=[is_current(target, name).then_some("page")] { (title) }
                        }
                    }
                }
            }
            div class="account" {
                span id="who" class="quiet" {}
                button type="button" id="sign-out" class="plain" { "Sign out" }
            }
        }
        main id="main" tabindex="-1" data-of-app=[of_app.then_some("yes")] {
            div class="head" {
                div {
                    h1 { (title) }
                    p class="quiet" { (lead) }
                }
                @if of_app {
                    label class="picker" { span { "App" } select id="app-picker" {} }
                }
            }
            p id="problem" class="problem" role="alert" hidden {}
            p id="notice" class="notice" role="status" {}
            div id="content" hidden { (content) }
        }
        (confirmation())
        script type="module" src={ (name) ".mjs" } {}
    };
    document(title, &body)
}

fn is_current(target: &str, name: &str) -> bool {
    target == name || (target == "apps" && name == "app")
}

/// Asks once before something is destroyed.
fn confirmation() -> Markup {
    html! {
        dialog id="confirm" aria-labelledby="confirm-title" {
            form method="dialog" {
                h2 id="confirm-title" {}
                p id="confirm-text" {}
                label id="confirm-name-label" class="field" hidden {
                    span id="confirm-name-text" {}
                    input id="confirm-name" autocomplete="off" spellcheck="false";
                }
                div class="actions" {
                    button value="cancel" class="plain" { "Cancel" }
                    button value="confirm" id="confirm-button" class="danger" {}
                }
            }
        }
    }
}

/// A whole document.
pub(super) fn document(title: &str, body: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Pushi" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="../pushi.css";
            }
            body { (body) }
        }
    };
    document.into_string()
}

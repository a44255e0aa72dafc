//! Uses the client of openapi-generator's `rust`; prints what it read.

use std::env::var;
use std::error::Error;

use openapi::apis::configuration::Configuration;
use openapi::apis::{
    self, apps_api, events_api, health_api, sessions_api, sockets_api, subscriptions_api,
};
use openapi::models::{
    AppChange, AppDraft, Credentials, ErrorAnswer, Publication, SubscriptionWish, app_change,
};
use serde_json::json;

fn with(token: Option<String>) -> Result<Configuration, Box<dyn Error>> {
    Ok(Configuration {
        base_path: var("PUSHI_URL")?,
        bearer_access_token: token,
        ..Configuration::new()
    })
}

/// The code in the typed error of an operation.
fn code<T, E>(answer: Result<T, apis::Error<E>>) -> Result<i32, Box<dyn Error>> {
    match answer {
        Err(apis::Error::ResponseError(failed)) => {
            let answer: ErrorAnswer = serde_json::from_str(&failed.content)?;
            Ok(answer.code)
        }
        _ => Err("no error response".into()),
    }
}

fn publication(event: &str, data: serde_json::Value, channels: &[&str]) -> Publication {
    Publication {
        channel: Some(channels.iter().map(ToString::to_string).collect()),
        event: Some(event.into()),
        ..Publication::new(Some(data))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let ident = var("PUSHI_APP_ID")?;
    let credentials = Credentials::new(ident.clone(), var("PUSHI_APP_KEY")?, var("PUSHI_APP_SECRET")?);
    let token = sessions_api::login(&with(None)?, credentials).await?.token;
    let session = with(Some(token))?;
    let admin = with(Some(var("PUSHI_ADMIN")?))?;

    // The generator has no additional members.
    let publications = [
        publication("text", json!("a text"), &["steps"]),
        publication("object", json!({"n": 1}), &["steps"]),
        publication("two", json!("two"), &["first", "second"]),
        Publication::new(Some(json!("alone"))),
    ];
    let mut published = Vec::new();
    for one in publications {
        published.push(events_api::publish_event(&session, one, None).await?.result);
    }

    let wish = SubscriptionWish::new("ann".into(), "news".into());
    let subscribed = subscriptions_api::create_subscription(&session, wish).await?;
    let listed = subscriptions_api::list_subscriptions(&session, Some("ann"), None, None, None).await?;
    let listed: Vec<_> = listed.subscriptions.into_iter().map(|one| one.event).collect();
    let ended = subscriptions_api::delete_subscription(&session, "ann", "news", None).await?;
    let again = subscriptions_api::delete_subscription(&session, "ann", "news", None).await?;
    let rename = AppChange {
        name: Some(Some("renamed".into())),
        ..AppChange::new()
    };
    let renamed = apps_api::update_app(&session, &ident, rename).await?;
    let change = AppChange {
        reset: Some(Some(vec![app_change::Reset::ClientEvents])),
        ..AppChange::new()
    };
    let reset = apps_api::update_app(&session, &ident, change).await?;
    let events = events_api::list_events(&session, Some(1), Some("steps"), None).await?.events;
    let event = events.first().ok_or("no event")?;
    let created = apps_api::create_app(&admin, AppDraft::new("created".into())).await?;
    let health = health_api::get_detailed_health(&admin).await?;
    let unknown = with(Some("unknown".into()))?;

    let read = json!({
        "published": published,
        "subscribed": subscribed.event,
        "listed": listed,
        "ended": [ended.event, again.result],
        "renamed": renamed.name,
        "reset": reset.client_events,
        "event": event.data.event,
        "time": event.timestamp,
        "missing": code(sockets_api::get_socket(&session, "1.1").await)?,
        "unauthorized": code(sockets_api::list_sockets(&unknown, None, None).await)?,
        "created": created.ident,
        "health": health.checks.database.status,
    });
    println!("{read}");
    Ok(())
}

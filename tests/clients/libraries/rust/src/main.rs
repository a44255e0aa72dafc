//! Does one thing with crates.io `pusher` and prints what came of it as JSON: `pusher-library VERB ARGUMENT…`. The app is named
//! by `APP_ID`, `APP_KEY`, `APP_SECRET`, the server by `PUSHER_HOST`.

use std::collections::HashMap;
use std::env::{args, var};
use std::error::Error;

use pusher::{Channel, Member, PusherBuilder};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [id, key, secret, host] = ["APP_ID", "APP_KEY", "APP_SECRET", "PUSHER_HOST"].map(|name| var(name).unwrap_or_default());
    let pusher = PusherBuilder::new(&id, &key, &secret).host(&host).finalize();
    let given: Vec<String> = args().skip(1).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let printed = match given[..] {
        ["trigger", channel, event, data] => pusher.trigger(channel, event, data).await.map(|_| Value::Null)?,
        ["trigger-exclusive", channel, event, data, socket] => {
            pusher.trigger_exclusive(channel, event, data, socket).await.map(|_| Value::Null)?
        }
        ["trigger-multi", channels, event, data] => {
            let channels: Vec<&str> = channels.split(' ').collect();
            pusher.trigger_multi(&channels, event, data).await.map(|_| Value::Null)?
        }
        ["channels"] => shown(pusher.channels().await?.channels),
        ["channels", prefix, info] => {
            let options = [("filter_by_prefix", prefix), ("info", info)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            shown(pusher.channels_with_options(options.to_vec()).await?.channels)
        }
        ["channel", name, info] => show(&pusher.channel_with_options(name, vec![("info".to_owned(), info.to_owned())]).await?),
        ["users", name] => pusher.channel_users(name).await?.users.into_iter().map(|user| user.id).collect(),
        ["private", channel, socket] => serde_json::from_str(&pusher.authenticate_private_channel(channel, socket)?)?,
        ["presence", channel, socket, user_id] => {
            let member = Member { user_id, user_info: Some(HashMap::from([("name", user_id)])) };
            serde_json::from_str(&pusher.authenticate_presence_channel(channel, socket, &member)?)?
        }
        ["webhook", key, signature, body] => {
            let webhook = pusher.webhook(key, signature, body)?;
            json!({ "time_ms": webhook.time_ms, "events": webhook.events })
        }
        _ => return Err("no such verb".into()),
    };
    println!("{printed}");
    Ok(())
}

fn show(channel: &Channel) -> Value {
    json!([channel.occupied, channel.user_count, channel.subscription_count])
}

fn shown(channels: HashMap<String, Channel>) -> Value {
    channels.iter().map(|(name, channel)| (name.clone(), show(channel))).collect()
}

//! The text of what travels between nodes. Names are short, since every event carries them.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::model::{
    AppIdent, ChannelName, Member, Mid, NewEvent, Payload, Position, PublishId, ServerEvent,
    SocketId, Timestamp, TokenHash, UserId,
};
use crate::core::ports::BusMessage;

/// One message of a node.
#[derive(Debug, Serialize, Deserialize)]
pub struct Frame<'a> {
    /// The node.
    #[serde(rename = "n", default)]
    pub node: u64,
    /// The message's number among those of the node; grows.
    #[serde(rename = "q", default)]
    pub number: u64,
    /// The node does not know whether it went out before.
    #[serde(rename = "r", default, skip_serializing_if = "is_false")]
    pub again: bool,
    /// What it says.
    #[serde(rename = "b", borrow)]
    pub body: Body<'a>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a message says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Body<'a> {
    /// An event.
    #[serde(rename = "e", borrow)]
    Event(Box<EventBody<'a>>),
    /// A change of a presence list; written by the scripts.
    #[serde(rename = "m", borrow)]
    Presence(Box<PresenceBody<'a>>),
    /// An app changed.
    #[serde(rename = "a", borrow)]
    App(Cow<'a, str>),
    /// A session ended: the token's hash in hex.
    #[serde(rename = "s", borrow)]
    SessionEnded(Cow<'a, str>),
    /// A user's persistent subscriptions changed: app and user.
    #[serde(rename = "u")]
    Subscriptions(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>),
    /// A user's signed-in connections are to be closed: app and user.
    #[serde(rename = "x")]
    Terminated(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>),
    /// How many are on a channel: app, channel, count; written by a script.
    #[serde(rename = "k")]
    Count(
        #[serde(borrow)] Cow<'a, str>,
        #[serde(borrow)] Cow<'a, str>,
        u64,
    ),
    /// A question to every node: its number, where the answer goes, and the question.
    #[serde(rename = "q")]
    Ask(
        u64,
        #[serde(borrow)] Cow<'a, str>,
        #[serde(borrow)] Cow<'a, str>,
    ),
    /// An answer to the question with this number.
    #[serde(rename = "w")]
    Answer(u64, #[serde(borrow)] Cow<'a, str>),
    /// A node hears itself.
    #[serde(rename = "o")]
    Echo,
}

/// An event on the way.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventBody<'a> {
    #[serde(rename = "a", borrow)]
    app: Cow<'a, str>,
    #[serde(rename = "c", borrow)]
    channel: Cow<'a, str>,
    #[serde(rename = "m", borrow)]
    mid: Cow<'a, str>,
    #[serde(rename = "o", borrow, default, skip_serializing_if = "Option::is_none")]
    owner: Option<Cow<'a, str>>,
    #[serde(rename = "t")]
    timestamp: i64,
    #[serde(rename = "p", borrow, default, skip_serializing_if = "Option::is_none")]
    publish: Option<Cow<'a, str>>,
    #[serde(rename = "e", borrow)]
    event: Cow<'a, str>,
    #[serde(rename = "d", borrow)]
    data: Cow<'a, str>,
    #[serde(rename = "x", borrow, default, skip_serializing_if = "str::is_empty")]
    extra: Cow<'a, str>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    position: Option<(u64, u64)>,
    #[serde(rename = "z", borrow, default, skip_serializing_if = "Option::is_none")]
    except: Option<Cow<'a, str>>,
}

/// A change of a presence list. Numbers are texts: the scripts' numbers are floating point.
#[derive(Debug, Serialize, Deserialize)]
pub struct PresenceBody<'a> {
    /// `+` came, `-` left, `~` has other data.
    #[serde(rename = "o", borrow)]
    pub kind: Cow<'a, str>,
    /// The list's version after it.
    #[serde(rename = "v", borrow)]
    pub version: Cow<'a, str>,
    /// The list was empty before it.
    #[serde(rename = "f", default)]
    pub fresh: bool,
    /// When the user came, as a version.
    #[serde(rename = "c", borrow)]
    pub came: Cow<'a, str>,
    #[serde(rename = "u", borrow)]
    user: Cow<'a, str>,
    #[serde(rename = "d", borrow)]
    data: Cow<'a, str>,
    #[serde(rename = "p", borrow)]
    peer: Cow<'a, str>,
    /// The connection that did it.
    #[serde(rename = "s", borrow, default)]
    socket: Cow<'a, str>,
    /// The life of a node that ended, where that was the reason.
    #[serde(rename = "i", borrow, default, skip_serializing_if = "Option::is_none")]
    pub evicted: Option<Cow<'a, str>>,
}

impl PresenceBody<'_> {
    /// Who.
    pub fn member(&self) -> Option<Member> {
        Some(Member {
            user_id: UserId::parse(&self.user)?,
            data: arc(&self.data),
            peer: self.peer == "1",
        })
    }

    /// The connection that did it.
    pub fn socket(&self) -> Option<SocketId> {
        SocketId::parse(&self.socket)
    }
}

fn arc(text: &str) -> Arc<str> {
    text.into()
}

impl<'a> Body<'a> {
    /// The twin of a message. `None`: its kind does not travel, a script says it.
    pub fn of(message: &'a BusMessage) -> Option<Self> {
        Some(match message {
            BusMessage::Broadcast {
                event: ServerEvent::Published { event, position },
                exclude,
                ..
            } => Self::Event(Box::new(EventBody {
                app: event.app.as_str().into(),
                channel: event.channel.as_str().into(),
                mid: Cow::Borrowed(&*event.mid.0),
                owner: event.owner_id.as_deref().map(Cow::Borrowed),
                timestamp: event.timestamp.micros(),
                publish: event
                    .publish
                    .as_ref()
                    .map(|publish| Cow::Borrowed(&*publish.0)),
                event: Cow::Borrowed(&*event.payload.event),
                data: Cow::Borrowed(&*event.payload.data),
                extra: Cow::Borrowed(&*event.payload.extra),
                position: position.map(|position| (position.id, position.serial)),
                except: exclude.map(|socket| socket.to_string().into()),
            })),
            BusMessage::AppChanged(app) => Self::App(app.as_str().into()),
            BusMessage::SessionEnded(hash) => {
                Self::SessionEnded(data_encoding::HEXLOWER.encode(&hash.0).into())
            }
            BusMessage::SubscriptionsChanged { app, user } => {
                Self::Subscriptions(app.as_str().into(), user.as_str().into())
            }
            BusMessage::UserTerminated { app, user } => {
                Self::Terminated(app.as_str().into(), user.as_str().into())
            }
            BusMessage::Broadcast { .. } | BusMessage::NodeGone => return None,
        })
    }

    /// The message; `None`: it is none, or cannot be one.
    pub fn message(&self) -> Option<BusMessage> {
        Some(match self {
            Self::Event(body) => BusMessage::published(
                Arc::new(NewEvent {
                    app: AppIdent::trusted(&body.app),
                    mid: Mid(arc(&body.mid)),
                    channel: ChannelName::trusted(&body.channel),
                    owner_id: body.owner.as_deref().map(arc),
                    timestamp: Timestamp::from_micros(body.timestamp),
                    publish: body
                        .publish
                        .as_deref()
                        .map(|publish| PublishId(arc(publish))),
                    payload: Payload {
                        event: arc(&body.event),
                        data: arc(&body.data),
                        extra: arc(&body.extra),
                    },
                }),
                body.position.map(|(id, serial)| Position { id, serial }),
                body.except.as_deref().and_then(SocketId::parse),
            ),
            Self::App(app) => BusMessage::AppChanged(AppIdent::trusted(app)),
            Self::SessionEnded(hash) => {
                let bytes = data_encoding::HEXLOWER.decode(hash.as_bytes()).ok()?;
                BusMessage::SessionEnded(TokenHash(bytes.try_into().ok()?))
            }
            Self::Subscriptions(app, user) => BusMessage::SubscriptionsChanged {
                app: AppIdent::trusted(app),
                user: UserId::parse(user)?,
            },
            Self::Terminated(app, user) => BusMessage::UserTerminated {
                app: AppIdent::trusted(app),
                user: UserId::parse(user)?,
            },
            Self::Count(app, channel, count) => BusMessage::Broadcast {
                app: AppIdent::trusted(app),
                event: ServerEvent::SubscriptionCount {
                    channel: ChannelName::trusted(channel),
                    count: *count,
                },
                exclude: None,
                version: None,
            },
            Self::Presence(_) | Self::Ask(..) | Self::Answer(..) | Self::Echo => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(message: &BusMessage) -> BusMessage {
        let frame = Frame {
            node: 1,
            number: u64::MAX,
            again: true,
            body: Body::of(message).unwrap(),
        };
        let text = serde_json::to_string(&frame).unwrap();
        let read: Frame<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!((read.node, read.number, read.again), (1, u64::MAX, true));
        read.body.message().unwrap()
    }

    #[test]
    fn every_member_of_an_event_travels() {
        let event = Arc::new(NewEvent {
            app: AppIdent::trusted("a"),
            mid: Mid("m\"\\".into()),
            channel: ChannelName::trusted("c\u{1F600}"),
            owner_id: Some("1.2".into()),
            timestamp: Timestamp::from_micros(-5),
            publish: Some(PublishId("p".into())),
            payload: Payload {
                event: "e".into(),
                data: "{\"a\":\"\\u0000\n\"}".into(),
                extra: "\"x\":1".into(),
            },
        });
        let position = Some(Position {
            id: u64::MAX,
            serial: 7,
        });
        let except = SocketId::parse("9007199254740991.3");
        let BusMessage::Broadcast {
            event:
                ServerEvent::Published {
                    event: read,
                    position: at,
                },
            exclude: but,
            ..
        } = there_and_back(&BusMessage::published(Arc::clone(&event), position, except))
        else {
            panic!()
        };
        assert_eq!((&read, at, but), (&event, position, except));
        let bare = NewEvent {
            owner_id: None,
            publish: None,
            ..NewEvent::clone(&read)
        };
        let BusMessage::Broadcast {
            event:
                ServerEvent::Published {
                    event: read,
                    position: at,
                },
            exclude: but,
            ..
        } = there_and_back(&BusMessage::published(Arc::new(bare.clone()), None, None))
        else {
            panic!()
        };
        assert_eq!((&*read, at, but), (&bare, None, None));
    }

    #[test]
    fn what_every_node_must_hear_travels() {
        let app = AppIdent::trusted("a");
        assert!(
            matches!(there_and_back(&BusMessage::AppChanged(app.clone())), BusMessage::AppChanged(read) if read == app)
        );
        let hash = TokenHash([7; 32]);
        assert!(
            matches!(there_and_back(&BusMessage::SessionEnded(hash)), BusMessage::SessionEnded(read) if read == hash)
        );
        let user = UserId::parse("ü").unwrap();
        let message = BusMessage::SubscriptionsChanged {
            app: app.clone(),
            user: user.clone(),
        };
        let changed = there_and_back(&message);
        assert!(
            matches!(&changed, BusMessage::SubscriptionsChanged { app: a, user: u } if (a, u) == (&app, &user)),
            "{changed:?}"
        );
        let ended = there_and_back(&BusMessage::UserTerminated {
            app: app.clone(),
            user: user.clone(),
        });
        assert!(
            matches!(&ended, BusMessage::UserTerminated { app: a, user: u } if (a, u) == (&app, &user)),
            "{ended:?}"
        );
    }

    #[test]
    fn a_script_writes_changes_of_lists() {
        let text = r#"{"b":{"m":{"o":"+","v":"12","f":true,"c":"11","u":"u1","d":"{}","p":"1","s":"1.2"}}}"#;
        let Frame {
            body: Body::Presence(body),
            ..
        } = serde_json::from_str(text).unwrap()
        else {
            panic!()
        };
        let member = body.member().unwrap();
        assert_eq!(
            (
                member.user_id.as_str(),
                &*member.data,
                member.peer,
                body.socket()
            ),
            ("u1", "{}", true, SocketId::parse("1.2"))
        );
        assert_eq!(
            (
                &*body.version,
                &*body.came,
                body.fresh,
                body.evicted.is_none()
            ),
            ("12", "11", true, true)
        );
    }
}

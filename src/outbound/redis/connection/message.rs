//! The message format between nodes: JSON with short field names, because every event carries them.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::model::{
    AppIdent, ChannelName, FurtherMembers, Member, Mid, NewEvent, Payload, Position, PublishId,
    ServerEvent, SocketId, Timestamp, TokenHash, UserId,
};
use crate::core::ports::BusMessage;

/// A message of one node to the others.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NodeMessage<'a> {
    /// The sending node's process number; 0 in messages that scripts publish.
    #[serde(rename = "n", default)]
    pub node: u64,
    /// The position among the messages of the node, ascending.
    #[serde(rename = "q", default)]
    pub sequence: u64,
    /// Whether the node sent it before and does not know the result.
    #[serde(rename = "r", default, skip_serializing_if = "is_false")]
    pub resent: bool,
    #[serde(rename = "b", borrow)]
    pub body: MessageBody<'a>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The content of a [`NodeMessage`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum MessageBody<'a> {
    #[serde(rename = "e", borrow)]
    Event(Box<EventBody<'a>>),
    /// A change of a presence channel's members; published by scripts.
    #[serde(rename = "m", borrow)]
    MemberChange(Box<MemberChangeBody<'a>>),
    /// An app changed.
    #[serde(rename = "a", borrow)]
    AppChanged(Cow<'a, str>),
    /// A session ended: the hash of its token in hex.
    #[serde(rename = "s", borrow)]
    SessionEnded(Cow<'a, str>),
    /// A user's persistent subscriptions changed: app and user.
    #[serde(rename = "u")]
    SubscriptionsChanged(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>),
    /// A user's signed-in connections are to be closed: app and user.
    #[serde(rename = "x")]
    UserTerminated(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>),
    /// The number of subscriptions of a channel: app, channel, count; published by a script.
    #[serde(rename = "k")]
    SubscriptionCount(
        #[serde(borrow)] Cow<'a, str>,
        #[serde(borrow)] Cow<'a, str>,
        u64,
    ),
    /// A question to every node: its number, the topic for the answer, the encoded question.
    #[serde(rename = "q")]
    Question(
        u64,
        #[serde(borrow)] Cow<'a, str>,
        #[serde(borrow)] Cow<'a, str>,
    ),
    /// An answer: the number of the question, the encoded answer.
    #[serde(rename = "w")]
    Answer(u64, #[serde(borrow)] Cow<'a, str>),
    /// A node has failed, and its data was removed.
    #[serde(rename = "g")]
    NodeGone,
    /// A message to the sending node itself, which proves that the connection works.
    #[serde(rename = "o")]
    Echo,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EventBody<'a> {
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

/// A change of a presence channel's members. Numbers are strings, because the numbers of scripts
/// are floating point.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberChangeBody<'a> {
    /// `+` joined, `-` left, `=` has new data by its only connection, `~` has new data otherwise.
    #[serde(rename = "o", borrow)]
    pub kind: Cow<'a, str>,
    /// The version of the list after the change.
    #[serde(rename = "v", borrow)]
    pub version: Cow<'a, str>,
    /// Whether the list was empty before the change.
    #[serde(rename = "f", default)]
    pub was_empty: bool,
    /// The version at which the user joined.
    #[serde(rename = "c", borrow)]
    pub joined: Cow<'a, str>,
    #[serde(rename = "u", borrow)]
    user: Cow<'a, str>,
    #[serde(rename = "d", borrow)]
    data: Cow<'a, str>,
    #[serde(rename = "p", borrow)]
    peer: Cow<'a, str>,
    /// The connection that joined or left.
    #[serde(rename = "s", borrow, default)]
    socket: Cow<'a, str>,
    /// The incarnation whose eviction caused the change.
    #[serde(rename = "i", borrow, default, skip_serializing_if = "Option::is_none")]
    pub evicted: Option<Cow<'a, str>>,
}

impl MemberChangeBody<'_> {
    /// The user; `None`: malformed.
    pub(crate) fn member(&self) -> Option<Member> {
        Some(Member {
            user_id: UserId::parse(&self.user)?,
            data: arc(&self.data),
            peer: self.peer == "1",
        })
    }

    /// The connection that joined or left; `None`: malformed.
    pub(crate) fn socket(&self) -> Option<SocketId> {
        SocketId::parse(&self.socket)
    }
}

fn arc(text: &str) -> Arc<str> {
    text.into()
}

impl<'a> MessageBody<'a> {
    /// Encodes a bus message. `None`: messages of its kind are published by scripts, or stay local.
    pub(crate) fn from_bus(message: &'a BusMessage) -> Option<Self> {
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
                extra: Cow::Borrowed(event.payload.extra.as_str()),
                position: position.map(|position| (position.id, position.serial)),
                except: exclude.map(|socket| socket.to_string().into()),
            })),
            BusMessage::AppChanged(app) => Self::AppChanged(app.as_str().into()),
            BusMessage::SessionEnded(hash) => {
                Self::SessionEnded(data_encoding::HEXLOWER.encode(&hash.0).into())
            }
            BusMessage::SubscriptionsChanged { app, user } => {
                Self::SubscriptionsChanged(app.as_str().into(), user.as_str().into())
            }
            BusMessage::UserTerminated { app, user } => {
                Self::UserTerminated(app.as_str().into(), user.as_str().into())
            }
            BusMessage::NodeGone => Self::NodeGone,
            BusMessage::Broadcast { .. } => return None,
        })
    }

    /// Decodes a bus message. `None`: the content is of another kind or malformed.
    pub(crate) fn to_bus(&self) -> Option<BusMessage> {
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
                        extra: FurtherMembers::trusted(&body.extra),
                    },
                }),
                body.position.map(|(id, serial)| Position { id, serial }),
                body.except.as_deref().and_then(SocketId::parse),
            ),
            Self::AppChanged(app) => BusMessage::AppChanged(AppIdent::trusted(app)),
            Self::SessionEnded(hash) => {
                let bytes = data_encoding::HEXLOWER.decode(hash.as_bytes()).ok()?;
                BusMessage::SessionEnded(TokenHash(bytes.try_into().ok()?))
            }
            Self::SubscriptionsChanged(app, user) => BusMessage::SubscriptionsChanged {
                app: AppIdent::trusted(app),
                user: UserId::parse(user)?,
            },
            Self::UserTerminated(app, user) => BusMessage::UserTerminated {
                app: AppIdent::trusted(app),
                user: UserId::parse(user)?,
            },
            Self::NodeGone => BusMessage::NodeGone,
            Self::SubscriptionCount(app, channel, count) => BusMessage::Broadcast {
                app: AppIdent::trusted(app),
                event: ServerEvent::SubscriptionCount {
                    channel: ChannelName::trusted(channel),
                    count: *count,
                },
                exclude: None,
                version: None,
            },
            Self::MemberChange(_) | Self::Question(..) | Self::Answer(..) | Self::Echo => {
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(message: &BusMessage) -> BusMessage {
        let message = NodeMessage {
            node: 1,
            sequence: u64::MAX,
            resent: true,
            body: MessageBody::from_bus(message).unwrap(),
        };
        let text = serde_json::to_string(&message).unwrap();
        let read: NodeMessage<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!((read.node, read.sequence, read.resent), (1, u64::MAX, true));
        read.body.to_bus().unwrap()
    }

    #[test]
    fn every_field_of_an_event_is_encoded() {
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
                extra: FurtherMembers::trusted("\"x\":1"),
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
        } = round_trip(&BusMessage::published(Arc::clone(&event), position, except))
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
        } = round_trip(&BusMessage::published(Arc::new(bare.clone()), None, None))
        else {
            panic!()
        };
        assert_eq!((&*read, at, but), (&bare, None, None));
    }

    #[test]
    fn control_messages_are_encoded() {
        let app = AppIdent::trusted("a");
        assert!(
            matches!(round_trip(&BusMessage::AppChanged(app.clone())), BusMessage::AppChanged(read) if read == app)
        );
        assert!(matches!(
            round_trip(&BusMessage::NodeGone),
            BusMessage::NodeGone
        ));
        let hash = TokenHash([7; 32]);
        assert!(
            matches!(round_trip(&BusMessage::SessionEnded(hash)), BusMessage::SessionEnded(read) if read == hash)
        );
        let user = UserId::parse("ü").unwrap();
        let message = BusMessage::SubscriptionsChanged {
            app: app.clone(),
            user: user.clone(),
        };
        let changed = round_trip(&message);
        assert!(
            matches!(&changed, BusMessage::SubscriptionsChanged { app: a, user: u } if (a, u) == (&app, &user)),
            "{changed:?}"
        );
        let ended = round_trip(&BusMessage::UserTerminated {
            app: app.clone(),
            user: user.clone(),
        });
        assert!(
            matches!(&ended, BusMessage::UserTerminated { app: a, user: u } if (a, u) == (&app, &user)),
            "{ended:?}"
        );
    }

    #[test]
    fn member_changes_published_by_scripts_are_decoded() {
        let text = r#"{"b":{"m":{"o":"+","v":"12","f":true,"c":"11","u":"u1","d":"{}","p":"1","s":"1.2"}}}"#;
        let NodeMessage {
            body: MessageBody::MemberChange(body),
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
                &*body.joined,
                body.was_empty,
                body.evicted.is_none()
            ),
            ("12", "11", true, true)
        );
    }
}

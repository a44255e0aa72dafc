//! The members of a channel as Redis holds them at one moment.

use std::borrow::Cow;
use std::collections::HashMap;

use redis::Value;
use serde::Deserialize;

use super::calls::{parse_number, parse_text};
use crate::core::member_list::MemberList;
use crate::core::model::{Member, UserId};

/// The field of the hash that holds the version; no user id begins with this character.
const VERSION_FIELD: &str = "\u{1}v";

/// A user's record in the hash; `members.lua` describes the format.
#[derive(Deserialize)]
struct MemberRecord<'a> {
    #[serde(rename = "c", borrow)]
    joined: Cow<'a, str>,
    /// Stamp, socket, incarnation, data, peer; the newest last.
    #[serde(rename = "k", borrow)]
    connections: Vec<[Cow<'a, str>; 5]>,
}

/// The members of a channel in Redis.
#[derive(Debug, Default)]
pub(super) struct MemberSnapshot {
    /// The version of the list.
    pub version: u64,
    /// Each user, and the version at which it joined.
    pub users: HashMap<UserId, (Member, u64)>,
}

impl MemberSnapshot {
    /// Parses the replies to `TIME` and `HGETALL`.
    pub(super) fn parse(replies: &[Value]) -> Option<Self> {
        let [Value::Array(time), Value::Map(fields)] = replies else {
            return None;
        };
        let [seconds, micros] = time.as_slice() else {
            return None;
        };
        // A missing list has no version. One that is created later starts above the current time.
        let mut snapshot = Self {
            version: parse_number(seconds)? * 1_000_000 + parse_number(micros)? - 1,
            ..Self::default()
        };
        for (user, record) in fields {
            let (user, record) = (parse_text(user)?, parse_text(record)?);
            if user == VERSION_FIELD {
                snapshot.version = record.parse().ok()?;
                continue;
            }
            let record: MemberRecord<'_> = serde_json::from_str(record).ok()?;
            let [_, _, _, data, peer] = record.connections.last()?;
            let user_id = UserId::parse(user)?;
            let member = Member {
                user_id: user_id.clone(),
                data: (&**data).into(),
                peer: peer == "1",
            };
            snapshot
                .users
                .insert(user_id, (member, record.joined.parse().ok()?));
        }
        Some(snapshot)
    }

    /// All members, in the order in which they joined.
    pub(super) fn into_members(self) -> MemberList {
        let mut users: Vec<_> = self.users.into_values().collect();
        users.sort_unstable_by(|(a, joined_a), (b, joined_b)| {
            joined_a
                .cmp(joined_b)
                .then_with(|| a.user_id.cmp(&b.user_id))
        });
        users.into_iter().map(|(member, _)| member).collect()
    }
}

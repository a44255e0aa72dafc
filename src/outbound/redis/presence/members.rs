//! The members of a replica, as local clients see them.

use std::collections::HashMap;

use crate::core::member_list::MemberList;
use crate::core::model::{Member, UserId};

/// The first version of members that are not in Redis: above every version of Redis, so they come last.
const LOCAL_VERSION: u64 = 1 << 62;

/// The kind of a change that Redis publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PresenceChange {
    /// A user joined with its first connection.
    Joined,
    /// A user's last connection left.
    Left,
    /// A user's only connection has new data, of which clients are notified.
    Replaced,
    /// A user's newest data changed.
    Updated,
}

/// The members of a channel, in the order in which they joined.
#[derive(Debug, Default)]
pub(super) struct ReplicaMembers {
    users: HashMap<UserId, MemberEntry>,
    list: MemberList,
    /// The number of members that were added without Redis.
    local_count: u64,
}

#[derive(Debug)]
struct MemberEntry {
    /// The version at which the user joined.
    joined: u64,
    member: Member,
    /// Missing in Redis, but another node may be about to reassert it.
    unconfirmed: bool,
}

impl ReplicaMembers {
    /// The number of members.
    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// The newest data of a user.
    pub(super) fn get(&self, user: &str) -> Option<&Member> {
        self.users.get(user).map(|entry| &entry.member)
    }

    /// The version at which a user joined; `None`: not known from Redis.
    pub(super) fn joined(&self, user: &UserId) -> Option<u64> {
        self.users
            .get(user)
            .map(|entry| entry.joined)
            .filter(|joined| *joined < LOCAL_VERSION)
    }

    /// All members, in the order in which they joined.
    pub(super) fn list(&self) -> MemberList {
        self.list.clone()
    }

    /// Adds or updates a user as Redis holds it; returns whether it is new here.
    pub(super) fn put(&mut self, member: Member, joined: u64) -> bool {
        let user = member.user_id.clone();
        let before = self.users.insert(
            user.clone(),
            MemberEntry {
                joined,
                member: member.clone(),
                unconfirmed: false,
            },
        );
        if let Some(before) = before.as_ref().filter(|before| before.joined != joined) {
            self.list.remove(before.joined, user.as_str());
        }
        self.list.put(joined, member);
        before.is_none()
    }

    /// The data of a user where it differs from `member`.
    pub(super) fn other_than(&self, member: &Member) -> Option<Member> {
        let known = self.get(member.user_id.as_str())?;
        (known != member).then(|| known.clone())
    }

    /// Adds or updates a user that is not in Redis yet; returns whether it is new here.
    pub(super) fn put_local(&mut self, member: Member) -> bool {
        if let Some(entry) = self.users.get_mut(&member.user_id) {
            self.list.put(entry.joined, member.clone());
            entry.member = member;
            return false;
        }
        self.local_count += 1;
        self.put(member, LOCAL_VERSION + self.local_count)
    }

    /// Removes a user.
    pub(super) fn remove(&mut self, user: &str) -> Option<Member> {
        let entry = self.users.remove(user)?;
        self.list.remove(entry.joined, user);
        Some(entry.member)
    }

    /// The users that `present` does not contain. Unless `stable`, they are marked as unconfirmed.
    pub(super) fn missing_from(
        &mut self,
        present: &HashMap<UserId, (Member, u64)>,
        stable: bool,
    ) -> Vec<UserId> {
        let mut missing = Vec::new();
        for (user, entry) in &mut self.users {
            if !present.contains_key(user) {
                entry.unconfirmed = !stable;
                missing.push(user.clone());
            }
        }
        missing
    }

    /// Whether there are unconfirmed members.
    pub(super) fn has_unconfirmed(&self) -> bool {
        self.users.values().any(|entry| entry.unconfirmed)
    }

    /// Whether, as far as known, Redis holds none of the members.
    pub(super) fn is_empty_in_redis(&self) -> bool {
        self.users
            .values()
            .all(|entry| entry.unconfirmed || entry.joined >= LOCAL_VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(user: &str, data: &str) -> Member {
        Member {
            user_id: UserId::parse(user).unwrap(),
            data: data.into(),
            peer: false,
        }
    }

    fn shown(members: &ReplicaMembers) -> Vec<String> {
        members
            .list()
            .iter()
            .map(|member| format!("{}:{}", member.user_id, member.data))
            .collect()
    }

    #[test]
    fn members_are_in_the_order_in_which_they_joined() {
        let mut members = ReplicaMembers::default();
        assert!(
            members.put(member("b", "1"), 7)
                && members.put_local(member("x", "1"))
                && members.put(member("a", "1"), 5)
        );
        assert!(!members.put(member("b", "2"), 7) && !members.put_local(member("a", "3")));
        assert_eq!(shown(&members), ["a:3", "b:2", "x:1"]);
        assert!(!members.put(member("x", "4"), 6), "it is in Redis now");
        assert_eq!(shown(&members), ["a:3", "x:4", "b:2"]);
        assert_eq!(
            members.remove("x").map(|member| member.data.to_string()),
            Some("4".to_owned())
        );
        assert_eq!((shown(&members).len(), members.len()), (2, 2));
    }
}

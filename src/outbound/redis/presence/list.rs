//! What this node knows of who is on a channel.

use std::collections::HashMap;

use crate::core::member_list::MemberList;
use crate::core::model::{Member, UserId};

/// When somebody came where only this node knows of it: behind everybody whom Redis knows.
const HERE_ALONE: u64 = 1 << 62;

/// A change of a list, as Redis announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A user came.
    Came,
    /// A user left.
    Left,
    /// A user's data are others.
    Data,
}

/// Who is on a channel, in the order in which they came: what this node's clients have been told.
#[derive(Debug, Default)]
pub(super) struct List {
    users: HashMap<UserId, Entry>,
    roll: MemberList,
    alone: u64,
}

#[derive(Debug)]
struct Entry {
    came: u64,
    member: Member,
    /// Redis does not have it, but perhaps another node is about to say it again.
    doubtful: bool,
}

impl List {
    pub fn len(&self) -> usize {
        self.users.len()
    }

    pub fn get(&self, user: &str) -> Option<&Member> {
        self.users.get(user).map(|entry| &entry.member)
    }

    /// When a user came, as Redis has it.
    pub fn came(&self, user: &UserId) -> Option<u64> {
        self.users
            .get(user)
            .map(|entry| entry.came)
            .filter(|came| *came < HERE_ALONE)
    }

    /// Everybody, in the order in which they came.
    pub fn members(&self) -> MemberList {
        self.roll.clone()
    }

    /// Notes a user as Redis has it; `true`: it is new here.
    pub fn put(&mut self, member: Member, came: u64) -> bool {
        let user = member.user_id.clone();
        let before = self.users.insert(
            user.clone(),
            Entry {
                came,
                member: member.clone(),
                doubtful: false,
            },
        );
        if let Some(before) = before.as_ref().filter(|before| before.came != came) {
            self.roll.remove(before.came, user.as_str());
        }
        self.roll.put(came, member);
        before.is_none()
    }

    /// Notes a user of whom only this node knows yet; `true`: it is new here.
    pub fn put_alone(&mut self, member: Member) -> bool {
        if let Some(entry) = self.users.get_mut(&member.user_id) {
            self.roll.put(entry.came, member.clone());
            entry.member = member;
            return false;
        }
        self.alone += 1;
        self.put(member, HERE_ALONE + self.alone)
    }

    pub fn remove(&mut self, user: &str) -> Option<Member> {
        let entry = self.users.remove(user)?;
        self.roll.remove(entry.came, user);
        Some(entry.member)
    }

    /// The users that `present` does not have; where `sure` is false they are only marked as doubtful.
    pub fn missing_from(
        &mut self,
        present: &HashMap<UserId, (Member, u64)>,
        sure: bool,
    ) -> Vec<UserId> {
        let mut missing = Vec::new();
        for (user, entry) in &mut self.users {
            if !present.contains_key(user) {
                entry.doubtful = !sure;
                missing.push(user.clone());
            }
        }
        missing
    }

    /// Whether there is anybody of whom Redis does not know.
    pub fn is_doubtful(&self) -> bool {
        self.users.values().any(|entry| entry.doubtful)
    }

    /// Whether there is anybody of whom Redis is known to know.
    pub fn is_known_empty(&self) -> bool {
        self.users
            .values()
            .all(|entry| entry.doubtful || entry.came >= HERE_ALONE)
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

    fn shown(list: &List) -> Vec<String> {
        list.members()
            .iter()
            .map(|member| format!("{}:{}", member.user_id, member.data))
            .collect()
    }

    #[test]
    fn members_come_in_the_order_in_which_they_came() {
        let mut list = List::default();
        assert!(
            list.put(member("b", "1"), 7)
                && list.put_alone(member("x", "1"))
                && list.put(member("a", "1"), 5)
        );
        assert!(!list.put(member("b", "2"), 7) && !list.put_alone(member("a", "3")));
        assert_eq!(shown(&list), ["a:3", "b:2", "x:1"]);
        assert!(!list.put(member("x", "4"), 6), "Redis knows it now");
        assert_eq!(shown(&list), ["a:3", "x:4", "b:2"]);
        assert_eq!(
            list.remove("x").map(|member| member.data.to_string()),
            Some("4".to_owned())
        );
        assert_eq!((shown(&list).len(), list.len()), (2, 2));
    }
}

//! Everybody on a presence channel.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::member::Member;

/// Members of one leaf at most. A change copies one leaf where somebody else still looks at it, so few; what is kept of a
/// leaf is put together leaf by leaf, so not too few.
const LEAF: usize = 128;

/// What an edge makes of members and wants kept for the next who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered {
    /// The members of the Pushi protocol's answers.
    Pushi,
    /// The ids of the Pusher protocol's answers.
    PusherIds,
    /// What those say of each id.
    PusherInfos,
}

impl Rendered {
    const COUNT: usize = 3;
}

/// Everybody on a presence channel, in the order in which they came. A copy costs little, whatever the number of members; so
/// does the next copy after a change: copies share what they have in common, and the texts that were made of it.
#[derive(Clone, Default)]
pub struct MemberList {
    leaves: Vec<Arc<MemberChunk>>,
    count: usize,
}

#[derive(Default)]
struct MemberChunk {
    /// Each with when it came; sorted by that, and then by id. Never empty within a roll.
    members: Vec<(u64, Member)>,
    texts: [OnceLock<Box<str>>; Rendered::COUNT],
}

/// What was made of a leaf is not true of what it becomes.
impl Clone for MemberChunk {
    fn clone(&self) -> Self {
        Self {
            members: self.members.clone(),
            texts: Default::default(),
        }
    }
}

impl MemberChunk {
    fn find(&self, came: u64, user: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|(known, member)| {
            (*known, member.user_id.as_str()).cmp(&(came, user))
        })
    }

    /// The members, to be changed.
    fn change(leaf: &mut Arc<Self>) -> &mut Vec<(u64, Member)> {
        let leaf = Arc::make_mut(leaf);
        leaf.texts = Default::default();
        &mut leaf.members
    }
}

impl MemberList {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Everybody, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.leaves
            .iter()
            .flat_map(|leaf| leaf.members.iter().map(|(_, member)| member))
    }

    /// The leaf in which somebody is, or belongs.
    fn leaf(&self, came: u64, user: &str) -> usize {
        let begins_later = |leaf: &Arc<MemberChunk>| {
            leaf.members
                .first()
                .is_some_and(|(first, member)| (*first, member.user_id.as_str()) > (came, user))
        };
        self.leaves
            .partition_point(|leaf| !begins_later(leaf))
            .saturating_sub(1)
    }

    /// Notes that a member came then; where that is known already, its data are these now.
    pub fn put(&mut self, came: u64, member: Member) {
        let index = self.leaf(came, member.user_id.as_str());
        let Some(leaf) = self.leaves.get_mut(index) else {
            self.leaves.push(Arc::new(MemberChunk {
                members: vec![(came, member)],
                ..MemberChunk::default()
            }));
            self.count += 1;
            return;
        };
        let place = match leaf.find(came, member.user_id.as_str()) {
            Ok(place) => {
                MemberChunk::change(leaf)[place].1 = member;
                return;
            }
            Err(place) => place,
        };
        self.count += 1;
        let is_full = leaf.members.len() >= LEAF;
        // Most come last: then the full leaf stays as it is, with all that is kept of it.
        if is_full && place == leaf.members.len() {
            self.leaves.insert(
                index + 1,
                Arc::new(MemberChunk {
                    members: vec![(came, member)],
                    ..MemberChunk::default()
                }),
            );
            return;
        }
        let members = MemberChunk::change(leaf);
        members.insert(place, (came, member));
        if is_full {
            let members = members.split_off(LEAF / 2);
            self.leaves.insert(
                index + 1,
                Arc::new(MemberChunk {
                    members,
                    ..MemberChunk::default()
                }),
            );
        }
    }

    /// Takes out a member who came then.
    pub fn remove(&mut self, came: u64, user: &str) -> Option<Member> {
        let index = self.leaf(came, user);
        let leaf = self.leaves.get_mut(index)?;
        let place = leaf.find(came, user).ok()?;
        let (_, member) = MemberChunk::change(leaf).remove(place);
        self.count -= 1;
        if leaf.members.is_empty() {
            self.leaves.remove(index);
        } else {
            self.unite(index);
            if let Some(before) = index.checked_sub(1) {
                self.unite(before);
            }
        }
        Some(member)
    }

    /// Makes one leaf of two that have become small.
    fn unite(&mut self, index: usize) {
        let count = |index: usize| self.leaves.get(index).map(|leaf| leaf.members.len());
        if let (Some(one), Some(next)) = (count(index), count(index + 1))
            && one + next <= LEAF / 2
        {
            let next = self.leaves.remove(index + 1);
            MemberChunk::change(&mut self.leaves[index]).extend(next.members.iter().cloned());
        }
    }

    /// What `make` appends for each member, a comma before each: the pieces make one text together. For one `shown` it must
    /// always append the same: the pieces are kept.
    pub fn texts(
        &self,
        shown: Rendered,
        make: impl Fn(&mut String, &Member),
    ) -> impl Iterator<Item = MemberListText> {
        self.leaves.iter().map(move |leaf| {
            leaf.texts[shown as usize].get_or_init(|| {
                let mut text = String::new();
                for (_, member) in &leaf.members {
                    text.push(',');
                    make(&mut text, member);
                }
                text.into()
            });
            MemberListText(Arc::clone(leaf), shown)
        })
    }
}

/// A piece of a roll's text, shared by all who need it.
pub struct MemberListText(Arc<MemberChunk>, Rendered);

impl MemberListText {
    /// The text.
    pub fn as_str(&self) -> &str {
        let Self(leaf, shown) = self;
        leaf.texts[*shown as usize].get().map_or("", |text| text)
    }
}

impl AsRef<[u8]> for MemberListText {
    fn as_ref(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

/// Those of whom it is only known in which order they came.
impl FromIterator<Member> for MemberList {
    fn from_iter<T: IntoIterator<Item = Member>>(members: T) -> Self {
        let mut roll = Self::default();
        for (came, member) in (0..).zip(members) {
            roll.put(came, member);
        }
        roll
    }
}

impl fmt::Debug for MemberList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::core::model::UserId;

    fn member(user: u64, data: u64) -> Member {
        Member {
            user_id: UserId::parse(&format!("u{user}")).unwrap(),
            data: data.to_string().into(),
            peer: false,
        }
    }

    fn text(roll: &MemberList) -> String {
        let make = |text: &mut String, member: &Member| {
            text.push_str(&format!("{}={}", member.user_id, member.data))
        };
        let text: String = roll
            .texts(Rendered::Pushi, make)
            .map(|text| text.as_str().to_owned())
            .collect();
        text.strip_prefix(',').unwrap_or_default().to_owned()
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map_whose_copies_stay_as_they_were(
            steps in prop::collection::vec((0..3_u8, 0..400_u64, 0..3_u64), 1..1500)
        ) {
            let (mut roll, mut model) = (MemberList::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (index, (what, came, data)) in steps.into_iter().enumerate() {
                if what == 0 {
                    let gone = model.remove(&came).map(|data| member(came, data));
                    prop_assert_eq!(roll.remove(came, &format!("u{came}")), gone);
                } else {
                    roll.put(came, member(came, data));
                    model.insert(came, data);
                }
                if index % 50 == 0 {
                    copies.push((roll.clone(), text(&roll)));
                }
            }
            prop_assert_eq!(roll.len(), model.len());
            let expected: Vec<_> = model.iter().map(|(came, data)| member(*came, *data)).collect();
            prop_assert_eq!(roll.iter().cloned().collect::<Vec<_>>(), expected);
            let expected: Vec<_> = model.iter().map(|(came, data)| format!("u{came}={data}")).collect();
            prop_assert_eq!(text(&roll), expected.join(","));
            prop_assert!(roll.leaves.iter().all(|leaf| (1..=LEAF).contains(&leaf.members.len())));
            for (copy, then) in copies {
                prop_assert_eq!(text(&copy), then);
            }
        }
    }

    #[test]
    fn a_join_makes_one_text_anew() {
        let made = std::cell::Cell::new(0);
        let make = |text: &mut String, member: &Member| {
            made.set(made.get() + 1);
            text.push_str(member.user_id.as_str());
        };
        let mut roll: MemberList = (0..10_000).map(|user| member(user, 0)).collect();
        let count = |roll: &MemberList| {
            roll.texts(Rendered::PusherIds, make)
                .map(|text| text.as_str().len())
                .sum::<usize>()
        };
        count(&roll);
        assert_eq!(made.take(), 10_000);
        roll.put(u64::MAX, member(10_000, 0));
        count(&roll);
        assert!(made.take() <= LEAF, "only what is new was made");
    }

    #[test]
    fn who_left_leaves_no_room_behind() {
        let mut roll: MemberList = (0..10_000).map(|user| member(user, 0)).collect();
        for user in (0..10_000).filter(|user| user % 1000 != 0) {
            assert!(roll.remove(user, &format!("u{user}")).is_some());
        }
        assert_eq!((roll.len(), text(&roll).matches(',').count()), (10, 9));
        assert!(roll.leaves.len() <= 2, "{}", roll.leaves.len());
    }
}

//! The members of a presence channel, with cached renderings.
//!
//! A persistent vector such as `imbl::Vector` shares chunks, too, but cannot keep the rendered text
//! of each chunk, which makes a late join to a large channel cheap.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::core::model::Member;

/// The members of one chunk at most. Small, because a change copies a chunk that another list shares; not too small, because
/// a list is rendered chunk by chunk.
const CHUNK: usize = 128;

/// The bytes of a rendered member besides its id and its data, about.
const MEMBER_BYTES: usize = 32;

/// A rendering of members by an edge, which is cached for the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered {
    /// The members in answers of the Pushi protocol.
    Pushi,
    /// The ids in answers of the Pusher protocol.
    PusherIds,
    /// The user information by id in answers of the Pusher protocol.
    PusherInfos,
}

impl Rendered {
    const COUNT: usize = 3;
}

/// The members of a presence channel, in the order in which they joined. A clone is cheap for any number of members, also
/// after a change: clones share the chunks that are equal, with their rendered texts.
#[derive(Clone, Default)]
pub struct MemberList {
    chunks: Vec<Arc<MemberChunk>>,
    count: usize,
}

#[derive(Default)]
struct MemberChunk {
    /// Each member with the time of its join; sorted by time, and then by id. Never empty within a list.
    members: Vec<(u64, Member)>,
    texts: [OnceLock<Box<str>>; Rendered::COUNT],
}

/// A clone is made to be changed, so it has no rendered texts.
impl Clone for MemberChunk {
    fn clone(&self) -> Self {
        Self {
            members: self.members.clone(),
            texts: Default::default(),
        }
    }
}

impl MemberChunk {
    fn find(&self, joined: u64, user: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|(known, member)| {
            (*known, member.user_id.as_str()).cmp(&(joined, user))
        })
    }

    /// The rendered members, from the cache where they are there.
    fn text(&self, kind: Rendered, render: impl Fn(&mut String, &Member)) -> &str {
        self.texts[kind as usize].get_or_init(|| {
            let mut text = String::new();
            for (_, member) in &self.members {
                text.push(',');
                render(&mut text, member);
            }
            text.into()
        })
    }

    /// Mutable access to the members; drops the rendered texts.
    fn make_mut(chunk: &mut Arc<Self>) -> &mut Vec<(u64, Member)> {
        let chunk = Arc::make_mut(chunk);
        chunk.texts = Default::default();
        &mut chunk.members
    }
}

impl MemberList {
    /// The number of members.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The members, in the order in which they joined.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.members.iter().map(|(_, member)| member))
    }

    /// The index of the chunk in which a member is, or belongs.
    fn chunk(&self, joined: u64, user: &str) -> usize {
        let begins_later = |chunk: &Arc<MemberChunk>| {
            chunk
                .members
                .first()
                .is_some_and(|(first, member)| (*first, member.user_id.as_str()) > (joined, user))
        };
        self.chunks
            .partition_point(|chunk| !begins_later(chunk))
            .saturating_sub(1)
    }

    /// Inserts a member that joined at `joined`, or replaces its data.
    pub fn put(&mut self, joined: u64, member: Member) {
        let index = self.chunk(joined, member.user_id.as_str());
        let Some(chunk) = self.chunks.get_mut(index) else {
            self.chunks.push(Arc::new(MemberChunk {
                members: vec![(joined, member)],
                ..MemberChunk::default()
            }));
            self.count += 1;
            return;
        };
        let place = match chunk.find(joined, member.user_id.as_str()) {
            Ok(place) => {
                MemberChunk::make_mut(chunk)[place].1 = member;
                return;
            }
            Err(place) => place,
        };
        self.count += 1;
        let is_full = chunk.members.len() >= CHUNK;
        // Most members are appended: then the full chunk stays as it is, with its rendered texts.
        if is_full && place == chunk.members.len() {
            self.chunks.insert(
                index + 1,
                Arc::new(MemberChunk {
                    members: vec![(joined, member)],
                    ..MemberChunk::default()
                }),
            );
            return;
        }
        let members = MemberChunk::make_mut(chunk);
        members.insert(place, (joined, member));
        if is_full {
            let members = members.split_off(CHUNK / 2);
            self.chunks.insert(
                index + 1,
                Arc::new(MemberChunk {
                    members,
                    ..MemberChunk::default()
                }),
            );
        }
    }

    /// Removes a member that joined at `joined`.
    pub fn remove(&mut self, joined: u64, user: &str) -> Option<Member> {
        let index = self.chunk(joined, user);
        let chunk = self.chunks.get_mut(index)?;
        let place = chunk.find(joined, user).ok()?;
        let (_, member) = MemberChunk::make_mut(chunk).remove(place);
        self.count -= 1;
        if chunk.members.is_empty() {
            self.chunks.remove(index);
        } else {
            self.merge(index);
            if let Some(before) = index.checked_sub(1) {
                self.merge(before);
            }
        }
        Some(member)
    }

    /// Merges a chunk with the next one where both are small.
    fn merge(&mut self, index: usize) {
        let count = |index: usize| self.chunks.get(index).map(|chunk| chunk.members.len());
        if let (Some(one), Some(next)) = (count(index), count(index + 1))
            && one + next <= CHUNK / 2
        {
            let next = self.chunks.remove(index + 1);
            MemberChunk::make_mut(&mut self.chunks[index]).extend(next.members.iter().cloned());
        }
    }

    /// The bytes of the members, about, that have not been rendered in one of these kinds.
    pub fn unrendered_bytes(&self, kinds: &[Rendered]) -> usize {
        let is_missing = |chunk: &&Arc<MemberChunk>| {
            let is_missing = |kind: &Rendered| chunk.texts[*kind as usize].get().is_none();
            kinds.iter().any(is_missing)
        };
        let bytes = |(_, member): &(u64, Member)| {
            MEMBER_BYTES + member.user_id.as_str().len() + member.data.len()
        };
        let missing = self.chunks.iter().filter(is_missing);
        missing
            .flat_map(|chunk| chunk.members.iter().map(bytes))
            .sum()
    }

    /// Renders the members: what `render` appends for each one, with a comma before each. The pieces together are one text.
    /// They are cached, so `render` must always append the same for one value of `kind`.
    pub fn texts(
        &self,
        kind: Rendered,
        render: impl Fn(&mut String, &Member),
    ) -> impl Iterator<Item = MemberListText> {
        self.chunks.iter().map(move |chunk| {
            chunk.text(kind, &render);
            MemberListText(Arc::clone(chunk), kind)
        })
    }

    /// Renders the pieces of [`MemberList::texts`] one by one; returns the bytes of each that was not rendered before (0 of
    /// the others).
    pub fn prepare(
        &self,
        kind: Rendered,
        render: impl Fn(&mut String, &Member),
    ) -> impl Iterator<Item = usize> {
        self.chunks.iter().map(move |chunk| {
            let is_new = chunk.texts[kind as usize].get().is_none();
            let text = chunk.text(kind, &render);
            if is_new { text.len() } else { 0 }
        })
    }
}

/// A piece of a list's rendered text, shared by all its users.
pub struct MemberListText(Arc<MemberChunk>, Rendered);

impl MemberListText {
    /// The rendered text.
    pub fn as_str(&self) -> &str {
        let Self(chunk, kind) = self;
        chunk.texts[*kind as usize].get().map_or("", |text| text)
    }
}

impl AsRef<[u8]> for MemberListText {
    fn as_ref(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

/// Members of which only the order of their joins is known.
impl FromIterator<Member> for MemberList {
    fn from_iter<T: IntoIterator<Item = Member>>(members: T) -> Self {
        let mut list = Self::default();
        for (joined, member) in (0..).zip(members) {
            list.put(joined, member);
        }
        list
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

    fn text(list: &MemberList) -> String {
        let render = |text: &mut String, member: &Member| {
            text.push_str(&format!("{}={}", member.user_id, member.data))
        };
        let text: String = list
            .texts(Rendered::Pushi, render)
            .map(|text| text.as_str().to_owned())
            .collect();
        text.strip_prefix(',').unwrap_or_default().to_owned()
    }

    proptest! {
        #[test]
        fn a_list_is_a_sorted_map_whose_clones_do_not_change(
            steps in prop::collection::vec((0..3_u8, 0..400_u64, 0..3_u64), 1..1500)
        ) {
            let (mut list, mut model) = (MemberList::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (index, (step, joined, data)) in steps.into_iter().enumerate() {
                if step == 0 {
                    let removed = model.remove(&joined).map(|data| member(joined, data));
                    prop_assert_eq!(list.remove(joined, &format!("u{joined}")), removed);
                } else {
                    list.put(joined, member(joined, data));
                    model.insert(joined, data);
                }
                if index % 50 == 0 {
                    copies.push((list.clone(), text(&list)));
                }
            }
            prop_assert_eq!(list.len(), model.len());
            let expected: Vec<_> = model.iter().map(|(joined, data)| member(*joined, *data)).collect();
            prop_assert_eq!(list.iter().cloned().collect::<Vec<_>>(), expected);
            let expected: Vec<_> = model.iter().map(|(joined, data)| format!("u{joined}={data}")).collect();
            prop_assert_eq!(text(&list), expected.join(","));
            prop_assert!(list.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.members.len())));
            for (copy, then) in copies {
                prop_assert_eq!(text(&copy), then);
            }
        }
    }

    #[test]
    fn a_join_renders_one_chunk() {
        let made = std::cell::Cell::new(0);
        let render = |text: &mut String, member: &Member| {
            made.set(made.get() + 1);
            text.push_str(member.user_id.as_str());
        };
        let mut list: MemberList = (0..10_000).map(|user| member(user, 0)).collect();
        let count = |list: &MemberList| {
            list.texts(Rendered::PusherIds, render)
                .map(|text| text.as_str().len())
                .sum::<usize>()
        };
        count(&list);
        assert_eq!(made.take(), 10_000);
        assert_eq!(list.unrendered_bytes(&[Rendered::PusherIds]), 0);
        assert!(list.unrendered_bytes(&[Rendered::PusherIds, Rendered::Pushi]) > 10_000 * 32);
        list.put(u64::MAX, member(10_000, 0));
        let one_chunk = 1..=CHUNK * (MEMBER_BYTES + 10);
        assert!(one_chunk.contains(&list.unrendered_bytes(&[Rendered::PusherIds])));
        count(&list);
        assert!(made.take() <= CHUNK, "only what is new was made");
    }

    #[test]
    fn chunks_are_merged_after_removals() {
        let mut list: MemberList = (0..10_000).map(|user| member(user, 0)).collect();
        for user in (0..10_000).filter(|user| user % 1000 != 0) {
            assert!(list.remove(user, &format!("u{user}")).is_some());
        }
        assert_eq!((list.len(), text(&list).matches(',').count()), (10, 9));
        assert!(list.chunks.len() <= 2, "{}", list.chunks.len());
    }
}

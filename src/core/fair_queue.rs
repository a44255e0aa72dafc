//! A queue that is bounded in bytes and serves its apps in turns.

use std::collections::{HashMap, VecDeque};

use super::model::AppIdent;

/// The work that an app is served for in one turn, in bytes: less than any commit, so that a commit has the turns of several
/// apps. A turn ends with a whole entry; what it was too long is taken from the next turns.
const TURN: isize = 16 * 1024;

/// The bytes that may wait in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueBounds {
    /// Those of one app.
    pub app: usize,
    /// Those of all apps together. Where they have filled some of it, one app can use no more than what is free, so that
    /// several apps at their bounds leave space for another one.
    pub all: usize,
}

impl QueueBounds {
    /// Bounds from settings, where 0 means no limit.
    pub fn new(app: u64, all: u64) -> Self {
        let bound = |bytes| match bytes {
            0 => usize::MAX,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        };
        Self {
            app: bound(app),
            all: bound(all),
        }
    }
}

/// The size of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntrySize {
    /// Counted against the bounds.
    pub bytes: usize,
    /// Counted against the turn of its app.
    pub work: usize,
}

impl EntrySize {
    /// An entry whose work is proportional to its memory.
    pub fn of(bytes: usize) -> Self {
        Self { bytes, work: bytes }
    }
}

/// The queue has no space for an entry of this app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// Entries of many apps, each app's in their order, served by deficit round robin: an app whose queue was empty is served
/// first, and an app that has had its turn is served again after all others.
///
/// Bounded by [`QueueBounds`], in bytes as stated by the caller.
#[derive(Debug)]
pub struct FairQueue<T> {
    bounds: QueueBounds,
    apps: HashMap<AppIdent, AppQueue<T>>,
    /// Apps whose queue was empty and that have not had a turn since.
    fresh: VecDeque<AppIdent>,
    /// The other apps, in the order of their turns.
    turns: VecDeque<AppIdent>,
    bytes: usize,
}

#[derive(Debug)]
struct AppQueue<T> {
    entries: VecDeque<(T, EntrySize)>,
    bytes: usize,
    /// The work that is left of the turn; negative: more was done.
    credit: isize,
}

impl<T> FairQueue<T> {
    /// An empty queue.
    pub fn new(bounds: QueueBounds) -> Self {
        Self {
            bounds,
            apps: HashMap::new(),
            fresh: VecDeque::new(),
            turns: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The most bytes that one app may have in the queue.
    pub fn app_bound(&self) -> usize {
        self.bounds.app
    }

    /// The bytes of all entries.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.apps.values().all(|app| app.entries.is_empty())
    }

    /// Whether the bounds have space for this number of bytes of an app.
    pub fn has_space(&self, app: &AppIdent, bytes: usize) -> bool {
        let used = self.apps.get(app).map_or(0, |app| app.bytes);
        let free = self.bounds.all.saturating_sub(self.bytes);
        used.saturating_add(bytes) <= self.bounds.app.min(free)
    }

    /// Appends an entry behind those of its app.
    ///
    /// # Errors
    /// The bounds have no space for it.
    pub fn push(&mut self, app: &AppIdent, entry: T, size: EntrySize) -> Result<(), QueueFull> {
        if !self.has_space(app, size.bytes) {
            return Err(QueueFull);
        }
        self.push_accepted(app, entry, size);
        Ok(())
    }

    /// Appends an entry for which [`FairQueue::has_space`] was checked.
    pub fn push_accepted(&mut self, app: &AppIdent, entry: T, size: EntrySize) {
        let queue = self.queue_of(app);
        queue.entries.push_back((entry, size));
        queue.bytes += size.bytes;
        self.bytes += size.bytes;
    }

    /// Returns an entry that was taken to the front of its app, whatever the bounds.
    pub fn push_front(&mut self, app: &AppIdent, entry: T, size: EntrySize) {
        let queue = self.queue_of(app);
        queue.entries.push_front((entry, size));
        queue.bytes += size.bytes;
        self.bytes += size.bytes;
    }

    fn queue_of(&mut self, app: &AppIdent) -> &mut AppQueue<T> {
        if !self.apps.contains_key(app) {
            self.fresh.push_back(app.clone());
        }
        self.apps.entry(app.clone()).or_insert_with(AppQueue::new)
    }

    /// The entry whose turn it is, and its size.
    pub fn peek(&mut self) -> Option<(&mut T, EntrySize)> {
        let app = self.next_app()?;
        let (entry, size) = self.apps.get_mut(&app)?.entries.front_mut()?;
        Some((entry, *size))
    }

    /// Removes the entry whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let app = self.next_app()?;
        self.pop_of(&app)
    }

    /// Removes the first entry of an app, whether or not it is its turn.
    pub fn pop_of(&mut self, app: &AppIdent) -> Option<T> {
        let queue = self.apps.get_mut(app)?;
        let (entry, size) = queue.entries.pop_front()?;
        queue.done(size);
        self.bytes -= size.bytes;
        Some(entry)
    }

    /// The next app in turn that is not among these.
    pub fn next_app_except(&mut self, others: &[AppIdent]) -> Option<AppIdent> {
        for _ in 0..=others.len() {
            let app = self.next_app()?;
            if !others.contains(&app) {
                return Some(app);
            }
            // The app whose turn it is stands first in its list.
            let list = match self.fresh.front() == Some(&app) {
                true => &mut self.fresh,
                false => &mut self.turns,
            };
            list.pop_front();
            self.turns.push_back(app);
        }
        None
    }

    /// All entries; those of an app in their order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let queues = self.apps.values_mut();
        queues.flat_map(|app| app.entries.iter_mut().map(|(entry, _)| entry))
    }

    /// Records that a part of the entry whose turn it is was done: this is left of it.
    pub fn shrink(&mut self, left: EntrySize) {
        let Some(app) = self.next_app() else { return };
        let Some(queue) = self.apps.get_mut(&app) else {
            return;
        };
        let Some((_, size)) = queue.entries.front_mut() else {
            return;
        };
        let done = EntrySize {
            bytes: size.bytes.saturating_sub(left.bytes),
            work: size.work.saturating_sub(left.work),
        };
        *size = left;
        queue.done(done);
        self.bytes -= done.bytes;
    }

    /// The app whose turn it is; `None`: there is no entry. The turn passes to the next app where this one has had its turn.
    fn next_app(&mut self) -> Option<AppIdent> {
        loop {
            let is_fresh = !self.fresh.is_empty();
            let list = match is_fresh {
                true => &mut self.fresh,
                false => &mut self.turns,
            };
            let app = list.front()?;
            let Some(queue) = self.apps.get_mut(app) else {
                list.pop_front();
                continue;
            };
            if queue.entries.is_empty() {
                let app = list.pop_front()?;
                // An app that is fresh again and again would otherwise be served before all others.
                if is_fresh && !self.turns.is_empty() {
                    self.turns.push_back(app);
                } else {
                    self.apps.remove(&app);
                }
                continue;
            }
            if queue.credit > 0 {
                return Some(app.clone());
            }
            queue.credit += TURN;
            let app = list.pop_front()?;
            self.turns.push_back(app);
        }
    }
}

impl<T> AppQueue<T> {
    fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            credit: TURN,
        }
    }

    fn done(&mut self, size: EntrySize) {
        self.bytes -= size.bytes;
        self.credit -= isize::try_from(size.work).unwrap_or(isize::MAX / 2);
    }
}

#[cfg(test)]
mod tests;

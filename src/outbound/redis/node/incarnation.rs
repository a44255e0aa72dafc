//! What presence needs of one life of the node in Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;
use redis::Value;
use tokio::sync::{Notify, oneshot};

use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::redis::connection::{Connections, Disconnected, Names, Script};

/// Channels noted at once.
const BATCH: usize = 500;

/// One life of the node in Redis, as presence sees it.
pub struct Incarnation {
    /// The connections.
    pub session: Arc<Connections>,
    /// Nodes have had time to say what they have since Redis was empty or away.
    calm: AtomicBool,
    /// Former lives of this node that may have left something.
    pub former: Vec<String>,
    wishes: Mutex<Wishes>,
    wished: Notify,
    gone: Mutex<Vec<String>>,
    told_gone: Notify,
}

/// Under one lock, so that nobody takes a channel for noted that is about to be forgotten.
#[derive(Default)]
struct Wishes {
    noted: HashMap<AppIdent, HashMap<ChannelName, Uses>>,
    queue: Vec<PendingRegistration>,
}

/// Why a life may leave something on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It has members on its list.
    List,
    /// It has said how many of its connections are there.
    Count,
}

#[derive(Default)]
struct Uses {
    list: bool,
    count: bool,
    /// The register knows.
    confirmed: bool,
}

impl Uses {
    fn set(&mut self, what: Use, on: bool) {
        match what {
            Use::List => self.list = on,
            Use::Count => self.count = on,
        }
    }
}

struct PendingRegistration {
    tag: String,
    add: bool,
    done: Option<oneshot::Sender<()>>,
}

impl Incarnation {
    /// A life that has just been entered in the register.
    pub fn new(session: Arc<Connections>, former: Vec<String>) -> Self {
        let (wished, told_gone) = (Notify::new(), Notify::new());
        Self {
            session,
            calm: AtomicBool::new(false),
            former,
            wishes: Mutex::default(),
            wished,
            gone: Mutex::default(),
            told_gone,
        }
    }

    /// Notes whether nodes come and go one by one.
    pub fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Relaxed)
    }

    /// Notes lives that are over and have left something.
    pub fn note_gone(&self, lives: Vec<String>) {
        if !lives.is_empty() {
            *self.gone.lock() = lives;
            self.told_gone.notify_one();
        }
    }

    /// Waits for lives that are over and have left something.
    pub async fn gone(&self) -> Vec<String> {
        self.told_gone.notified().await;
        std::mem::take(&mut *self.gone.lock())
    }

    /// Sees to it that the register knows that this life is on a channel, before it leaves anything there.
    pub(in crate::outbound::redis) async fn note(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        what: Use,
    ) -> Result<(), Disconnected> {
        let wait = {
            let mut wishes = self.wishes.lock();
            // Set before it is confirmed, so that nobody forgets what another is about to need.
            let uses = wishes
                .noted
                .entry(app.clone())
                .or_default()
                .entry(channel.clone())
                .or_default();
            uses.set(what, true);
            if uses.confirmed {
                return Ok(());
            }
            let (done, wait) = oneshot::channel();
            wishes.queue.push(PendingRegistration {
                tag: tag(app, channel),
                add: true,
                done: Some(done),
            });
            wait
        };
        self.wished.notify_one();
        tokio::select! {
            () = self.session.broken() => return Err(Disconnected),
            done = wait => done.map_err(|_| Disconnected)?,
        }
        let mut wishes = self.wishes.lock();
        if let Some(uses) = wishes
            .noted
            .get_mut(app)
            .and_then(|channels| channels.get_mut(channel))
        {
            uses.confirmed = true;
        }
        Ok(())
    }

    /// Nothing of this life is on a channel any more; whoever comes back is noted again. Called while nobody can come.
    pub(in crate::outbound::redis) fn forget(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        what: Use,
    ) {
        let mut guard = self.wishes.lock();
        let wishes = &mut *guard;
        let Some(channels) = wishes.noted.get_mut(app) else {
            return;
        };
        let Some(uses) = channels.get_mut(channel) else {
            return;
        };
        uses.set(what, false);
        if !uses.list && !uses.count {
            channels.remove(channel);
            wishes.queue.push(PendingRegistration {
                tag: tag(app, channel),
                add: false,
                done: None,
            });
            drop(guard);
            self.wished.notify_one();
        }
    }

    /// Tells the register what gathers, in order; ends with the session.
    pub(in crate::outbound::redis) async fn keep_noting(
        &self,
        names: &Names,
    ) -> Result<(), Disconnected> {
        let keys = [
            names.register("nodes"),
            names.register(&format!("on:{}", self.session.life)),
        ];
        loop {
            self.wished.notified().await;
            let mut wishes = std::mem::take(&mut self.wishes.lock().queue)
                .into_iter()
                .peekable();
            while let Some(first) = wishes.next() {
                let (add, mut run) = (first.add, vec![first]);
                while run.len() < BATCH && wishes.peek().is_some_and(|next| next.add == add) {
                    run.extend(wishes.next());
                }
                let mut arguments = vec![self.session.life.as_str(), if add { "+" } else { "-" }];
                arguments.extend(run.iter().map(|wish| wish.tag.as_str()));
                match self.session.run(Script::Note, &keys, &arguments).await? {
                    Value::Int(1) => {}
                    _ => {
                        self.session.fail("the lease is over");
                        return Err(Disconnected);
                    }
                }
                for done in run.into_iter().filter_map(|wish| wish.done) {
                    // Who does not wait any more needs no answer.
                    let _ = done.send(());
                }
            }
        }
    }
}

/// A channel in the register.
pub fn tag(app: &AppIdent, channel: &ChannelName) -> String {
    format!("{}/{channel}", app.as_str())
}

/// The channel of a [`tag`].
pub fn untag(tag: &str) -> Option<(AppIdent, ChannelName)> {
    let (app, channel) = tag.split_once('/')?;
    Some((AppIdent::trusted(app), ChannelName::trusted(channel)))
}

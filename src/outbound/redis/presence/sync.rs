//! Making a board and the list in Redis the same.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use redis::Value;
use serde::Deserialize;

use super::replica::{ChannelReplica, Compared, Held, Snapshot};
use super::replicas::ChannelReplicas;
use crate::core::model::{AppIdent, ChannelName, Member, UserId};
use crate::core::ports::BusSink;
use crate::outbound::redis::connection::{Disconnected, Script};
use crate::outbound::redis::node::{Incarnation, Use, untag};

/// Connections said to Redis at once.
const PAGE: usize = 200;

/// Users looked at by one call of a script: Redis does nothing else meanwhile.
const EVICTED_AT_ONCE: &str = "100";

/// Boards compared at a time.
const AT_ONCE: usize = 8;

/// How long a life that is over is kept from coming back on a channel, in seconds: longer than any command of it can have
/// been on its way.
const FENCED: &str = "3600";

/// How often doubtful boards are looked at again.
const AGAIN: Duration = Duration::from_millis(500);

/// A user in Redis; see `list.lua`.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "c", borrow)]
    came: Cow<'a, str>,
    /// Stamp, socket, life, data, peer; the newest last.
    #[serde(rename = "k", borrow)]
    connections: Vec<[Cow<'a, str>; 5]>,
}

impl ChannelReplicas {
    pub(super) fn keys(&self, app: &AppIdent, channel: &ChannelName, life: &str) -> [String; 3] {
        [
            self.names.list(app, channel),
            self.names.seats(app, channel, life),
            self.names.fence(app, channel, life),
        ]
    }

    /// Compares a board with Redis, unless that was done in this life: says what this node has, takes away what its former
    /// lives left, and reads the list.
    pub(super) async fn compare(
        &self,
        life: &Incarnation,
        board: &Arc<ChannelReplica>,
        sink: &dyn BusSink,
    ) -> Result<(), Disconnected> {
        if board.synced() == life.session.number {
            return Ok(());
        }
        let _turn = board.turn.lock().await;
        if board.synced() == life.session.number {
            return Ok(());
        }
        let held = board.held();
        if !held.is_empty() {
            life.note(&board.app, &board.channel, Use::List).await?;
            self.say_again(life, board, held).await?;
        }
        for former in &life.former {
            self.evict(life, &board.app, &board.channel, former).await?;
        }
        if board.is_watched() {
            self.read_into(life, board, sink).await
        } else {
            board.set_synced(life.session.number);
            Ok(())
        }
    }

    /// Reads the list again, after an announcement was missed.
    pub(super) async fn reread(
        &self,
        life: &Incarnation,
        board: &Arc<ChannelReplica>,
        sink: &dyn BusSink,
    ) -> Result<(), Disconnected> {
        let _turn = board.turn.lock().await;
        if board.is_watched() {
            self.read_into(life, board, sink).await
        } else {
            Ok(())
        }
    }

    async fn read_into(
        &self,
        life: &Incarnation,
        board: &Arc<ChannelReplica>,
        sink: &dyn BusSink,
    ) -> Result<(), Disconnected> {
        let snapshot = self.read(life, &board.app, &board.channel).await?;
        match board.reconcile(
            life.session.number,
            snapshot,
            life.is_calm(),
            &self.tells,
            sink,
        ) {
            Compared::Same => {}
            Compared::Again => self.note_stale(board),
            Compared::Doubtful => self.note_doubtful(board),
        }
        Ok(())
    }

    async fn say_again(
        &self,
        life: &Incarnation,
        board: &ChannelReplica,
        mut held: Vec<Held>,
    ) -> Result<(), Disconnected> {
        held.sort_by_key(|held| held.stamp.unwrap_or(u64::MAX));
        let line = life
            .session
            .line_of(&self.names.list(&board.app, &board.channel));
        for page in held.chunks(PAGE) {
            let mut pipeline = redis::pipe();
            for held in page {
                let came = board
                    .came(&held.member.user_id)
                    .map(|came| came.to_string())
                    .unwrap_or_default();
                self.put_join(&mut pipeline, life, board, held, "0", &came);
            }
            let answers = life.session.send(line, &pipeline).await?;
            for (held, answer) in page.iter().zip(&answers) {
                match JoinAnswer::read(answer) {
                    Some(JoinAnswer::There {
                        stamp, elsewhere, ..
                    }) => {
                        board.note(held.socket, &held.member.user_id, stamp, elsewhere);
                    }
                    _ => return Err(over(life)),
                }
                // It left while it was being said.
                if !board.holds(held.socket, &held.member.user_id) {
                    self.run_leave(
                        life,
                        &board.app,
                        &board.channel,
                        &held.socket.to_string(),
                        &held.member.user_id,
                    )
                    .await?;
                }
            }
        }
        Ok(())
    }

    /// Adds the call that joins a connection to a pipeline.
    pub(super) fn put_join(
        &self,
        pipeline: &mut redis::Pipeline,
        life: &Incarnation,
        board: &ChannelReplica,
        held: &Held,
        most: &str,
        came: &str,
    ) {
        let (app, channel, member) = (&board.app, &board.channel, &held.member);
        let stamp = held
            .stamp
            .map(|stamp| stamp.to_string())
            .unwrap_or_default();
        life.session.call(
            pipeline,
            Script::Join,
            &self.keys(app, channel, &life.session.life),
            &[
                life.session.publish_command(),
                &self.names.topic(app, channel.as_str()),
                &life.session.life,
                &held.socket.to_string(),
                member.user_id.as_str(),
                &member.data,
                if member.peer { "1" } else { "0" },
                most,
                &stamp,
                came,
            ],
        );
    }

    /// Answers the list's version after it, and whether it was the user's last connection.
    pub(super) async fn run_leave(
        &self,
        life: &Incarnation,
        app: &AppIdent,
        channel: &ChannelName,
        socket: &str,
        user: &UserId,
    ) -> Result<(u64, bool), Disconnected> {
        let topic = self.names.topic(app, channel.as_str());
        let arguments = [
            life.session.publish_command(),
            &topic,
            &life.session.life,
            socket,
            user.as_str(),
        ];
        match life
            .session
            .run(
                Script::Leave,
                &self.keys(app, channel, &life.session.life),
                &arguments,
            )
            .await?
        {
            Value::Array(answer) => match answer.as_slice() {
                [version, Value::Int(last)] => number(version)
                    .map(|version| (version, *last == 1))
                    .ok_or_else(|| over(life)),
                _ => Err(over(life)),
            },
            _ => Err(over(life)),
        }
    }

    /// Takes away what a life that is over left on a channel.
    async fn evict(
        &self,
        life: &Incarnation,
        app: &AppIdent,
        channel: &ChannelName,
        dead: &str,
    ) -> Result<(), Disconnected> {
        let [list, seats, fence] = self.keys(app, channel, dead);
        let keys = [list, seats, fence, self.names.counts(app, channel)];
        let topic = self.names.topic(app, channel.as_str());
        let process = dead.split('.').next().unwrap_or_default();
        let arguments = [
            life.session.publish_command(),
            &topic,
            dead,
            FENCED,
            EVICTED_AT_ONCE,
            process,
        ];
        loop {
            match life.session.run(Script::Evict, &keys, &arguments).await? {
                Value::Int(0) => return Ok(()),
                Value::Int(_) => {}
                _ => return Err(over(life)),
            }
        }
    }

    /// The list as Redis has it.
    pub(super) async fn read(
        &self,
        life: &Incarnation,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Snapshot, Disconnected> {
        let list = self.names.list(app, channel);
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME").cmd("HGETALL").arg(&list);
        let answers = life
            .session
            .send(life.session.line_of(&list), &pipeline)
            .await?;
        read_snapshot(&answers).ok_or_else(|| over(life))
    }

    /// After Redis was away: compares every board.
    pub(in crate::outbound::redis) async fn recover(
        &self,
        life: &Incarnation,
        sink: &dyn BusSink,
    ) -> Result<(), Disconnected> {
        let mut comparing = stream::iter(self.all())
            .map(|board| async move { self.compare(life, &board, sink).await })
            .buffer_unordered(AT_ONCE);
        while let Some(compared) = comparing.next().await {
            compared?;
        }
        Ok(())
    }

    /// Reads lists again that have gaps, and those that other nodes may have completed meanwhile; ends with the session.
    pub(in crate::outbound::redis) async fn keep_fresh(
        &self,
        life: &Incarnation,
        sink: &dyn BusSink,
    ) -> Result<(), Disconnected> {
        loop {
            while let Some(board) = self.take_stale() {
                self.reread(life, &board, sink).await?;
            }
            if tokio::time::timeout(AGAIN, self.grown_stale.notified())
                .await
                .is_err()
                && life.is_calm()
            {
                for board in self.take_doubtful() {
                    self.reread(life, &board, sink).await?;
                }
            }
        }
    }

    /// Takes away everything that a life that is over left, on the channels that the register has of it.
    pub(in crate::outbound::redis) async fn clear(
        &self,
        life: &Incarnation,
        dead: &str,
    ) -> Result<(), Disconnected> {
        let index = self.names.register(&format!("on:{dead}"));
        let line = life.session.line_of(&index);
        let mut cursor = b"0".to_vec();
        loop {
            let mut pipeline = redis::pipe();
            pipeline
                .cmd("SSCAN")
                .arg(&index)
                .arg(&cursor)
                .arg("COUNT")
                .arg(100);
            let answer = life.session.send(line, &pipeline).await?.pop();
            let (next, tags) = read_scan(answer).ok_or_else(|| over(life))?;
            for (app, channel) in tags.iter().filter_map(|tag| untag(tag)) {
                self.evict(life, &app, &channel, dead).await?;
            }
            if next == b"0" {
                return Ok(());
            }
            cursor = next;
        }
    }
}

/// What the script says of a join.
pub(super) enum JoinAnswer {
    /// The channel is full.
    Full,
    /// The connection is there.
    There {
        version: u64,
        stamp: u64,
        elsewhere: bool,
        new: bool,
    },
}

impl JoinAnswer {
    /// `None`: the life is over, or Redis answered something else.
    pub fn read(answer: &Value) -> Option<Self> {
        let Value::Array(answer) = answer else {
            return None;
        };
        match answer.as_slice() {
            [Value::Int(0)] => Some(Self::Full),
            [
                Value::Int(what @ (1 | 2)),
                version,
                stamp,
                Value::Int(elsewhere),
            ] => Some(Self::There {
                version: number(version)?,
                stamp: number(stamp)?,
                elsewhere: *elsewhere == 1,
                new: *what == 2,
            }),
            _ => None,
        }
    }
}

/// Ends a life that Redis does not know any more, or that it answers strangely.
pub(super) fn over(life: &Incarnation) -> Disconnected {
    life.session.fail("the lease is over");
    Disconnected
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    text(value)?.parse().ok()
}

fn read_scan(answer: Option<Value>) -> Option<(Vec<u8>, Vec<String>)> {
    let Some(Value::Array(parts)) = answer else {
        return None;
    };
    let [Value::BulkString(cursor), tags] = parts.as_slice() else {
        return None;
    };
    let (Value::Array(tags) | Value::Set(tags)) = tags else {
        return None;
    };
    Some((
        cursor.clone(),
        tags.iter().filter_map(text).map(str::to_owned).collect(),
    ))
}

fn read_snapshot(answers: &[Value]) -> Option<Snapshot> {
    let [Value::Array(time), Value::Map(pairs)] = answers else {
        return None;
    };
    let [seconds, micros] = time.as_slice() else {
        return None;
    };
    // A list that is not there has no version; one that begins later has a higher one than this.
    let mut snapshot = Snapshot {
        version: number(seconds)? * 1_000_000 + number(micros)? - 1,
        ..Snapshot::default()
    };
    for (user, record) in pairs {
        let (user, record) = (text(user)?, text(record)?);
        if user == "\u{1}v" {
            snapshot.version = record.parse().ok()?;
            continue;
        }
        let record: Record<'_> = serde_json::from_str(record).ok()?;
        let [_, _, _, data, peer] = record.connections.last()?;
        let user_id = UserId::parse(user)?;
        let member = Member {
            user_id: user_id.clone(),
            data: (&**data).into(),
            peer: peer == "1",
        };
        snapshot
            .users
            .insert(user_id, (member, record.came.parse().ok()?));
    }
    Some(snapshot)
}

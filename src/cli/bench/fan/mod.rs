//! Publishing to subscribers, and counting what comes.

mod count;
mod letter;
mod shape;

use std::time::{Duration, Instant};

use self::count::Count;
use self::letter::{Letter, request};
pub use self::shape::Shape;
use super::aim::{Aim, Via};
use super::crowd::{Crowd, Socket, Stage};
use super::mark;
use super::measure::machine::{Usage, own, usage};
use super::measure::progress::Progress;
use super::measure::report::{Report, Unit};
use super::wire::words::needs_signature;
use crate::cli::failure::Failure;
use crate::core::ports::DialectId;

/// When the next publish goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As soon as fewer than so many are on their way.
    Window(usize),
    /// So many a second, whatever comes back.
    Rate(f64),
}

/// A bench that publishes.
pub struct Fan<'a> {
    /// Which server.
    pub aim: &'a Aim,
    /// What is published.
    pub shape: &'a Shape,
    /// Clients that hear it.
    pub subscribers: usize,
    /// Who publishes.
    pub via: Via,
    /// How many of them.
    pub publishers: usize,
    /// When.
    pub pace: Pace,
}

/// A bench that runs.
struct Run<'a> {
    fan: &'a Fan<'a>,
    crowd: Crowd,
    count: Count,
    /// By channel.
    letters: Vec<Letter>,
    /// Deliveries of a publish, by channel.
    expected: Vec<u32>,
    /// Clients that publish come first.
    clients: usize,
    progress: Progress,
    /// Publishes so far, those before the beginning too.
    turns: usize,
}

/// How the measured part went.
struct Measured {
    seconds: f64,
    delivered: u64,
    complete: u64,
    server: [Option<Usage>; 2],
    own: [Usage; 2],
}

impl Fan<'_> {
    /// Does it all.
    pub async fn run(&self, command: &str) -> Result<Report, Failure> {
        let channel = self.shape.channel.as_deref().unwrap_or_default();
        let target = self
            .aim
            .target(Some(self.via), needs_signature(channel))
            .await?;
        let by_pusher_clients =
            self.via == Via::Websocket && target.words.dialect == DialectId::Pusher;
        let names = self.shape.names(by_pusher_clients);
        let run = Run::new(self, Crowd::new(target, names)?)?;
        // It keeps its thread busy.
        tokio::task::block_in_place(|| run.whole(command))
    }
}

impl<'a> Run<'a> {
    fn new(fan: &'a Fan<'a>, mut crowd: Crowd) -> Result<Self, Failure> {
        if fan.publishers == 0 || fan.via == Via::Websocket && fan.subscribers == 0 {
            return Err(Failure::command(
                "there must be a publisher, and for one over a WebSocket a subscriber: nothing else says what arrived",
            ));
        }
        let (shape, channels) = (fan.shape, crowd.names.len());
        let data = mark::data(shape.bytes);
        let letters = crowd.names.iter().map(|name| match &crowd.target.rest {
            Some(rest) => Letter::request(rest, name, &data, shape.persist),
            None => Letter::frame(&crowd.target.words, name, &data, shape.persist),
        });
        let letters = letters.collect();
        let clients = if fan.via == Via::Websocket {
            fan.publishers
        } else {
            0
        };
        for publisher in 0..clients {
            crowd
                .sockets
                .push(Socket::new(channels_of(publisher, clients, channels), None));
        }
        for subscriber in 0..fan.subscribers {
            let mut on = vec![number(subscriber % channels)];
            for own in 0..shape.own_channels {
                on.push(number(crowd.names.len()));
                crowd.names.push(format!("bench-own-{subscriber}-{own}"));
            }
            let mut socket = Socket::new(on, None);
            socket.deaf = shape.slow > 0 && subscriber % shape.slow == 0;
            crowd.sockets.push(socket);
        }
        if clients == 0 {
            crowd.open_posts(fan.publishers);
        }
        let count = Count::new(crowd.posts.len())?;
        Ok(Self {
            fan,
            crowd,
            count,
            letters,
            expected: vec![0; channels],
            clients,
            progress: Progress::new(),
            turns: 0,
        })
    }

    fn whole(mut self, command: &str) -> Result<Report, Failure> {
        let aim = self.fan.aim;
        let empty = aim.pid.and_then(usage);
        if !self.crowd.sockets.is_empty() {
            self.crowd
                .gather(aim.in_flight, aim.patience, &mut self.progress)?;
        }
        self.count_subscribers()?;
        self.warm_up()?;
        let measured = self.measure()?;
        let lost = self.drain()?;
        let slow = self
            .crowd
            .sockets
            .iter()
            .filter(|socket| socket.deaf)
            .count();
        let slow_closed = if slow > 0 {
            self.crowd.hear_out(&mut self.count, self.fan.shape.drain)?
        } else {
            0
        };
        self.progress.end();
        let mut report = Report::default();
        report.text("command", "bench", command);
        report.text("url", "server", &self.crowd.target.url);
        report.count(
            "subscribers",
            "subscribers",
            self.crowd
                .tally
                .times
                .count()
                .saturating_sub(self.clients as u64),
        );
        if slow > 0 {
            report.count("slow", "slow readers", slow);
            report.count("slow_closed", "slow readers that were closed", slow_closed);
        }
        self.figures(&measured, lost, &mut report);
        if let (Some(empty), Some(end)) = (empty, measured.server[1]) {
            let each =
                (end.resident as f64 - empty.resident as f64) / self.crowd.sockets.len() as f64;
            report.figure(
                "server_bytes_per_connection",
                "server memory per connection",
                Unit::Bytes,
                each,
            );
        }
        self.crowd.tally.report(&mut report);
        Ok(report)
    }

    fn figures(&self, measured: &Measured, lost: u64, report: &mut Report) {
        let Measured {
            seconds,
            delivered,
            complete,
            server,
            own,
        } = measured;
        report.figure("seconds", "measured", Unit::Seconds, *seconds);
        report.count("messages", "publishes", *complete);
        report.figure(
            "messages_per_s",
            "publishes a second",
            Unit::Count,
            *complete as f64 / seconds,
        );
        if self.fan.subscribers > 0 {
            report.count("deliveries", "deliveries", *delivered);
            report.figure(
                "deliveries_per_s",
                "deliveries a second",
                Unit::Count,
                *delivered as f64 / seconds,
            );
            report.times("latency", "publish to delivery", &self.count.times);
            report.times("spread", "publish to last delivery", &self.count.spread);
        }
        report.times("answer", "request to answer", &self.count.answers);
        report.codes("failed", "requests that failed", &self.count.failed);
        report.count("lost", "lost", lost);
        let per = if self.fan.subscribers > 0 {
            ("delivery", *delivered)
        } else {
            ("message", *complete)
        };
        report.cost(server[0], server[1], *seconds, per);
        report.generator(own[0], own[1], *seconds);
    }

    /// Counts who is on which channel and reads.
    fn count_subscribers(&mut self) -> Result<(), Failure> {
        if self
            .crowd
            .sockets
            .iter()
            .take(self.clients)
            .any(|socket| socket.stage != Stage::Ready)
        {
            let why = self
                .crowd
                .tally
                .first_error
                .as_deref()
                .unwrap_or("it did not answer in time");
            return Err(Failure::Command(format!(
                "a client that is to publish was not let in: {why}; more --publishers are on fewer channels each"
            )));
        }
        let sockets = self.crowd.sockets.iter().enumerate();
        for (index, socket) in
            sockets.filter(|(_, socket)| socket.stage == Stage::Ready && !socket.deaf)
        {
            let on = socket
                .channels
                .iter()
                .filter_map(|channel| usize::try_from(*channel).ok());
            for channel in on.take(if index < self.clients { usize::MAX } else { 1 }) {
                if let Some(expected) = self.expected.get_mut(channel) {
                    *expected += 1;
                }
            }
        }
        if self.clients > 0 {
            // The one that publishes does not hear it.
            self.expected
                .iter_mut()
                .for_each(|expected| *expected = expected.saturating_sub(1));
        }
        Ok(())
    }

    fn warm_up(&mut self) -> Result<(), Failure> {
        let pace = if matches!(self.fan.pace, Pace::Rate(_)) {
            Pace::Window(1)
        } else {
            self.fan.pace
        };
        let all = self.fan.shape.warm_up as usize;
        self.progress.step("warming up", all as u64);
        self.count.last = self.crowd.now();
        let until = Instant::now() + self.fan.aim.patience;
        while (self.turns < all || self.count.outstanding > 0)
            && !self.is_stalled()
            && Instant::now() < until
        {
            self.publish(pace, (0, 0), all)?;
            self.crowd
                .turn(&mut self.count, Duration::from_millis(20))?;
        }
        if all > 0 && (self.count.complete == 0 || !self.count.failed.is_empty()) {
            self.progress.end();
            let status = self
                .count
                .failed
                .keys()
                .next()
                .map(|status| format!("a publish was answered {status}"));
            let why = self
                .crowd
                .tally
                .first_error
                .clone()
                .or(status)
                .unwrap_or_else(|| "the server did not say why".to_owned());
            return Err(Failure::Command(format!(
                "{}: what was published did not arrive: {why}",
                self.crowd.target.url
            )));
        }
        self.count.begin();
        Ok(())
    }

    fn measure(&mut self) -> Result<Measured, Failure> {
        let (shape, pid) = (self.fan.shape, self.fan.aim.pid);
        self.progress.step(
            "measuring",
            u64::try_from(shape.seconds.as_millis()).unwrap_or(u64::MAX),
        );
        let (server, generator) = (pid.and_then(usage), own());
        let begun = self.crowd.now();
        let until =
            begun.saturating_add(u64::try_from(shape.seconds.as_nanos()).unwrap_or(u64::MAX));
        let first = self.turns;
        let last = first + shape.messages as usize;
        self.count.last = begun;
        loop {
            let now = self.crowd.now();
            if now >= until
                || self.turns >= last && self.count.outstanding == 0
                || self.is_stalled()
            {
                break;
            }
            self.progress.at(|| (now - begun) / 1_000_000);
            let wait = self.publish(self.fan.pace, (begun, first), last)?;
            self.crowd
                .turn(&mut self.count, wait.min(Duration::from_nanos(until - now)))?;
        }
        Ok(Measured {
            seconds: (self.crowd.now() - begun) as f64 / 1e9,
            delivered: self.count.delivered,
            complete: self.count.complete,
            server: [server, pid.and_then(usage)],
            own: [generator, own()],
        })
    }

    /// Waits for what is on its way; answers what never came.
    fn drain(&mut self) -> Result<u64, Failure> {
        self.progress
            .step("draining", self.count.outstanding as u64);
        self.count.last = self.crowd.now();
        while self.count.outstanding > 0 && !self.is_stalled() {
            self.crowd
                .turn(&mut self.count, Duration::from_millis(20))?;
        }
        Ok(self.count.missing())
    }

    /// Something is on its way and nothing has come for too long, or nobody is left to publish.
    fn is_stalled(&self) -> bool {
        let idle = Duration::from_nanos(self.crowd.now().saturating_sub(self.count.last));
        let posts = &self.crowd.posts;
        self.count.outstanding > 0 && idle > self.fan.shape.drain
            || !posts.is_empty() && posts.iter().all(|post| post.is_dead())
    }

    /// Publishes what is due, `begun` being when and with which turn the pace began; answers how long nothing is.
    fn publish(
        &mut self,
        pace: Pace,
        (begun, first): (u64, usize),
        last: usize,
    ) -> Result<Duration, Failure> {
        let mut used = Vec::new();
        let mut wait = Duration::from_millis(20);
        while self.turns < last {
            let now = self.crowd.now();
            let at = match pace {
                Pace::Window(most) if self.count.outstanding >= most => break,
                Pace::Window(_) => now,
                Pace::Rate(rate) => {
                    let due = begun + ((self.turns - first) as f64 / rate * 1e9) as u64;
                    if due > now {
                        // A poll counts whole milliseconds, rounded up: the last one is waited for awake.
                        wait = Duration::from_nanos(
                            (due - now).saturating_sub(1_000_000) / 1_000_000 * 1_000_000,
                        )
                        .min(wait);
                        break;
                    }
                    due
                }
            };
            if !self.send(at, now, &mut used) {
                break;
            }
            self.turns += 1;
        }
        for client in used {
            self.crowd.sockets[client].flush();
        }
        Ok(wait)
    }

    /// Sends one publish; `false`: nobody is free to.
    fn send(&mut self, at: u64, now: u64, used: &mut Vec<usize>) -> bool {
        let (publisher, channel) = turn(self.turns, self.fan.publishers, self.expected.len());
        let (number, expected) = (self.count.next(), self.expected[channel]);
        let letter = &mut self.letters[channel];
        if self.clients > 0 {
            self.crowd.sockets[publisher].queue(letter.numbered(number), self.crowd.mask);
            if !used.contains(&publisher) {
                used.push(publisher);
            }
            self.count.sent(at, expected);
            return true;
        }
        let Some(post) = self.crowd.posts.iter().position(|post| post.is_free()) else {
            return false;
        };
        if let Some(rest) = &self.crowd.target.rest {
            let request = request(rest, letter.numbered(number));
            self.count.asked(post, now, at, expected);
            self.crowd.posts[post].send(&request);
        }
        true
    }
}

fn number(channel: usize) -> u32 {
    u32::try_from(channel).unwrap_or(u32::MAX)
}

/// Who publishes in a turn, and on which channel: both in their order, each publisher on channels of its own where there are
/// enough.
fn turn(turn: usize, publishers: usize, channels: usize) -> (usize, usize) {
    if channels >= publishers {
        (turn % channels % publishers, turn % channels)
    } else {
        (turn % publishers, turn % publishers % channels)
    }
}

/// The channels that a publisher is on.
fn channels_of(publisher: usize, publishers: usize, channels: usize) -> Vec<u32> {
    if channels >= publishers {
        (publisher..channels)
            .step_by(publishers)
            .map(number)
            .collect()
    } else {
        vec![number(publisher % channels)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_publish_where_they_are() {
        for (publishers, channels) in [(1, 1), (3, 10), (10, 10), (16, 1), (7, 3)] {
            for number_of_turn in 0..100 {
                let (publisher, channel) = turn(number_of_turn, publishers, channels);
                assert!(
                    channels_of(publisher, publishers, channels).contains(&number(channel)),
                    "{publishers} on {channels}"
                );
            }
            let used: std::collections::HashSet<_> =
                (0..100).map(|n| turn(n, publishers, channels).0).collect();
            assert_eq!(used.len(), publishers);
        }
    }
}

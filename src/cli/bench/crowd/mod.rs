//! Many clients on one thread: one poll, one buffer to read into.

mod post;
mod socket;
mod tally;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::post::{Happened, Post};
use self::socket::Scene;
pub use self::socket::{Socket, Stage};
pub use self::tally::Tally;
use super::aim::{Place, Target};
use super::measure::progress::Progress;
use super::measure::times::Times;
use super::wire::line::{Line, Opening};
use crate::cli::failure::Failure;

/// What one read can bring.
const SCRATCH: usize = 256 * 1024;
/// Tokens of HTTP connections begin here.
const POSTS: usize = usize::MAX / 2;
/// Files that are open beside the connections.
const SPARE_FILES: u64 = 64;
/// The bytes that the kernel keeps for a client that does not read.
const DEAF_BYTES: usize = 4096;

/// Who is told what clients hear.
pub trait Ears {
    /// A client that is ready heard a text frame, at this time. `false`: it was not what is counted.
    fn heard(&mut self, payload: &[u8], now: u64) -> bool;
    /// A request was answered with this status, at this time; 0: it was not, for its connection broke.
    fn answered(&mut self, post: usize, status: u16, now: u64);
}

/// Nobody listens.
impl Ears for () {
    fn heard(&mut self, _payload: &[u8], _now: u64) -> bool {
        false
    }

    fn answered(&mut self, _post: usize, _status: u16, _now: u64) {}
}

/// All connections of a run.
pub struct Crowd {
    /// What they connect to.
    pub target: Target,
    /// The names of all channels.
    pub names: Vec<String>,
    /// The clients.
    pub sockets: Vec<Socket>,
    /// The back end's connections.
    pub posts: Vec<Post>,
    /// How they have fared.
    pub tally: Tally,
    /// What clients' frames are masked with.
    pub mask: [u8; 4],
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    request: Vec<u8>,
    accept: String,
    base: Instant,
    sources: usize,
}

impl Crowd {
    /// Nobody yet; `names` are the channels that [`Socket::channels`] mean.
    pub fn new(target: Target, names: Vec<String>) -> Result<Self, Failure> {
        let mut mask = [0; 4];
        getrandom::fill(&mut mask).map_err(Failure::command)?;
        let key = generate_key();
        let (path, host) = (&target.place.path, &target.place.host);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        let times = || Times::new().ok_or_else(|| Failure::command("there is no histogram"));
        Ok(Self {
            names,
            sockets: Vec::new(),
            posts: Vec::new(),
            tally: Tally::new(times()?, times()?),
            mask,
            poll: Poll::new().map_err(Failure::command)?,
            events: Events::with_capacity(1024),
            scratch: vec![0; SCRATCH],
            request: request.into_bytes(),
            accept: derive_accept_key(key.as_bytes()),
            base: Instant::now(),
            sources: 0,
            target,
        })
    }

    /// Nanoseconds since the crowd was made.
    pub fn now(&self) -> u64 {
        now(self.base)
    }

    /// Lets every client in that has not begun, so many at once, until all are ready or have failed, or patience ends. Fails where
    /// nobody got in.
    pub fn gather(
        &mut self,
        in_flight: usize,
        patience: Duration,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        self.gather_with(&mut (), in_flight, patience, progress)
    }

    /// The same, with somebody who listens to those who are ready.
    pub fn gather_with(
        &mut self,
        ears: &mut impl Ears,
        in_flight: usize,
        patience: Duration,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        self.allow_files()?;
        let all = self.sockets.len();
        progress.step("connecting", all as u64);
        let until = Instant::now() + patience;
        let mut next = 0;
        while (next < all || self.tally.opening > 0) && Instant::now() < until {
            while next < all && self.tally.opening < in_flight.max(1) {
                if self.sockets[next].stage == Stage::Out {
                    self.open(next);
                }
                next += 1;
            }
            self.turn(ears, Duration::from_millis(20))?;
            progress.at(|| self.tally.ready as u64);
        }
        if self.tally.ready == 0 {
            let url = &self.target.url;
            let why = self
                .tally
                .first_error
                .clone()
                .or_else(|| Some(format!("closed with {}", self.tally.refused.keys().next()?)));
            let why = why.unwrap_or_else(|| "it did not answer in time".to_owned());
            return Err(Failure::Command(format!("{url}: nobody got in: {why}")));
        }
        Ok(())
    }

    /// Lets the process open so many files.
    pub fn allow_files(&self) -> Result<(), Failure> {
        raise_file_limit(self.sockets.len() + self.posts.len())
    }

    /// Begins one client.
    pub fn open(&mut self, index: usize) {
        let now = self.now();
        let receive = self.sockets[index].deaf.then_some(DEAF_BYTES);
        let from = next_source(&self.target, &mut self.sources);
        match line(&self.poll, &self.target.place, from, receive, Token(index)) {
            Ok(line) => {
                self.tally.opening += 1;
                self.sockets[index].begin(line, now);
            }
            Err(error) => {
                *self.tally.refused.entry(tally::BROKEN).or_default() += 1;
                self.tally.ended.push((index, tally::BROKEN));
                self.tally.note(|| error.to_string());
            }
        }
    }

    /// Ends one client without a word; it does not count as closed.
    pub fn cut(&mut self, index: usize) {
        match self.sockets[index].stage {
            Stage::Out => {}
            Stage::Ready => self.tally.ready -= 1,
            _ => self.tally.opening -= 1,
        }
        self.sockets[index].cut();
    }

    /// Opens connections for requests.
    pub fn open_posts(&mut self, count: usize) {
        for index in 0..count {
            let post = self.new_post(index);
            self.posts.push(post);
        }
    }

    fn new_post(&mut self, index: usize) -> Post {
        let from = next_source(&self.target, &mut self.sources);
        let Some(rest) = &self.target.rest else {
            return Post::broken();
        };
        match line(&self.poll, &rest.place, from, None, Token(POSTS + index)) {
            Ok(line) => Post::new(line),
            Err(error) => {
                self.tally.note(|| error.to_string());
                Post::broken()
            }
        }
    }

    /// Waits for something to happen, no longer than `patience` (which is counted in whole milliseconds), and does what follows.
    pub fn turn(&mut self, ears: &mut impl Ears, patience: Duration) -> Result<(), Failure> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(Failure::command(error));
            }
            _ => {}
        }
        let mut lost = Vec::new();
        for event in &self.events {
            let (Token(index), now) = (event.token(), now(self.base));
            if let Some(post) = index.checked_sub(POSTS) {
                let Some(one) = self.posts.get_mut(post) else {
                    continue;
                };
                let was_busy = one.is_busy();
                match one.event(event, &mut self.scratch) {
                    Happened::Nothing => {}
                    Happened::Answer(status, gone) => {
                        ears.answered(post, status, now);
                        lost.extend(gone.then_some(post));
                    }
                    Happened::Gone(why) => {
                        self.tally.note(|| why);
                        if was_busy {
                            ears.answered(post, 0, now);
                            lost.push(post);
                        }
                    }
                }
            } else if let Some(socket) = self.sockets.get_mut(index) {
                let mut scene = Scene {
                    scratch: &mut self.scratch,
                    words: &self.target.words,
                    names: &self.names,
                    request: &self.request,
                    accept: &self.accept,
                    mask: self.mask,
                    tally: &mut self.tally,
                    index,
                    now,
                };
                socket.event(event, &mut scene, ears);
            }
        }
        for post in lost {
            self.posts[post] = self.new_post(post);
        }
        Ok(())
    }

    /// Lets the deaf clients read to their ends, for so long at most. Answers how many the server had closed.
    pub fn hear_out(&mut self, ears: &mut impl Ears, patience: Duration) -> Result<usize, Failure> {
        let until = Instant::now() + patience;
        let deaf: Vec<_> = (0..self.sockets.len())
            .filter(|index| self.sockets[*index].deaf)
            .collect();
        loop {
            for index in &deaf {
                let now = now(self.base);
                let mut scene = Scene {
                    scratch: &mut self.scratch,
                    words: &self.target.words,
                    names: &self.names,
                    request: &self.request,
                    accept: &self.accept,
                    mask: self.mask,
                    tally: &mut self.tally,
                    index: *index,
                    now,
                };
                self.sockets[*index].listen(&mut scene, ears);
            }
            let ended = deaf
                .iter()
                .filter(|index| self.sockets[**index].stage == Stage::Out)
                .count();
            if ended == deaf.len() || Instant::now() >= until {
                return Ok(ended);
            }
            self.turn(ears, Duration::from_millis(20))?;
        }
    }
}

fn now(base: Instant) -> u64 {
    u64::try_from(base.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn next_source(target: &Target, sources: &mut usize) -> Option<SocketAddr> {
    *sources = sources.wrapping_add(1);
    let from = target.sources.get(*sources % target.sources.len().max(1))?;
    Some(SocketAddr::new(*from, 0))
}

fn line(
    poll: &Poll,
    place: &Place,
    from: Option<SocketAddr>,
    receive: Option<usize>,
    token: Token,
) -> io::Result<Line> {
    let from = from.filter(|_| place.to.ip().is_loopback() && place.to.is_ipv4());
    let mut line = Line::open(&Opening {
        to: place.to,
        from,
        tls: place.tls.as_ref(),
        receive,
    })?;
    poll.registry().register(
        line.source(),
        token,
        Interest::READABLE | Interest::WRITABLE,
    )?;
    Ok(line)
}

/// Lets the process open so many connections.
fn raise_file_limit(connections: usize) -> Result<(), Failure> {
    let needed = connections as u64 + SPARE_FILES;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(most) if most < needed => Err(Failure::Command(format!(
            "{connections} connections need {needed} open files, and only {most} are allowed: see ulimit -n"
        ))),
        // Where the limit cannot be known, it is met or not.
        _ => Ok(()),
    }
}

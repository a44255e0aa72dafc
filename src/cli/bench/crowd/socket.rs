//! One client: it connects, upgrades, subscribes, and then hears.

use std::io::{self, ErrorKind};

use mio::event::Event;

use super::Ears;
use super::tally::{BROKEN, Tally};
use crate::cli::bench::wire::line::Line;
use crate::cli::bench::wire::words::{Said, Words, heard, member};
use crate::cli::bench::wire::{answer, frame};

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has not begun, or has ended.
    Out,
    /// TCP.
    Connecting,
    /// TLS and HTTP.
    Upgrading,
    /// It waits for its socket id.
    Greeting,
    /// It waits for so many channels.
    Subscribing(usize),
    /// It is on all of them.
    Ready,
}

/// A client.
pub struct Socket {
    /// How far it is.
    pub stage: Stage,
    /// When it began, in nanoseconds of the crowd's clock.
    pub begun: u64,
    /// When it was greeted, by the same clock.
    greeted: u64,
    /// Once it is ready it reads no more.
    pub deaf: bool,
    /// Its channels, as numbers in the crowd's list.
    pub channels: Vec<u32>,
    /// Which member of its channels it is.
    member: Option<usize>,
    line: Option<Line>,
    /// The beginning of a frame whose end is not there yet.
    rest: Vec<u8>,
}

/// What all clients share while one of them is at work.
pub struct Scene<'a> {
    /// Where everybody reads into.
    pub scratch: &'a mut [u8],
    /// What is said.
    pub words: &'a Words,
    /// The names of all channels.
    pub names: &'a [String],
    /// The request for an upgrade.
    pub request: &'a [u8],
    /// What proves that it was understood.
    pub accept: &'a str,
    /// What clients' frames are masked with.
    pub mask: [u8; 4],
    /// Where things are counted.
    pub tally: &'a mut Tally,
    /// Which client it is.
    pub index: usize,
    /// The time of the crowd's clock.
    pub now: u64,
}

/// Why a client ends: a code, and what was wrong.
struct End(u16, Option<String>);

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self(BROKEN, Some(error.to_string()))
    }
}

impl Socket {
    /// One that will be on these channels; `member`: as which member of them.
    pub fn new(channels: Vec<u32>, member: Option<usize>) -> Self {
        Self {
            stage: Stage::Out,
            begun: 0,
            greeted: 0,
            deaf: false,
            channels,
            member,
            line: None,
            rest: Vec::new(),
        }
    }

    /// Begins.
    pub fn begin(&mut self, line: Line, now: u64) {
        self.line = Some(line);
        self.rest.clear();
        self.begun = now;
        self.stage = Stage::Connecting;
    }

    /// Ends without a word.
    pub fn cut(&mut self) {
        self.line = None;
        self.stage = Stage::Out;
    }

    /// Puts a text frame into what goes out at the next flush.
    pub fn queue(&mut self, text: &[u8], mask: [u8; 4]) {
        if let Some(line) = &mut self.line {
            line.queue(|out| frame::push(out, frame::TEXT, text, mask));
        }
    }

    /// Sends what was queued; what a broken connection says is heard when it is read.
    pub fn flush(&mut self) {
        let _ = self.line.as_mut().map(Line::flush);
    }

    /// Does what can be done now.
    pub fn event(&mut self, event: &Event, scene: &mut Scene<'_>, ears: &mut impl Ears) {
        let outcome = self.proceed(event, scene, ears);
        self.settle(outcome, scene);
    }

    /// Reads what is there, deaf or not.
    pub fn listen(&mut self, scene: &mut Scene<'_>, ears: &mut impl Ears) {
        self.deaf = false;
        let outcome = self.read(true, scene, ears);
        self.settle(outcome, scene);
    }

    fn settle(&mut self, outcome: Result<(), End>, scene: &mut Scene<'_>) {
        let Err(End(code, what)) = outcome else {
            return;
        };
        let counted = if self.stage == Stage::Ready {
            scene.tally.ready -= 1;
            &mut scene.tally.closed
        } else {
            scene.tally.opening -= 1;
            &mut scene.tally.refused
        };
        *counted.entry(code).or_default() += 1;
        if let Some(what) = what {
            scene.tally.note(|| what);
        }
        scene.tally.ended.push((scene.index, code));
        self.cut();
    }

    fn proceed(
        &mut self,
        event: &Event,
        scene: &mut Scene<'_>,
        ears: &mut impl Ears,
    ) -> Result<(), End> {
        let Some(line) = &mut self.line else {
            return Ok(());
        };
        if event.is_writable() {
            if self.stage == Stage::Connecting {
                line.check()?;
                line.queue(|out| out.extend_from_slice(scene.request));
                self.stage = Stage::Upgrading;
            }
            line.flush()?;
        }
        if (event.is_readable() || event.is_read_closed())
            && !(self.deaf && self.stage == Stage::Ready)
        {
            self.read(event.is_read_closed(), scene, ears)?;
        }
        Ok(())
    }

    /// Reads until nothing is there; `ending`: the stream's end may be.
    fn read(
        &mut self,
        ending: bool,
        scene: &mut Scene<'_>,
        ears: &mut impl Ears,
    ) -> Result<(), End> {
        loop {
            let Some(line) = &mut self.line else {
                return Ok(());
            };
            let read = match line.read(scene.scratch) {
                Ok(0) => return Err(End(BROKEN, None)),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(line.flush()?),
                Err(error) => return Err(error.into()),
            };
            let drained = line.is_plain() && read < scene.scratch.len();
            scene.tally.bytes += read as u64;
            self.take(read, scene, ears)?;
            if drained && !ending || self.deaf && self.stage == Stage::Ready {
                return Ok(self.line.as_mut().map_or(Ok(()), Line::flush)?);
            }
        }
    }

    /// Understands what was read, together with what waits for its end.
    fn take(
        &mut self,
        read: usize,
        scene: &mut Scene<'_>,
        ears: &mut impl Ears,
    ) -> Result<(), End> {
        // Lent out: a client at work looks at these bytes and at the rest of the scene.
        let scratch = std::mem::take(&mut scene.scratch);
        let outcome = if self.rest.is_empty() {
            self.understand(&scratch[..read], scene, ears)
                .map(|done| self.rest.extend_from_slice(&scratch[done..read]))
        } else {
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(&scratch[..read]);
            self.understand(&bytes, scene, ears).map(|done| {
                bytes.drain(..done);
                self.rest = bytes;
            })
        };
        scene.scratch = scratch;
        outcome
    }

    /// Answers how many of the bytes were used.
    fn understand(
        &mut self,
        bytes: &[u8],
        scene: &mut Scene<'_>,
        ears: &mut impl Ears,
    ) -> Result<usize, End> {
        let mut done = 0;
        if matches!(self.stage, Stage::Connecting | Stage::Upgrading) {
            let Some(upgraded) = answer::upgraded(bytes, scene.accept)
                .map_err(|error| End(BROKEN, Some(error.to_string())))?
            else {
                return Ok(0);
            };
            if !upgraded.agreed {
                let status = upgraded.status;
                return Err(End(
                    status,
                    Some(format!("the upgrade was answered {status}")),
                ));
            }
            done = upgraded.length;
            self.stage = Stage::Greeting;
        }
        while let Some(frame) = frame::first(&bytes[done..]) {
            done += frame.length;
            match frame.opcode {
                frame::TEXT
                    if frame.last
                        && self.stage == Stage::Ready
                        && ears.heard(frame.payload, scene.now) => {}
                frame::TEXT if frame.last => self.heard(frame.payload, scene)?,
                frame::PING => self.reply(frame::PONG, frame.payload, scene),
                frame::PONG => {}
                frame::CLOSE => {
                    self.reply(frame::CLOSE, frame.payload, scene);
                    self.flush();
                    return Err(End(frame::close_code(frame.payload), None));
                }
                _ => {
                    return Err(End(
                        BROKEN,
                        Some("the server sends messages in parts, or binary ones".to_owned()),
                    ));
                }
            }
        }
        Ok(done)
    }

    fn reply(&mut self, opcode: u8, payload: &[u8], scene: &Scene<'_>) {
        if let Some(line) = &mut self.line {
            line.queue(|out| frame::push(out, opcode, payload, scene.mask));
        }
    }

    /// A frame of the protocol's own. A client that is not let on all of its channels is of no use, and ends.
    fn heard(&mut self, payload: &[u8], scene: &mut Scene<'_>) -> Result<(), End> {
        match (heard(payload), self.stage) {
            (Said::Greeting(id), Stage::Greeting) => {
                self.greeted = scene.now;
                let member = self.member.map(member);
                for channel in &self.channels {
                    let Some(name) = scene.names.get(*channel as usize) else {
                        continue;
                    };
                    let text = scene.words.subscribe(&id, name, member.as_deref());
                    if let Some(line) = &mut self.line {
                        line.queue(|out| {
                            frame::push(out, frame::TEXT, text.as_bytes(), scene.mask)
                        });
                    }
                }
                self.entered(self.channels.len(), scene);
            }
            (Said::Subscribed, Stage::Subscribing(missing)) => {
                self.entered(missing.saturating_sub(1), scene)
            }
            (Said::Ping, _) => self.queue(br#"{"event":"pusher:pong","data":{}}"#, scene.mask),
            (Said::Refusal(code, what), Stage::Greeting | Stage::Subscribing(_)) => {
                return Err(End(code.unwrap_or(BROKEN), Some(what)));
            }
            (Said::Refusal(_, what), _) => scene.tally.note(|| what),
            _ => {}
        }
        Ok(())
    }

    /// It waits for so many channels more.
    fn entered(&mut self, missing: usize, scene: &mut Scene<'_>) {
        if missing > 0 {
            self.stage = Stage::Subscribing(missing);
            return;
        }
        self.stage = Stage::Ready;
        scene.tally.opening -= 1;
        scene.tally.ready += 1;
        scene.tally.times.note(scene.now.saturating_sub(self.begun));
        scene
            .tally
            .joins
            .note(scene.now.saturating_sub(self.greeted));
    }
}

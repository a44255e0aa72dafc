//! One schedule: what a seed does to some apps, nodes and clients, until everything has settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pushi::core::model::{
    App, AppIdent, AppSettings, ChannelName, NewApp, Payload, Secret, Webhook,
};
use pushi::core::service::{AppError, Publishing};
use pushi::outbound::storage::memory;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use crate::check;
use crate::client::{Client, ClientState, Command};
use crate::cluster::Cluster;
use crate::node::{Node, Nodes3, Surroundings};
use crate::power::Power;
use crate::receiver::Receivers;
use crate::truth::Acknowledged;
use crate::world::World;

const CHANNELS: [&str; 4] = ["c0", "c1", "private-c", "presence-p"];

/// How long after the faults everything must have settled: reconcilers (10 s), claims of crashed nodes (12 s), pauses between
/// the attempts of a webhook (up to a minute after six failures).
const SETTLE: u64 = 240;

/// An app, and the token of a session.
pub(crate) struct KnownApp {
    pub app: Arc<App>,
    pub token: Option<String>,
}

pub(crate) struct Schedule {
    pub surroundings: Surroundings,
    pub world: Arc<World>,
    pub nodes: Nodes3,
    pub apps: Vec<KnownApp>,
    pub clients: Vec<(Arc<App>, Arc<Mutex<ClientState>>)>,
    commands: Vec<UnboundedSender<Command>>,
}

impl Schedule {
    /// Runs the schedule of a seed and checks the invariants.
    pub(crate) async fn run(world: &Arc<World>) {
        let mut schedule = Self::begin(world).await;
        for _ in 0..world.rng.below(10..60) {
            schedule.step().await;
            if world.violation().is_some() {
                return;
            }
        }
        schedule.settle().await;
    }

    async fn begin(world: &Arc<World>) -> Self {
        let receivers = Arc::new(Receivers {
            world: Arc::clone(world),
            are_down: AtomicBool::new(false),
        });
        let surroundings = Surroundings {
            world: Arc::clone(world),
            cluster: Cluster::new(world),
            stores: memory::open(),
            receivers,
        };
        let nodes = (0..world.rng.below(3..5)).map(|_| Node::start(&surroundings));
        let mut schedule = Self {
            nodes: Arc::new(Mutex::new(nodes.collect())),
            surroundings,
            world: Arc::clone(world),
            apps: Vec::new(),
            clients: Vec::new(),
            commands: Vec::new(),
        };
        for number in 0..world.rng.below(2..4) {
            schedule.create_app(number).await;
        }
        for _ in 0..world.rng.below(3..7) {
            schedule.add_client();
        }
        schedule
    }

    async fn create_app(&mut self, number: u64) {
        let node = Arc::clone(&self.nodes.lock()[0]);
        let name = format!("a{number}");
        let settings = AppSettings {
            client_events: true,
            webhooks: vec![Webhook {
                url: format!("http://{name}.test/hook").into(),
                events: None,
                channel_prefix: None,
            }],
            ..AppSettings::default()
        };
        let created = loop {
            let new = NewApp {
                name: name.clone(),
                ident: Some(AppIdent::trusted(&name)),
                key: Some(format!("key-{name}")),
                secret: Some(Secret::new(format!("secret-{name}"))),
                settings: settings.clone(),
                ..NewApp::default()
            };
            match node.service.create_app(new).await {
                Ok(app) => break app,
                // An earlier attempt took effect.
                Err(AppError::Taken(_)) => {
                    if let Ok(app) = node.service.app(&AppIdent::trusted(&name)).await {
                        break app;
                    }
                }
                Err(_) => {}
            }
        };
        let session = node.service.create_session(&created.ident).await.ok();
        self.apps.push(KnownApp {
            app: created,
            token: session.map(|session| session.text),
        });
    }

    fn add_client(&mut self) {
        let rng = &self.world.rng;
        let app = Arc::clone(&rng.pick(&self.apps).app);
        let state = Arc::new(Mutex::new(ClientState::default()));
        let (commands, obeyed) = unbounded_channel();
        let client = Client {
            number: self.clients.len(),
            user: format!("u{}", rng.below(0..3)),
            app: Arc::clone(&app),
            world: Arc::clone(&self.world),
            nodes: Arc::clone(&self.nodes),
            state: Arc::clone(&state),
        };
        for _ in 0..rng.below(1..4) {
            let channel = (*rng.pick(&CHANNELS)).to_owned();
            let _ = commands.send(Command::Subscribe(channel));
        }
        self.commands.push(commands);
        self.clients.push((app, state));
        tokio::spawn(self.world.watched(client.run(obeyed)));
    }

    async fn step(&mut self) {
        let world = Arc::clone(&self.world);
        let rng = &world.rng;
        let pause = match rng.below(0..10) {
            0..5 => rng.millis(0..50),
            5..9 => rng.millis(0..500),
            _ => rng.millis(500..4000),
        };
        sleep(pause).await;
        let node = Arc::clone(rng.pick(&self.nodes.lock()));
        match rng.below(0..100) {
            0..35 => self.publish(&node),
            35..52 => {
                self.command(|channel| Command::Publish(channel, rng.percent(30), rng.percent(70)))
            }
            52..59 => self.command(Command::Subscribe),
            59..63 => self.command(Command::Unsubscribe),
            63..67 => self.command(|_| Command::Break),
            67..70 => self.command(|_| Command::Close),
            70..71 => self.command(|_| Command::Leave),
            71..74 => self.add_client(),
            74..79 => self.partition(&node),
            79..83 => self.pause(&node),
            83..87 => self.crash(&node),
            87..92 => self.interrupt_store(&node),
            92..94 => self.interrupt_receivers(),
            94..97 => self.update_app(&node),
            97..98 => self.end_app(&node),
            _ => {}
        }
    }

    fn command(&self, command: impl FnOnce(String) -> Command) {
        let rng = &self.world.rng;
        let channel = (*rng.pick(&CHANNELS)).to_owned();
        // A client that has left ignores it.
        let _ = rng.pick(&self.commands).send(command(channel));
    }

    /// Publishes as a back end.
    fn publish(&self, node: &Arc<Node>) {
        let rng = &self.world.rng;
        let app = Arc::clone(&rng.pick(&self.apps).app);
        let mut channels = vec![*rng.pick(&CHANNELS)];
        if rng.percent(15) {
            channels.extend(CHANNELS.iter().find(|other| **other != channels[0]));
        }
        let data = format!("e{}", self.world.number());
        let publishing = Publishing {
            channels: channels
                .iter()
                .map(|name| ChannelName::parse(name, 0).unwrap())
                .collect(),
            payload: Payload {
                event: "message".into(),
                data: data.as_str().into(),
                extra: Default::default(),
            },
            persist: true,
            idempotency_key: None,
        };
        let (world, service) = (Arc::clone(&self.world), Arc::clone(&node.service));
        world.note(format_args!("publish {data} at {}", node.process));
        node.spawn(async move {
            let result = service.publish(&app, publishing).await;
            world.note(format_args!("published {data}: {}", result.is_ok()));
            if result.is_ok() {
                let mut truth = world.truth.lock();
                let acknowledged = channels.iter().map(|channel| Acknowledged {
                    app: app.ident.as_str().to_owned(),
                    channel: (*channel).to_owned(),
                    data: data.clone(),
                    serial: None,
                });
                truth.acknowledged.extend(acknowledged);
            }
        });
    }

    /// Runs `end` after a time, unless everything was healed before.
    fn later(&self, millis: std::ops::Range<u64>, end: impl FnOnce() + Send + 'static) {
        let (world, after) = (Arc::clone(&self.world), self.world.rng.millis(millis));
        tokio::spawn(async move {
            sleep(after).await;
            if !world.is_calm() {
                end();
            }
        });
    }

    /// The node does not reach the broker for a time.
    fn partition(&self, node: &Arc<Node>) {
        let (cluster, process) = (Arc::clone(&self.surroundings.cluster), node.process);
        self.world.note(format_args!("{process} is cut off"));
        cluster.set_reachable(process, false);
        let healed = Arc::clone(node);
        self.later(100..7000, move || {
            if healed.takes_clients() {
                cluster.set_reachable(process, true);
            }
        });
    }

    /// The node's process stands still for a time.
    fn pause(&self, node: &Arc<Node>) {
        self.world.note(format_args!("{} is paused", node.process));
        node.switch.set(Power::Paused);
        let (paused, world) = (Arc::clone(node), Arc::clone(&self.world));
        self.later(100..8000, move || {
            world.note(format_args!("{} goes on", paused.process));
            paused.switch.set(Power::On);
        });
    }

    /// The node's process is killed; another one starts in its place later.
    fn crash(&self, node: &Arc<Node>) {
        if !node.takes_clients() {
            return;
        }
        node.crash();
        let (crashed, nodes) = (node.process, Arc::clone(&self.nodes));
        let surroundings = self.surroundings.clone();
        self.later(100..6000, move || restart(&nodes, crashed, &surroundings));
    }

    fn interrupt_store(&self, node: &Arc<Node>) {
        self.world
            .note(format_args!("the store of {} fails", node.process));
        node.store.is_down.store(true, Ordering::Relaxed);
        let healed = Arc::clone(node);
        self.later(50..4000, move || {
            healed.store.is_down.store(false, Ordering::Relaxed);
        });
    }

    fn interrupt_receivers(&self) {
        self.world.note("no web hook is received");
        let receivers = Arc::clone(&self.surroundings.receivers);
        receivers.are_down.store(true, Ordering::Relaxed);
        self.later(100..8000, move || {
            receivers.are_down.store(false, Ordering::Relaxed);
        });
    }

    /// Changes something that nobody notices.
    fn update_app(&self, node: &Arc<Node>) {
        let ident = self.world.rng.pick(&self.apps).app.ident.clone();
        let (service, number) = (Arc::clone(&node.service), self.world.number());
        node.spawn(async move {
            let rename = |app: &mut App| {
                app.name = format!("renamed {number}");
                Ok::<(), AppError>(())
            };
            let _ = service.update_app(&ident, &rename).await;
        });
    }

    /// Deletes or disables the last app.
    fn end_app(&self, node: &Arc<Node>) {
        let ident = self.apps.last().unwrap().app.ident.clone();
        let (world, service) = (Arc::clone(&self.world), Arc::clone(&node.service));
        let deletes = world.rng.percent(60);
        let name = ident.as_str().to_owned();
        world.note(format_args!("{name} ends: {deletes}"));
        {
            let mut truth = world.truth.lock();
            truth.ended.insert(name.clone());
            if deletes {
                truth.deleted.insert(name.clone());
            }
        }
        node.spawn(async move {
            // As an administrator, who repeats what has failed.
            loop {
                let disable = |app: &mut App| {
                    app.settings.enabled = false;
                    Ok::<(), AppError>(())
                };
                let result = match deletes {
                    true => service.delete_app(&ident).await,
                    false => service.update_app(&ident, &disable).await.map(drop),
                };
                if matches!(result, Ok(()) | Err(AppError::NotFound)) {
                    world.truth.lock().confirmed_ends.insert(name);
                    return;
                }
                sleep(Duration::from_millis(200)).await;
            }
        });
    }

    /// Ends all faults, and waits until nothing changes any more.
    async fn settle(&mut self) {
        self.world.calm_down();
        self.world.note("all faults end");
        self.surroundings
            .receivers
            .are_down
            .store(false, Ordering::Relaxed);
        let current: Vec<_> = self.nodes.lock().clone();
        for node in current {
            match node.takes_clients() {
                true => node.heal(),
                false => restart(&self.nodes, node.process, &self.surroundings),
            }
        }
        let mut last = None;
        for second in 0..SETTLE {
            sleep(Duration::from_secs(1)).await;
            if self.world.violation().is_some() {
                return;
            }
            // Late effects would follow within this time.
            if second < 20 {
                continue;
            }
            last = check::unsettled(self).await;
            if last.is_none() {
                break;
            }
        }
        if let Some(what) = last {
            return self.world.violate(what);
        }
        check::invariants(self).await;
    }
}

fn restart(nodes: &Nodes3, crashed: u64, surroundings: &Surroundings) {
    let mut nodes = nodes.lock();
    if let Some(place) = nodes.iter_mut().find(|node| node.process == crashed) {
        *place = Node::start(surroundings);
        let new = place.process;
        surroundings
            .world
            .note(format_args!("{new} starts in place of {crashed}"));
    }
}

//! A client: connects to any node, subscribes to its channels, checks what it receives, and connects again when the connection
//! ends.

mod observe;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pushi::core::model::App;
use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use self::session::{End, Session};
use crate::node::{Node, Nodes3};
use crate::world::World;

pub(crate) enum Command {
    Subscribe(String),
    Unsubscribe(String),
    /// Channel, whether it is a client event, whether the client receives it itself.
    Publish(String, bool, bool),
    /// The connection breaks.
    Break,
    /// Closes the connection, and connects again.
    Close,
    /// Ends for good.
    Leave,
}

/// A subscription that lasts over reconnects.
#[derive(Default, Clone)]
pub(crate) struct Subscription {
    /// It is subscribed with `since`.
    pub recovers: bool,
    /// The last serial that it has; `None`: not known.
    pub last: Option<u64>,
    pub is_confirmed: bool,
    /// The users on a presence channel.
    pub users: BTreeSet<String>,
}

/// What the checks read of a client.
#[derive(Default)]
pub(crate) struct ClientState {
    pub subscriptions: BTreeMap<String, Subscription>,
    pub is_connected: bool,
    /// The id of its last connection.
    pub socket: String,
    pub has_left: bool,
}

pub(crate) struct Client {
    pub number: usize,
    pub user: String,
    pub app: Arc<App>,
    pub world: Arc<World>,
    pub nodes: Nodes3,
    pub state: Arc<Mutex<ClientState>>,
}

impl Client {
    fn app_name(&self) -> String {
        self.app.ident.as_str().to_owned()
    }

    pub(crate) async fn run(self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            self.world.delay(1..300).await;
            let node = {
                let nodes = self.nodes.lock();
                let running: Vec<_> = nodes
                    .iter()
                    .filter(|node| node.takes_clients())
                    .cloned()
                    .collect();
                match running.is_empty() {
                    true => None,
                    false => Some(Arc::clone(self.world.rng.pick(&running))),
                }
            };
            let Some(node) = node else {
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            let end = self.connect(&node, &mut commands).await;
            self.ended();
            if matches!(end, End::Left) {
                self.state.lock().has_left = true;
                return;
            }
        }
    }

    fn ended(&self) {
        let mut state = self.state.lock();
        state.is_connected = false;
        for subscription in state.subscriptions.values_mut() {
            subscription.is_confirmed = false;
        }
        let mut truth = self.world.truth.lock();
        for clients in truth.subscribed.values_mut() {
            clients.remove(&self.number);
        }
    }

    async fn connect(&self, node: &Node, commands: &mut mpsc::UnboundedReceiver<Command>) -> End {
        let (near, far) = duplex(64 * 1024);
        node.serve(&self.app.key, far);
        let socket = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let mut session = Session::new(self, node.process, socket);
        session.run(commands).await
    }
}

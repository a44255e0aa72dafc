//! `pushi-bench fanout`, `latency` and `publish`: publishing to subscribers and measuring the
//! deliveries.
//!
//! A run has five phases: connect, warm up, measure, drain (wait for missing deliveries), report.

mod assignment;
mod payload;
mod phases;
mod report;
mod send;
mod tracker;
mod workload;

use self::assignment::channels_of_publisher;
use self::payload::PayloadTemplate;
use self::tracker::DeliveryTracker;
pub(crate) use self::workload::WorkloadArgs;
use crate::clients::{Client, ClientPool, ClientState};
use crate::error::BenchError;
use crate::measure::process::usage;
use crate::measure::progress::Progress;
use crate::measure::report::{Report, Unit};
use crate::protocol::{Dialect, needs_signature};
use crate::sequence_marker::event_data;
use crate::target::{TargetArgs, Via};

/// When the next event is published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pacing {
    /// As soon as fewer events than this are outstanding.
    Window(usize),
    /// This many per second, independent of deliveries.
    Rate(f64),
}

/// The parameters of a run that publishes.
pub(crate) struct PublishRun<'a> {
    pub(crate) target: &'a TargetArgs,
    pub(crate) workload: &'a WorkloadArgs,
    pub(crate) subscribers: usize,
    pub(crate) via: Via,
    /// Clients or HTTP connections that publish, according to `via`.
    pub(crate) publishers: usize,
    pub(crate) pacing: Pacing,
}

/// A run in progress.
struct ActiveRun<'a> {
    config: &'a PublishRun<'a>,
    pool: ClientPool,
    tracker: DeliveryTracker,
    /// By channel.
    templates: Vec<PayloadTemplate>,
    /// The number of deliveries of a publish, by channel.
    expected: Vec<u32>,
    /// The number of clients that publish; they are the first ones of the pool.
    publishing_clients: usize,
    progress: Progress,
    /// The number of publishes so far, including the warm-up.
    published: usize,
}

impl PublishRun<'_> {
    /// Runs all phases. `command`: the name of the subcommand for the report.
    ///
    /// # Errors
    ///
    /// The target is invalid, no client connected, or no event was delivered.
    pub(crate) async fn run(&self, command: &str) -> Result<Report, BenchError> {
        let channel = self.workload.channel.as_deref().unwrap_or_default();
        let target = self
            .target
            .target(Some(self.via), needs_signature(channel))
            .await?;
        let pusher_clients_publish =
            self.via == Via::Websocket && target.protocol.dialect == Dialect::Pusher;
        let names = self.workload.channel_names(pusher_clients_publish);
        let run = ActiveRun::new(self, ClientPool::new(target, names)?)?;
        // The run polls without yielding, so it takes this thread from the runtime.
        tokio::task::block_in_place(|| run.execute(command))
    }
}

impl<'a> ActiveRun<'a> {
    fn new(config: &'a PublishRun<'a>, mut pool: ClientPool) -> Result<Self, BenchError> {
        if config.publishers == 0 || config.via == Via::Websocket && config.subscribers == 0 {
            return Err(BenchError::run(
                "a run needs a publisher, and over a WebSocket also a subscriber, which confirms the publishes",
            ));
        }
        let (workload, channels) = (config.workload, pool.channels.len());
        let data = event_data(workload.bytes);
        let templates = pool.channels.iter().map(|name| match &pool.target.api {
            Some(api) => PayloadTemplate::request_body(api, name, &data, workload.persist),
            None => PayloadTemplate::frame(&pool.target.protocol, name, &data, workload.persist),
        });
        let templates = templates.collect();
        let publishing_clients = if config.via == Via::Websocket {
            config.publishers
        } else {
            0
        };
        for publisher in 0..publishing_clients {
            let own = channels_of_publisher(publisher, publishing_clients, channels);
            pool.clients.push(Client::new(own, None));
        }
        for subscriber in 0..config.subscribers {
            let mut subscribed = vec![channel_index(subscriber % channels)];
            for own in 0..workload.own_channels {
                subscribed.push(channel_index(pool.channels.len()));
                pool.channels.push(format!("bench-own-{subscriber}-{own}"));
            }
            let mut client = Client::new(subscribed, None);
            client.stalled = workload.slow > 0 && subscriber % workload.slow == 0;
            pool.clients.push(client);
        }
        if publishing_clients == 0 {
            pool.open_http_connections(config.publishers);
        }
        let tracker = DeliveryTracker::new(pool.http_connections.len())?;
        Ok(Self {
            config,
            pool,
            tracker,
            templates,
            expected: vec![0; channels],
            publishing_clients,
            progress: Progress::new(),
            published: 0,
        })
    }

    fn execute(mut self, command: &str) -> Result<Report, BenchError> {
        let args = self.config.target;
        let server_before = args.pid.and_then(usage);
        if !self.pool.clients.is_empty() {
            self.pool
                .connect_all(&mut (), args.in_flight, args.patience, &mut self.progress)?;
        }
        self.count_expected_deliveries()?;
        self.warm_up()?;
        let measurement = self.measure()?;
        let lost = self.drain()?;
        let stalled = self
            .pool
            .clients
            .iter()
            .filter(|client| client.stalled)
            .count();
        let stalled_closed = if stalled > 0 {
            self.pool
                .drain_stalled(&mut self.tracker, self.config.workload.drain)?
        } else {
            0
        };
        self.progress.finish();
        let mut report = Report::default();
        report.text("command", "bench", command);
        report.text("url", "server", &self.pool.target.url);
        let ready = self.pool.stats.connect_times.count();
        report.count(
            "subscribers",
            "subscribers",
            ready.saturating_sub(self.publishing_clients as u64),
        );
        if stalled > 0 {
            report.count("slow", "slow readers", stalled);
            report.count("slow_closed", "closed slow readers", stalled_closed);
        }
        self.report_measurement(&measurement, lost, &mut report);
        if let (Some(before), Some(end)) = (server_before, measurement.server[1]) {
            let memory = end.resident as f64 - before.resident as f64;
            report.figure(
                "server_bytes_per_connection",
                "server memory per connection",
                Unit::Bytes,
                memory / self.pool.clients.len() as f64,
            );
        }
        self.pool.stats.report(&mut report);
        Ok(report)
    }

    /// Counts the deliveries of a publish on each channel: its ready clients that read.
    fn count_expected_deliveries(&mut self) -> Result<(), BenchError> {
        let clients = &self.pool.clients;
        if clients
            .iter()
            .take(self.publishing_clients)
            .any(|client| client.state != ClientState::Ready)
        {
            let reason = self.pool.stats.first_error.as_deref();
            let reason = reason.unwrap_or("no response in time");
            return Err(BenchError::Run(format!(
                "a publishing client did not connect: {reason}; with more --publishers each one has fewer channels"
            )));
        }
        for (index, client) in clients.iter().enumerate() {
            if client.state != ClientState::Ready || client.stalled {
                continue;
            }
            // The further channels of a subscriber are not published to.
            let published = if index < self.publishing_clients {
                usize::MAX
            } else {
                1
            };
            for channel in client.channels.iter().take(published) {
                if let Some(expected) = self.expected.get_mut(*channel as usize) {
                    *expected += 1;
                }
            }
        }
        if self.publishing_clients > 0 {
            // A publisher does not receive its own events.
            self.expected
                .iter_mut()
                .for_each(|expected| *expected = expected.saturating_sub(1));
        }
        Ok(())
    }
}

/// The index of a channel as clients store it.
fn channel_index(channel: usize) -> u32 {
    u32::try_from(channel).unwrap_or(u32::MAX)
}

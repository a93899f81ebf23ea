//! A ledger and a client of it, in this process or over a bus; the ledger can be stopped and started.

use crate::log::{Log, event, fresh_id};
use domain::payload::GatewayRole;
use futures_util::StreamExt as _;
use ledger::Handle;
use ledger::rpc::{self, Counters, Service};
use ledger_client::nats::{Config, NatsClient, Pin};
use ledger_client::wire::GatewayKey;
use ledger_client::{Error, LedgerClient, Receipt};
use record::{Record, Slug};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testbed::{Nats, Proxy};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Patience with a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The service of a log.
pub struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    pub counters: Arc<Counters>,
}

impl Serving {
    pub async fn start(handle: &Handle, nats: async_nats::Client, config: rpc::Config) -> Self {
        let service = Service::start(handle.clone(), nats.clone(), config)
            .await
            .expect("starts");
        settled(&nats).await;
        let counters = service.counters();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            let _dropped = stopped.await;
        };
        Self {
            stop,
            task: tokio::spawn(service.run(stopped)),
            counters,
        }
    }

    /// Ends in order.
    pub async fn stop(self) {
        drop(self.stop);
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("drains")
            .expect("no panic");
    }

    /// Ends as a crash would, without an answer to anybody.
    pub fn kill(&self) {
        self.task.abort();
    }
}

/// A log, its ledger, a bus and a client.
pub struct Stand {
    pub log: Log,
    pub handle: Handle,
    pub nats: Nats,
    pub proxy: Proxy,
    pub serving: Serving,
    pub key: GatewayKey,
    pub client: NatsClient,
    pub pin: Pin,
    pub slug: Slug,
}

impl Stand {
    pub async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    /// A stand with other configurations of the service and the client.
    pub async fn with(service: impl FnOnce(&mut rpc::Config), client: impl FnOnce(&mut Config)) -> Self {
        Self::on(Log::open, service, client).await
    }

    /// A stand whose ledger signs checkpoints.
    pub async fn proving() -> Self {
        let proving = |log: &Log| {
            let mut checkpoints = ledger::CheckpointConfig::new();
            checkpoints.interval = Duration::from_millis(50);
            let config = ledger::Config {
                checkpoints: Some(checkpoints),
                ..log.config()
            };
            Handle::open(config).expect("opens")
        };
        Self::on(proving, |_| {}, |_| {}).await
    }

    async fn on(
        open: impl FnOnce(&Log) -> Handle,
        service: impl FnOnce(&mut rpc::Config),
        client: impl FnOnce(&mut Config),
    ) -> Self {
        let (log, nats) = tokio::join!(Log::create(), Nats::start());
        let handle = open(&log);
        let key = GatewayKey::from_seed("gw-1", &[11; 32]).expect("a key");
        let enrolled = handle.enroll_gateway("gw-1", &key.public(), GatewayRole::Gateway).await;
        enrolled.expect("enrols");
        let pin = pin(&handle).await;
        let slug = Slug::parse("audit").expect("a slug");
        let proxy = Proxy::before(nats.address()).await;
        let mut config = rpc::Config::new(true);
        service(&mut config);
        let serving = Serving::start(&handle, connect(&nats.url()).await, config).await;
        let mut config = Config::new(key.clone(), pin.clone(), slug.clone(), true);
        client(&mut config);
        let through = connect(&proxy.url(&nats.url())).await;
        let client = NatsClient::new(through, config).await.expect("a client");
        Self {
            log,
            handle,
            nats,
            proxy,
            serving,
            key,
            client,
            pin,
            slug,
        }
    }

    /// Another client of the same ledger, past the proxy.
    pub async fn client(&self, key: GatewayKey, change: impl FnOnce(&mut Config)) -> NatsClient {
        let mut config = Config::new(key, self.pin.clone(), self.slug.clone(), true);
        change(&mut config);
        let nats = connect(&self.nats.url()).await;
        NatsClient::new(nats, config).await.expect("a client")
    }

    /// Ends the service and the ledger, opens the log again and serves it.
    pub async fn restart(mut self) -> Self {
        self.serving.stop().await;
        self.handle.close();
        drop(self.handle);
        self.handle = open(&self.log).await;
        let nats = connect(&self.nats.url()).await;
        self.serving = Serving::start(&self.handle, nats, rpc::Config::new(true)).await;
        self
    }
}

pub async fn connect(url: &str) -> async_nats::Client {
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    let client = options.connect(url).await.expect("connects");
    client.flush().await.expect("is connected");
    client
}

/// The server has processed everything that was sent before, a subscription for example.
pub async fn settled(nats: &async_nats::Client) {
    let inbox = nats.new_inbox();
    let mut echo = nats.subscribe(inbox.clone()).await.expect("subscribes");
    nats.publish(inbox, "".into()).await.expect("publishes");
    let echo = tokio::time::timeout(PATIENCE, echo.next()).await;
    assert!(echo.expect("in time").is_some());
}

/// Opens a log that was closed just now. A server that another test starts at this moment inherits the lock for an
/// instant, until it becomes another program.
pub async fn open(log: &Log) -> Handle {
    let ask = || async { Handle::open(log.config()) };
    let done = |opened: &Result<Handle, ledger::Error>| !matches!(opened, Err(ledger::Error::InUse { .. }));
    until("the lock of the log", ask, done).await.expect("opens")
}

/// What a trust file of this log would pin.
pub async fn pin(handle: &Handle) -> Pin {
    let genesis = handle.read(0, 1).await.expect("reads").remove(0);
    let record = Record::parse(genesis.bytes.to_vec()).expect("a record");
    let root = record.payload["root_key"].as_str().expect("a text");
    Pin {
        log: handle.origin().clone(),
        genesis: record.hash,
        root: record::PublicKey::from_base64(root).expect("a key"),
    }
}

/// Asks until `done` says so.
pub async fn until<T, F: Future<Output = T>>(what: &str, mut ask: impl FnMut() -> F, done: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if done(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        // Not a wait for a condition but the pause between two looks.
        tokio::task::yield_now().await;
    }
}

/// Appends an event that is new each time, until the ledger takes it.
pub async fn until_it_appends(client: &impl LedgerClient) -> Receipt {
    let ask = || async {
        let mut record = event("again");
        record.id = fresh_id();
        client.append(crate::log::plain(record)).await
    };
    until("an append", ask, Result::<Receipt, Error>::is_ok)
        .await
        .expect("is ok")
}

//! What is left in the end: in the log, in the stream, in Postgres, and in a read model built from the log alone.

use crate::checkpoints::Watched;
use crate::house::House;
use crate::log::{Log, OWN_KIND, Ran};
use projector::ReadModel as _;
use serde_json::{Value, json};
use std::collections::HashMap;

/// No acknowledged record is lost, and none is there twice. `init` and the enrolments wrote the first few records, and the
/// log itself a root of its maps before each checkpoint.
pub fn holds(records: &[Value], offsets: &HashMap<String, u64>) {
    let mut stored = HashMap::new();
    let mut first_of_clients = None;
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record["offset"], at as u64, "offsets have no gap");
        let id = record["id"].as_str().expect("an id").to_owned();
        if record["kind"] == OWN_KIND {
            continue;
        }
        if offsets.contains_key(&id) {
            first_of_clients.get_or_insert(at);
        }
        assert_eq!(stored.insert(id, at as u64), None, "{record} is there twice");
    }
    for (id, offset) in offsets {
        assert_eq!(stored.remove(id), Some(*offset), "{id} was acknowledged at {offset}");
    }
    let first = first_of_clients.expect("clients wrote something") as u64;
    let strangers: Vec<_> = stored.into_iter().filter(|(_, offset)| *offset >= first).collect();
    assert_eq!(strangers, [], "records that no client has an acknowledgement for");
}

/// The digest of the read model in Postgres, and the position that it was taken at.
pub fn digest_of_postgres(house: &House) -> (u64, String) {
    let config = projector_postgres::Config::new(house.postgres.url(), "audit");
    let origin = record::Origin::parse("localhost/audit").expect("an origin");
    house.runtime.block_on(async {
        let read_model = projector_postgres::ReadModel::connect(config, origin)
            .await
            .expect("Postgres answers");
        let (position, digest) = read_model.digest().await.expect("the tables can be read");
        read_model.close().await;
        (position, digest.value().to_string())
    })
}

/// The digest of a read model in SQLite, built here from the same data directory, and its position.
pub fn digest_of_sqlite(log: &Log) -> (u64, String) {
    log.run(&["projection", "rebuild"]).exits(0);
    let status = log.run(&["projection", "status", "--json"]).exits(0).json();
    let position = status["position"].as_u64().expect("a number");
    (position, status["digest"].as_str().expect("a digest").to_owned())
}

/// The whole log verifies, with every checkpoint that was served held against it, and the read model built from it.
pub fn verifies(log: &Log, size: u64, served: &Watched) {
    let mut command = log.command(&["verify", "--json"]);
    command.arg("--trust").arg(log.trust_file()).args(served.known(log));
    let verified = Ran::of(&mut command).exits(0).json();
    assert_eq!(verified["size"], size);
    assert_eq!(verified["store_findings"], json!([]));
    assert_eq!(verified["checks"]["checkpoints"]["verdict"], "passed");
}

/// The stream holds every record once, in the order of the log: each message is the record with its own offset.
pub fn streamed(house: &House, records: &[Value]) {
    let messages = house.runtime.block_on(messages(house));
    assert_eq!(messages.len(), records.len(), "one message a record");
    for (offset, (message, record)) in messages.iter().zip(records).enumerate() {
        let message: Value = serde_json::from_slice(message).expect("a message is a record");
        assert_eq!(&message, record, "the message of offset {offset}");
    }
}

async fn messages(house: &House) -> Vec<Vec<u8>> {
    use futures_util::StreamExt as _;
    let client = async_nats::connect(house.nats.url()).await.expect("the broker answers");
    let context = async_nats::jetstream::new(client);
    let names: Vec<_> = context.stream_names().collect().await;
    let mut names: Vec<String> = names.into_iter().map(|name| name.expect("a name")).collect();
    assert_eq!(names.len(), 1, "one stream: {names:?}");
    let name = names.remove(0);
    let mut stream = context.get_stream(&name).await.expect("the stream is there");
    let count = stream.info().await.expect("the stream can be looked at").state.messages;
    let config = async_nats::jetstream::consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let mut batch = consumer.messages().await.expect("messages");
    let mut read = Vec::new();
    while (read.len() as u64) < count {
        let message = batch.next().await.expect("another message").expect("a message");
        read.push(message.payload.to_vec());
    }
    read
}

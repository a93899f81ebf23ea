//! The log's streams on the server: found, created, compared with what was asked for, and moved aside.
//!
//! Invariant: what a server ignores is noticed. Every setting that the log relies on is read back from the server's own
//! answer and compared.

use super::failure::Failure;
use super::status::Reason;
use async_nats::Client;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use futures_util::TryStreamExt as _;
use record::{Slug, wire};
use std::time::Duration;

/// The smallest message limit that a server may have: a record of the largest legal size with its headers.
pub const MAX_PAYLOAD_BYTES: usize = 1_024 * 1_024;
/// The oldest server.
const OLDEST: (i64, i64, i64) = (2, 9, 10);
/// The server's memory of message ids; ours carry none.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// Refuses a server that cannot carry a log.
pub(super) fn check_server(client: &Client) -> Result<(), Failure> {
    let Some(info) = client.try_server_info() else {
        return Err(Failure::Passing("no server has answered yet".to_owned()));
    };
    let (major, minor, patch) = OLDEST;
    if !client.is_server_compatible(major, minor, patch) {
        let text = format!(
            "the server has version {}: {major}.{minor}.{patch} is the oldest that works",
            info.version
        );
        return Err(Failure::Unfit(text));
    }
    if info.max_payload < MAX_PAYLOAD_BYTES {
        let text = format!(
            "the server's max_payload is {} bytes: set it to at least {MAX_PAYLOAD_BYTES}, or a legal record would stop the feed",
            info.max_payload
        );
        return Err(Failure::Unfit(text));
    }
    Ok(())
}

/// What the stream with this base is created with, and must look like.
fn wanted(slug: &Slug, base: u64, replicas: usize) -> Config {
    Config {
        name: wire::stream_name(slug, base),
        description: Some(format!("Sigil Ledger, log {slug}, from offset {base}")),
        subjects: vec![wire::subjects(slug)],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        deny_delete: true,
        deny_purge: true,
        num_replicas: replicas,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        max_consumers: -1,
        ..Config::default()
    }
}

/// Names of the settings in which a stream differs from what its log needs.
fn differences(found: &Config, wanted: &Config) -> Vec<&'static str> {
    let unlimited = |limit: i64| limit <= 0;
    let room = found.max_message_size <= 0
        || usize::try_from(found.max_message_size).is_ok_and(|size| size >= MAX_PAYLOAD_BYTES);
    let checks = [
        ("subjects", found.subjects == wanted.subjects),
        ("storage", found.storage == wanted.storage),
        ("retention", found.retention == wanted.retention),
        ("discard", found.discard == wanted.discard),
        ("deny_delete", found.deny_delete),
        ("deny_purge", found.deny_purge),
        ("num_replicas", found.num_replicas == wanted.num_replicas),
        ("max_age", found.max_age.is_zero()),
        ("max_bytes", unlimited(found.max_bytes)),
        ("max_msgs", unlimited(found.max_messages)),
        ("max_msgs_per_subject", unlimited(found.max_messages_per_subject)),
        ("max_msg_size", room),
        ("allow_rollup_hdrs", !found.allow_rollup),
        ("no_ack", !found.no_ack),
        ("mirror", found.mirror.is_none()),
        ("sources", found.sources.as_ref().is_none_or(Vec::is_empty)),
        ("subject_transform", found.subject_transform.is_none()),
    ];
    checks.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect()
}

/// Whether a rebuild has moved this stream aside.
pub(super) fn is_retired(info: &Info, slug: &Slug, base: u64) -> bool {
    info.config.sealed && info.config.subjects == [wire::retired_subjects(slug, base)]
}

/// Base offsets of all streams of the log, ascending.
pub(super) async fn bases(context: &Context, slug: &Slug) -> Result<Vec<u64>, Failure> {
    let names: Vec<String> = context.stream_names().try_collect().await.map_err(Failure::passing)?;
    let mut bases: Vec<u64> = names.iter().filter_map(|name| wire::stream_base(slug, name)).collect();
    bases.sort_unstable();
    Ok(bases)
}

/// A stream of a log, as the server has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Offset of the record that belongs at sequence 1.
    pub base: u64,
    /// Messages that it holds.
    pub messages: u64,
    /// Its last sequence.
    pub last_sequence: u64,
    /// Bytes that it holds.
    pub bytes: u64,
    /// Nothing can be added to it.
    pub sealed: bool,
    /// A rebuild moved it aside.
    pub retired: bool,
}

/// Every stream of the log, by base; the last one is the one that readers follow.
///
/// # Errors
/// What the server answers instead, in words.
pub async fn survey(client: Client, slug: &Slug) -> Result<Vec<Found>, String> {
    let context = async_nats::jetstream::new(client);
    let streams: Result<Vec<Info>, _> = context.streams().try_collect().await;
    let found = |info: Info| {
        let base = wire::stream_base(slug, &info.config.name)?;
        Some(Found {
            base,
            messages: info.state.messages,
            last_sequence: info.state.last_sequence,
            bytes: info.state.bytes,
            sealed: info.config.sealed,
            retired: is_retired(&info, slug, base),
            name: info.config.name,
        })
    };
    let mut all: Vec<Found> = streams
        .map_err(|error| error.to_string())?
        .into_iter()
        .filter_map(found)
        .collect();
    all.sort_unstable_by_key(|found| found.base);
    Ok(all)
}

/// The stream with this base; `None` when there is none.
pub(super) async fn find(context: &Context, slug: &Slug, base: u64) -> Result<Option<Stream>, Failure> {
    match context.get_stream(wire::stream_name(slug, base)).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(fault) if fault.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(Failure::passing(error)),
        },
    }
}

/// Creates the stream with this base and compares the server's answer with what was asked for.
pub(super) async fn create(context: &Context, slug: &Slug, base: u64, replicas: usize) -> Result<Stream, Failure> {
    let wanted = wanted(slug, base, replicas);
    let created = context
        .create_stream(wanted.clone())
        .await
        .map_err(|error| match error.kind() {
            CreateStreamErrorKind::JetStream(fault) if fault.code() < 500 => {
                Failure::Unfit(format!("the server does not create stream {}: {fault}", wanted.name))
            }
            // Replicas in a server that is no cluster.
            CreateStreamErrorKind::JetStream(fault)
                if fault.error_code() == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED =>
            {
                Failure::Unfit(format!("the server does not create stream {}: {fault}", wanted.name))
            }
            _ => Failure::passing(error),
        })?;
    check(&created, slug, base, replicas)?;
    Ok(created)
}

/// Compares a stream with what its log needs.
pub(super) fn check(stream: &Stream, slug: &Slug, base: u64, replicas: usize) -> Result<(), Failure> {
    let info = stream.cached_info();
    let name = &info.config.name;
    if info.config.sealed {
        return Err(Failure::diverged(name, Reason::Sealed));
    }
    let differences = differences(&info.config, &wanted(slug, base, replicas));
    if !differences.is_empty() {
        let text = format!(
            "stream {name} differs from what the log needs in {}: correct it, or the server ignores what it does not know",
            differences.join(", ")
        );
        return Err(Failure::Unfit(text));
    }
    let state = &info.state;
    if state.messages != state.last_sequence {
        let (messages, last) = (state.messages, state.last_sequence);
        return Err(Failure::diverged(name, Reason::Holes { messages, last }));
    }
    Ok(())
}

/// Moves a stream to the subjects of the past and seals it. Done again, it changes nothing.
pub(super) async fn retire(context: &Context, slug: &Slug, base: u64, stream: &Stream) -> Result<(), Failure> {
    if is_retired(stream.cached_info(), slug, base) {
        return Ok(());
    }
    let config = Config {
        subjects: vec![wire::retired_subjects(slug, base)],
        sealed: true,
        ..stream.cached_info().config.clone()
    };
    let name = config.name.clone();
    let info = context.update_stream(config).await.map_err(Failure::passing)?;
    if is_retired(&info, slug, base) {
        return Ok(());
    }
    Err(Failure::Unfit(format!(
        "the server did not move and seal stream {name}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_a_server_ignores_is_named() {
        let slug = Slug::parse("audit").expect("a slug");
        let wanted = wanted(&slug, 0, 1);
        assert!(differences(&wanted, &wanted).is_empty());
        let change = |change: &dyn Fn(&mut Config)| {
            let mut found = wanted.clone();
            change(&mut found);
            differences(&found, &wanted)
        };
        assert_eq!(change(&|found| found.deny_delete = false), ["deny_delete"]);
        assert_eq!(change(&|found| found.deny_purge = false), ["deny_purge"]);
        assert_eq!(change(&|found| found.discard = DiscardPolicy::Old), ["discard"]);
        assert_eq!(change(&|found| found.storage = StorageType::Memory), ["storage"]);
        assert_eq!(change(&|found| found.num_replicas = 3), ["num_replicas"]);
        assert_eq!(change(&|found| found.max_age = Duration::from_secs(1)), ["max_age"]);
        assert_eq!(change(&|found| found.max_messages = 10), ["max_msgs"]);
        assert_eq!(change(&|found| found.max_message_size = 1_000), ["max_msg_size"]);
        assert_eq!(change(&|found| found.allow_rollup = true), ["allow_rollup_hdrs"]);
        assert_eq!(change(&|found| found.subjects.push("x.>".to_owned())), ["subjects"]);
        assert_eq!(
            change(&|found| found.retention = RetentionPolicy::WorkQueue),
            ["retention"]
        );
        // A larger limit and another description are nobody's concern.
        assert!(change(&|found| found.max_message_size = 2 << 20).is_empty());
        assert!(change(&|found| found.description = None).is_empty());
    }
}

//! Measures how fast a log of 1 KB records is verified, against the limit of its signature method on all cores.
//!
//! `cargo run --release -p verifier --example rate`; with `verify` behind it the log alone, again and again, for a profiler.

use ed25519_dalek::{Signature, SigningKey, VerifyingKey, verify_batch};
use rayon::prelude::*;
use record::{
    Auth, Author, Draft, Fault, Hash, Kind, Link, NewRecord, Origin, Place, RecordId, Space, Tenant, Timestamp,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;
use tlog::{Edge, Frontier, Node, TileId, hash_leaf};
use verifier::{
    Claims, Derived, Head, Item, Options, StoredRecord, TimelineEntry, TimelineName, TreeHead, Trust, verify_log,
};

const RECORDS: u64 = 50_000;
const BATCH: usize = 1_024;
type Heads = BTreeMap<(String, String, String), Frontier>;

struct Store {
    items: Vec<Item>,
    heads: Heads,
    tiles: BTreeMap<TileId, Vec<Node>>,
    claims: Claims,
    trust: Trust,
}

fn main() {
    let signer = SigningKey::from_bytes(&[1; 32]);
    let mut store = build(&signer);
    let items = std::mem::take(&mut store.items);
    let bytes: usize = items.iter().map(size).sum();
    println!(
        "{RECORDS} records of {} bytes, {} timelines",
        bytes / RECORDS as usize,
        store.heads.len()
    );
    if std::env::args().nth(1).as_deref() == Some("verify") {
        for _ in 0..20 {
            rate(items.clone(), &mut store, false);
        }
        return;
    }
    let limit = limit(&signer, true);
    println!("limit, batches of {BATCH}:  {limit:>9.0} records/s");
    println!(
        "limit, verify_strict:     {:>9.0} records/s",
        self::limit(&signer, false)
    );
    for _ in 0..3 {
        let rate = rate(items.clone(), &mut store, false);
        println!(
            "verify_log:               {rate:>9.0} records/s = {:.0} % of the limit",
            100.0 * rate / limit
        );
    }
    println!(
        "verify_log, thorough:     {:>9.0} records/s",
        rate(items, &mut store, true)
    );
}

fn size(item: &Item) -> usize {
    match item {
        Item::Records(records) => records.iter().map(|record| record.bytes.len()).sum(),
        Item::Damaged(_) => 0,
    }
}

fn rate(items: Vec<Item>, store: &mut Store, thorough: bool) -> f64 {
    let (trust, claims) = (store.trust.clone(), store.claims.clone());
    let options = Options {
        trust: Some(&trust),
        thorough,
        ..Options::default()
    };
    let (start, used) = (Instant::now(), processor());
    let report = verify_log(items, Some(store), &claims, &options);
    let rate = RECORDS as f64 / start.elapsed().as_secs_f64();
    println!(
        "  {:.1} us of processor time per record",
        (processor() - used) * 1e6 / RECORDS as f64
    );
    assert_eq!(report.outcome(), verifier::Outcome::Verified, "{:#?}", report.findings);
    rate
}

/// Seconds of processor time that this process has used, in steps of 10 ms: what a busy machine does not distort.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

/// Signatures per second on all cores and nothing else.
fn limit(signer: &SigningKey, batch: bool) -> f64 {
    use ed25519_dalek::Signer as _;
    let key = signer.verifying_key();
    let messages: Vec<[u8; 48]> = (0..RECORDS)
        .map(|at| record::draft::signed_message(&Hash::of(&at.to_be_bytes())))
        .collect();
    let signatures: Vec<Signature> = messages.par_iter().map(|message| signer.sign(message)).collect();
    let best = |_| {
        let (start, used) = (Instant::now(), processor());
        let chunks = messages.par_chunks(BATCH).zip(signatures.par_chunks(BATCH));
        chunks.for_each(|(messages, signatures)| check(&key, messages, signatures, batch));
        println!(
            "  {:.1} us of processor time per signature",
            (processor() - used) * 1e6 / RECORDS as f64
        );
        RECORDS as f64 / start.elapsed().as_secs_f64()
    };
    (0..3).map(best).fold(0.0, f64::max)
}

fn check(key: &VerifyingKey, messages: &[[u8; 48]], signatures: &[Signature], batch: bool) {
    if batch {
        let texts: Vec<&[u8]> = messages.iter().map(<[u8; 48]>::as_slice).collect();
        verify_batch(&texts, signatures, &vec![*key; texts.len()]).expect("honest signatures hold");
    } else {
        for (message, signature) in messages.iter().zip(signatures) {
            key.verify_strict(message, signature).expect("honest signatures hold");
        }
    }
}

fn genesis(key: &str) -> Value {
    let other = |seed| public(&SigningKey::from_bytes(&[seed; 32])).to_base64();
    json!({"format_version": 1, "slug": "audit", "record_key": key, "checkpoint_key": other(2), "root_key": other(3)})
}

fn public(key: &SigningKey) -> record::PublicKey {
    key.verifying_key().into()
}

fn request(number: u64, key: &str) -> NewRecord {
    let (kind, payload, links) = match number {
        0 => ("ledger.genesis", genesis(key), Vec::new()),
        1 => ("tenant.created", json!({"tenant": "acme", "name": "Acme"}), Vec::new()),
        _ => ("audit.event", event(number), links(number)),
    };
    NewRecord {
        tenant: if number == 0 {
            Tenant::ledger()
        } else {
            Tenant::parse("acme").expect("a tenant")
        },
        kind: Kind::parse(kind).expect("a kind"),
        schema_version: 1,
        id: RecordId::new(1_800_000_000_000 + number, [7; 10]),
        space: if number < 2 { Space::System } else { Space::User },
        author: Author::new("agent:a7", Auth::ApiKey),
        payload,
        links: record::link::normalize(links).expect("few links"),
        disclosures: Vec::new(),
    }
}

fn event(number: u64) -> Value {
    json!({
        "action": "tool.call", "outcome": "success", "source": "agent-runtime",
        "occurred_at": "2026-11-20T12:00:00.000000Z",
        "data": {"tool": "search", "attempt": number % 5, "arguments": "quarterly report of the northern region, final draft"},
        "private": {"prompt": "find the quarterly report"},
    })
}

fn links(number: u64) -> Vec<Link> {
    let link = |label: &str, target: String| Link::new(label, target).expect("a link");
    vec![
        link("actor", format!("agent:a{}", number % 50)),
        link("session", format!("session:s{}", number / 100)),
        link("resource", format!("tool:t{}", number % 20)),
    ]
}

fn build(signer: &SigningKey) -> Store {
    let origin = Origin::parse("example.com/audit").expect("an origin");
    let catalogue = domain::Catalogue::builtin();
    let key = public(signer);
    let text = key.to_base64();
    let mut chains: BTreeMap<Tenant, (u64, Option<Hash>)> = BTreeMap::new();
    let (mut heads, mut edge, mut filled) = (Heads::new(), Edge::new(), Vec::new());
    let (mut records, mut hashes) = (Vec::new(), Vec::new());
    for offset in 0..RECORDS {
        let new = request(offset, &text);
        let sealed = catalogue.find(&new.kind, 1).expect("a known kind").sealed.clone();
        let names = names(&new);
        let chain = chains.entry(new.tenant.clone()).or_default();
        let sealed = new
            .seal::<Fault>(&origin, &sealed, || Ok([5; 32]))
            .expect("a legal record");
        let stamped = Draft::new(&origin, sealed, &[]).expect("a small record").stamp(&Place {
            offset,
            seq: chain.0,
            prev: chain.1.as_ref(),
            ts: Timestamp::from_micros(1_800_000_000_000_000 + offset as i64).expect("a time"),
            pub_key: &key,
        });
        let hash = *stamped.hash();
        *chain = (chain.0 + 1, Some(hash));
        let bytes = stamped.sign(signer);
        let sha256 = Hash::from(<[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
        let data = format!("{{\"blake3\":\"{hash}\",\"offset\":{offset},\"sha256\":\"{sha256}\",\"v\":1}}");
        edge.append(hash_leaf(data.as_bytes()), &mut filled);
        let leaf = hash_leaf(&[b"sigil/timeline/v1\n", hash.as_bytes().as_slice()].concat());
        let entry = |name| {
            let mut completed = Vec::new();
            let frontier: &mut Frontier = heads.entry(name).or_default();
            let position = frontier.append(leaf, |node| completed.push(node));
            TimelineEntry { position, completed }
        };
        let timelines = names.into_iter().map(entry).collect();
        records.push(StoredRecord {
            bytes: bytes.into(),
            timelines,
        });
        hashes.push(hash);
    }
    let genesis_hash = *hashes.first().expect("a log has records");
    Store {
        items: records.chunks(256).map(|block| Item::Records(block.to_vec())).collect(),
        heads,
        tiles: filled.into_iter().map(|tile| (tile.id, tile.nodes)).collect(),
        claims: Claims {
            head: Some(Head {
                size: RECORDS,
                last_hash: hashes.last().copied(),
            }),
            tree: Some(TreeHead {
                size: RECORDS,
                root: edge.root(),
            }),
            checkpoints: Vec::new(),
            anchors: Vec::new(),
        },
        trust: Trust {
            origin,
            genesis_hash,
            root_key: public(&SigningKey::from_bytes(&[3; 32])),
            checkpoint_keys: Vec::new(),
            policy: None,
        },
    }
}

fn names(new: &NewRecord) -> Vec<(String, String, String)> {
    let links = new.links.iter().filter(|link| link.has_timeline());
    let links = links.map(|link| (link.label(), link.target()));
    let all = [("", ""), ("kind", new.kind.as_str())].into_iter().chain(links);
    all.map(|(label, target)| (new.tenant.to_string(), label.to_owned(), target.to_owned()))
        .collect()
}

impl Derived for Store {
    fn timeline_head(&mut self, name: TimelineName<'_>) -> Result<Option<Vec<u8>>, String> {
        let name = (name.tenant.to_owned(), name.label.to_owned(), name.target.to_owned());
        Ok(self.heads.get(&name).map(Frontier::encode))
    }

    fn timeline_count(&mut self) -> Result<u64, String> {
        Ok(self.heads.len() as u64)
    }

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Node>>, String> {
        Ok(self.tiles.get(&id).cloned())
    }
}

//! The first line of a bundle: everything that proves the records, under one checkpoint.

use super::ask;
use super::records::{self, Wanted};
use super::{Name, Scope};
use crate::exit::{Exit, Failure};
use ledger_client::LedgerClient;
use ledger_client::proof::{NodeText, Question, Stretch, TimelineProof};
use serde_json::{Map, Value, json};

/// A bundle that can be written.
pub struct Plan {
    /// The first line.
    pub head: Vec<u8>,
    /// Number of lines that follow.
    pub records: u64,
    /// What the proofs speak of: the records below this offset.
    pub as_of: u64,
    /// Offset of the first record.
    pub first: u64,
    /// Behind the offset of the last record.
    pub until: u64,
    /// The signed note that all proofs lead to.
    pub checkpoint: String,
    /// The timeline that the records are of; `None` when all records are.
    pub name: Option<Name>,
}

/// What all proofs of a bundle lead to.
struct Ground {
    as_of: u64,
    size: u64,
    checkpoint: String,
}

impl Plan {
    /// Asks the ledger for everything that proves `scope`.
    pub async fn make(client: &dyn LedgerClient, scope: &Scope, policy: Option<String>) -> Result<Self, Failure> {
        let rotated = Name {
            tenant: "sigil-ledger".to_owned(),
            label: "kind",
            target: "key.rotated".to_owned(),
        };
        // This answer fixes the map, and so the checkpoint, for all that follow.
        let pinned = ask::timeline(client, &rotated, u64::MAX, None).await?;
        let ground = Ground::of(&pinned)?;
        let rotations = Wanted::new(rotated.clone(), 0, count(&pinned));
        let (mut plan, found, mut rotations) = match scope {
            Scope::Log { from, until } => Self::of_log(client, &ground, *from, *until, rotations).await?,
            Scope::Timeline { name, from, until } => {
                Self::of_timeline(client, &ground, name, (*from, *until), rotations).await?
            }
        };
        let keys = keys(client, &ground, &rotated, &mut rotations).await?;
        plan.head = head(&pinned, &ground, plan.records, (found, keys), policy)?;
        Ok(plan)
    }

    async fn of_log(
        client: &dyn LedgerClient,
        ground: &Ground,
        from: u64,
        until: Option<u64>,
        rotations: Wanted,
    ) -> Result<(Self, Value, Wanted), Failure> {
        let until = until.unwrap_or(ground.as_of);
        within(from, until, ground.as_of, "the log")?;
        let question = Question::Range {
            from,
            until,
            size: ground.size,
        };
        let nodes = ask::path(client, question, ground.size).await?;
        let mut wanted = [rotations];
        records::find(client, &mut wanted, ground.as_of).await?;
        let [rotations] = wanted;
        let scope = json!({"kind": "log", "from": from, "until": until, "nodes": nodes});
        Ok((ground.plan(until - from, (from, until), None), scope, rotations))
    }

    async fn of_timeline(
        client: &dyn LedgerClient,
        ground: &Ground,
        name: &Name,
        (from, until): (u64, Option<u64>),
        rotations: Wanted,
    ) -> Result<(Self, Value, Wanted), Failure> {
        let whole = ask::timeline(client, name, ground.as_of, None).await?;
        let until = until.unwrap_or_else(|| count(&whole));
        // An empty timeline is proven empty; a stretch of it is none.
        if (from, until) != (0, 0) {
            within(from, until, count(&whole), "the timeline")?;
        }
        let mut wanted = [Wanted::new(name.clone(), from, until), rotations];
        records::find(client, &mut wanted, ground.as_of).await?;
        let [wanted, rotations] = wanted;
        let proof = stretch(client, ground, name, &wanted).await?.unwrap_or(whole);
        let scope = json!({"kind": "timeline", "proof": ground.part(&proof, (from, until))?});
        let offsets = wanted.first.zip(wanted.last);
        let offsets = offsets.map_or((0, 0), |(first, last)| (first, last + 1));
        let plan = ground.plan(until - from, offsets, Some(name.clone()));
        Ok((plan, scope, rotations))
    }
}

impl Ground {
    fn of(pinned: &TimelineProof) -> Result<Self, Failure> {
        let size = pinned.checkpoint.lines().nth(1).and_then(|size| size.parse().ok());
        Ok(Self {
            as_of: pinned.as_of,
            size: size.ok_or_else(ask::unexpected)?,
            checkpoint: pinned.checkpoint.clone(),
        })
    }

    fn plan(&self, records: u64, (first, until): (u64, u64), name: Option<Name>) -> Plan {
        Plan {
            head: Vec::new(),
            records,
            as_of: self.as_of,
            checkpoint: self.checkpoint.clone(),
            first,
            until,
            name,
        }
    }

    /// A proof as it stands in a bundle, where checkpoint and map stand apart.
    fn part(&self, proof: &TimelineProof, (from, until): (u64, u64)) -> Result<Value, Failure> {
        let text = |note: &str| note.split("\n\n").next().map(str::to_owned);
        let same = proof.as_of == self.as_of && text(&proof.checkpoint) == text(&self.checkpoint);
        let range = proof.range.as_ref().map_or((0, 0), |range| (range.from, range.until));
        if !same || range != (from, until) {
            return Err(ask::unexpected());
        }
        let mut part = serde_json::to_value(proof).map_err(anyhow::Error::from)?;
        if let Some(members) = part.as_object_mut() {
            for shared in ["checkpoint", "map_record", "map_path"] {
                members.remove(shared);
            }
        }
        Ok(part)
    }
}

/// Records of the timeline below the map's size.
fn count(proof: &TimelineProof) -> u64 {
    let end = proof.map.end.as_ref();
    end.filter(|end| end.key.is_none()).map_or(0, |end| end.count)
}

fn within(from: u64, until: u64, count: u64, what: &str) -> Result<(), Failure> {
    if from < until && until <= count {
        return Ok(());
    }
    let message =
        format!("{what} has {count} records that can be proven: there are none from {from} to before {until}");
    Err(Failure::new(Exit::Failure, message))
}

async fn stretch(
    client: &dyn LedgerClient,
    ground: &Ground,
    name: &Name,
    wanted: &Wanted,
) -> Result<Option<TimelineProof>, Failure> {
    let Some((first, last)) = wanted.first.zip(wanted.last) else {
        return Ok(None);
    };
    let stretch = Some(Stretch { first, last });
    ask::timeline(client, name, ground.as_of, stretch).await.map(Some)
}

/// How the keys are known: genesis, and every rotation.
async fn keys(
    client: &dyn LedgerClient,
    ground: &Ground,
    rotated: &Name,
    wanted: &mut Wanted,
) -> Result<Value, Failure> {
    let inclusion = Question::Inclusion {
        offset: 0,
        size: Some(ground.size),
    };
    let genesis_path: Vec<NodeText> = ask::path(client, inclusion, ground.size).await?;
    let genesis = client.read(0, 1).await?;
    let genesis = genesis.first().ok_or_else(ask::unexpected)?;
    let records = records::collect(client, wanted).await?;
    let range = (0, records.len() as u64);
    let proof = match stretch(client, ground, rotated, wanted).await? {
        Some(proof) => proof,
        None => ask::timeline(client, rotated, ground.as_of, None).await?,
    };
    let rotations: Vec<Value> = records
        .iter()
        .map(|record| parse(&record.bytes))
        .collect::<Result<_, _>>()?;
    Ok(json!({
        "genesis": parse(&genesis.bytes)?, "genesis_path": genesis_path, "rotations": rotations,
        "proof": ground.part(&proof, range)?,
    }))
}

fn head(
    pinned: &TimelineProof,
    ground: &Ground,
    records: u64,
    (scope, keys): (Value, Value),
    policy: Option<String>,
) -> Result<Vec<u8>, Failure> {
    let origin = ground.checkpoint.lines().next().unwrap_or_default();
    let mut head = Map::new();
    let mut put = |name: &str, value: Value| head.insert(name.to_owned(), value);
    put("format", json!("sigil-proof-bundle"));
    put("v", json!(1));
    put("log", json!(origin));
    put("records", json!(records));
    put("checkpoint", json!(ground.checkpoint));
    put("map_record", parse(pinned.map_record.get().as_bytes())?);
    put("map_path", json!(pinned.map_path));
    put("scope", scope);
    put("keys", keys);
    policy.map(|policy| put("policy", json!(policy)));
    Ok(record::canonical::to_vec(&Value::Object(head)))
}

fn parse(record: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(record).map_err(|error| anyhow::Error::from(error).into())
}

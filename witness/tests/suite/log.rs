//! A log whose checkpoints are cosigned, and ways to reach its witnesses.

use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tlog::{
    Checkpoint, EMPTY_ROOT, Error, KeyType, Line, Node, Perfect, VerifierKey, hash_children, hash_leaf,
    prove_consistency,
};
use tokio::sync::watch;
use witness::{
    Answered, Config, Cosigner, CosignerKey, Head, Log, NoProof, Pending, Transport, TransportError, Witness,
};

pub const ORIGIN: &str = "log.example.com/audit";

pub struct TestLog {
    leaves: Vec<Node>,
    secret: SigningKey,
    pub key: VerifierKey,
    cosigned: watch::Sender<BTreeMap<u64, Vec<Line>>>,
}

impl TestLog {
    pub fn new(prefix: &str) -> Arc<Self> {
        let secret = SigningKey::from_bytes(&[1; 32]);
        let key = VerifierKey::new(ORIGIN, KeyType::Ed25519, secret.verifying_key().as_bytes()).unwrap();
        let leaves = (0..100).map(|n| hash_leaf(format!("{prefix}{n}").as_bytes())).collect();
        Arc::new(Self {
            leaves,
            secret,
            key,
            cosigned: watch::channel(BTreeMap::new()).0,
        })
    }

    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint::sign(size, mth(&self.leaves[..size as usize]), &self.key, &self.secret)
    }

    pub fn head(&self, size: u64) -> Option<Arc<Head>> {
        let note = self.checkpoint(size).note().clone();
        Some(Arc::new(Head { size, note }))
    }

    /// Waits until so many lines are there for a size, and gives back the signers' names.
    pub async fn lines(&self, size: u64, count: usize) -> Vec<String> {
        let mut cosigned = self.cosigned.subscribe();
        let there = |cosigned: &BTreeMap<u64, Vec<Line>>| cosigned.get(&size).is_some_and(|lines| lines.len() >= count);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), cosigned.wait_for(there)).await;
        let lines = waited.expect("the lines come in time").unwrap();
        lines[&size].iter().map(|line| line.name().to_owned()).collect()
    }

    pub fn count(&self, size: u64) -> usize {
        self.cosigned.borrow().get(&size).map_or(0, Vec::len)
    }
}

impl Log for TestLog {
    fn consistency(&self, from: u64, to: u64) -> Pending<'_, Result<Vec<Node>, NoProof>> {
        let source = |Perfect { height, index }: Perfect| {
            let start = (index << height) as usize;
            Ok::<_, Error>(mth(&self.leaves[start..start + (1 << height)]))
        };
        let proof = prove_consistency(from, to, source).map_err(|error| NoProof(error.to_string()));
        Box::pin(async move { proof })
    }

    fn cosigned(&self, size: u64, lines: Vec<Line>) -> Pending<'_, ()> {
        self.cosigned
            .send_modify(|cosigned| cosigned.entry(size).or_default().extend(lines));
        Box::pin(async {})
    }
}

fn mth(leaves: &[Node]) -> Node {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        leaves => {
            let middle = leaves.len().next_power_of_two() / 2;
            hash_children(&mth(&leaves[..middle]), &mth(&leaves[middle..]))
        }
    }
}

pub fn cosigner(name: &str, dir: &Path, log: &VerifierKey) -> Arc<Cosigner> {
    let seed = [name.as_bytes()[0]; 32];
    let config = Config {
        key: CosignerKey::new(name, &seed).unwrap(),
        logs: vec![log.clone()],
        state_dir: dir.join(name),
        clock: Box::new(|| 1_700_000_000),
    };
    Arc::new(Cosigner::open(config).unwrap())
}

/// How a witness behaves.
#[derive(Clone)]
pub enum Behaviour {
    /// As a cosigner does.
    Real(Arc<Cosigner>),
    /// It never answers.
    Silent,
    /// It always answers this.
    Fixed(u16, String),
    /// A cosigner that answers with lines of others around its own.
    Chatty(Arc<Cosigner>, String),
}

/// Reaches witnesses by their name.
#[derive(Default)]
pub struct Network(pub Mutex<BTreeMap<String, Behaviour>>);

impl Network {
    pub fn set(&self, name: &str, behaviour: Behaviour) {
        self.0.lock().unwrap().insert(name.to_owned(), behaviour);
    }
}

impl Transport for Network {
    fn add_checkpoint<'a>(
        &'a self,
        witness: &'a Witness,
        body: String,
    ) -> Pending<'a, Result<Answered, TransportError>> {
        let behaviour = self.0.lock().unwrap().get(&witness.name).cloned();
        Box::pin(async move {
            let reply = |status, body: String| {
                let body = body.into_bytes();
                Ok(Answered { status, body })
            };
            match behaviour {
                None => Err(TransportError("connection refused".to_owned())),
                Some(Behaviour::Silent) => std::future::pending().await,
                Some(Behaviour::Fixed(status, body)) => reply(status, body),
                Some(Behaviour::Real(cosigner)) => {
                    let answered = cosigner.add_checkpoint(body.as_bytes());
                    reply(answered.status, answered.body)
                }
                Some(Behaviour::Chatty(cosigner, line)) => {
                    let answered = cosigner.add_checkpoint(body.as_bytes());
                    reply(answered.status, format!("{line}{}{line}", answered.body))
                }
            }
        })
    }
}

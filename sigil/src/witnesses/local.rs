//! Three witnesses in this process, for `dev` and `demo`: real cosigners over real HTTP on this machine, with a memory
//! beside the log. They show how a quorum works. They protect from nobody who has this machine: real witnesses are other
//! people's.

use super::Asking;
use crate::command::cosigner::{Serving, fresh, seconds, unopened};
use crate::command::serve::LocalWitnesses;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::place::{Place, beside};
use gateway::Door;
use gateway::ops::Board;
use ledger::Handle;
use ledger_client::proof::SignedCheckpoint;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tlog::{Policy, VerifierKey};
use tokio::net::TcpListener;
use verifier::Trust;
use witness::{Config, Cosigner, CosignerKey, KeyError};

const NAMES: [&str; 3] = ["local-1", "local-2", "local-3"];
const TIMEOUT: Duration = Duration::from_secs(2);

/// Opens a log with three witnesses beside it, which are asked from now on. The policy goes into the log's trust file as soon
/// as the quorum is met for the first time: from then on a verifier asks for it.
///
/// # Errors
/// As [`Local::prepare`], [`Local::serve`] and [`Embedded::open_with`].
pub async fn open(place: &Place) -> Result<(Embedded, LocalWitnesses), Failure> {
    let local = Local::prepare(place).await?;
    let (asking, policy) = (local.asking.clone(), local.policy.clone());
    let config = place.signing_under(Some(asking.policy.clone()))?;
    let embedded = Embedded::open_with(place, config).await?;
    let running = local.serve(&embedded.handle.checkpoint_keys()?)?;
    let board = Board::new("embedded");
    let mut witnessing = asking.start(&embedded.handle, Some(&board))?;
    witnessing.beside(pinned(embedded.handle.clone(), policy, place.trust_file()));
    let local = LocalWitnesses {
        witnessing: Some(witnessing),
        running: Some(running),
        anchoring: None,
        board: Some(board),
    };
    Ok((embedded, local))
}

async fn pinned(handle: Handle, policy: String, trust_file: PathBuf) {
    let mut checkpoints = handle.checkpoints();
    let witnessed = |newest: &Option<Arc<SignedCheckpoint>>| {
        newest
            .as_ref()
            .is_some_and(|checkpoint| checkpoint.witnessed == Some(true))
    };
    if checkpoints.wait_for(witnessed).await.is_ok()
        && let Err(error) = Local::pin(&policy, &trust_file)
    {
        tracing::warn!(%error, "the policy of the local witnesses is not in the trust file");
    }
}

/// Witnesses of one log that will run in this process: their keys and addresses are known before the log is open.
pub struct Local {
    dir: PathBuf,
    doors: Vec<(&'static str, CosignerKey, TcpListener)>,
    /// How the log asks them.
    pub asking: Asking,
    /// The policy for verifiers: keys and quorum, without the addresses, which are others at each start.
    pub policy: String,
}

/// Witnesses of one log that run in this process.
pub struct Running(Vec<Serving>);

impl Local {
    /// Makes or reads the keys of the witnesses of the log at `place`, and listens.
    ///
    /// # Errors
    /// A key cannot be read or written.
    pub async fn prepare(place: &Place) -> Result<Self, Failure> {
        let dir = beside(&place.data_dir, "witnesses");
        std::fs::create_dir_all(&dir)?;
        let (mut doors, mut asked, mut policy) = (Vec::new(), String::new(), String::new());
        for name in NAMES {
            let key = key(&dir, name)?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let line = format!("witness {name} {}", key.public());
            // Writing to a String does not fail.
            let _ok = writeln!(policy, "{line}").and(writeln!(asked, "{line} http://{}", listener.local_addr()?));
            doors.push((name, key, listener));
        }
        let quorum = format!("group local 2 {}\nquorum local\n", NAMES.join(" "));
        policy.push_str(&quorum);
        asked.push_str(&quorum);
        let parsed = Policy::parse(&asked).map_err(anyhow::Error::from)?;
        Ok(Self {
            dir,
            doors,
            asking: Asking {
                policy: parsed,
                timeout: TIMEOUT,
                ca_file: None,
            },
            policy,
        })
    }

    /// Answers from now on, for the log whose checkpoint keys are `keys`.
    ///
    /// # Errors
    /// A state is in use, damaged, or not to be read or written.
    pub fn serve(self, keys: &[VerifierKey]) -> Result<Running, Failure> {
        let mut serving = Vec::new();
        for (name, key, listener) in self.doors {
            let cosigner = Cosigner::open(Config {
                key,
                logs: keys.to_vec(),
                state_dir: self.dir.join(format!("{name}.state")),
                clock: Box::new(seconds),
            });
            let cosigner = Arc::new(cosigner.map_err(unopened)?);
            serving.push(Serving::start(cosigner, Door::from(listener)));
        }
        Ok(Running(serving))
    }

    /// Writes the policy into the trust file, where there is one of this log without a policy: from now on a verifier asks
    /// for the quorum. Says whether it was written.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn pin(policy: &str, trust_file: &Path) -> Result<bool, Failure> {
        if !trust_file.exists() {
            return Ok(false);
        }
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Failure, format!("trust file {}: {error}", trust_file.display()))
        };
        let bytes = std::fs::read(trust_file).map_err(|error| wrong(&error))?;
        let mut trust = Trust::parse(&bytes).map_err(|error| wrong(&error))?;
        if trust.policy.is_some() {
            return Ok(false);
        }
        trust.policy = Some(policy.to_owned());
        // As a whole or not at all.
        let fresh = beside(trust_file, "new");
        std::fs::write(&fresh, trust.to_text())
            .and_then(|()| std::fs::rename(&fresh, trust_file))
            .map_err(|error| wrong(&error))?;
        Ok(true)
    }
}

impl Running {
    /// Ends them.
    pub async fn stop(self) -> Result<(), Failure> {
        for serving in self.0 {
            serving.stop().await?;
        }
        Ok(())
    }
}

/// The key of one of them, made when it is not there.
fn key(dir: &Path, name: &str) -> Result<CosignerKey, Failure> {
    let path = dir.join(format!("{name}.key"));
    let wrong = |error: KeyError| Failure::new(Exit::Failure, format!("{}: {error}", path.display()));
    if path.exists() {
        return CosignerKey::read(&path).map_err(wrong);
    }
    // Under this name once, whatever the log is called: the directory is the log's own.
    let key = fresh(&format!("localhost/{name}"))?;
    key.write(&path).map_err(wrong)?;
    Ok(key)
}

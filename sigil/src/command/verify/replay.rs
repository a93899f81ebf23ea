//! The read model beside a closed log, compared with a replay of the log into a scratch copy.

use crate::command::projection::replay;
use crate::exit::Failure;
use crate::place::Place;
use ledger::inspect::Inspection;
use projector::query::Pending;
use projector::{Error, ReadModel as _, Source};
use projector_sqlite::ReadModel;
use std::sync::Arc;

/// Records of one read.
const READ: u64 = 1_024;

/// What is wrong with the read model; nothing when there is none.
pub async fn compare(place: &Place, inspection: &Arc<Inspection>) -> Result<Vec<String>, Failure> {
    if !place.read_model().exists() {
        return Ok(Vec::new());
    }
    let live = match read_only_digest(place, inspection).await {
        Ok(live) => live,
        Err(error) => return Ok(vec![format!("read model: {error}: run `sigil projection rebuild`")]),
    };
    let mut source = Replayed {
        inspection: Arc::clone(inspection),
        until: live.0,
    };
    let (_, replayed) = replay(&place.scratch("replay"), inspection.origin(), &mut source).await?;
    let differences = live.1.differences(&replayed);
    Ok(differences
        .into_iter()
        .map(|difference| format!("read model differs from the log: {difference}"))
        .collect())
}

async fn read_only_digest(place: &Place, inspection: &Inspection) -> Result<(u64, projector::Digest), Error> {
    // A copy: opening a database may write to it.
    let copy = place.scratch("read-model");
    let copied = copy_files(&place.read_model(), &copy).map_err(|error| Error::Source(error.to_string()));
    let digest = match copied {
        Err(error) => Err(error),
        Ok(()) => digest_of(&copy, inspection).await,
    };
    let _gone = std::fs::remove_dir_all(&copy);
    digest
}

async fn digest_of(copy: &std::path::Path, inspection: &Inspection) -> Result<(u64, projector::Digest), Error> {
    let model = ReadModel::open(copy, inspection.origin().clone()).await?;
    let digest = model.digest().await;
    model.close().await;
    let (position, digest) = digest?;
    let head = inspection.ends().tip.map_or(0, |tip| tip.0);
    if position > head {
        return Err(Error::LogBehind { position, head });
    }
    Ok((position, digest))
}

/// Copies the files of a directory: opening a database may write to it.
pub fn copy_files(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The records of a closed log up to where the read model is.
struct Replayed {
    inspection: Arc<Inspection>,
    until: u64,
}

impl Source for Replayed {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Arc<[u8]>>> {
        Box::pin(async move {
            let (inspection, until) = (Arc::clone(&self.inspection), self.until.min(from + READ));
            let read = tokio::task::spawn_blocking(move || inspection.records(from, until)).await;
            let records = read.map_err(|error| Error::Source(error.to_string()))?;
            records.map_err(|error| Error::Source(error.to_string()))
        })
    }

    fn head(&mut self) -> Pending<'_, u64> {
        Box::pin(async move { Ok(self.until) })
    }
}

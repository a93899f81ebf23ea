//! The read model beside a closed log, compared with a replay of the log into a scratch copy.

use crate::command::projection;
use crate::exit::Failure;
use crate::place::Place;
use ledger::inspect::Inspection;
use projector::query::Pending;
use projector::{Cancel, Error, ReadModel as _, Source, Verification};
use projector_sqlite::ReadModel;
use std::path::Path;
use std::sync::Arc;

/// Records of one read.
const READ: u64 = 1_024;

/// What is wrong with the read model; nothing when there is none.
pub async fn compare(place: &Place, inspection: &Arc<Inspection>) -> Result<Vec<String>, Failure> {
    if !place.read_model().exists() {
        return Ok(Vec::new());
    }
    // A copy: opening a database may write to it.
    let copy = place.scratch("read-model");
    let compared = compare_copy(place, &copy, inspection).await;
    let _gone = std::fs::remove_dir_all(&copy);
    match compared {
        Ok(found) => Ok(told(&found)),
        Err(error) => Ok(vec![format!("read model: {error}: run `sigil projection rebuild`")]),
    }
}

async fn compare_copy(place: &Place, copy: &Path, inspection: &Arc<Inspection>) -> Result<Verification, Error> {
    let unreadable = |error: std::io::Error| Error::Source(error.to_string());
    copy_files(&place.read_model(), copy).map_err(unreadable)?;
    let model = ReadModel::open(copy, inspection.origin().clone()).await?;
    let mut source = Replayed {
        inspection: Arc::clone(inspection),
        until: inspection.ends().tip.map_or(0, |tip| tip.0),
    };
    let (scratch, log, never) = (place.scratch("replay"), inspection.origin(), Cancel::never());
    let found = projection::compare(&model, &scratch, log, &mut source, &mut |_| {}, &never).await;
    model.close().await;
    found
}

/// One finding for each damaged row, and for each bucket that differs without one.
fn told(found: &Verification) -> Vec<String> {
    let named = |bucket: &&projector::digest::Difference| {
        let mut rows = found.rows.iter();
        !rows.any(|row| (row.table, row.bucket) == (bucket.table, bucket.bucket))
    };
    let buckets = found.differences.iter().filter(named).map(ToString::to_string);
    let rows = found.rows.iter().map(ToString::to_string);
    rows.chain(buckets)
        .map(|what| format!("read model differs from the log: {what}"))
        .collect()
}

/// Copies the files of a directory: opening a database may write to it.
pub fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The records of a closed log.
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

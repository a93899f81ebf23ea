//! Appends through `Handle`, each acknowledged after its fsync, against the signing limit of the same minute.

use crate::{cpu, limit, load, server, table};
use ledger::Handle;
use ledger_client::{Append, LedgerClient as _};
use record::NewRecord;
use std::time::Instant;

/// Records of one round.
const RECORDS: usize = 131_072;
const ROUNDS: usize = 3;

/// Measures 256 and 1,024 appends in flight; the best of three rounds.
pub async fn run() {
    let home = server::Home::create();
    for (in_flight, target) in [(256, "0.45"), (1_024, "0.50")] {
        let mut best = (0.0, 1.0);
        let (mut spent, mut signed) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            let (before, cpu) = cpu::of(limit::signing);
            signed = signed.min(cpu / (before * limit::WINDOW.as_secs_f64()));
            let handle = Handle::open(home.place.config()).expect("the log opens");
            let measured = rate(&handle, in_flight, RECORDS).await;
            spent = spent.min(measured.1 / RECORDS as f64);
            let measured = measured.0;
            handle.close();
            let limit = f64::midpoint(before, limit::signing());
            if measured / limit > best.0 / best.1 {
                best = (measured, limit);
            }
        }
        table::row(
            &format!("append, {in_flight} in flight (records/s vs signing)"),
            best.0,
            best.1,
            target,
        );
        let what = format!("  processor time: a signature (us) of an append (us), {in_flight} in flight");
        table::row(&what, signed * 1e6, spent * 1e6, "");
    }
}

/// Acknowledged appends a second with so many in flight, and the processor time of all. The records are made before the clock starts: making load is
/// not what is measured.
pub async fn rate(handle: &Handle, in_flight: usize, records: usize) -> (f64, f64) {
    let share = records / in_flight;
    let loads: Vec<Vec<NewRecord>> = (0..in_flight)
        .map(|worker| {
            (0..share)
                .map(|n| load::record((n * in_flight + worker) as u64))
                .collect()
        })
        .collect();
    let (start, before) = (Instant::now(), cpu::seconds());
    let worker = |load: Vec<NewRecord>| {
        let handle = handle.clone();
        tokio::spawn(async move {
            for record in load {
                handle.append(Append { record, guard: None }).await.expect("appends");
            }
        })
    };
    let workers: Vec<_> = loads.into_iter().map(worker).collect();
    for worker in workers {
        worker.await.expect("a worker ends");
    }
    (
        (share * in_flight) as f64 / start.elapsed().as_secs_f64(),
        cpu::seconds() - before,
    )
}

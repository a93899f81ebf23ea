//! What memory a server holds under a load and after it, and whether it stops growing with the log.
//!
//! Measured is `RssAnon`: what the process has allocated and touched. Mapped files are left out, because the system takes
//! their pages back as it likes.

use crate::http::{self, Until};
use crate::server::{Home, Server, memory_mb};
use crate::{cpu, table};
use std::time::{Duration, Instant};

/// Records of one load. Every session of [`crate::load`] that a thousand readers of `sse` ask for lies in them.
pub const RECORDS: u64 = 100_000;
const CONNECTIONS: usize = 16;
const PER_REQUEST: u64 = 20;
/// Loads of the bench `memory`.
const LOADS: usize = 18;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A server that uses less processor time in a second has nothing left to do: read model, maps and tables are written.
const AT_REST: f64 = 0.08;
/// How long it may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one load took.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Acknowledged records a second.
    pub rate: f64,
    /// MB at rest after it.
    pub settled: f64,
    /// MB at most while it lasted, and until the server was at rest.
    pub peak: f64,
}

/// Appends [`RECORDS`] records from number `first` on, waits until `server` is at rest, and says what that took.
pub async fn load(server: &Server, first: u64) -> Load {
    let mut peak: f64 = 0.0;
    let work = async {
        let until = Until::Record(first + RECORDS);
        let rate = http::load(server.address, CONNECTIONS, PER_REQUEST, first, until).await;
        rest(server).await;
        rate
    };
    let mut work = std::pin::pin!(work);
    let rate = loop {
        peak = peak.max(now(server));
        if let Ok(rate) = tokio::time::timeout(LOOK, &mut work).await {
            break rate;
        }
    };
    let settled = now(server);
    Load {
        rate,
        settled,
        peak: peak.max(settled),
    }
}

/// The server's memory now, in MB.
fn now(server: &Server) -> f64 {
    memory_mb(server.id(), "RssAnon:")
}

/// Waits until the server has nothing left to do.
async fn rest(server: &Server) {
    let (start, process) = (Instant::now(), server.id().to_string());
    let mut before = cpu::seconds_of(&process);
    while start.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = cpu::seconds_of(&process);
        if used - before < AT_REST {
            return;
        }
        before = used;
    }
    table::note(
        "  the server did not come to rest",
        "what follows was measured beside its work",
    );
}

/// Loads that each bring timelines of their own, without readers: memory has to stop growing.
pub async fn run() {
    let home = Home::create();
    let server = Server::start(&home);
    let mut loads = Vec::with_capacity(LOADS);
    for number in 0..LOADS as u64 {
        let load = load(&server, number * RECORDS).await;
        table::note(
            &format!("memory after {} records, peak until then (MB)", (number + 1) * RECORDS),
            &format!("{:.0}, {:.0}; {:.0} records/s", load.settled, load.peak, load.rate),
        );
        loads.push(load);
    }
    let third = LOADS / 3;
    let mean = |loads: &[Load]| loads.iter().map(|load| load.settled).sum::<f64>() / loads.len() as f64;
    table::row(
        "memory in the last third of these loads vs the one before",
        mean(&loads[2 * third..]),
        mean(&loads[third..2 * third]),
        "1.05",
    );
    table::note(
        "  peak memory of all (MB, target 600)",
        &format!("{:.0}", loads.iter().map(|load| load.peak).fold(0.0, f64::max)),
    );
}

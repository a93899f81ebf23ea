//! Memory of a verification and of an export against the size of the log, each in a process of its own.

use crate::server::{Home, memory_mb, own};
use crate::{size, table};
use std::process::Stdio;
use std::time::Duration;

/// Records of the larger log; the smaller has a third of it. Below 10^5 the store's own buffers are still filling.
const LARGEST: u64 = 300_000;

/// Grows one log through both sizes and prints the peaks at each, and how they differ.
pub async fn run() {
    let home = Home::create();
    let given = std::env::var("SIGIL_BENCH_FLAT_RECORDS").ok();
    let largest = given.and_then(|n| n.parse().ok()).unwrap_or(LARGEST);
    let mut before: Option<(f64, f64)> = None;
    for size in [largest / 3, largest] {
        size::grow(&home, size).await;
        let out = home.path("whole.sigil-proof");
        let verified = peak(&home, &["verify", "--log-only"]);
        let exported = peak(
            &home,
            &[
                "export",
                "proof",
                "--log",
                "--out",
                &out.to_string_lossy(),
                "--data-dir",
            ],
        );
        table::note(
            &format!("peak memory of verify at {size} records (MB)"),
            &format!("{verified:.0}"),
        );
        table::note(
            &format!("peak memory of export proof at {size} records (MB)"),
            &format!("{exported:.0}"),
        );
        if let Some((smaller, less)) = before.replace((verified, exported)) {
            table::row(
                "peak memory of verify, three times the records (MB)",
                verified,
                smaller,
                "<=1.25",
            );
            table::row(
                "peak memory of export proof, three times (MB)",
                exported,
                less,
                "<=1.25",
            );
        }
    }
}

/// The most memory that `sigil` with these arguments, and the log's directory behind them, has had.
fn peak(home: &Home, args: &[&str]) -> f64 {
    let mut command = own();
    command.args(args).arg(&home.place.data_dir);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut most: f64 = 0.0;
    let ended = loop {
        // A process that has ended has no memory any more: what it had is asked for before.
        most = most.max(memory_mb(child.id(), "VmHWM:"));
        match child.try_wait().expect("the command is ours") {
            Some(ended) => break ended,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // Without a trust file a verification ends in "not checked", 5.
    assert!(matches!(ended.code(), Some(0 | 5)), "{args:?}: {ended}");
    most
}

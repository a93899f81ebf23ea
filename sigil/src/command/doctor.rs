//! `sigil doctor`: looks at a log's files without changing them, says what is wrong and what to do.

use crate::cli::Doctor;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use ledger::KeySource;
use ledger::inspect::Inspection;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// One thing that was looked at.
struct Finding {
    subject: &'static str,
    state: State,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    Warning,
    Wrong,
    Fixed,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
            Self::Fixed => "fixed",
        }
    }
}

/// Looks at everything.
pub async fn run(args: Doctor, output: &Output) -> Result<Exit, Failure> {
    let place = Place::of(&args.log)?;
    let mut findings = vec![key_file(&place, args.fix)];
    findings.push(trust_file(&place));
    findings.push(root_key(&place));
    findings.extend(leftovers(&place, args.fix));
    findings.push(log(&place).await);
    findings.push(read_model(&place));
    for finding in &findings {
        let value = json!({"subject": finding.subject, "state": finding.state.as_str(), "detail": finding.detail});
        output.data(
            &value,
            &format!(
                "{:<8} {:<11} {}",
                finding.state.as_str(),
                finding.subject,
                finding.detail
            ),
        );
    }
    let wrong = findings.iter().any(|finding| finding.state == State::Wrong);
    Ok(if wrong { Exit::Failure } else { Exit::Ok })
}

fn finding(subject: &'static str, state: State, detail: impl Into<String>) -> Finding {
    Finding {
        subject,
        state,
        detail: detail.into(),
    }
}

fn key_file(place: &Place, fix: bool) -> Finding {
    let KeySource::File(path) = &place.key else {
        return finding("key", State::Fine, "not from a file");
    };
    let Ok(metadata) = fs::metadata(path) else {
        let detail = format!(
            "{} is missing: bring it back, nothing else opens this log",
            path.display()
        );
        return finding("key", State::Wrong, detail);
    };
    if metadata.permissions().mode() & 0o077 == 0 {
        return finding(
            "key",
            State::Fine,
            format!("{} is readable by its owner only", path.display()),
        );
    }
    if fix && fs::set_permissions(path, fs::Permissions::from_mode(0o600)).is_ok() {
        return finding("key", State::Fixed, format!("{} has mode 0600 now", path.display()));
    }
    finding(
        "key",
        State::Wrong,
        format!("others may read {}: chmod 600 it, or use --fix", path.display()),
    )
}

fn trust_file(place: &Place) -> Finding {
    let path = place.trust_file();
    let read = fs::read(&path).map_err(|error| error.to_string());
    match read.and_then(|bytes| verifier::Trust::parse(&bytes).map_err(|error| error.to_string())) {
        Ok(trust) => finding(
            "trust file",
            State::Fine,
            format!("{} pins {}", path.display(), trust.origin),
        ),
        Err(error) => finding("trust file", State::Warning, format!("{}: {error}", path.display())),
    }
}

fn root_key(place: &Place) -> Finding {
    if place.root_key_file().exists() {
        let detail = format!(
            "{} lies on this machine: take it offline",
            place.root_key_file().display()
        );
        return finding("root key", State::Warning, detail);
    }
    finding("root key", State::Fine, "not on this machine")
}

/// Copies that an interrupted check left beside the log.
fn leftovers(place: &Place, fix: bool) -> Vec<Finding> {
    let parent = place
        .data_dir
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Some(name) = place.data_dir.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    let stale = entries.filter(|entry| {
        let file = entry.file_name();
        let rest = file.to_str().and_then(|file| file.strip_prefix(name));
        rest.is_some_and(|rest| {
            [".verify-", ".replay-", ".read-model-"]
                .iter()
                .any(|prefix| rest.starts_with(prefix))
        })
    });
    let report = |entry: fs::DirEntry| {
        let path = entry.path();
        if fix && fs::remove_dir_all(&path).is_ok() {
            return finding("leftover", State::Fixed, format!("removed {}", path.display()));
        }
        finding(
            "leftover",
            State::Warning,
            format!("{} is of an interrupted check: --fix removes it", path.display()),
        )
    };
    stale.map(report).collect()
}

async fn log(place: &Place) -> Finding {
    let (config, scratch) = (place.config(), place.scratch("verify"));
    let opened = tokio::task::spawn_blocking(move || Inspection::open(&config, &scratch).map(|log| log.ends())).await;
    match opened {
        Ok(Ok(ends)) => {
            let size = ends.tip.map_or(0, |tip| tip.0);
            finding(
                "log",
                State::Fine,
                format!("{size} records, HEAD agrees; `sigil verify` checks all of them"),
            )
        }
        Ok(Err(error @ ledger::Error::InUse { .. })) => finding("log", State::Warning, error.to_string()),
        Ok(Err(error)) => finding("log", State::Wrong, error.to_string()),
        Err(error) => finding("log", State::Wrong, error.to_string()),
    }
}

fn read_model(place: &Place) -> Finding {
    if place.read_model().exists() {
        return finding(
            "read model",
            State::Fine,
            "is there; `sigil projection verify` compares it with the log",
        );
    }
    finding("read model", State::Fine, "not there yet: the next start builds it")
}

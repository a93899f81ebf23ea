//! One witness asked about one checkpoint: the proof from what it knows, 409 and again, the lines checked.

use super::{Head, Log, Transport, Witness};
use std::sync::Arc;
use std::time::Duration;
use tlog::{AddCheckpoint, CheckpointText, Cosignature, Line};

/// Bytes of an answer at most that are looked at.
const MAX_ANSWER: usize = 64 * 1_024;
/// A witness that another client of the same log asks, too, may move on while it is asked.
const ATTEMPTS: usize = 3;

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What went wrong with a witness, as a closed list: for metrics, and to know whether it says something about the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failing {
    /// No answer, or none in time.
    Unreachable,
    /// A status that tlog-witness does not have, or an error of the witness's own.
    Answer,
    /// It does not know the log or its key (403, 404).
    Unknown,
    /// It knows the log with more leaves than the log has: somebody put an older copy of the log back.
    Ahead,
    /// It knows another history of the log (422, or 409 at the same size): the log has forked, or the witness is damaged.
    Fork,
    /// Its lines do not verify, or none is its own.
    Signature,
    /// The log could not prove what the witness asked for.
    Proof,
}

impl Failing {
    /// A word for metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Answer => "answer",
            Self::Unknown => "unknown",
            Self::Ahead => "ahead",
            Self::Fork => "fork",
            Self::Signature => "signature",
            Self::Proof => "proof",
        }
    }
}

/// Why a witness has not cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// Of which kind.
    pub kind: Failing,
    /// In words, without anything that the witness sent.
    pub reason: String,
}

impl Failure {
    fn new(kind: Failing, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { kind, reason }
    }
}

/// Asks one witness.
pub(super) struct Asker {
    pub(super) witness: Witness,
    pub(super) log: Arc<dyn Log>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) timeout: Duration,
}

impl Asker {
    /// The witness's lines for `head`. `known` is the size at which the witness is believed to know the log, 0 for not at
    /// all, and is kept up to date.
    pub(super) async fn ask(&self, head: &Head, known: &mut u64) -> Result<Vec<Line>, Failure> {
        let asked = tokio::time::timeout(self.timeout, self.attempts(head, known)).await;
        asked.unwrap_or_else(|_| {
            let reason = format!("no answer within {} ms", self.timeout.as_millis());
            Err(Failure::new(Failing::Unreachable, reason))
        })
    }

    async fn attempts(&self, head: &Head, known: &mut u64) -> Result<Vec<Line>, Failure> {
        for _ in 0..ATTEMPTS {
            if *known > head.size {
                let reason = format!(
                    "it knows the log at {known} leaves, this checkpoint has {}: an older copy of the log was put back",
                    head.size
                );
                // Asked anew next time: the witness may have been set right.
                *known = 0;
                return Err(Failure::new(Failing::Ahead, reason));
            }
            let reply = self.send(head, *known).await?;
            match reply.status {
                200 => {
                    let lines = self.check(head, &reply.body)?;
                    *known = head.size;
                    return Ok(lines);
                }
                409 => match size(&reply.body) {
                    // Asked from the size that it names: at that size it knows another root.
                    Some(told) if told == *known && told == head.size => return Err(forked(told, 409)),
                    Some(told) => *known = told,
                    None => return Err(answer("it answers 409 without a size")),
                },
                403 => return Err(Failure::new(Failing::Unknown, "it does not know the log's key (403)")),
                404 => return Err(Failure::new(Failing::Unknown, "it does not know the log (404)")),
                422 => return Err(forked(*known, 422)),
                status => return Err(answer(format!("it answers {status}"))),
            }
        }
        Err(answer("it names another size each time"))
    }

    async fn send(&self, head: &Head, known: u64) -> Result<Reply, Failure> {
        // Neither needs a proof: there is nothing before the first leaf, and nothing between a tree and itself.
        let proof = if known == 0 || known == head.size {
            Vec::new()
        } else {
            let proof = self.log.consistency(known, head.size).await;
            proof.map_err(|error| Failure::new(Failing::Proof, error.to_string()))?
        };
        let body = AddCheckpoint::text(known, &proof, &head.note);
        let sent = self.transport.add_checkpoint(&self.witness, body).await;
        sent.map_err(|error| Failure::new(Failing::Unreachable, error.to_string()))
    }

    /// The lines of the answer that are this witness's, verified. Others are passed over.
    fn check(&self, head: &Head, body: &[u8]) -> Result<Vec<Line>, Failure> {
        let wrong = |reason: &str| Failure::new(Failing::Signature, reason);
        let text = Some(body).filter(|body| body.len() <= MAX_ANSWER);
        let text = text.and_then(|body| std::str::from_utf8(body).ok());
        let lines = Line::parse_all(text.ok_or_else(|| wrong("its answer is no text of at most 64 KiB"))?);
        let lines = lines.map_err(|_| wrong("its answer is not made of signature lines"))?;
        let key = &self.witness.key;
        let own: Vec<Line> = lines
            .into_iter()
            .filter(|line| line.id() == key.id() && line.name() == key.name())
            .collect();
        let signed = own
            .iter()
            .fold(format!("{}\n", head.note.text()), |text, line| text + &line.to_text());
        let signed = CheckpointText::parse(&signed).map_err(|_| wrong("no line of its answer is by its key"))?;
        match Cosignature::find(signed.note(), key) {
            Ok(Some(_)) => Ok(own),
            Ok(None) => Err(wrong("no line of its answer is by its key")),
            Err(_) => Err(wrong("its cosignature does not verify")),
        }
    }
}

fn forked(known: u64, status: u16) -> Failure {
    let reason = format!("it knows another history of the first {known} records ({status})");
    Failure::new(Failing::Fork, reason)
}

fn answer(reason: impl Into<String>) -> Failure {
    Failure::new(Failing::Answer, reason)
}

/// `<size>\n`, as a 409 has it.
fn size(body: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_decimal_digits_and_a_newline() {
        for (body, expected) in [
            ("0\n", Some(0)),
            ("20852014\n", Some(20_852_014)),
            ("20852014", None),
            ("01\n", None),
            ("+1\n", None),
            ("\n", None),
            ("18446744073709551616\n", None),
            ("1\n1\n", None),
        ] {
            assert_eq!(size(body.as_bytes()), expected, "{body:?}");
        }
    }
}

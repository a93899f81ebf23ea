//! Clients that append through the gateway for as long as they are told, and never give a record up.
//!
//! A record keeps its id over all attempts, so what the ledger has already is answered with its first offset. Every
//! attempt but an acknowledged one is made again; an answer that no fault explains fails the test.

use crate::client::Client;
use crate::log::{event, id};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in one request.
const LINES: u64 = 40;
/// How long one record may stay without an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the clients share.
pub struct Load {
    /// The first records; generated ones follow.
    samples: Vec<String>,
    gateway: Mutex<SocketAddr>,
    next: AtomicU64,
    acknowledged: AtomicU64,
    is_over: AtomicBool,
}

/// What one client learned.
#[derive(Debug, Default)]
pub struct Learned {
    /// Every record that it sent, with the id that the ledger has it under.
    pub offsets: HashMap<String, u64>,
    /// Answers that said "you had this already".
    pub replayed: u64,
    /// Attempts that broke or were refused for a while.
    pub attempts_lost: u64,
}

impl Load {
    pub fn new(samples: Vec<String>, gateway: SocketAddr) -> Self {
        Self {
            samples,
            gateway: Mutex::new(gateway),
            next: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Where the gateway is now.
    pub fn gateway(&self) -> SocketAddr {
        *self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gateway has moved.
    pub fn moved(&self, gateway: SocketAddr) {
        *self.gateway.lock().unwrap_or_else(PoisonError::into_inner) = gateway;
    }

    /// How many records are acknowledged by now.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Lets clients finish what they have begun and, in any case, the samples.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// The next record, or nothing when it is over.
    fn line(&self) -> Option<String> {
        let is_over = self.is_over.load(Ordering::SeqCst);
        if is_over && self.next.load(Ordering::SeqCst) >= self.samples.len() as u64 {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let at = usize::try_from(number).expect("a number of records");
        Some(self.samples.get(at).cloned().unwrap_or_else(|| generated(number)))
    }

    /// One client, until it is over.
    pub fn run(&self) -> Learned {
        let mut learned = Learned::default();
        let mut client = None;
        loop {
            let mut open: Vec<String> = (0..LINES).map_while(|_| self.line()).collect();
            if open.is_empty() {
                return learned;
            }
            let deadline = Instant::now() + PATIENCE;
            while !open.is_empty() {
                assert!(Instant::now() < deadline, "records stay without an acknowledgement");
                if !self.attempt(&mut client, &mut open, &mut learned) {
                    learned.attempts_lost += 1;
                    std::thread::sleep(Duration::from_millis(20)); // waits for: a process that comes back
                }
            }
        }
    }

    /// Sends what is open and keeps what stays so. False when something was in the way.
    fn attempt(&self, client: &mut Option<Client>, open: &mut Vec<String>, learned: &mut Learned) -> bool {
        let Some(connected) = client.take().or_else(|| Client::connect(self.gateway()).ok()) else {
            return false;
        };
        let mut connected = connected;
        let headers = [("Content-Type", "application/x-ndjson")];
        let Ok(answer) = connected.ask("POST /v1/records", &headers, open.join("\n").as_bytes()) else {
            return false;
        };
        *client = Some(connected);
        if answer.status != 200 {
            let problem = answer.json();
            assert_eq!(problem["retryable"], true, "{problem}");
            return false;
        }
        let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let results: Vec<Value> = lines
            .map(|line| serde_json::from_slice(line).expect("a JSON line"))
            .collect();
        assert_eq!(results.len(), open.len(), "one result a line");
        let mut results = results.into_iter();
        open.retain(|line| !self.settled(line, &results.next().unwrap_or_default(), learned));
        open.is_empty()
    }

    /// Notes one result. False when the record has to be sent again.
    fn settled(&self, line: &str, result: &Value, learned: &mut Learned) -> bool {
        match result["status"].as_u64() {
            Some(200 | 201) => {
                let sent: Value = serde_json::from_str(line).expect("what was sent is JSON");
                assert_eq!(result["id"], sent["id"], "the answer is to this line");
                let offset = result["offset"].as_u64().expect("an offset");
                let name = sent["id"].as_str().unwrap_or_default().to_owned();
                assert_eq!(
                    learned.offsets.insert(name, offset),
                    None,
                    "sent again after it was acknowledged"
                );
                learned.replayed += u64::from(result["status"] == 200);
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
                true
            }
            _ => {
                assert_eq!(result["retryable"], true, "{result}");
                false
            }
        }
    }
}

/// A record that is the same for the same number.
fn generated(number: u64) -> String {
    let mut record = event(&format!("agent:a{}", number % 17), "distributed.test");
    record["id"] = id(number).into();
    record["links"]
        .as_array_mut()
        .expect("links")
        .push(serde_json::json!({"label": "session", "target": format!("session:{}", number / 50)}));
    record["payload"]["data"] = serde_json::json!({"number": number});
    record.to_string()
}

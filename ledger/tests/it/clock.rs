//! Time through a handle: a jump forward is refused and stores nothing, a step back keeps the order.

use crate::log::{Log, all, append, event, plain};
use ledger::{Clock, Handle, Reading};
use ledger_client::{Append, Error, Guard, LedgerClient as _};
use record::Timestamp;
use std::sync::{Arc, Mutex};

const SECOND: i64 = 1_000_000;
const START: i64 = 1_800_000_000;

/// Two clocks that only the test sets, in seconds.
#[derive(Clone)]
struct Hands(Arc<Mutex<(i64, i64)>>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((START, 0))))
    }

    /// Moves the wall clock and the steady clock.
    fn turn(&self, wall: i64, steady: i64) {
        let mut hands = self.0.lock().expect("no test panics with it");
        *hands = (hands.0 + wall, hands.1 + steady);
    }
}

impl Clock for Hands {
    fn read(&self) -> Reading {
        let (wall, steady) = *self.0.lock().expect("no test panics with it");
        Reading {
            wall: Timestamp::from_micros(wall * SECOND).expect("in range"),
            steady_micros: steady * SECOND,
        }
    }
}

async fn open() -> (Log, Hands, Handle) {
    let (log, hands) = (Log::create().await, Hands::new());
    let handle = Handle::open_with_clock(log.config(), Arc::new(hands.clone())).expect("opens");
    (log, hands, handle)
}

#[tokio::test]
async fn a_jump_forward_stores_nothing_until_the_clock_is_right() {
    let (_log, hands, handle) = open().await;
    append(&handle, event("before")).await;
    let size = all(&handle).await.len();
    hands.turn(7_200, 1);
    for _ in 0..2 {
        let refused = handle.append(plain(event("refused"))).await;
        assert_eq!(
            refused.map(|receipt| receipt.id),
            Err(Error::ClockJumped { seconds: 7_199 })
        );
    }
    let many = handle
        .append_many(vec![event("a"), event("b")])
        .await
        .expect("answers each");
    assert!(
        many.iter()
            .all(|answer| matches!(answer, Err(Error::ClockJumped { .. })))
    );
    assert_eq!(all(&handle).await.len(), size);
    hands.turn(-7_199, 0);
    append(&handle, event("after")).await;
    assert_eq!(all(&handle).await.len(), size + 1);
}

#[tokio::test]
async fn time_that_passed_in_suspend_is_no_jump() {
    let (_log, hands, handle) = open().await;
    append(&handle, event("before")).await;
    hands.turn(90_000, 90_000);
    append(&handle, event("after")).await;
    let times: Vec<i64> = all(&handle).await.iter().map(|record| record.ts.micros()).collect();
    assert!(
        times.ends_with(&[START * SECOND, (START + 90_000) * SECOND]),
        "{times:?}"
    );
}

#[tokio::test]
async fn steps_back_keep_the_order_also_over_a_restart() {
    let (log, hands, handle) = open().await;
    append(&handle, event("first")).await;
    hands.turn(-5_000, 1);
    append(&handle, event("second")).await;
    handle.close();
    drop(handle);
    hands.turn(-5_000, 1);
    let handle = Handle::open_with_clock(log.config(), Arc::new(hands.clone())).expect("opens");
    append(&handle, event("third")).await;
    let times: Vec<i64> = all(&handle).await[2..]
        .iter()
        .map(|record| record.ts.micros())
        .collect();
    assert_eq!(times, [START * SECOND; 3]);
}

#[tokio::test]
async fn an_idempotency_key_expires_after_a_day() {
    let (log, hands, handle) = open().await;
    let guarded = |action: &str| Append {
        record: event(action),
        guard: Some(Guard {
            caller: "local:test".to_owned(),
            key: "k".to_owned(),
            own_id: false,
        }),
    };
    let first = handle.append(guarded("pay")).await.expect("appends");
    hands.turn(86_399, 86_399);
    let again = handle.append(guarded("pay")).await.expect("appends");
    assert_eq!((again.id, again.replayed), (first.id, true));
    handle.close();
    drop(handle);
    hands.turn(1, 1);
    let handle = Handle::open_with_clock(log.config(), Arc::new(hands.clone())).expect("opens");
    let later = handle.append(guarded("pay.other")).await.expect("the key is free");
    assert!(!later.replayed && later.id != first.id);
    let repeated = handle.append(guarded("pay.other")).await.expect("appends");
    assert_eq!((repeated.id, repeated.replayed), (later.id, true));
}

/// The system's clocks, the wall clock 25 hours ahead.
pub struct Tomorrow;

impl Clock for Tomorrow {
    fn read(&self) -> Reading {
        let now = ledger::SystemClock.read();
        let ahead = now.wall.micros() + 25 * 3_600 * SECOND;
        Reading {
            wall: Timestamp::from_micros(ahead).expect("in range"),
            ..now
        }
    }
}

//! Questions about the trees, over the bus: every answer is the one that the ledger gives in its own process.

use crate::log::{append, event, tenant};
use crate::stand::{PATIENCE, Stand};
use domain::payload::GatewayRole;
use ledger_client::LedgerClient;
use ledger_client::proof::{Answer, Question, Stretch, Unprovable};
use ledger_client::wire::GatewayKey;
use record::Record;
use std::time::Instant;

fn waited(covering: u64, wait_ms: u64) -> Question {
    Question::Checkpoint {
        covering,
        witnessed: false,
        wait_ms,
    }
}

/// The newest checkpoint, once it covers so many records.
async fn covered(client: &dyn LedgerClient, size: u64) -> ledger_client::proof::SignedCheckpoint {
    match client.prove(waited(size, 30_000)).await.expect("answers") {
        Answer::Checkpoint(Some(checkpoint)) if checkpoint.size >= size => checkpoint,
        other => panic!("{size} is not covered: {other:?}"),
    }
}

async fn text(client: &dyn LedgerClient, question: &Question) -> String {
    let answer = client.prove(question.clone()).await.expect("answers");
    serde_json::to_string(&answer).expect("writes")
}

/// Questions whose answers do not change while nothing is appended and no checkpoint comes.
fn questions(size: u64, stretch: Stretch) -> Vec<Question> {
    let timeline = |tenant: &str, label: &str, target: &str, stretch| Question::Timeline {
        tenant: tenant.to_owned(),
        label: label.to_owned(),
        target: target.to_owned(),
        at_most: u64::MAX,
        stretch,
    };
    let stretch = Some(stretch);
    vec![
        waited(0, 0),
        Question::Policy,
        Question::Checkpoints {
            below: None,
            limit: 500,
        },
        Question::Checkpoints {
            below: Some(size),
            limit: 1,
        },
        Question::Inclusion { offset: 3, size: None },
        Question::Inclusion {
            offset: 3,
            size: Some(17),
        },
        Question::Inclusion {
            offset: u64::MAX,
            size: None,
        },
        Question::Consistency { from: 5, to: size },
        Question::Range {
            from: 2,
            until: 11,
            size,
        },
        Question::Tile {
            level: 0,
            index: 0,
            width: None,
        },
        Question::Tile {
            level: 1,
            index: 0,
            width: Some(1),
        },
        Question::Tile {
            level: 5,
            index: u64::MAX,
            width: None,
        },
        Question::Entries { index: 0, width: None },
        timeline("default", "", "", stretch),
        timeline("default", "session", "session:s1", stretch),
        timeline("default", "actor", "agent:none", None),
        timeline("nobody", "", "", None),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_over_the_bus_is_the_one_of_the_process() {
    let stand = Stand::proving().await;
    let events = (0..300).map(|n| event(&format!("act.{n}"))).collect();
    let appended = stand.client.append_many(events).await.expect("answers each");
    let offsets: Vec<u64> = appended
        .into_iter()
        .map(|receipt| receipt.expect("appends").committed.offset)
        .collect();
    let size = offsets.iter().max().expect("300 records") + 1;
    let stretch = Stretch {
        first: offsets[7],
        last: offsets[90],
    };
    let mut checkpoints = stand.handle.checkpoints();
    // Behind the cycle that covers all of them nothing is due any more.
    let settled = checkpoints.wait_for(|newest| newest.as_ref().is_some_and(|newest| newest.map_size >= size));
    let newest = tokio::time::timeout(PATIENCE, settled).await.expect("in time");
    let newest = newest.expect("is kept current").clone().expect("is signed");
    for question in questions(newest.size, stretch) {
        let (over, within) = (
            text(&stand.client, &question).await,
            text(&stand.handle, &question).await,
        );
        assert_eq!(over, within, "{question:?}");
    }
    let proof = stand
        .client
        .prove(questions(newest.size, stretch).remove(13))
        .await
        .expect("answers");
    let Answer::Timeline(proof) = proof else {
        panic!("{proof:?}")
    };
    let record = Record::parse(proof.map_record.get().as_bytes().to_vec()).expect("canonical, byte for byte");
    let committed = stand.handle.read(newest.size - 1, 1).await.expect("reads").remove(0);
    assert_eq!(record.bytes(), &*committed.bytes);
    assert!(proof.range.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_may_ask_and_a_stranger_may_not() {
    let stand = Stand::proving().await;
    let key = GatewayKey::from_seed("projector-1", &[12; 32]).expect("a key");
    let stranger = GatewayKey::from_seed("stranger", &[13; 32]).expect("a key");
    let public = key.public();
    let enrolled = stand.handle.enroll_gateway("projector-1", &public, GatewayRole::Reader);
    enrolled.await.expect("enrols");
    let reader = stand.client(key, |_| {}).await;
    let chain = Question::Timeline {
        tenant: tenant("default").to_string(),
        label: String::new(),
        target: String::new(),
        at_most: 0,
        stretch: None,
    };
    covered(&reader, 1).await;
    let answer = reader.prove(chain.clone()).await.expect("answers");
    assert!(matches!(answer, Answer::Unprovable(Unprovable::NotYet)), "{answer:?}");
    let stranger = stand.client(stranger, |_| {}).await;
    let refused = stranger.prove(chain).await.map(drop);
    let unknown = ledger_client::Error::CommandRefused(ledger_client::Refusal::GatewayUnknown);
    assert_eq!(refused, Err(unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_waited_for_over_the_bus_until_the_service_ends() {
    let stand = Stand::proving().await;
    let size = stand.handle.head().await.expect("a head").size;
    let ask = |covering| {
        let client = stand.client.clone();
        tokio::spawn(async move { client.prove(waited(covering, 30_000)).await })
    };
    let soon = ask(size + 2);
    append(&stand.handle, event("one")).await;
    append(&stand.handle, event("two")).await;
    let found = soon.await.expect("no panic").expect("answers");
    assert!(matches!(found, Answer::Checkpoint(Some(found)) if found.size >= size + 2));
    let (mut never, started) = (Box::pin(stand.client.prove(waited(1 << 40, 30_000))), Instant::now());
    assert!(futures_util::poll!(&mut never).is_pending());
    // One connection keeps the order: when this is answered, the question has been taken.
    stand.client.head().await.expect("a head");
    let (newest, ()) = tokio::join!(never, stand.serving.stop());
    let newest = newest.expect("answers");
    assert!(matches!(newest, Answer::Checkpoint(Some(newest)) if newest.size >= size + 2));
    assert!(started.elapsed().as_secs() < 30, "it is not waited for to the end");
}

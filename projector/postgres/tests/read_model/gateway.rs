//! A gateway's side: it reads only, needs no right but the reader's, and follows whatever the projectors do.

use crate::conformance::{filled, run_to};
use crate::log::{Log, tenant};
use crate::place::{Model, Place};
use projector::query::{Order, Queries as _, Span, TimelineRequest};
use projector::{Cancel, Error, ReadModel as _, Trigger};
use projector_postgres::{Config, Tls};
use record::{Origin, Tenant};
use std::time::Duration;
use testbed::{Certificates, Cluster, ClusterOptions, Postgres, Proxy};

/// A gateway with a login of its own, which owns nothing.
async fn connect(place: &Place, log: &Log) -> Model {
    let url = place.0.url_as("sigil_test_gateway").await;
    let config = Config::new(url, "test");
    Model::connect(config, log.origin.clone()).await.unwrap()
}

async fn admit(place: &Place) {
    place.0.psql("grant sigil_test_reader to sigil_test_gateway").await;
}

fn everything(name: &str) -> TimelineRequest {
    TimelineRequest {
        tenant: tenant(name),
        terms: vec![],
        happened: Span::default(),
        recorded: Span::default(),
        order: Order::RecordedDescending,
        after: None,
        limit: 500,
    }
}

#[tokio::test]
async fn it_answers_once_a_projector_has_made_the_tables() {
    let (place, log) = (Place::new().await, Log::sample(60));
    let gateway = connect(&place, &log).await;
    let early = gateway.position().await;
    let Err(Error::Database(source)) = &early else {
        panic!("{early:?}")
    };
    assert!(source.to_string().contains("a projector makes it"), "{source}");
    let projector = place.open(&log.origin).await;
    admit(&place).await;
    assert_eq!(gateway.position().await.unwrap(), 0);
    let mut positions = gateway.positions();
    run_to(&projector, &mut log.source(16), log.records.len()).await;
    let whole = log.records.len() as u64;
    positions.wait_for(|position| *position == whole).await.unwrap();
    assert_eq!(
        gateway.timeline(everything("acme")).await.unwrap(),
        projector.timeline(everything("acme")).await.unwrap()
    );
    assert!(gateway.record_at(Tenant::ledger(), 0).await.unwrap().is_some());
}

#[tokio::test]
async fn it_neither_applies_nor_rebuilds() {
    let log = Log::sample(20);
    let (place, _projector) = filled(&log).await;
    let gateway = connect(&place, &log).await;
    let outcomes = [
        gateway.run(&mut log.source(5), &Cancel::never()).await.unwrap_err(),
        gateway
            .rebuild(&mut log.source(5), &mut |_| {}, &Cancel::never())
            .await
            .unwrap_err(),
        gateway.retry_parked().await.unwrap_err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Error::Configuration(_)), "{outcome}");
    }
}

#[tokio::test]
async fn another_log_or_version_is_refused_with_every_question() {
    let log = Log::sample(20);
    let (place, _projector) = filled(&log).await;
    admit_new(&place).await;
    let url = place.0.url_as("sigil_test_gateway").await;
    let other = Origin::parse("example.com/other").unwrap();
    let foreign = Model::connect(Config::new(url, "test"), other).await.unwrap();
    assert!(matches!(foreign.position().await, Err(Error::ForeignLog { .. })));
    let gateway = connect(&place, &log).await;
    assert_eq!(gateway.position().await.unwrap(), log.records.len() as u64);
    place.tamper("UPDATE projection_state SET version = 99").await;
    assert!(matches!(
        gateway.position().await,
        Err(Error::Outdated { found: 99, .. })
    ));
}

async fn admit_new(place: &Place) {
    place.0.url_as("sigil_test_gateway").await;
    admit(place).await;
}

#[tokio::test]
async fn questions_are_answered_throughout_rebuilds_of_another_process() {
    let log = Log::sample(150);
    let (place, projector) = filled(&log).await;
    admit_new(&place).await;
    let gateway = connect(&place, &log).await;
    let expected = gateway.timeline(everything("acme")).await.unwrap();
    let first = place.current().await;
    let (trigger, cancel) = Trigger::new();
    let ask = async {
        let mut asked = 0_u32;
        while !cancel.is_cancelled() {
            assert_eq!(gateway.timeline(everything("acme")).await.unwrap(), expected);
            asked += 1;
        }
        asked
    };
    let rebuild = async {
        for _ in 0..6 {
            projector
                .rebuild(&mut log.source(50), &mut |_| {}, &Cancel::never())
                .await
                .unwrap();
        }
        trigger.cancel();
    };
    let (asked, ()) = tokio::join!(ask, rebuild);
    assert!(asked > 6);
    assert_ne!(place.current().await, first);
    assert_eq!(place.generations().await.len(), 1, "the old ones are dropped");
}

#[tokio::test]
async fn a_question_under_way_keeps_its_tables_until_it_is_answered() {
    let log = Log::sample(60);
    let (place, projector) = filled(&log).await;
    let (sender, mut rows) = tokio::sync::mpsc::unbounded_channel();
    let old = place.current().await;
    // A scan that has begun, and stands still in the middle.
    let mut held = place.connect().await;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM projection_state")
        .execute(&mut held)
        .await
        .unwrap();
    let rebuild = async {
        projector
            .rebuild(&mut log.source(50), &mut |_| {}, &Cancel::never())
            .await
            .unwrap();
        sender.send(()).unwrap();
    };
    let read = async {
        let mut generations = place.current().await;
        while generations == old {
            tokio::task::yield_now().await;
            generations = place.current().await;
        }
        // Switched, and the old tables are still there for who reads them.
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM records")
            .fetch_one(&mut held)
            .await
            .unwrap();
        assert_eq!(count, log.records.len() as i64);
        assert!(rows.try_recv().is_err(), "the rebuild waits with dropping them");
        sqlx::raw_sql("COMMIT").execute(&mut held).await.unwrap();
    };
    tokio::join!(rebuild, read);
    assert_eq!(place.generations().await, [place.current().await]);
}

#[tokio::test]
async fn a_restarted_server_is_asked_again() {
    let mut cluster = Postgres::cluster().await;
    let log = Log::sample(40);
    let config = Config::new(cluster.url(), "test");
    let projector = Model::open(config.clone(), log.origin.clone()).await.unwrap();
    run_to(&projector, &mut log.source(16), log.records.len()).await;
    let gateway = Model::connect(config, log.origin.clone()).await.unwrap();
    let expected = gateway.timeline(everything("acme")).await.unwrap();
    for _ in 0..2 {
        cluster.kill().await;
        assert!(matches!(
            gateway.timeline(everything("acme")).await,
            Err(Error::Database(_))
        ));
        cluster.restart().await;
        // Every pooled connection is dead, and the first question finds a living one.
        assert_eq!(gateway.timeline(everything("acme")).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error_in_time() {
    let place = Place::new().await;
    let log = Log::sample(20);
    let projector = place.open(&log.origin).await;
    run_to(&projector, &mut log.source(16), log.records.len()).await;
    let proxy = Proxy::before(place.0.address()).await;
    let config = Config {
        acquire_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(500),
        ..Config::new(proxy.url(&place.0.url()), "test")
    };
    let gateway = Model::connect(config, log.origin.clone()).await.unwrap();
    assert_eq!(gateway.position().await.unwrap(), log.records.len() as u64);
    proxy.stall();
    let answer = tokio::time::timeout(Duration::from_secs(30), gateway.timeline(everything("acme"))).await;
    assert!(matches!(answer, Ok(Err(Error::Database(_)))), "{answer:?}");
    proxy.heal().await;
    gateway.timeline(everything("acme")).await.unwrap();
}

#[tokio::test]
async fn over_tls_only_a_server_of_the_right_authority_is_believed() {
    let certificates = Certificates::new();
    let options = ClusterOptions {
        certificates: Some(certificates.clone()),
        ..ClusterOptions::default()
    };
    let cluster = Cluster::with(options).await;
    let log = Log::sample(20);
    let client = certificates.client();
    let config = Config {
        tls: Some(Tls::VerifyFull),
        ca: Some(certificates.authority()),
        client_certificate: Some(client.certificate.clone()),
        client_key: Some(client.key.clone()),
        ..Config::new(cluster.url(), "test")
    };
    let projector = Model::open(config.clone(), log.origin.clone()).await.unwrap();
    run_to(&projector, &mut log.source(16), log.records.len()).await;
    let encrypted = cluster
        .psql("select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where ssl and application_name like 'sigil%'")
        .await;
    assert_ne!(encrypted.trim(), "0");
    let stranger = Config {
        ca: Some(Certificates::new().authority()),
        ..config
    };
    let gateway = Model::connect(stranger, log.origin.clone()).await.unwrap();
    assert!(gateway.position().await.is_err(), "signed by somebody else");
}

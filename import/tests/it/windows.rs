//! Windows events: shapes from Security, Sysmon and others, and the rules where they disagree.

use crate::{member, record, refusal, targets};
use import::Format::Windows;
use record::Code;
use serde_json::{Value, json};

fn event(members: Value) -> record::NewRecord {
    let mut event = json!({"EventID": 4624, "Channel": "Security", "Hostname": "DC1.corp.example"});
    let all = event.as_object_mut().expect("an object");
    all.extend(members.as_object().expect("an object").clone());
    record(Windows, event.to_string())
}

#[test]
fn a_logon_has_who_whom_where_and_how_it_ended() {
    let record = event(json!({
        "SubjectDomainName": "CORP", "SubjectUserName": "Jane", "SubjectLogonId": "0x3e7", "TargetUserName": "svc$",
        "ObjectName": "C:\\secret.txt", "EventType": "AUDIT_SUCCESS", "@timestamp": "2020-10-22T08:29:48.785Z",
    }));
    assert_eq!(targets(&record, "actor"), ["windows-user:CORP\\Jane"]);
    assert_eq!(targets(&record, "subject"), ["windows-user:svc$"]);
    assert_eq!(targets(&record, "session"), ["windows-logon:DC1.corp.example/0x3e7"]);
    assert_eq!(
        targets(&record, "resource"),
        ["windows-object:DC1.corp.example/C:\\secret.txt"]
    );
    assert_eq!(member(&record, "action"), "windows:Security:4624");
    assert_eq!(member(&record, "outcome"), "success");
    assert_eq!(member(&record, "source"), "windows:Security");
    assert_eq!(member(&record, "occurred_at"), "2020-10-22T08:29:48.785000Z");
    assert_eq!(record.payload["data"]["SubjectUserName"], "Jane");
}

#[test]
fn the_actor_is_the_first_that_is_present_and_a_dash_is_absent() {
    let actor = |members: Value| targets(&event(members), "actor").join(" ");
    let all =
        json!({"SubjectDomainName": "A", "SubjectUserName": "s", "User": "B\\u", "Domain": "C", "AccountName": "n"});
    assert_eq!(actor(all.clone()), "windows-user:A\\s");
    for absent in [json!("-"), json!(""), json!(null)] {
        let mut members = all.clone();
        members["SubjectDomainName"] = absent.clone();
        assert_eq!(
            actor(members.clone()),
            "windows-user:B\\u",
            "half a pair is none: {absent}"
        );
        members["User"] = absent.clone();
        assert_eq!(actor(members.clone()), "windows-user:C\\n");
        members["AccountName"] = absent;
        assert_eq!(actor(members), "");
    }
}

#[test]
fn the_host_is_the_machine_and_not_the_collector() {
    let session = |members: Value| {
        let record = record(Windows, members.to_string());
        targets(&record, "session").join(" ")
    };
    let mut members = json!({"EventID": 1, "SubjectLogonId": 999, "host": "wec", "Computer": "PC", "Hostname": "DC"});
    assert_eq!(session(members.clone()), "windows-logon:DC/999");
    members["Hostname"] = json!("-");
    assert_eq!(session(members.clone()), "windows-logon:PC/999");
    members["Computer"] = json!(null);
    assert_eq!(session(members.clone()), "windows-logon:wec/999");
    members["host"] = json!({"name": "ecs"});
    assert_eq!(session(members), "windows-logon:unknown/999");
}

#[test]
fn the_action_tells_providers_apart() {
    let action = |channel: &str| member(&event(json!({"Channel": channel, "EventID": "1"})), "action").to_owned();
    assert_eq!(action("Microsoft-Windows-Sysmon/Operational"), "windows:Sysmon:1");
    assert_eq!(action("Windows PowerShell"), "windows:Windows PowerShell:1");
    assert_eq!(action("Microsoft-Windows-Foo/Admin"), "windows:Foo/Admin:1");
    assert_eq!(action("-"), "windows:unknown:1");
    assert!(action(&"x".repeat(600)).len() <= 256);
}

#[test]
fn keywords_tell_the_outcome_where_the_type_does_not() {
    let outcome = |members: Value| member(&event(members), "outcome").to_owned();
    for (keywords, expected) in [
        (json!(-9_214_364_837_600_034_816_i64), "success"),
        (json!(-9_218_868_437_227_405_312_i64), "failure"),
        (json!("0x8010000000000000"), "failure"),
        (json!("9232379236109516800"), "success"),
        (json!("Audit Failure"), "failure"),
        (json!(["Audit Success"]), "unknown"),
        (json!(0), "unknown"),
        (json!(i64::MIN), "unknown"),
    ] {
        assert_eq!(outcome(json!({"Keywords": keywords})), expected, "{keywords}");
    }
    assert_eq!(outcome(json!({"EventType": "AUDIT_FAILURE", "Keywords": 0})), "failure");
    assert_eq!(outcome(json!({"EventType": "CreateKey"})), "unknown");
}

#[test]
fn local_event_time_is_moved_to_utc_by_what_the_collector_wrote_beside_it() {
    let at = |members: Value| member(&event(members), "occurred_at").to_owned();
    let times = json!({
        "EventTime": "2020-10-22 04:29:46", "EventReceivedTime": "2020-10-22 04:29:48",
        "@timestamp": "2020-10-22T08:29:48.785Z",
    });
    let with = |name: &str, value: &str| {
        let mut times = times.clone();
        times[name] = json!(value);
        at(times)
    };
    assert_eq!(at(times.clone()), "2020-10-22T08:29:46.000000Z");
    assert_eq!(
        with("UtcTime", "2020-10-22 08:29:45.130"),
        "2020-10-22T08:29:45.130000Z"
    );
    assert_eq!(with("UtcTime", "-"), "2020-10-22T08:29:46.000000Z");
    assert_eq!(
        with("EventTime", "2020-10-22T04:29:44-04:00"),
        "2020-10-22T08:29:44.000000Z"
    );
    assert_eq!(
        with("@timestamp", "2020-10-22T13:59:50+05:30"),
        "2020-10-22T08:29:46.000000Z"
    );
    // 45 minutes are a zone somewhere (Nepal): east of UTC the difference is negative.
    assert_eq!(
        with("@timestamp", "2020-10-21T22:44:49Z"),
        "2020-10-21T22:44:46.000000Z"
    );
    let shipped = "2020-10-22T08:29:48.785000Z";
    assert_eq!(
        with("EventTime", "2020-10-22 05:29:40"),
        shipped,
        "received before it happened"
    );
    assert_eq!(
        with("EventTime", "2020-10-22 03:29:40"),
        shipped,
        "an hour late: the clocks may have changed"
    );
    assert_eq!(
        with("@timestamp", "2020-10-22T08:31:48Z"),
        "2020-10-22T08:31:48.000000Z",
        "no zone is 4:02 from UTC"
    );
    let far = "2020-10-22T19:29:48.000000Z";
    assert_eq!(
        with("@timestamp", "2020-10-22T19:29:48Z"),
        far,
        "no zone is 15 hours from UTC"
    );
    assert_eq!(with("EventReceivedTime", "x"), shipped);
    assert_eq!(at(json!({"EventTime": "2020-10-22 04:29:46"})), "none");
}

#[test]
fn without_an_event_id_it_is_no_windows_event() {
    assert_eq!(
        refusal(Windows, r#"{"Channel":"Security"}"#),
        (Code::EnvelopeInvalid, "/EventID".to_owned())
    );
    assert_eq!(refusal(Windows, "[1]"), (Code::EnvelopeInvalid, String::new()));
}

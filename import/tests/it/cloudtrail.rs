//! CloudTrail events: calls, services, failed sign-ins, insights, and what calls are about.

use crate::{member, record, refusal, targets};
use import::Format::CloudTrail;
use record::{Code, NewRecord};
use serde_json::{Value, json};

fn event(members: Value) -> NewRecord {
    let mut event = json!({"eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": "us-east-1"});
    let all = event.as_object_mut().expect("an object");
    all.extend(members.as_object().expect("an object").clone());
    record(CloudTrail, event.to_string())
}

#[test]
fn a_call_has_actor_session_action_and_time() {
    let record = event(json!({
        "userIdentity": {"arn": "arn:aws:iam::1:user/Pedro", "accessKeyId": "ASIA1", "invokedBy": "x.amazonaws.com"},
        "eventTime": "2020-09-14T00:44:23Z", "@timestamp": "2021-01-01T00:00:00Z",
    }));
    assert_eq!(targets(&record, "actor"), ["arn:aws:iam::1:user/Pedro"]);
    assert_eq!(targets(&record, "session"), ["aws-key:ASIA1"]);
    assert_eq!(member(&record, "action"), "s3:GetObject");
    assert_eq!(member(&record, "outcome"), "success");
    assert_eq!(member(&record, "source"), "aws.cloudtrail");
    assert_eq!(member(&record, "occurred_at"), "2020-09-14T00:44:23.000000Z");
}

#[test]
fn without_an_arn_the_actor_is_the_next_best() {
    let actor = |identity: Value| targets(&event(json!({"userIdentity": identity})), "actor").join(" ");
    assert_eq!(
        actor(json!({"invokedBy": "ec2.amazonaws.com"})),
        "aws-service:ec2.amazonaws.com"
    );
    assert_eq!(
        actor(json!({"arn": "", "principalId": "AIDA", "accountId": "1"})),
        "aws-principal:AIDA"
    );
    assert_eq!(actor(json!({"accountId": "1"})), "aws-account:1");
    assert_eq!(actor(json!({"type": "Unknown"})), "");
    assert_eq!(actor(json!("nobody")), "");
}

#[test]
fn the_error_code_tells_denied_from_failed() {
    let outcome = |members: Value| member(&event(members), "outcome").to_owned();
    for code in [
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "Client.UnauthorizedOperation",
    ] {
        assert_eq!(outcome(json!({"errorCode": code})), "denied", "{code}");
    }
    assert_eq!(outcome(json!({"errorCode": "NoSuchKey"})), "failure");
    assert_eq!(outcome(json!({"errorCode": null})), "success");
    assert_eq!(
        outcome(json!({"responseElements": {"ConsoleLogin": "Failure"}})),
        "failure"
    );
    assert_eq!(
        outcome(json!({"responseElements": {"ConsoleLogin": "Success"}})),
        "success"
    );
    assert_eq!(outcome(json!({"errorMessage": "Failed authentication"})), "failure");
}

#[test]
fn resources_are_what_the_event_lists_or_else_its_parameters() {
    let resources = |members: Value| targets(&event(members), "resource").join(" ");
    let listed = json!([{"ARNPrefix": "arn:aws:s3:::b/", "type": "x"}, {"ARN": "arn:aws:s3:::b"}, {"ARN": null}, 7]);
    assert_eq!(
        resources(json!({"resources": listed, "requestParameters": {"bucketName": "c"}})),
        "arn:aws:s3:::b"
    );
    let object = json!({"requestParameters": {"bucketName": "b", "key": "k/1"}});
    assert_eq!(resources(object), "arn:aws:s3:::b arn:aws:s3:::b/k/1");
    assert_eq!(
        resources(json!({"awsRegion": "cn-north-1", "requestParameters": {"bucketName": "b"}})),
        "arn:aws-cn:s3:::b"
    );
    let role = json!({"resources": [], "requestParameters": {"roleArn": "arn:aws:iam::1:role/r"}});
    assert_eq!(resources(role), "arn:aws:iam::1:role/r");
    let instances =
        json!({"requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}, {}]}}});
    assert_eq!(resources(instances), "aws-instance:i-1 aws-instance:i-2");
    assert_eq!(resources(json!({"requestParameters": null})), "");
}

#[test]
fn of_many_resources_the_first_thirty_two_are_linked() {
    let listed: Vec<Value> = (0..100)
        .map(|n| json!({"ARN": format!("arn:aws:s3:::{n:03}")}))
        .collect();
    let record = event(json!({"resources": listed}));
    assert_eq!(targets(&record, "resource").len(), 32);
    assert_eq!(targets(&record, "resource").last(), Some(&"arn:aws:s3:::031"));
    assert_eq!(record.payload["data"]["resources"][99]["ARN"], "arn:aws:s3:::099");
}

#[test]
fn a_resource_that_is_listed_again_leaves_room_for_others() {
    let mut listed = vec![json!({"ARN": "arn:aws:s3:::a"}); 40];
    listed.push(json!({"ARN": "arn:aws:s3:::b"}));
    assert_eq!(
        targets(&event(json!({"resources": listed})), "resource"),
        ["arn:aws:s3:::a", "arn:aws:s3:::b"]
    );
}

#[test]
fn an_insight_is_named_after_its_type_and_anything_else_is_refused() {
    let insight = record(
        CloudTrail,
        r#"{"eventType":"AwsCloudTrailInsight","eventVersion":"1.07"}"#,
    );
    assert_eq!(member(&insight, "action"), "cloudtrail:AwsCloudTrailInsight");
    assert_eq!(
        refusal(CloudTrail, r#"{"hello":1}"#),
        (Code::EnvelopeInvalid, "/eventName".to_owned())
    );
}

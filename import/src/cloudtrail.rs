//! AWS CloudTrail events: what `docs/IMPORT.md` says of `cloudtrail`.
//!
//! ARNs are link targets as they are, with `arn` as their scheme, so that a timeline is asked for by the ARN itself.

use crate::event::Event;
use crate::{member, moment};
use domain::payload::Outcome;
use record::{Code, Fault};
use serde_json::{Map, Value};
use std::borrow::Cow;

type Members = Map<String, Value>;

/// Reads one event.
///
/// # Errors
/// [`Code::EnvelopeInvalid`] at `/eventName` when there is neither that nor `eventType`: it is not of CloudTrail.
pub fn read(members: &Members) -> Result<Event, Fault> {
    let mut event = Event::new(&action(members)?, "aws.cloudtrail");
    event.outcome = outcome(members);
    let times = ["eventTime", "@timestamp"]
        .iter()
        .filter_map(|name| member::text(members, name));
    event.occurred_at = times.filter_map(|text| moment::with_zone(&text)).next();
    link_actor(members, &mut event);
    event.link(
        "session",
        "aws-key",
        member::text_at(members, &["userIdentity", "accessKeyId"]),
    );
    link_resources(members, &mut event);
    Ok(event)
}

/// `s3:GetObject`; events that are no call (insights) are named after their type.
fn action(members: &Members) -> Result<String, Fault> {
    if let Some(name) = member::text(members, "eventName") {
        let source = member::text(members, "eventSource").unwrap_or(Cow::Borrowed("unknown"));
        let service = source.strip_suffix(".amazonaws.com").unwrap_or(&source);
        return Ok(format!("{service}:{name}"));
    }
    let kind = member::text(members, "eventType").ok_or_else(|| {
        let detail = "a CloudTrail event has `eventName`, or `eventType`: import other lines as jsonl";
        Fault::new(Code::EnvelopeInvalid, "/eventName", detail)
    })?;
    Ok(format!("cloudtrail:{kind}"))
}

fn outcome(members: &Members) -> Outcome {
    if let Some(code) = member::text(members, "errorCode") {
        // `Client.UnauthorizedOperation`, `AccessDeniedException`.
        let code = code.rsplit('.').next().unwrap_or_default();
        let denied = code.starts_with("AccessDenied") || code.starts_with("Unauthorized");
        return if denied { Outcome::Denied } else { Outcome::Failure };
    }
    // A failed console sign-in has no error code.
    let signed_in = member::text_at(members, &["responseElements", "ConsoleLogin"]);
    let failed = signed_in.is_some_and(|text| text == "Failure") || member::text(members, "errorMessage").is_some();
    if failed { Outcome::Failure } else { Outcome::Success }
}

fn link_actor(members: &Members, event: &mut Event) {
    let identity = |name| member::text_at(members, &["userIdentity", name]);
    if let Some(arn) = identity("arn") {
        link_arn(event, "actor", &arn);
    } else if let Some(service) = identity("invokedBy") {
        event.link("actor", "aws-service", Some(service));
    } else if let Some(principal) = identity("principalId") {
        event.link("actor", "aws-principal", Some(principal));
    } else if let Some(account) = identity("accountId") {
        event.link("actor", "aws-account", Some(account));
    }
}

/// What `resources` names; where it names nothing, what the best known parameters do.
fn link_resources(members: &Members, event: &mut Event) {
    let listed = members.get("resources").and_then(Value::as_array).into_iter().flatten();
    let arns = listed.filter_map(|item| item.get("ARN").and_then(member::as_text));
    let before = event.links.len();
    arns.for_each(|arn| link_arn(event, "resource", &arn));
    if event.links.len() > before {
        return;
    }
    let parameter = |name| member::text_at(members, &["requestParameters", name]);
    if let Some(bucket) = parameter("bucketName") {
        let bucket = format!("arn:{}:s3:::{bucket}", partition(members));
        if let Some(key) = parameter("key") {
            link_arn(event, "resource", &format!("{bucket}/{key}"));
        }
        link_arn(event, "resource", &bucket);
    }
    if let Some(role) = parameter("roleArn") {
        link_arn(event, "resource", &role);
    }
    event.link("resource", "aws-instance", parameter("instanceId"));
    for instance in listed_instances(members) {
        event.link("resource", "aws-instance", Some(instance));
    }
}

/// `requestParameters.instancesSet.items[].instanceId`, how EC2 lists what a call is about.
fn listed_instances(members: &Members) -> impl Iterator<Item = Cow<'_, str>> {
    let parameters = members.get("requestParameters");
    let items = parameters.and_then(|parameters| parameters.pointer("/instancesSet/items")?.as_array());
    let ids = items.into_iter().flatten().filter_map(|item| item.get("instanceId"));
    ids.filter_map(member::as_text)
}

fn link_arn(event: &mut Event, label: &str, arn: &str) {
    event.link(label, "arn", Some(arn.strip_prefix("arn:").unwrap_or(arn)));
}

/// The partition that ARNs of the event's region are in.
fn partition(members: &Members) -> &'static str {
    let region = member::text(members, "awsRegion").unwrap_or_default();
    match region.as_ref() {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

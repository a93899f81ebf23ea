//! CloudEvents: required attributes, the optional ones that are understood, and extensions.

use crate::{member, record, refusal, targets};
use import::Format::CloudEvents;
use record::Code;
use serde_json::{Value, json};

fn minimal() -> Value {
    json!({"specversion": "1.0", "id": "A-1", "source": "/shop/orders", "type": "com.example.order.paid"})
}

#[test]
fn every_attribute_with_a_meaning_finds_its_place() {
    let mut event = minimal();
    event["subject"] = json!("order:17");
    event["time"] = json!("2024-02-29T23:59:59.1234567+01:00");
    event["authid"] = json!("jane");
    event["correlationid"] = json!("c1");
    event["causationid"] = json!("event:A-0");
    event["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    event["data"] = json!({"amount": 12.5});
    let record = record(CloudEvents, event.to_string());
    assert_eq!(targets(&record, "actor"), ["actor:jane"]);
    assert_eq!(targets(&record, "subject"), ["order:17"]);
    assert_eq!(targets(&record, "correlation"), ["correlation:c1"]);
    assert_eq!(targets(&record, "cause"), ["event:A-0"]);
    assert_eq!(targets(&record, "trace"), ["trace:0af7651916cd43dd8448eb211c80319c"]);
    assert_eq!(member(&record, "action"), "com.example.order.paid");
    assert_eq!(member(&record, "source"), "/shop/orders");
    assert_eq!(member(&record, "outcome"), "unknown");
    assert_eq!(member(&record, "occurred_at"), "2024-02-29T22:59:59.123456Z");
    assert_eq!(record.payload["data"], event);
}

#[test]
fn the_four_required_attributes_are_required() {
    assert_eq!(record(CloudEvents, minimal().to_string()).links, []);
    for name in ["specversion", "id", "source", "type"] {
        for wrong in [json!(null), json!(""), json!(1), json!("0.3")] {
            let mut event = minimal();
            event[name] = wrong.clone();
            if wrong == "0.3" && name != "specversion" {
                continue;
            }
            let expected = (Code::EnvelopeInvalid, format!("/{name}"));
            assert_eq!(refusal(CloudEvents, event.to_string()), expected, "{wrong}");
        }
    }
}

#[test]
fn a_malformed_trace_or_time_is_data_only() {
    let mut event = minimal();
    event["traceparent"] = json!("00-xyz-b7ad6b7169203331-01");
    event["time"] = json!("2024-02-30T00:00:00Z");
    let record = record(CloudEvents, event.to_string());
    assert_eq!(record.links, []);
    assert_eq!(member(&record, "occurred_at"), "none");
    assert_eq!(record.id.unix_ms(), 0);
}

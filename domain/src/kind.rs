//! The catalogue of record kinds: which exist, who may write them, what is sealed, and their two schemas.
//!
//! The schemas are generated from the payload types. The intake schema is what a client sends; in the stored schema a
//! sealed member is a commitment. A kind that is not in the catalogue is refused.

use crate::payload::{
    AuditEvent, CanonWrite, CheckpointAnchorFailed, CheckpointAnchored, GatewayEnrolled, GatewayRevoked, Genesis,
    KeyRotated, LedgerRecovered, MapRoot, Payload, ProjectionVerified, TenantCreated,
};
use crate::validate::Validator;
use record::intake::EVIDENCE;
use record::{Code, Fault, Kind, Space};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One kind at one version.
pub struct KindSpec {
    /// The kind.
    pub kind: Kind,
    /// Version of its payload.
    pub schema_version: u32,
    /// Who may write it.
    pub space: Space,
    /// Whether the ledger itself is its author; clients may not send it.
    pub ledger_authored: bool,
    /// Pointers from the record's root whose values are sealed.
    pub sealed: Vec<&'static str>,
    intake: Validator,
    stored: Validator,
    findings: fn(&Value) -> Vec<Fault>,
}

/// Every kind that this build knows.
pub struct Catalogue {
    kinds: BTreeMap<(Kind, u32), KindSpec>,
}

/// Kinds with a type parameter for their payload, so that adding one is one line here.
fn builtin() -> Vec<KindSpec> {
    use Space::{System, User};
    vec![
        spec::<Genesis>("ledger.genesis", 1, System, true),
        spec::<LedgerRecovered>("ledger.recovered", 1, System, true),
        spec::<MapRoot>("ledger.map_root", 1, System, true),
        spec::<KeyRotated>("key.rotated", 1, System, true),
        spec::<TenantCreated>("tenant.created", 1, System, true),
        spec::<GatewayEnrolled>("gateway.enrolled", 1, System, true),
        spec::<GatewayRevoked>("gateway.revoked", 1, System, true),
        spec::<ProjectionVerified>("projection.verified", 1, System, true),
        spec::<CheckpointAnchored>("checkpoint.anchored", 1, System, true),
        spec::<CheckpointAnchorFailed>("checkpoint.anchor_failed", 1, System, true),
        spec::<AuditEvent>("audit.event", 1, User, false),
        spec::<CanonWrite>("canon.user.write", 1, User, false),
    ]
}

impl Catalogue {
    /// The kinds of this build. Compiles every schema: make one and keep it.
    #[must_use]
    pub fn builtin() -> Self {
        let kinds = builtin()
            .into_iter()
            .map(|spec| ((spec.kind.clone(), spec.schema_version), spec));
        Self { kinds: kinds.collect() }
    }

    /// The same without one kind, at all of its versions: what a build knows that is older than the kind.
    #[must_use]
    pub fn without(mut self, kind: &str) -> Self {
        self.kinds.retain(|(name, _), _| name.as_str() != kind);
        self
    }

    /// The kind at this version.
    ///
    /// # Errors
    /// [`Code::KindUnknown`] at `/kind`, [`Code::SchemaVersionUnknown`] at `/schema_version` with the known versions.
    pub fn find(&self, kind: &Kind, schema_version: u32) -> Result<&KindSpec, Fault> {
        if let Some(spec) = self.kinds.get(&(kind.clone(), schema_version)) {
            return Ok(spec);
        }
        let known = self
            .kinds
            .keys()
            .filter(|(name, _)| name == kind)
            .map(|(_, version)| version.to_string());
        let known: Vec<String> = known.collect();
        if known.is_empty() {
            let names: Vec<&str> = self.kinds.keys().map(|(kind, _)| kind.as_str()).collect();
            let detail = format!("`{kind}` is not a known kind: {}", names.join(", "));
            return Err(Fault::new(Code::KindUnknown, "/kind", detail));
        }
        let detail = format!(
            "`{kind}` has no version {schema_version} here, known: {}",
            known.join(", ")
        );
        Err(Fault::new(Code::SchemaVersionUnknown, "/schema_version", detail))
    }

    /// All kinds, by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &KindSpec> {
        self.kinds.values()
    }
}

impl KindSpec {
    /// Everything that is wrong with a payload as a client sends it; a sealed member may already be a commitment.
    #[must_use]
    pub fn check_intake(&self, payload: &Value) -> Vec<Fault> {
        self.check(&self.intake, payload)
    }

    /// Everything that is wrong with a payload as it is stored.
    #[must_use]
    pub fn check_stored(&self, payload: &Value) -> Vec<Fault> {
        self.check(&self.stored, payload)
    }

    /// The kind's own rules read members of the right type, so they wait until the schema has passed.
    fn check(&self, schema: &Validator, payload: &Value) -> Vec<Fault> {
        let faults = schema.check(payload);
        if faults.is_empty() {
            (self.findings)(payload)
        } else {
            faults
        }
    }

    /// JSON Schema (2020-12) of the payload as a client sends it.
    #[must_use]
    pub fn intake_schema(&self) -> &Value {
        self.intake.schema()
    }

    /// JSON Schema (2020-12) of the payload as it is stored.
    #[must_use]
    pub fn stored_schema(&self) -> &Value {
        self.stored.schema()
    }
}

fn spec<P: Payload>(kind: &str, schema_version: u32, space: Space, ledger_authored: bool) -> KindSpec {
    let mut intake = schemars::schema_for!(P).to_value();
    set(&mut intake, "title", json!(format!("{kind} {schema_version}")));
    forbid_null(&mut intake);
    let mut stored = intake.clone();
    let mut sealed = vec![EVIDENCE];
    let names: Vec<String> = sealed_members(&intake);
    for name in &names {
        let clear = intake
            .pointer(&format!("/properties/{name}"))
            .cloned()
            .unwrap_or_default();
        set_property(
            &mut intake,
            name,
            json!({"anyOf": [commitment(), clear], "x-sigil-seal": true}),
        );
        set_property(&mut stored, name, commitment());
        // Leaked once per kind at start-up: pointers are compared in every seal and live as long as the catalogue.
        sealed.push(Box::leak(format!("/payload/{name}").into_boxed_str()));
    }
    KindSpec {
        kind: Kind::parse(kind).expect("the catalogue's kinds follow the grammar, a test parses them all"),
        schema_version,
        space,
        ledger_authored,
        sealed,
        intake: Validator::new(intake),
        stored: Validator::new(stored),
        findings: P::findings,
    }
}

/// An absent member is left out, never `null`: takes the `null` that an `Option` brings out of every type.
fn forbid_null(schema: &mut Value) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_mut_slice() {
            let only = only.take();
            set(schema, "type", only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({"type": "null"}));
        if let [Value::Object(only)] = choices.as_mut_slice() {
            let only = std::mem::take(only);
            schema.as_object_mut().into_iter().for_each(|members| {
                members.remove("anyOf");
                members.extend(only.clone());
            });
        }
    }
    match schema {
        Value::Array(items) => items.iter_mut().for_each(forbid_null),
        Value::Object(members) => members.values_mut().for_each(forbid_null),
        _ => {}
    }
}

fn set(schema: &mut Value, member: &str, value: Value) {
    if let Some(members) = schema.as_object_mut() {
        members.insert(member.to_owned(), value);
    }
}

fn sealed_members(schema: &Value) -> Vec<String> {
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    properties
        .filter(|(_, schema)| schema.get("x-sigil-seal") == Some(&json!(true)))
        .map(|(name, _)| name.clone())
        .collect()
}

fn set_property(schema: &mut Value, name: &str, property: Value) {
    if let Some(properties) = schema.get_mut("properties") {
        set(properties, name, property);
    }
}

fn commitment() -> Value {
    json!({
        "description": "commitment to the sealed value",
        "type": "object",
        "properties": {"$sealed": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
        "required": ["$sealed"],
        "additionalProperties": false,
    })
}

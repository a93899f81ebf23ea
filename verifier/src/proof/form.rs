//! Strict readers of the JSON that proofs travel as, written from docs/FORMAT.md alone.
//!
//! Unknown members are refused, numbers are whole, nodes and hashes have one spelling. Where a text is of another form,
//! the fault is a finding of [`Check::Readable`] at its pointer; nothing is guessed.

use crate::check::Check;
use crate::finding::Finding;
use record::Hash;
use record::key::decode_base64;
use record::link::TIMELINE_LABELS;
use serde_json::{Map, Value};
use tlog::{MapKey, MapLeaf, MapProof, Node};

/// The members of an object and where it stands.
pub(crate) struct Members<'a> {
    members: &'a Map<String, Value>,
    path: String,
}

/// A checkpoint with its last leaf, as it came.
#[derive(Debug)]
pub(crate) struct GroundText {
    pub(crate) checkpoint: String,
    /// JCS of the record.
    pub(crate) map_record: Vec<u8>,
    pub(crate) map_path: Vec<Node>,
}

/// A timeline's way to a map root, as it came.
#[derive(Debug, Clone)]
pub(crate) struct TimelineText {
    pub(crate) tenant: String,
    pub(crate) label: String,
    pub(crate) target: String,
    pub(crate) as_of: u64,
    pub(crate) top: MapText,
    pub(crate) map: MapText,
    pub(crate) range: Option<RangeText>,
}

/// A way through a map, as it came.
#[derive(Debug, Clone)]
pub(crate) struct MapText {
    siblings: Vec<Node>,
    end: Option<EndText>,
}

#[derive(Debug, Clone)]
struct EndText {
    key: Option<[u8; 32]>,
    count: u64,
    root: Node,
}

/// A stretch of a timeline, as it came.
#[derive(Debug, Clone)]
pub(crate) struct RangeText {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) nodes: Vec<Node>,
}

/// A finding that `pointer` is not `form`.
pub(crate) fn wrong(pointer: impl Into<String>, form: &str) -> Finding {
    Finding::new(Check::Readable, pointer, format!("this is not {form}"))
}

/// The document as strict JSON.
pub(crate) fn document(bytes: &[u8]) -> Result<Value, Finding> {
    record::json::parse(bytes).map_err(|fault| Finding::new(Check::Readable, fault.pointer, fault.detail))
}

/// The canonical bytes of a record that stands in a document, whatever white space the document was written with.
pub(crate) fn record_bytes(value: &Value, pointer: &str) -> Result<Vec<u8>, Finding> {
    let form = "a record";
    if !value.is_object() {
        return Err(wrong(pointer, form));
    }
    serde_jcs::to_vec(value).map_err(|_| wrong(pointer, form))
}

impl<'a> Members<'a> {
    /// The object at `path`, which has no members but these.
    pub(crate) fn strict(value: &'a Value, path: impl Into<String>, known: &[&str]) -> Result<Self, Finding> {
        let read = Self::open(value, path)?;
        match read.members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let pointer = format!("{}/{name}", read.path);
                Err(Finding::new(Check::Readable, pointer, "this member is not of the form"))
            }
            None => Ok(read),
        }
    }

    /// The object at `path`, whatever else is in it.
    pub(crate) fn open(value: &'a Value, path: impl Into<String>) -> Result<Self, Finding> {
        let path = path.into();
        match value.as_object() {
            Some(members) => Ok(Self { members, path }),
            None => Err(wrong(path, "an object")),
        }
    }

    pub(crate) fn pointer(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    pub(crate) fn need(&self, name: &str) -> Result<&'a Value, Finding> {
        self.get(name)
            .ok_or_else(|| Finding::new(Check::Readable, self.pointer(name), "this member is missing"))
    }

    pub(crate) fn read<T>(
        &self,
        name: &str,
        form: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, Finding> {
        read(self.need(name)?).ok_or_else(|| wrong(self.pointer(name), form))
    }

    /// A member that may be left out.
    pub(crate) fn maybe<T>(
        &self,
        name: &str,
        form: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Finding> {
        self.get(name).map(|_| self.read(name, form, read)).transpose()
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Finding> {
        self.read(name, "a text", Value::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Result<u64, Finding> {
        self.read(name, "a whole number", Value::as_u64)
    }

    pub(crate) fn list(&self, name: &str) -> Result<&'a [Value], Finding> {
        self.read(name, "an array", |value| value.as_array().map(Vec::as_slice))
    }

    pub(crate) fn nodes(&self, name: &str) -> Result<Vec<Node>, Finding> {
        self.read(name, "an array of base64 of 32 bytes", |value| {
            value.as_array()?.iter().map(node).collect()
        })
    }
}

fn node(value: &Value) -> Option<Node> {
    decode_base64::<32>(value.as_str()?).map(Node::from)
}

impl GroundText {
    /// The members with which a checkpoint stands in a document.
    pub(crate) const MEMBERS: [&str; 3] = ["checkpoint", "map_path", "map_record"];

    /// Reads them.
    pub(crate) fn read(members: &Members<'_>) -> Result<Self, Finding> {
        Ok(Self {
            checkpoint: members.text("checkpoint")?.to_owned(),
            map_record: record_bytes(members.need("map_record")?, &members.pointer("map_record"))?,
            map_path: members.nodes("map_path")?,
        })
    }
}

impl TimelineText {
    const MEMBERS: [&str; 8] = ["as_of", "label", "map", "range", "target", "tenant", "top", "v"];

    /// Reads the form that stands alone.
    pub(crate) fn read(value: &Value, path: &str) -> Result<(GroundText, Self), Finding> {
        let known = [&Self::MEMBERS[..], &GroundText::MEMBERS].concat();
        let members = Members::strict(value, path, &known)?;
        Ok((GroundText::read(&members)?, Self::of(&members)?))
    }

    /// Reads the form whose checkpoint stands elsewhere in the document.
    pub(crate) fn read_part(value: &Value, path: &str) -> Result<Self, Finding> {
        Self::of(&Members::strict(value, path, &Self::MEMBERS)?)
    }

    fn of(members: &Members<'_>) -> Result<Self, Finding> {
        members.read("v", "version 1 of this form", |v| (v.as_u64() == Some(1)).then_some(()))?;
        let map = |name: &str| MapText::read(members.need(name)?, &members.pointer(name));
        let (label, target) = (members.text("label")?, members.text("target")?);
        // Of a label without timelines everything would be proven absent, whatever the log holds.
        let is_whole = label.is_empty() && target.is_empty();
        if !is_whole && (target.is_empty() || !TIMELINE_LABELS.contains(&label)) {
            let form = "a label that has timelines, with a target, or none for the whole chain";
            return Err(wrong(members.pointer("label"), form));
        }
        Ok(Self {
            tenant: members.text("tenant")?.to_owned(),
            label: label.to_owned(),
            target: target.to_owned(),
            as_of: members.number("as_of")?,
            top: map("top")?,
            map: map("map")?,
            range: match members.get("range") {
                Some(range) => Some(RangeText::read(range, &members.pointer("range"))?),
                None => None,
            },
        })
    }

    /// The timeline for people.
    pub(crate) fn name(&self) -> String {
        match self.label.as_str() {
            "" => format!("the whole chain of {}", self.tenant),
            label => format!("timeline {label} {} of {}", self.target, self.tenant),
        }
    }

    /// Where the timeline stands in its tenant's map.
    pub(crate) fn key(&self) -> MapKey {
        match self.label.as_str() {
            "" => MapKey::whole_chain(),
            label => MapKey::timeline(label, &self.target),
        }
    }
}

impl RangeText {
    fn read(value: &Value, path: &str) -> Result<Self, Finding> {
        let members = Members::strict(value, path, &["from", "nodes", "until"])?;
        Ok(Self {
            from: members.number("from")?,
            until: members.number("until")?,
            nodes: members.nodes("nodes")?,
        })
    }
}

impl MapText {
    fn read(value: &Value, path: &str) -> Result<Self, Finding> {
        let members = Members::strict(value, path, &["end", "siblings"])?;
        let siblings = members.nodes("siblings")?;
        let end = match members.get("end") {
            Some(end) => Some(EndText::read(end, &members.pointer("end"))?),
            None => None,
        };
        Ok(Self { siblings, end })
    }

    /// Whether the end names the key that is asked about: it is named where it is another one only.
    pub(crate) fn names(&self, key: &MapKey) -> bool {
        let named = self.end.as_ref().and_then(|end| end.key);
        named.is_some_and(|named| named == *key.as_bytes())
    }

    /// The proof that this is of `key`.
    pub(crate) fn proof(&self, key: MapKey) -> MapProof {
        MapProof {
            siblings: self.siblings.clone(),
            end: self.end.as_ref().map(|end| MapLeaf {
                key: end.key.map_or(key, MapKey::from),
                count: end.count,
                root: end.root,
            }),
        }
    }
}

impl EndText {
    fn read(value: &Value, path: &str) -> Result<Self, Finding> {
        let members = Members::strict(value, path, &["count", "key", "root"])?;
        let key = members.maybe("key", "64 lower-case hex digits", |key| Hash::from_hex(key.as_str()?))?;
        Ok(Self {
            key: key.map(|key| *key.as_bytes()),
            count: members.number("count")?,
            root: members.read("root", "base64 of 32 bytes", node)?,
        })
    }
}

//! One tiny log, written without this project's code: BLAKE3, SHA-256, Ed25519 and the trees from their specifications
//! (BLAKE3 paper, FIPS 180-4, RFC 8032, RFC 6962), keys from the seeds 0x01.., 0x02.. and 0x03... Never regenerated.

use record::{Hash, Origin, PublicKey};
use tlog::{Node, TileId};
use verifier::{
    Claims, Derived, Head, Item, Options, Outcome, StoredRecord, TimelineEntry, TimelineName, TreeHead, Trust,
    verify_log,
};

const GENESIS: &str = "{\"author\":{\"auth\":\"ledger\",\"id\":\"ledger:example\"},\"hash\":\"45b8b36524285ff60a824c4437ddb7e13\
    224f76632290f9c7fcf6c34e239ba5c\",\"id\":\"01890000-0000-7000-8000-000000000000\",\"kind\":\"ledger.gene\
    sis\",\"links\":[],\"log\":\"example.com/audit\",\"offset\":0,\"payload\":{\"checkpoint_key\":\"gTl3Dqh9\
    F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q=\",\"format_version\":1,\"record_key\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8\
    dlBIb83SIAbQPb1w=\",\"root_key\":\"7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E=\",\"slug\":\"audit\"},\"\
    prev\":null,\"pub_key\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\",\"schema_version\":1,\"seq\":0,\
    \"sig\":\"PbCtJZZVpLM43MPO5RrHTCNgC4LHo187wR+S+veHNsjhH2nW/VCVjlwdrQerFu6OPAjsydJVhaLJPZiiieI4Dg==\",\"s\
    pace\":\"system\",\"tenant\":\"sigil-ledger\",\"ts\":\"2026-11-20T12:00:00.000000Z\",\"v\":1,\"witnesses\
    \":[]}";
const TENANT: &str = "{\"author\":{\"auth\":\"ledger\",\"id\":\"ledger:example\"},\"hash\":\"5cc9e076b032520052276f865dc2f8aa9\
    9f0782dd80aeaa87886018be0dd7d52\",\"id\":\"01890000-0000-7000-8000-000000000001\",\"kind\":\"tenant.crea\
    ted\",\"links\":[],\"log\":\"example.com/audit\",\"offset\":1,\"payload\":{\"name\":\"Acme\",\"tenant\":\
    \"acme\"},\"prev\":null,\"pub_key\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\",\"schema_version\":\
    1,\"seq\":0,\"sig\":\"JdjyeVIqc6iIlDxqM6sipWOzaMXT8h1lF8jpbATuTBzU9xy89Svt9au6e/3L0Sj8aqrkPf9OPSQ1uS6mT/\
    GjBg==\",\"space\":\"system\",\"tenant\":\"acme\",\"ts\":\"2026-11-20T12:00:00.000001Z\",\"v\":1,\"witne\
    sses\":[]}";
const GENESIS_HASH: &str = "45b8b36524285ff60a824c4437ddb7e13224f76632290f9c7fcf6c34e239ba5c";
const TENANT_HASH: &str = "5cc9e076b032520052276f865dc2f8aa99f0782dd80aeaa87886018be0dd7d52";
const ROOT: &str = "e389f0666f788a0a3a9bcd3d9814e194d84cbc3c2cce60d8171360fc7f8e0a0a";
const ROOT_KEY: &str = "7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E=";
/// Roots of the timelines of one leaf each: those of `sigil-ledger`, and those of `acme`.
const TIMELINES: [&str; 2] = [
    "5a34ddb66759d36ed5835ff54b95e10f7f9b6860fe1e7b6cfcaed9eb0a41dbf0",
    "6513baa59ca0f4cd4a6c616bc813ee756001e222fefa48460448c44c18ae70db",
];

fn bytes(digits: &str) -> [u8; 32] {
    *Hash::from_hex(digits).expect("64 digits").as_bytes()
}

struct Heads;

impl Derived for Heads {
    fn timeline_head(&mut self, name: TimelineName<'_>) -> Result<Option<Vec<u8>>, String> {
        let root = match (name.tenant, name.label, name.target) {
            ("sigil-ledger", "", "") | ("sigil-ledger", "kind", "ledger.genesis") => TIMELINES[0],
            ("acme", "", "") | ("acme", "kind", "tenant.created") => TIMELINES[1],
            _ => return Ok(None),
        };
        Ok(Some([1_u64.to_be_bytes().as_slice(), &bytes(root)].concat()))
    }

    fn timeline_count(&mut self) -> Result<u64, String> {
        Ok(4)
    }

    fn tile(&mut self, _: TileId) -> Result<Option<Vec<Node>>, String> {
        Ok(None)
    }
}

fn stored(text: &str) -> StoredRecord {
    let first = TimelineEntry {
        position: 0,
        completed: Vec::new(),
    };
    StoredRecord {
        bytes: text.as_bytes().into(),
        timelines: vec![first; 2],
    }
}

#[test]
fn a_log_written_by_hand_verifies() {
    let trust = Trust {
        origin: Origin::parse("example.com/audit").unwrap(),
        genesis_hash: Hash::from_hex(GENESIS_HASH).unwrap(),
        root_key: PublicKey::from_base64(ROOT_KEY).unwrap(),
        checkpoint_keys: Vec::new(),
        policy: None,
    };
    let claims = Claims {
        head: Some(Head {
            size: 2,
            last_hash: Hash::from_hex(TENANT_HASH),
        }),
        tree: Some(TreeHead {
            size: 2,
            root: Node::from(bytes(ROOT)),
        }),
        checkpoints: Vec::new(),
        anchors: Vec::new(),
    };
    for thorough in [false, true] {
        let options = Options {
            trust: Some(&trust),
            thorough,
            ..Options::default()
        };
        let items = vec![Item::Records(vec![stored(GENESIS), stored(TENANT)])];
        let report = verify_log(items, Some(&mut Heads), &claims, &options);
        assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    }
}

#!/usr/bin/env python3
"""Checks a Sigil proof bundle against a trust file: no network, no ledger, no account, and none of the ledger's code.

Written from docs/FORMAT.md alone. Each check has a verdict of its own, and none that fails hides another. Exit code 0: all
is proven; 3: something is wrong; 5: it could not be checked. Not checked: payloads against the schemas of their kinds,
signatures of authors, and sealed values, of which a bundle has commitments only.
"""

import argparse, base64, contextlib, datetime, decimal, hashlib, json, re, sys
import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CHECKS = "form trust canonical hash key signature checkpoint witnesses inclusion completeness chain freshness".split()
MEMBERS = "author hash id kind links log offset payload prev pub_key schema_version seq sig space tenant ts v witnesses"
HEAD = "format v log records checkpoint map_record map_path scope keys"
LABELS = "kind actor subject resource session proposal".split()
HEX, TIME, P = "[0-9a-f]{64}", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", 2**255 - 19
# The y coordinates of the points of small order: 0, 1, -1, and two more.
SMALL = {0, 1, P - 1, 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7}
SMALL |= {0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826}

def need(holds, otherwise):
    if not holds:
        raise ValueError(otherwise)

def members(pairs):
    need(len({name for name, _ in pairs}) == len(pairs), "an object names a member twice")
    return dict(pairs)
parse = json.JSONDecoder(object_pairs_hook=members).decode

def exact(value, names, optional=""):
    """An object with these members and no others."""
    names, found = names.split(), {*value} if isinstance(value, dict) else {""}
    need({*names} <= found <= {*names, *optional.split()}, f"no object of {', '.join(names)}")
    return value

def whole(value):
    need(type(value) is int and 0 <= value < 2**63, f"{value!r} is no whole number")
    return value

def unbase64(text, size=32):
    raw = base64.b64decode(text, validate=True)
    need(len(raw) == size and base64.b64encode(raw).decode() == text, f"not base64 of {size} bytes")
    return raw

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def jcs(value, depth=1):
    """RFC 8785, for what a record may hold."""
    need(depth <= 64 or not isinstance(value, (dict, list)), "more than 64 levels")
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{jcs(name)}:{jcs(value[name], depth + 1)}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(jcs(one, depth + 1) for one in value) + "]"
    if isinstance(value, float):  # Python finds the same digits as ECMAScript, and writes small fractions differently.
        need(abs(value) < 2**53 and value != int(value), "a number that is not in its shortest form")
        text = repr(value).replace("e-0", "e-")
        return format(decimal.Decimal(text), "f") if "e" in text and abs(value) >= 1e-6 else text
    need("\0" not in value if isinstance(value, str) else abs(value or 0) < 2**53, "U+0000, or a number beyond 2^53-1")
    return json.dumps(value, ensure_ascii=False)

def signed(key, signature, message):
    """Whether a signature is valid, strictly: RFC 8032, and no point of small order."""
    y = [int.from_bytes(point, "little") & (2**255 - 1) for point in (key, signature[:32])]
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return y[0] < P and not SMALL & {*y}

class Record:
    """A record in canonical form. Nothing that it says is believed yet."""
    def __init__(self, body):
        self.__dict__.update(exact(parse(body.decode()), MEMBERS))
        parts = {name: f'"{name}":{jcs(getattr(self, name), 2)}' for name in MEMBERS.split()}
        need(f"{{{','.join(parts.values())}}}".encode() == body, "it is not canonical")
        need(self.v == 1 and re.fullmatch(TIME, self.ts) and (whole(self.seq) or self.prev is None), "a bad /v, /ts or /prev")
        need(all(re.fullmatch(HEX, text) for text in (self.hash, self.prev or self.hash)), "a hash is 64 hex digits")
        covered = [part for name, part in parts.items() if name not in ("hash", "pub_key", "sig")]
        self.digest = blake3.blake3(f"{{{','.join(covered)}}}".encode()).hexdigest()
        data = {"blake3": self.hash, "offset": whole(self.offset), "sha256": hashlib.sha256(body).hexdigest(), "v": 1}
        self.leaf = sha256(b"\0", jcs(data).encode())
        self.entry = sha256(b"\0sigil/timeline/v1\n", bytes.fromhex(self.hash))

def check_inclusion(index, node, size, root, path):
    path = [unbase64(text) for text in path]
    def subtree(a, b):
        if b - a == 1:
            return node
        split, sibling = a + (1 << (b - a - 1).bit_length() - 1), path.pop() if path else b""
        parts = (subtree(a, split), sibling) if index < split else (sibling, subtree(split, b))
        return sha256(b"\1", *parts)
    need(index < size and subtree(0, size) == root and not path, "an inclusion proof leads to another root")

def check_range(first, until, leaves, size, root, beside):
    need(first < until <= size and len(leaves) == until - first, f"{len(leaves)} records, {first} to {until} of {size}")
    leaves, beside = iter(leaves), iter([unbase64(text) for text in beside])
    def subtree(a, b):
        if b <= first or a >= until:
            return next(beside, b"")
        if b - a == 1:
            return next(leaves)
        split = a + (1 << (b - a - 1).bit_length() - 1)
        return sha256(b"\1", subtree(a, split), subtree(split, b))
    need(subtree(0, size) == root and next(beside, None) is None, "a range proof leads to another root")

def look_up(way, key, root):
    """What a map holds under a key: (count, root), or None where it is proven to hold nothing."""
    siblings, end = [unbase64(text) for text in exact(way, "siblings", "end")["siblings"]], way.get("end")
    bits, node, found, there, depth = f"{int.from_bytes(key, 'big'):0256b}", bytes(32), None, key, len(siblings)
    if end is not None:
        if "key" in exact(end, "count root", "key"):
            there, shared = bytes.fromhex(end["key"]), f"{int(end['key'], 16):0256b}"[:depth] == bits[:depth]
            need(re.fullmatch(HEX, end["key"]) and there != key and shared, "the other leaf does not lie on the way")
        found = whole(end["count"]), unbase64(end["root"])
        node = sha256(b"\0", there, found[0].to_bytes(8, "big"), found[1])
    for bit, sibling in [*zip(bits, siblings)][::-1]:
        node = sha256(b"\1", sibling, node) if bit == "1" else sha256(b"\1", node, sibling)
    need(node == root and depth <= 256, "a way through a map leads to another root")
    return found if there == key else None

def check_timeline(proof, as_of, map_root, entries):
    """Checks that the entries are the stretch of the timeline that the proof names; gives (first, until, count)."""
    exact(proof, "v tenant label target as_of top map", "range")
    need((proof["v"], proof["as_of"]) == (1, as_of), "a proof of a timeline belongs to another map")
    need(proof["label"] in LABELS if proof["target"] else not proof["label"], "a label without timelines proves nothing")
    need(tenant := look_up(proof["top"], sha256(proof["tenant"].encode()), map_root), "the map does not have the tenant")
    found = look_up(proof["map"], sha256(proof["label"].encode(), b"\0", proof["target"].encode()), tenant[1])
    count, root = found or (0, None)
    need(proof["label"] or count == tenant[0], "the counts of the whole chain differ")
    stretch = exact(proof.get("range", {"from": 0, "until": 0, "nodes": []}), "from until nodes")
    first, until = whole(stretch["from"]), whole(stretch["until"])
    if "range" in proof or entries:
        check_range(first, until, entries, count, root, stretch["nodes"])
    return first, until, count

def key_id(name, kind, key):
    return sha256(name.encode(), b"\n", bytes([kind]), key)[:4]

def verifier_key(text, kind):
    name, named, encoded = text.split("+", 2)
    raw = unbase64(encoded, 33)
    need(raw[0] == kind and key_id(name, kind, raw[1:]).hex() == named, f"no verifier key of type {kind}: {text}")
    return name, kind, raw[1:]

class Checkpoint:
    """A signed note of three lines. Who has signed it is asked afterwards."""
    def __init__(self, note):
        head, _, tail = note.rpartition("\n\n")
        need(not re.search(r"[\0-\x09\x0b-\x1f]", note) and tail.endswith("\n"), "the checkpoint is no signed note")
        self.text, (self.origin, size, root) = head + "\n", head.split("\n")
        need(re.fullmatch(r"[1-9]\d*", size), "the checkpoint has no size")
        self.size, self.root = whole(int(size)), unbase64(root)
        lines = [re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", line) for line in tail[:-1].split("\n")]
        self.lines = [(line[1], base64.b64decode(line[2], validate=True)) for line in lines]
    def times(self, name, kind, key):
        """When this key has signed it; 0 where no time is said. A line of the key that is wrong condemns the note."""
        for raw in (raw for signer, raw in self.lines if signer == name and raw[:4] == key_id(name, kind, key)):
            at, signature = (int.from_bytes(raw[4:12], "big"), raw[12:]) if kind == 4 else (0, raw[4:])
            message = f"cosignature/v1\ntime {at}\n{self.text}" if kind == 4 else self.text
            need(at < 2**63 and signed(key, signature, message.encode()), f"the signature of {name} is wrong")
            yield at

def judge(policy, checkpoint):
    """When which witnesses of a policy have cosigned, the names of all, and whether the quorum is met."""
    seen, names, met, quorum = {}, [], {"none"}, None
    for first, *rest in (line.split() for line in policy.splitlines() if line.strip() and line.split()[0][0] != "#"):
        if first == "witness":
            names.append(rest[0])
            for at in checkpoint.times(*verifier_key(rest[1], 4)):
                seen[rest[0]] = max(at, seen.get(rest[0], 0))
        elif first == "group":
            needed = {"any": 1, "all": len(rest) - 2}.get(rest[1]) or int(rest[1])
            met |= {rest[0]} if len({*seen, *met} & {*rest[2:]}) >= needed > 0 else set()
        quorum = rest[0] if first == "quorum" else quorum
    return seen, names, quorum in {*seen, *met}

class Bundle:
    """A bundle, and what was found out about it."""
    def __init__(self, file, trust, max_age, want_whole):
        self.findings, self.facts = [], []  # pairs of a check and of words; what is proven
        with self.check("form"):
            self.head = head = exact(parse(line := file.readline().decode()), HEAD, "policy")
            need((head["format"], head["v"]) == ("sigil-proof-bundle", 1), "this is no bundle of version 1")
            need(jcs(head) + "\n" == line, "its head is not canonical")
            keys = exact(head["keys"], "genesis genesis_path rotations proof")
            records = [Record(jcs(one).encode()) for one in (head["map_record"], keys["genesis"], *keys["rotations"])]
            self.note, self.last, self.genesis = Checkpoint(head["checkpoint"]), *records[:2]
            self.map = whole(self.last.payload["size"]), bytes.fromhex(self.last.payload["root"])
            self.check_keys(keys, records[2:], self.genesis.payload)
            self.check_checkpoint(trust, max_age)
            self.check_records(file, head["scope"], want_whole)
    @contextlib.contextmanager
    def check(self, name, where=""):
        try:
            yield
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            self.findings.append((name, where + (str(error) if type(error) is ValueError else f"bad form: {error!r}")))
    def demand(self, name, holds, words):
        self.findings += [] if holds else [(name, words)]
    def examine(self, record):
        key, at = [key for since, key in self.keys["record"] if since <= record.offset][-1], f"record {record.offset}: "
        message = b"sigil/record/v1\n" + bytes.fromhex(record.hash)
        self.demand("hash", record.digest == record.hash, at + "its bytes have another hash")
        self.demand("key", (record.pub_key, record.log) == (key, self.head["log"]), at + "it names another key or log")
        self.demand("signature", signed(unbase64(key), unbase64(record.sig, 64), message), at + "its signature is wrong")
    def check_keys(self, keys, rotations, payload):
        self.keys = {role: [(0, payload[f"{role}_key"])] for role in ("record", "checkpoint")}
        with self.check("key"):
            check_inclusion(0, self.genesis.leaf, self.note.size, self.note.root, keys["genesis_path"])
            first, until, count = check_timeline(keys["proof"], *self.map, [one.entry for one in rotations])
            name = [keys["proof"][name] for name in ("tenant", "label", "target")]
            need(name == ["sigil-ledger", "kind", "key.rotated"] and until - first == count, "rotations are left out")
        self.examine(self.genesis)
        for one in rotations:
            self.examine(one)
            role, old, new, pop, consent = (one.payload[name] for name in ("role", "old", "new", "pop", "root_sig"))
            claim = jcs({"log": one.log, "new": new, "old": old, "role": role}).encode()
            message, root_key = b"sigil/key/v1\n" + blake3.blake3(claim).digest(), payload["root_key"]
            proven = all(signed(unbase64(k), unbase64(s, 64), message) for k, s in ((new, pop), (root_key, consent)))
            self.demand("key", proven and old == self.keys[role][-1][1], f"record {one.offset}: the rotation is not proven")
            self.keys[role].append((one.offset + 1, new))
    def check_checkpoint(self, trust, max_age):
        note, last, log, genesis, seen = self.note, self.last, self.head["log"], self.genesis, {}
        with self.check("checkpoint"):
            signers = [*note.times(log, 1, unbase64(self.keys["checkpoint"][-1][1]))]
            need(note.origin == log and signers, "the log's checkpoint key has not signed it")
            check_inclusion(note.size - 1, last.leaf, note.size, note.root, self.head["map_path"])
            place = (last.kind, last.tenant, last.log) == ("ledger.map_root", "sigil-ledger", log)
            need(place and self.map[0] <= last.offset == note.size - 1, "its last leaf is not the root of the map")
        with self.check("trust"):
            pinned = {base64.b64encode(verifier_key(key, 1)[2]).decode() for key in trust["checkpoint_keys"]}
            need(pinned & {key for _, key in self.keys["checkpoint"]}, "no checkpoint key is a pinned one")
            for name, found in ("origin", log), ("genesis_hash", genesis.hash), ("root_key", genesis.payload["root_key"]):
                need(trust[name] == found, f"{name} is not the pinned one")
        with self.check("witnesses"):
            seen, names, enough = judge(trust.get("policy", "quorum none"), note)
            ignored = "; the bundle's own policy is ignored" * (self.head.get("policy") not in (None, trust.get("policy")))
            self.facts.append(f"checkpoint of {note.size} records, {len(seen)} of {len(names)} witnesses{ignored}")
            need(enough, f"{len(seen)} of {len(names)} witnesses are no quorum")
        made = min(seen.values(), default=datetime.datetime.fromisoformat(last.ts).timestamp())
        age = round(datetime.datetime.now().timestamp() - made)
        self.facts.append(words := f"{age} seconds old, silent about offsets from {self.map[0]} on")
        self.demand("freshness", max_age is None or -300 <= age <= max_age, words)
    def check_records(self, file, scope, want_whole):
        exact(scope, {"log": "kind from until nodes", "timeline": "kind proof"}[scope["kind"]])
        log, chains, leaves, last = scope["kind"] == "log", {}, [], None
        name = [] if log else [scope["proof"][name] for name in ("tenant", "label", "target")]
        for number, line in enumerate(file, 2):
            leaves.append(b"")
            with self.check("canonical", f"line {number}: "):
                record = Record(line[:-1] if line.endswith(b"\n") else b"")
                leaves[-1] = record.leaf if log else record.entry
                self.examine(record)
                links = [["", ""], ["kind", record.kind]] + [[link["label"], link["target"]] for link in record.links]
                here = log or (record.tenant == name[0] and name[1:] in links)
                self.demand("completeness", here, f"record {record.offset} is not of the timeline")
                before, gapless = chains.get(record.tenant), log or not name[1]
                step, rise = record.offset - last.offset if last else 1, record.seq - before.seq if before else 1
                good = (step == 1 if log else step > 0) and (rise == 1 if gapless else rise > 0)
                good &= (not last or last.ts <= record.ts) and (not before or rise > 1 or record.prev == before.hash)
                self.demand("chain", good, f"record {record.offset} does not follow the one before")
                last = chains[record.tenant] = record
        with self.check("inclusion" if log else "completeness"):
            need(len(leaves) == self.head["records"], f"{len(leaves)} records, not {self.head['records']}")
            if log:
                first, until, count = whole(scope["from"]), whole(scope["until"]), self.map[0]
                check_range(first, until, leaves, self.note.size, self.note.root, scope["nodes"])
                need(until <= count and last.offset == until - 1, "the records are elsewhere in the log")
            else:
                first, until, count = check_timeline(scope["proof"], *self.map, leaves)
            self.facts.append(f"{' '.join(name) or 'log'}: {first} to before {until} of {count}")
            self.demand("completeness", not want_whole or until - first == count, "that is not all of it")

def main():
    parser = argparse.ArgumentParser(description="Checks a Sigil proof bundle.")
    parser.add_argument("bundle", help="the file, .sigil-proof")
    parser.add_argument("--trust", required=True, help="the trust file: what you pin")
    parser.add_argument("--max-age", type=int, help="how old the oldest signature may be, in seconds")
    parser.add_argument("--whole", action="store_true", help="fail unless it is all of the timeline or log")
    args = parser.parse_args()
    try:
        with open(args.trust, encoding="utf-8") as pins, open(args.bundle, "rb") as file:
            trust = exact(parse(pins.read()), "origin genesis_hash root_key checkpoint_keys", "policy")
            bundle = Bundle(file, trust, args.max_age, args.whole)
    except (OSError, ValueError) as error:
        print(f"could not be checked: {error}")
        return 5
    failed = {name for name, _ in bundle.findings}
    for name in CHECKS:
        print(f"{'FAILED' if name in failed else 'not checked' if 'form' in failed else 'ok':<13}{name}")
    print("\n".join([f"  {name}: {words}" for name, words in bundle.findings[:20]] + bundle.facts))
    print("verification failed" if failed else "verified")
    return 3 if failed else 0

if __name__ == "__main__":
    sys.exit(main())

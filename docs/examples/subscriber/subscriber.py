#!/usr/bin/env python3
"""Copies the records of a Sigil log from NATS JetStream into SQLite: each once, in order, across every restart.

What a subscriber has to know is in here and nothing else:

* A message's identity is the offset inside the record, not the broker's sequence number. The next offset is kept in the
  same database, and changes in the same transaction, as what was made of the records: a crash between two lines loses
  nothing and repeats nothing.
* Nothing is believed before it is checked: the log's name, the offset, the hash, the signature by the log's record key,
  and that the record continues the chain of its tenant. A message that fails is not skipped: the program waits for the
  ledger to put the stream right, and stops when that does not happen.
* A stream begins at the offset in its name. When the ledger has to begin a new one, the old one stays: records are read
  from the stream that holds the next offset, and from the ledger itself where none does.
"""

import argparse
import asyncio
import base64
import json
import re
import signal
import sqlite3
import sys
import urllib.request

import blake3
import nats
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nats.errors import Error as NatsError, TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

FETCH = 256
IDLE_SECONDS = 1
KEEP_CONSUMER_SECONDS = 60

SCHEMA = """
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER, log TEXT, record_key TEXT);
CREATE TABLE IF NOT EXISTS chains (tenant TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    "offset" INTEGER PRIMARY KEY, tenant TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
    body BLOB NOT NULL, UNIQUE (tenant, seq), UNIQUE (tenant, id)
);
INSERT OR IGNORE INTO progress VALUES (1, 0, NULL, NULL);
"""


class Refused(Exception):
    """A message that is not the record that follows. Nothing after it is read."""


def parse(body: bytes) -> dict:
    """A record; what it claims is still to be checked."""
    try:
        record = json.loads(body)
        if isinstance(record["offset"], int) and isinstance(record["payload"], dict):
            return record
    except (ValueError, TypeError, KeyError):
        pass
    raise Refused("a message holds no record")


def without(body: bytes, names: set) -> bytes:
    """Canonical JSON without these members of its outermost object; the rest stays byte for byte."""
    kept, depth, start, name, quoted, at = [], 0, 1, None, None, 0
    while at < len(body):
        byte = body[at]
        if byte == 0x22:  # a string: to its closing quote, over escapes
            end = at + 1
            while body[end] != 0x22:
                end += 2 if body[end] == 0x5C else 1
            if depth == 1 and name is None:
                name = body[at + 1 : end].decode()
            at = end
        elif byte in b"{[":
            depth += 1
        elif byte in b"}]":
            depth -= 1
        if (byte == 0x2C and depth == 1) or (byte == 0x7D and depth == 0):
            if name not in names:
                kept.append(body[start:at])
            start, name = at + 1, None
        at += 1
    return b"{" + b",".join(kept) + b"}"


def check_record(body: bytes, record: dict, key: str) -> None:
    """Hash and signature of a record, under the record key of the log."""
    digest = blake3.blake3(without(body, {"hash", "pub_key", "sig"})).digest()
    if digest.hex() != record["hash"]:
        raise Refused(f"record {record['offset']}: its hash is not that of its bytes")
    if record["pub_key"] != key:
        raise Refused(f"record {record['offset']}: it is signed by another key than the log's")
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))
        public.verify(base64.b64decode(record["sig"]), b"sigil/record/v1\n" + digest)
    except InvalidSignature:
        raise Refused(f"record {record['offset']}: its signature is wrong") from None


class State:
    """What was read, and the offset that comes next: one file."""

    def __init__(self, path: str, genesis: str):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.executescript(SCHEMA)
        self.genesis = genesis
        self.next, self.log, self.key = self.db.execute("SELECT next, log, record_key FROM progress").fetchone()

    def apply(self, bodies: list) -> int:
        """Checks records and stores them with the next offset, all or none. Those that are there already are passed over."""
        before = (self.next, self.log, self.key)
        self.db.execute("BEGIN IMMEDIATE")
        try:
            stored = sum(self.apply_one(body) for body in bodies)
            self.db.execute("UPDATE progress SET next = ?, log = ?, record_key = ?", (self.next, self.log, self.key))
            self.db.execute("COMMIT")
            return stored
        except BaseException:
            self.db.execute("ROLLBACK")
            self.next, self.log, self.key = before
            raise

    def apply_one(self, body: bytes) -> bool:
        record = parse(body)
        offset, tenant, payload = record["offset"], record["tenant"], record["payload"]
        if offset < self.next:
            (known,) = self.db.execute('SELECT body FROM records WHERE "offset" = ?', (offset,)).fetchone()
            if known != body:
                raise Refused(f"record {offset} came again with other bytes")
            return False
        if offset != self.next:
            raise Refused(f"record {self.next} is missing: {offset} came in its place")
        if offset == 0:
            # The one record that has to be known from elsewhere: the trust file of the log names its hash.
            if record["hash"] != self.genesis:
                raise Refused("this is another log: its genesis has another hash")
            self.log, self.key = record["log"], payload["record_key"]
        if record["log"] != self.log:
            raise Refused(f"record {offset} belongs to log {record['log']}")
        check_record(body, record, self.key)
        seq, head = self.db.execute("SELECT seq + 1, hash FROM chains WHERE tenant = ?", (tenant,)).fetchone() or (0, None)
        if (record["seq"], record["prev"]) != (seq, head):
            raise Refused(f"record {offset} does not continue the chain of its tenant")
        if record["kind"] == "key.rotated" and payload["role"] == "record":
            self.key = payload["new"]  # in force from the next record on
        # Here is what a subscriber is for. This one keeps the records.
        row = (offset, tenant, seq, record["id"], record["kind"], body)
        self.db.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", row)
        self.db.execute("INSERT OR REPLACE INTO chains VALUES (?, ?, ?)", (tenant, seq, record["hash"]))
        self.next += 1
        return True


async def find_stream(js, slug: str, offset: int):
    """Name and base of the stream that holds `offset`, and the base of the one after it; `None` where none does.

    A stream holds what follows its base, up to the base of the next one: what it has beyond that was replaced.
    """
    pattern = re.compile(rf"SIGIL_{re.escape(slug.upper())}_(\d{{20}})")
    infos, at = [], 0
    while page := await js.streams_info(offset=at):
        infos, at = infos + page, at + len(page)
    found = sorted((int(m[1]), m[0]) for m in (pattern.fullmatch(info.config.name) for info in infos) if m)
    below = [(base, name) for base, name in found if base <= offset]
    above = [base for base, _ in found if base > offset]
    if not below:
        return None, above[0] if above else None
    return below[-1], above[0] if above else None


async def read_stream(js, state: State, stream, until, stop: asyncio.Event) -> None:
    """Reads one stream from the next offset on, until it is idle or `until` is reached."""
    base, name = stream
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=state.next - base + 1,
        ack_policy=AckPolicy.EXPLICIT,
        inactive_threshold=KEEP_CONSUMER_SECONDS,
    )
    consumer = (await js.add_consumer(name, config)).name
    subscription = await js.pull_subscribe_bind(consumer, name)
    try:
        while not stop.is_set() and (until is None or state.next < until):
            try:
                messages = await subscription.fetch(FETCH, timeout=IDLE_SECONDS)
            except NatsTimeout:
                return
            wanted = messages if until is None else messages[: max(0, until - state.next)]
            for message in wanted:
                offset, sequence = parse(message.data)["offset"], message.metadata.sequence.stream
                if sequence != offset - base + 1:
                    raise Refused(f"record {offset} stands at {sequence} of {name}")
            stored = state.apply([message.data for message in wanted])
            # Only now may the broker forget that they are to be delivered.
            for message in wanted:
                await message.ack()
            say(next=state.next, stored=stored, stream=name)
    finally:
        await subscription.unsubscribe()


def read_ledger(state: State, url: str, token: str, until: int) -> None:
    """Reads what no stream holds from the ledger's own API, up to offset `until`."""
    while state.next < until:
        request = urllib.request.Request(f"{url}/v1/events?tenant=*&from={state.next}&limit=500")
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            page = answer.read()
        bodies = split_data(page)
        if not bodies:
            raise Refused(f"the ledger has no record {state.next}")
        stored = state.apply(bodies[: until - state.next])
        say(next=state.next, stored=stored, stream=None)


def split_data(page: bytes) -> list:
    """The elements of `data`, byte for byte: records are canonical, so writing them again would have to be, too."""
    bodies, depth, start, at = [], 0, None, page.index(b"[") + 1
    while not (depth == 0 and page[at] == 0x5D):
        byte = page[at]
        if byte == 0x22:
            at += 1
            while page[at] != 0x22:
                at += 2 if page[at] == 0x5C else 1
        elif byte in b"{[":
            start, depth = at if depth == 0 else start, depth + 1
        elif byte in b"}]":
            depth -= 1
            if depth == 0:
                bodies.append(page[start : at + 1])
        at += 1
    return bodies


def say(**what) -> None:
    print(json.dumps(what), flush=True)


async def run(args) -> None:
    state = State(args.state, args.genesis)
    say(next=state.next)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    options = {"tls_hostname": args.tls_hostname} if args.tls_hostname else {}
    client = await nats.connect(
        args.server, user_credentials=args.credentials, max_reconnect_attempts=-1, connect_timeout=10, **options
    )
    js = client.jetstream()
    clock = asyncio.get_running_loop().time
    reached, since = state.next, clock()
    try:
        while not stop.is_set() and (args.until is None or state.next < args.until):
            try:
                stream, above = await find_stream(js, args.log, state.next)
                until = min((bound for bound in (above, args.until) if bound is not None), default=None)
                if stream:
                    await read_stream(js, state, stream, until, stop)
                elif above is None:
                    await asyncio.sleep(IDLE_SECONDS)  # the ledger has made no stream yet
                elif args.ledger:
                    token = open(args.token_file, encoding="ascii").read().strip() if args.token_file else ""
                    read_ledger(state, args.ledger, token, until)
                else:
                    raise Refused(f"no stream holds record {state.next}: name the ledger with --ledger")
                reached, since = state.next, clock()
            except (NatsError, OSError) as error:
                # The broker or the ledger is away: what is stored stands, and the offset says where to go on.
                say(next=state.next, waiting=f"{type(error).__name__}: {error}")
                await asyncio.sleep(IDLE_SECONDS)
            except Refused as refused:
                # The ledger notices too, and begins a new stream at the first record that this one does not hold.
                if state.next > reached:
                    reached, since = state.next, clock()
                if clock() - since > args.patience:
                    raise
                say(next=state.next, waiting=f"refused: {refused}")
                await asyncio.sleep(IDLE_SECONDS)
    finally:
        await client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Copies the records of a Sigil log from NATS into SQLite.")
    parser.add_argument("--server", default="nats://127.0.0.1:4222", help="the NATS server")
    parser.add_argument("--credentials", help="a NATS credentials file")
    parser.add_argument("--tls-hostname", help="the name in the server's certificate, where it is not the address")
    parser.add_argument("--log", required=True, help="the slug of the log")
    parser.add_argument("--genesis", required=True, help="the hash of the log's first record, from the trust file")
    parser.add_argument("--state", required=True, help="the SQLite file that records and progress go into")
    parser.add_argument("--ledger", help="the ledger's URL, for records that no stream holds")
    parser.add_argument("--token-file", help="a file with the ledger's token")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a stream to be put right")
    parser.add_argument("--until", type=int, help="stop when this many records were read")
    args = parser.parse_args()
    try:
        asyncio.run(run(args))
    except Refused as refused:
        print(f"stopped: {refused}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())

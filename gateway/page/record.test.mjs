import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { hashedBytes, members, pageRecords, verify } from "./record.mjs";

// Four records of one log as the server signed them, two of tenant `default` with awkward strings.
const records = JSON.parse(readFileSync(new URL("./fixture.json", import.meta.url), "utf8"));
const previousOf = (record) =>
  records.map((text) => JSON.parse(text)).find((other) => other.tenant === record.tenant && other.seq === record.seq - 1);
const check = (text) => verify(text, previousOf(JSON.parse(text)));

test("real records pass", async () => {
  for (const text of records) {
    assert.deepEqual(await check(text), { hash: "passed", signature: "passed", chain: "passed" }, text);
  }
});

test("a member is cut out of the bytes, not out of a string", () => {
  const text = '{"a":{"hash":"x","s":"},\\"hash\\":\\""},"hash":"y","pub_key":"k","sig":"s","z":[1,{"sig":2}]}';
  assert.equal(new TextDecoder().decode(hashedBytes(text)), '{"a":{"hash":"x","s":"},\\"hash\\":\\""},"z":[1,{"sig":2}]}');
  assert.deepEqual(members(text).map(([name]) => name), ["a", "hash", "pub_key", "sig", "z"]);
});

test("any changed byte of the hashed members fails the hash", async () => {
  const text = records.at(-1);
  const record = JSON.parse(text);
  for (const [from, to] of [["denied", "denies"], [`"seq":${record.seq}`, `"seq":${record.seq + 1}`], ['"v":1', '"v":2'], ["agent:a1", "agent:a2"]]) {
    assert.ok(text.includes(from), from);
    assert.equal((await check(text.replace(from, to))).hash, "failed", from);
  }
  assert.equal((await check(text.replace('{"author"', '{ "author"'))).hash, "failed");
  assert.equal((await verify(text.slice(0, -1))).hash, "failed");
  const swapped = text.replace(/^\{("author":.*?\}),("hash":"[0-9a-f]{64}")/, "{$2,$1");
  assert.notEqual(swapped, text);
  assert.equal((await verify(swapped)).hash, "failed", "members out of order");
});

test("another signature, hash or key fails", async () => {
  const text = records.at(-1);
  const record = JSON.parse(text);
  const other = JSON.parse(records.at(-2));
  assert.equal((await check(text.replace(record.sig, other.sig))).signature, "failed");
  assert.equal((await check(text.replace(record.hash, other.hash))).hash, "failed");
  assert.equal((await check(text.replace(record.pub_key, record.pub_key.replace(/^./, "/")))).signature, "failed");
});

test("the chain is judged only against the record before", async () => {
  const text = records.at(-1);
  const record = JSON.parse(text);
  assert.equal((await verify(text, undefined)).chain, "not checked");
  assert.equal((await verify(text, JSON.parse(records[0]))).chain, "not checked");
  assert.equal((await verify(text, { ...previousOf(record), hash: record.hash })).chain, "failed");
});

test("a page is taken apart into the exact texts", () => {
  const page = `{"data":[${records.join(",")}],"has_more":false,"next_cursor":null}`;
  assert.deepEqual(pageRecords(page), records);
  assert.deepEqual(pageRecords('{"data":[],"has_more":false,"next_cursor":null}'), []);
  assert.throws(() => pageRecords('{"type":"x"}'));
});

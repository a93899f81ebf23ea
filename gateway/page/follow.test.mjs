import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { hex } from "./blake3.mjs";
import { follower } from "./follow.mjs";
import { judge, readNote, readPolicy } from "./note.mjs";
import { consistencyRoots, continues } from "./proof.mjs";

// What one server said of one log, in this order: checkpoints with their cosignatures, and that each continues the one before.
const { policy, notes, consistency } = JSON.parse(readFileSync(new URL("./follow.fixture.json", import.meta.url), "utf8"));
const [older, newer] = notes.map(readNote);
const THREE = "witness-1.example.com, witness-2.example.com";

const found = (note, more = {}) => ({ note, checkpoint: "passed", time: "2026-11-20T12:00:00.000000Z", ...more });
const problem = (status, code) => Object.assign(new Error(code), { status, code });

/** A server that answers `paths`, and counts what it was asked. */
function server(paths) {
  const asked = [];
  const ask = async (path) => {
    asked.push(path);
    const answer = Object.entries(paths).find(([start]) => path.startsWith(start))?.[1];
    if (answer instanceof Error) throw answer;
    return { text: answer };
  };
  return { ask, asked };
}

const honest = { "/v1/checkpoints/consistency": consistency, "/v1/checkpoints/policy": policy };

/** Storage that outlives a page. */
function storage() {
  const kept = new Map();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
}

test("a checkpoint continues the one before, also in the next visit", async () => {
  const kept = storage();
  const first = follower(server(honest).ask, kept);
  assert.equal((await first.consistency(found(older), "log")).result, "not asked");
  const later = server(honest);
  const second = follower(later.ask, kept);
  assert.equal((await second.consistency(found(newer), "log")).result, "passed");
  assert.deepEqual(later.asked, [`/v1/checkpoints/consistency?from=${older.size}&to=${newer.size}`]);
  assert.equal((await second.consistency(found(newer), "log")).result, "passed");
  // An older one is shown again: it must be one that the newest continues.
  assert.equal((await follower(later.ask, kept).consistency(found(older), "log")).result, "passed");
  assert.equal((await second.consistency(found(newer), "another log")).result, "not asked");
  const forbidden = { getItem() { throw new Error("no"); }, setItem() { throw new Error("no"); } };
  const forgetful = follower(server(honest).ask, forbidden);
  assert.equal((await forgetful.consistency(found(older), "log")).result, "not asked");
  assert.equal((await forgetful.consistency(found(newer), "log")).result, "passed");
});

test("a log whose first record is not known is followed on this page, and not taken for another of its name later", async () => {
  const kept = storage();
  const first = follower(server(honest).ask, kept);
  assert.equal((await first.consistency(found(older))).result, "not asked");
  assert.equal((await first.consistency(found(newer))).result, "passed");
  const other = { ...newer, root: newer.root.map((byte) => byte ^ 1) };
  assert.equal((await first.consistency(found(other))).result, "failed");
  assert.equal((await follower(server(honest).ask, kept).consistency(found(other))).result, "not asked");
});

test("a fork, a rewritten log and one that was put back are caught, and stay caught", async () => {
  const other = { ...newer, root: newer.root.map((byte) => byte ^ 1) };
  const flipped = consistency.replace(/"nodes":\["(.)/, (_, c) => `"nodes":["${c === "A" ? "B" : "A"}`);
  const between = consistency.replace(`"from":${older.size}`, `"from":${older.size - 1}`);
  for (const [name, paths, then] of [
    ["another root", honest, other],
    ["an altered proof", { ...honest, "/v1/checkpoints/consistency": flipped }, newer],
    ["the proof of others", { ...honest, "/v1/checkpoints/consistency": between }, newer],
    ["no proof in the answer", { ...honest, "/v1/checkpoints/consistency": "{}" }, newer],
    ["fewer records than it signed", { "/v1/checkpoints/consistency": problem(409, "POSITION_AHEAD") }, newer],
  ]) {
    const following = follower(server(paths).ask, storage());
    await following.consistency(found(older), "log");
    assert.equal((await following.consistency(found(then), "log")).result, "failed", name);
    assert.equal((await following.consistency(found(then), "log")).result, "failed", `${name}, again`);
  }
  const following = follower(server(honest).ask, storage());
  await following.consistency(found(newer), "log");
  const fork = await following.consistency(found(other), "log");
  assert.deepEqual([fork.result, /forked/.test(fork.text)], ["failed", true]);
});

test("what the server does not answer is not checked", async () => {
  for (const failure of [problem(503, "PROOF_UNAVAILABLE"), new TypeError("no network")]) {
    const following = follower(server({ "/v1/checkpoints": failure }).ask, storage());
    await following.consistency(found(older), "log");
    assert.equal((await following.consistency(found(newer), "log")).result, "not checked");
    assert.equal((await following.witnesses(found(newer), 0)).result, "not checked");
  }
  const following = follower(server(honest).ask, storage());
  assert.equal((await following.consistency({}, "log")).result, "not checked");
  assert.equal((await following.consistency(found(older, { checkpoint: "failed" }), "log")).result, "not checked");
  assert.equal((await following.witnesses({}, 0)).result, "not checked");
});

test("every tree continues its beginnings and no other", async () => {
  const { from, to, nodes } = JSON.parse(consistency);
  const beside = nodes.map((node) => Uint8Array.from(atob(node), (c) => c.charCodeAt(0)));
  const [first, last] = await consistencyRoots(from, older.root, to, beside);
  assert.deepEqual([hex(first), hex(last)], [hex(older.root), hex(newer.root)]);
  await assert.rejects(consistencyRoots(from, older.root, to, beside.slice(1)), /too few/);
  await assert.rejects(consistencyRoots(from, older.root, to, [...beside, beside[0]]), /too many/);
  await assert.rejects(consistencyRoots(to + 1, older.root, to, beside), /only grows/);
  const as = (note) => ({ size: note.size, root: hex(note.root) });
  assert.equal(await continues(consistency, as(older), as(newer)), true);
  assert.equal(await continues(consistency, as(older), { ...as(newer), root: as(older).root }), false);
});

test("cosignatures count by the policy, each checked", async () => {
  const { ask, asked } = server(honest);
  const following = follower(ask, storage());
  const well = await following.witnesses(found(newer), 0);
  assert.equal(well.result, "passed");
  assert.match(well.text, /^2 of 3 have cosigned \(witness-1\.example\.com, witness-2\.example\.com, without witness-3/);
  assert.match(well.text, /the server's word/);
  assert.ok(well.time > 1_700_000_000);
  await following.witnesses(found(newer), 0);
  assert.deepEqual(asked, ["/v1/checkpoints/policy"], "the policy is kept for a while");
  const lines = newer.lines;
  const one = { ...newer, lines: lines.filter(({ name }) => name !== "witness-2.example.com") };
  const made = Date.parse("2026-11-20T12:00:00Z");
  assert.equal((await following.witnesses(found(one), made + 5_000)).result, "not checked", "witnesses may be on their way");
  const late = await following.witnesses(found(one), made + 60_000);
  assert.deepEqual([late.result, late.text.startsWith("1 of 3"), late.time], ["failed", true, undefined]);
  for (const at of [0, 8, 71]) {
    const wrong = lines.map((line) => {
      if (line.name !== "witness-1.example.com") return line;
      return { ...line, signature: line.signature.map((byte, place) => (place === at ? byte ^ 1 : byte)) };
    });
    const caught = await following.witnesses(found({ ...newer, lines: wrong }), 0);
    assert.deepEqual([caught.result, /witness-1\.example\.com is wrong/.test(caught.text)], ["failed", true], `byte ${at}`);
  }
  const elsewhere = { ...older, lines: newer.lines };
  assert.equal((await following.witnesses(found(elsewhere), 0)).result, "failed", "cosignatures of another checkpoint");
});

test("a log without witnesses, and a policy that is none", async () => {
  const verdict = async (answer) => (await follower(server({ "/v1/checkpoints/policy": answer }).ask).witnesses(found(newer), 0)).result;
  assert.equal(await verdict(problem(404, "NOT_FOUND")), "not asked");
  assert.equal(await verdict("quorum none\n"), "not asked");
  const [w1, w2] = policy.split("\n");
  for (const text of ["", w1, `${w1}\n${w1}\nquorum none`, `${w1}\n${w1.replace("witness witness-1", "witness other")}\nquorum none`, `${w1}\ngroup g 2 ${THREE.split(",")[0]}\nquorum g`, "quorum g", "wat x", `${w1}\nquorum none\nquorum none`, w1.replace("+B", "+A")]) {
    assert.throws(() => readPolicy(text), undefined, text);
    assert.equal(await verdict(text), "not checked", text);
  }
  const any = readPolicy(`# comment\nlog x\n${w1} https://w.example\n${w2}\ngroup g any ${THREE.replace(",", "")}\nquorum g\n`);
  assert.equal((await judge(newer, any)).met, true);
  const all = readPolicy(`${policy.split("\n").slice(0, 3).join("\n")}\ngroup g all ${THREE.replace(",", "")} witness-3.example.com\nquorum g\n`);
  assert.equal((await judge(newer, all)).met, false);
});

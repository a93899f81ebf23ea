import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "node:test";
import { join, verifyPage } from "./proof.mjs";

// Answers of one log with their proofs, as the server gave them; a test in Rust has the verifier accept each.
const { key, answers } = JSON.parse(readFileSync(new URL("./proof.fixture.json", import.meta.url), "utf8"));
const provable = answers.filter(({ name }) => name !== "not provable");
const [first, second] = provable;
const verdicts = ({ checkpoint, inclusion, completeness }) => ({ checkpoint, inclusion, completeness });
const ALL = { checkpoint: "passed", inclusion: "passed", completeness: "passed" };
// The text with a change made to its parsed form; numbers and names come out as they stood.
const changed = (text, change) => {
  const answer = JSON.parse(text);
  change(answer);
  return JSON.stringify(answer);
};

test("real answers pass", async () => {
  for (const { name, text, asked } of provable) {
    const found = await verifyPage(text, asked, key);
    assert.deepEqual(verdicts(found), ALL, `${name}: ${found.why}`);
    assert.ok(found.asOf > 0 && found.size > found.asOf && found.time.endsWith("Z"));
  }
});

test("what the server did not prove is not checked", async () => {
  const { text } = answers.find(({ name }) => name === "not provable");
  const found = await verifyPage(text, [], key);
  assert.equal(found.provable, false);
  assert.match(found.reason, /outcomes have no timelines/);
});

test("a row that is left out, repeated, moved or changed fails", async () => {
  for (const { name, text, asked } of provable) {
    const rows = JSON.parse(text).data.length;
    for (let at = 0; at < rows; at += 1) {
      for (const change of [
        ({ data }) => data.splice(at, 1),
        ({ data }) => data.splice(at, 0, data[at]),
        ({ data }) => data.push(data.shift()),
        ({ data }) => { data[at].payload.action = "other"; },
        ({ data }) => { data[at].hash = "0".repeat(64); },
        ({ data }) => { data[at] = JSON.parse(second.text).data[0]; data[at].links = []; },
      ]) {
        const other = changed(text, change);
        if (other === changed(text, () => {})) continue;
        assert.equal((await verifyPage(other, asked, key)).completeness, "failed", `${name}, row ${at}: ${change}`);
      }
    }
  }
});

test("an altered proof fails, wherever it is altered", async () => {
  const flip = (texts, at) => { texts[at] = (texts[at][0] === "A" ? "B" : "A") + texts[at].slice(1); };
  for (const { name, text, asked } of provable) {
    const { proof } = JSON.parse(text);
    const changes = [
      ({ proof }) => { proof.as_of -= 1; },
      ({ proof }) => { proof.map_record.payload.size -= 1; },
      ({ proof }) => { proof.target += "x"; },
      ({ proof }) => { proof.top.end.count += 1; },
      ({ query }) => { query.tenant = "other"; },
      (answer) => { answer.unproven = [1]; },
      ...["map_path"].flatMap((part) => proof[part].map((_, at) => ({ proof }) => flip(proof[part], at))),
      ...["top", "map"].flatMap((part) => proof[part].siblings.map((_, at) => ({ proof }) => flip(proof[part].siblings, at))),
      ...["top", "map"].map((part) => ({ proof }) => proof[part].siblings.pop()),
    ];
    if (proof.map.end) changes.push(({ proof }) => { proof.map.end.count += 1; });
    if (proof.range) {
      changes.push(
        ...proof.range.nodes.map((_, at) => ({ proof }) => flip(proof.range.nodes, at)),
        ({ proof }) => { proof.range.nodes.push(proof.range.nodes[0] ?? proof.map_path[0]); },
        ({ proof }) => { proof.range.from += 1; proof.range.until += 1; },
        ({ proof }) => { delete proof.range; });
    }
    for (const change of changes) {
      const found = await verifyPage(changed(text, change), asked, key);
      assert.notEqual(found.completeness, "passed", `${name}: ${change}`);
      assert.ok(found.why, `${name}: ${change}`);
    }
  }
});

test("the checkpoint counts under the log's key only", async () => {
  const { text, asked } = first;
  const forged = changed(text, ({ proof }) => { proof.checkpoint = proof.checkpoint.replace(/(\S)=\n$/, (_, c) => `${c === "A" ? "E" : "A"}=\n`); });
  assert.notEqual(forged, changed(text, () => {}));
  assert.equal((await verifyPage(forged, asked, key)).checkpoint, "failed");
  assert.equal((await verifyPage(text, asked, null)).checkpoint, "not checked");
  const other = Buffer.from(key, "base64").map((byte) => byte ^ 1).toString("base64");
  assert.equal((await verifyPage(text, asked, other)).checkpoint, "not checked");
  const root = changed(text, ({ proof }) => { proof.checkpoint = proof.checkpoint.replace(/\n([A-Za-z])/, (_, c) => `\n${c === "Q" ? "R" : "Q"}`); });
  const found = await verifyPage(root, asked, key);
  assert.deepEqual([found.checkpoint, found.completeness], ["failed", "failed"]);
});

test("the answer to another question, or of another page, fails", async () => {
  const actor = provable.find(({ name }) => name === "one actor");
  assert.match((await verifyPage(actor.text, first.asked, key)).why, /another question/);
  assert.match((await verifyPage(first.text, second.asked, key)).why, /another question/);
  const swapped = changed(first.text, (answer) => { answer.proof = JSON.parse(second.text).proof; });
  assert.equal((await verifyPage(swapped, first.asked, key)).completeness, "failed");
  const headless = changed(second.text, ({ query }) => { query.cursor = false; });
  assert.match((await verifyPage(headless, first.asked, key)).why, /newer records are left out/);
  const endless = changed(first.text, (answer) => { answer.has_more = false; });
  assert.match((await verifyPage(endless, first.asked, key)).why, /older records are left out/);
});

test("neighbours show the ends of a span of time", async () => {
  for (const name of ["a span with rows", "a span without rows"]) {
    const { text, asked } = provable.find((answer) => answer.name === name);
    for (const side of ["before", "after"]) {
      const without = changed(text, ({ boundary }) => { delete boundary[side]; });
      assert.equal((await verifyPage(without, asked, key)).completeness, "failed", `${name} ${side}`);
    }
    const wider = changed(text, ({ query }) => { query.recorded_to = "2026-11-21T00:00:00.000000Z"; });
    assert.match((await verifyPage(wider, [], key)).why, /neighbour after/);
  }
});

test("of two conditions, the rows are found among what one of them is proven to have", async () => {
  const { text, asked } = provable.find(({ name }) => name === "two conditions");
  const { data, others } = JSON.parse(text);
  assert.ok(data.length > 1 && others.length > 1);
  const sort = (rows) => rows.sort((a, b) => b.offset - a.offset);
  for (let at = 0; at < data.length; at += 1) {
    const hidden = changed(text, (answer) => { answer.others = sort([...answer.others, ...answer.data.splice(at, 1)]); });
    assert.match((await verifyPage(hidden, asked, key)).why, /stands among the others/);
  }
  for (let at = 0; at < others.length; at += 1) {
    const shown = changed(text, (answer) => { answer.data = sort([...answer.data, ...answer.others.splice(at, 1)]); });
    assert.match((await verifyPage(shown, asked, key)).why, /does not meet all/);
    const fewer = changed(text, (answer) => { answer.others.splice(at, 1); });
    assert.match((await verifyPage(fewer, asked, key)).why, /records stand here/);
  }
  const alone = changed(text, (answer) => { answer.completeness = "proven"; });
  assert.match((await verifyPage(alone, asked, key)).why, /two forms/);
  const wider = changed(text, (answer) => { answer.query.and = []; });
  assert.equal((await verifyPage(wider, asked, key)).completeness, "failed");
  const other = changed(text, (answer) => { answer.query.and[0].target = "agent:planner"; });
  assert.equal((await verifyPage(other, asked, key)).completeness, "failed");
  const another = [["conditions", [["actor", "agent:coder"]]]];
  assert.match((await verifyPage(text, another, key)).why, /another question/);
});

test("a label without timelines proves nothing, and a newer row must belong to the page too", async () => {
  const { text } = provable.find(({ name }) => name === "nobody");
  // A key of such a label on the same way through the map: under it everything is "absent".
  const { proof } = JSON.parse(text);
  const bits = (label, target) => {
    const key = createHash("sha256").update(`${label}\0${target}`).digest();
    return [...key].map((byte) => byte.toString(2).padStart(8, "0")).join("").slice(0, proof.map.siblings.length);
  };
  const targets = Array.from({ length: 100_000 }, (_, at) => `x:${at}`);
  const target = targets.find((one) => bits("cause", one) === bits(proof.label, proof.target));
  const odd = changed(text, ({ query, proof }) => {
    query.label = proof.label = "cause";
    query.target = proof.target = target;
  });
  assert.match((await verifyPage(odd, [], key)).why, /no timelines/);
  const both = provable.find(({ name }) => name === "two conditions");
  const asOf = JSON.parse(both.text).proof.as_of;
  const isCoder = ({ links }) => links.some(({ target }) => target === "agent:coder");
  const later = JSON.parse(second.text).data.find((row) => row.offset >= asOf && isCoder(row));
  const mixed = changed(both.text, (answer) => {
    answer.data.unshift(later);
    answer.unproven = [later.offset];
  });
  assert.match((await verifyPage(mixed, both.asked, key)).why, /does not belong/);
});

test("pages join where they touch", async () => {
  const [newer, older] = await Promise.all([first, second].map(({ text, asked }) => verifyPage(text, asked, key)));
  const both = join(newer.range, older.range);
  assert.deepEqual([both.from, both.until], [older.range.from, newer.range.until]);
  assert.equal(join({ from: 10, until: 20, count: 30 }, { from: 5, until: 9, count: 30 }), null);
});

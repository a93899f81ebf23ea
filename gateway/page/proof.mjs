// Checking a page of a timeline in the browser: from the records up to a signed checkpoint, as docs/FORMAT.md has it.
//
//   rows -> range -> the timeline's root -> map -> the tenant's root -> top -> the root that the map record names
//   map record -> map_path -> the checkpoint's root -> the checkpoint's signature
//
// Every hash is computed here. Directions come from the key that is asked about, shapes from positions and sizes, nothing
// from the proof. What cannot be checked here is said, not guessed.

import { blake3, hex } from "./blake3.mjs";
import { check, equal, fromHex, nodes, noteSignature, readNote, sha256 } from "./note.mjs";
import { hashedBytes, items, pageRecords, valueText } from "./record.mjs";

const encoder = new TextEncoder();

const leafHash = (data) => sha256([0], data);
const children = (left, right) => sha256([1], left, right);

/** Largest power of two below `size`: where a tree of two or more leaves splits (RFC 6962). */
function split(size) {
  let half = 1;
  while (half * 2 < size) half *= 2;
  return half;
}

/** The root that `leaves` from position `from` on and the nodes beside them lead to, in a tree of `size` leaves. */
export async function rangeRoot(from, leaves, size, beside) {
  const until = from + leaves.length;
  check(leaves.length > 0 && until <= size, "the range lies outside its tree");
  let [leaf, node] = [0, 0];
  async function root(start, end) {
    if (end <= from || start >= until) {
      check(node < beside.length, "the proof has too few nodes");
      return beside[node++];
    }
    if (end - start === 1) return leaves[leaf++];
    const middle = start + split(end - start);
    const left = await root(start, middle);
    return children(left, await root(middle, end));
  }
  const found = await root(0, size);
  check(node === beside.length, "the proof has too many nodes");
  return found;
}

/** The root that the leaf at `index` and its path lead to, in a tree of `size` leaves. */
export async function inclusionRoot(leaf, index, size, path) {
  check(index < size, "the leaf lies outside its tree");
  let at = 0;
  async function root(start, end) {
    if (end - start === 1) return leaf;
    const middle = start + split(end - start);
    // The siblings stand from the leaf up: the way down comes first.
    if (index < middle) {
      const left = await root(start, middle);
      check(at < path.length, "the proof has too few nodes");
      return children(left, path[at++]);
    }
    const right = await root(middle, end);
    check(at < path.length, "the proof has too few nodes");
    return children(path[at++], right);
  }
  const found = await root(0, size);
  check(at === path.length, "the proof has too many nodes");
  return found;
}

/** The roots of the first `from` leaves and of all `size`, as the nodes of a consistency proof say; `known` is the first. */
export async function consistencyRoots(from, known, size, beside) {
  check(from > 0 && from <= size, "a log only grows");
  let at = 0;
  const take = () => {
    check(at < beside.length, "the proof has too few nodes");
    return beside[at++];
  };
  // Both roots of the part of the tree from `start` to `end`, of which the older tree has what lies below `from`.
  async function roots(start, end, isOld) {
    if (end === from) {
      const node = isOld ? known : take();
      return [node, node];
    }
    const middle = start + split(end - start);
    if (from <= middle) {
      const [older, newer] = await roots(start, middle, isOld);
      return [older, await children(newer, take())];
    }
    const [older, newer] = await roots(middle, end, false);
    const left = take();
    return [await children(left, older), await children(left, newer)];
  }
  const found = await roots(0, size, true);
  check(at === beside.length, "the proof has too many nodes");
  return found;
}

/** Whether `text`, an answer of /v1/checkpoints/consistency, shows that the tree `newer` continues `older`. */
export async function continues(text, older, newer) {
  const { from, to, nodes: beside } = JSON.parse(text);
  check(from === older.size && to === newer.size, "this is the proof between two other checkpoints");
  const [first, last] = await consistencyRoots(from, fromHex(older.root), to, nodes(beside));
  return equal(first, fromHex(older.root)) && equal(last, fromHex(newer.root));
}

const bit = (key, depth) => (key[depth >> 3] >> (7 - (depth % 8))) & 1;

async function mapLeaf(key, end) {
  const count = new Uint8Array(8);
  new DataView(count.buffer).setBigUint64(0, BigInt(end.count));
  return sha256([0], key, count, nodes([end.root])[0]);
}

/** The root of a map by its proof about `key`, and the head under the key: `{root, head}`, head null when absent. */
export async function mapRoot(key, { siblings, end }) {
  const beside = nodes(siblings);
  check(beside.length <= 256, "the way through the map is longer than a key");
  let node = new Uint8Array(32);
  let head = null;
  if (end) {
    const own = end.key === undefined;
    const endKey = own ? key : fromHex(end.key);
    check(endKey.length === 32 && (own || !equal(endKey, key)), "the leaf of the map names its own key as another's");
    check(beside.every((_, depth) => bit(endKey, depth) === bit(key, depth)), "the leaf does not lie on the way to the key");
    node = await mapLeaf(endKey, end);
    if (own) head = end;
  }
  for (let depth = beside.length - 1; depth >= 0; depth -= 1) {
    node = bit(key, depth) ? await children(beside[depth], node) : await children(node, beside[depth]);
  }
  return { root: node, head };
}

async function logLeaf(text, hash, offset) {
  const whole = hex(await sha256(encoder.encode(text)));
  return leafHash(encoder.encode(`{"blake3":"${hash}","offset":${offset},"sha256":"${whole}","v":1}`));
}

/** The record in `text` with the hash that its bytes have. */
function exact(text) {
  const record = JSON.parse(text);
  check(hex(blake3(hashedBytes(text))) === record.hash, `the hash of the record at offset ${record.offset} is not its own`);
  return record;
}

const timelineLeaf = (record) => leafHash([...encoder.encode("sigil/timeline/v1\n"), ...fromHex(record.hash)]);

function standsIn(record, { label, target }) {
  if (label === "") return true;
  if (label === "kind") return record.kind === target;
  return record.links.some((link) => link.label === label && link.target === target);
}

// Labels that have timelines. Under any other one everything is absent from every map.
const LABELS = ["kind", "actor", "subject", "resource", "session", "proposal"];

/** All conditions that an answer says it meets, each as a text. */
function conditions({ label, target, and = [] }) {
  return [{ label, target }, ...and].map((one) => JSON.stringify([one.label, one.target])).toSorted();
}

/** Whether the answer's `query` has the member that was asked for; "conditions" are an array of `[label, target]`. */
function isAsked(query, [name, value]) {
  if (name !== "conditions") return query[name] === value;
  return JSON.stringify(conditions(query)) === JSON.stringify(value.map((one) => JSON.stringify(one)).toSorted());
}

/** From the checkpoint down to the timeline's head. */
async function climb(proof, mapText, note) {
  const map = exact(mapText);
  check(map.kind === "ledger.map_root" && map.tenant === "sigil-ledger", "the map record is no map record");
  check(map.log === note.origin, "the map record is another log's");
  check(map.offset === note.size - 1, "the map record is not the checkpoint's last leaf");
  check(map.payload.size === proof.as_of && proof.as_of < note.size, "the map record covers another number of records");
  const leaf = await logLeaf(mapText, map.hash, map.offset);
  const root = await inclusionRoot(leaf, map.offset, note.size, nodes(proof.map_path));
  check(equal(root, note.root), "the map record is not in the checkpoint's tree");
  const top = await mapRoot(await sha256(encoder.encode(proof.tenant)), proof.top);
  check(top.head, "the proof does not show the tenant's map");
  check(equal(top.root, fromHex(map.payload.root)), "the tenant's map is not in the map record");
  const key = proof.label === ""
    ? await sha256([0])
    : await sha256(encoder.encode(proof.label), [0], encoder.encode(proof.target));
  const timeline = await mapRoot(key, proof.map);
  check(equal(timeline.root, nodes([top.head.root])[0]), "the timeline's head is not in the tenant's map");
  return { head: timeline.head, map };
}

/** Rows stand at exactly the positions of the range, which goes as far as the page claims. */
async function place(answer, rows, others, boundary, head, asked) {
  const { proof, query } = answer;
  const descending = query.order === "desc";
  const sorted = (list) => list.every((row, at) => at === 0 || (row.offset < list[at - 1].offset) === descending);
  check(sorted(rows) && sorted(others), "rows are out of order");
  check(others.every((row) => row.offset < proof.as_of), "a row among the others is too new to be proven");
  const meets = (row) => (query.and ?? []).every((one) => standsIn(row, one));
  check(rows.every(meets), "a row does not meet all conditions");
  check(!others.some(meets), "a row that meets all conditions is left out, and stands among the others");
  const below = rows.filter((row) => row.offset < proof.as_of);
  const covered = [...below, ...others].toSorted((a, b) => (descending ? b.offset - a.offset : a.offset - b.offset));
  const newer = rows.filter((row) => row.offset >= proof.as_of).map((row) => row.offset);
  check(JSON.stringify(newer) === JSON.stringify(answer.unproven), "the list of unproven rows is not that of the newer rows");
  const members = [boundary.before, ...(descending ? covered.toReversed() : covered), boundary.after].filter(Boolean);
  const known = [proof, ...(query.and ?? [])].every(({ label, target }) => LABELS.includes(label) || (label === "" && target === ""));
  check(known, "this label has no timelines");
  const all = [...members, ...rows];
  check(all.every((row) => row.tenant === proof.tenant && standsIn(row, proof)), "a row does not belong to this timeline");
  check(asked.every((one) => isAsked(query, one)), "this is the answer to another question");
  for (const name of ["tenant", "label", "target"]) check(query[name] === proof[name], "the proof is about another question");
  const time = (row) => row.ts;
  check([...covered, ...rows].every((row) => !(query.recorded_from > time(row)) && !(query.recorded_to <= time(row))), "a row lies outside the time");
  check(!boundary.before || time(boundary.before) < query.recorded_from, "the neighbour before lies within the time");
  check(!boundary.after || time(boundary.after) >= query.recorded_to, "the neighbour after lies within the time");
  const count = head?.count ?? 0;
  if (!proof.range) {
    check(members.length === 0 && count === 0, "rows are shown, or left out, without a range");
    return { from: 0, until: 0, count };
  }
  const { from, until } = proof.range;
  check(until - from === members.length, `${until - from} records stand here, ${members.length} are shown`);
  const leaves = await Promise.all(members.map(timelineLeaf));
  const root = await rangeRoot(from, leaves, count, nodes(proof.range.nodes));
  check(equal(root, nodes([head.root])[0]), "the rows are not those of the timeline");
  const [first, last] = [!query.cursor, !answer.has_more];
  const [newest, oldest] = descending ? [first, last] : [last, first];
  check(!(newest || newer.length) || until === count || boundary.after, "newer records are left out");
  check(!oldest || from === 0 || boundary.before, "older records are left out");
  const outside = [boundary.before ? 1 : 0, boundary.after ? 1 : 0];
  return { from: from + outside[0], until: until - outside[1], count };
}

/**
 * Checks the answer in `text`. `asked` are `[name, value]` pairs that its query must have; `checkpointKey` is base64.
 * Answers `{provable, reason}` when the server gave no proof, else `{provable: true, checkpoint, inclusion, why, ...}` with
 * "passed", "failed" or "not checked": `checkpoint` is the log's signature, `inclusion` and `completeness` are one chain of
 * hashes, parted for the reader.
 */
export async function verifyPage(text, asked, checkpointKey) {
  const answer = JSON.parse(text);
  const several = answer.completeness === "superset";
  if (!several && answer.completeness !== "proven") return { provable: false, reason: answer.reason?.text ?? "the server gave no reason" };
  const found = { provable: true, checkpoint: "failed", inclusion: "failed", completeness: "failed", unproven: answer.unproven };
  if (!globalThis.crypto?.subtle) {
    return { ...found, checkpoint: "not checked", inclusion: "not checked", completeness: "not checked", why: "this browser computes no SHA-256 here: open the page on localhost or with https" };
  }
  try {
    const note = readNote(answer.proof.checkpoint);
    Object.assign(found, { size: note.size, root: hex(note.root), asOf: answer.proof.as_of });
    found.note = note;
    found.checkpoint = await noteSignature(note, checkpointKey);
    const { head, map } = await climb(answer.proof, valueText(valueText(text, "proof"), "map_record"), note);
    found.time = map.ts;
    found.inclusion = "passed";
    const rows = pageRecords(text).map(exact);
    check(several === Boolean(answer.query.and?.length) && several === ("others" in answer), "the answer mixes two forms of proof");
    const others = several ? items(valueText(text, "others")).map(exact) : [];
    const outside = valueText(text, "boundary") ?? "{}";
    const neighbour = (side) => {
      const cut = valueText(outside, side);
      return cut === undefined ? null : exact(cut);
    };
    const boundary = { before: neighbour("before"), after: neighbour("after") };
    found.rows = rows.length - answer.unproven.length;
    found.range = await place(answer, rows, others, boundary, head, asked);
    found.completeness = "passed";
  } catch (error) {
    found.why = error.message;
    // A row that is not the log's is no more included than one that is left out is complete.
    if (found.completeness === "failed") found.inclusion = "failed";
  }
  return found;
}

/** Joins what was proven of pages that follow each other; null when there is a gap between them. */
export function join(known, range) {
  if (!known) return range;
  if (range.from > known.until || range.until < known.from) return null;
  return {
    from: Math.min(known.from, range.from), until: Math.max(known.until, range.until), count: Math.max(known.count, range.count),
  };
}

// Signed notes in the browser (C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy): who signed a checkpoint,
// and whether those are enough.

import { hex } from "./blake3.mjs";
import { base64, canVerifySignatures } from "./record.mjs";

const encoder = new TextEncoder();

export async function sha256(...parts) {
  const input = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => { input.set(part, at); return at + part.length; }, 0);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", input));
}

export const equal = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
export const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));

export function check(holds, why) {
  if (!holds) throw new Error(why);
}

export function nodes(texts) {
  const found = texts.map(base64);
  check(found.every((node) => node.length === 32), "a node of the proof is not 32 bytes");
  return found;
}

/** A signed note: `{origin, size, root, text, lines}` with lines `{name, id, signature}`. */
export function readNote(note) {
  const at = note.indexOf("\n\n");
  check(at > 0, "the checkpoint is no signed note");
  const text = note.slice(0, at + 1);
  const [origin, size, root, ...rest] = text.slice(0, -1).split("\n");
  check(rest.length === 0 && /^(0|[1-9]\d*)$/.test(size ?? "") && root, "the checkpoint is not origin, size and root");
  check(Number.isSafeInteger(Number(size)), "the checkpoint's size is too large for this browser");
  const lines = note.slice(at + 2).split("\n").filter(Boolean).map((line) => {
    const [dash, name, encoded] = line.split(" ");
    check(dash === "\u2014" && name && encoded, "a signature line of the checkpoint cannot be read");
    const bytes = base64(encoded);
    return { name, id: hex(bytes.slice(0, 4)), signature: bytes.slice(4) };
  });
  return { origin, size: Number(size), root: nodes([root])[0], text, lines };
}

async function keyId(name, type, key) {
  return hex((await sha256(encoder.encode(`${name}\n`), [type], key)).slice(0, 4));
}

async function verifies(key, signature, text) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, encoder.encode(text));
}

/** "passed", "failed" or "not checked" for the log's own signature under the key in base64. */
export async function noteSignature(note, publicKey) {
  if (!publicKey || !(await canVerifySignatures())) return "not checked";
  const key = base64(publicKey);
  const id = await keyId(note.origin, 1, key);
  const line = note.lines.find((line) => line.name === note.origin && line.id === id);
  // Another key: it may have been rotated, which only a trust file settles.
  if (!line) return "not checked";
  return (await verifies(key, line.signature, note.text)) ? "passed" : "failed";
}

/** A tlog-policy: `{witnesses, groups, quorum}`, quorum null for "none". Anything that is not one is an error. */
export function readPolicy(text) {
  const policy = { witnesses: [], groups: [], quorum: undefined };
  const known = new Set();
  const fresh = (name) => {
    check(name && name !== "none" && !known.has(name), "the policy defines a name twice");
    known.add(name);
    return name;
  };
  for (const [first, ...rest] of text.split("\n").map((line) => line.trim().split(/\s+/))) {
    if (first === "" || first.startsWith("#") || first === "log") continue;
    if (first === "witness") {
      // The key may hold a plus itself.
      const [, name, id, encoded] = rest[1]?.match(/^([^+]+)\+([0-9a-f]{8})\+(\S+)$/) ?? [];
      const key = base64(encoded ?? "");
      check(key.length === 33 && key[0] === 4, "the key of a witness is of another type");
      const repeated = policy.witnesses.some((other) => equal(other.key, key.slice(1)));
      check(!repeated, "the policy names a key twice");
      policy.witnesses.push({ name: fresh(rest[0]), keyName: name, id, key: key.slice(1) });
    } else if (first === "group") {
      const [name, count, ...members] = rest;
      check(members.length > 0 && members.every((member) => known.has(member)), "a group has a member that is not defined");
      const needed = count === "any" ? 1 : count === "all" ? members.length : Number(count);
      check(Number.isInteger(needed) && needed >= 1 && needed <= members.length, "a group needs more than it has, or nothing");
      policy.groups.push({ name: fresh(name), needed, members: [...new Set(members)] });
    } else {
      check(first === "quorum" && policy.quorum === undefined, "a line of the policy cannot be read");
      check(rest[0] === "none" || known.has(rest[0]), "the quorum is not defined");
      policy.quorum = rest[0] === "none" ? null : rest[0];
    }
  }
  check(policy.quorum !== undefined, "the policy names no quorum");
  return policy;
}

function isMet(policy, names) {
  const settled = new Set(names);
  for (const { name, needed, members } of policy.groups) {
    if (members.filter((member) => settled.has(member)).length >= needed) settled.add(name);
  }
  return policy.quorum === null || settled.has(policy.quorum);
}

/**
 * Whose cosignatures under the note verify: `{seen, missing, wrong, met, time}` with names of the policy. `time` is when a
 * quorum had seen the checkpoint, in seconds, by the witnesses' clocks; null while there is none.
 */
export async function judge(note, policy) {
  const found = { seen: [], missing: [], wrong: [], met: false, time: null };
  const times = [];
  for (const { name, keyName, id, key } of policy.witnesses) {
    check(id === await keyId(keyName, 4, key), "the id of a witness's key is not its own");
    const lines = note.lines.filter((line) => line.name === keyName && line.id === id);
    if (lines.length === 0) {
      found.missing.push(name);
      continue;
    }
    let newest = 0;
    let all = true;
    for (const { signature } of lines) {
      const time = signature.length === 72 ? Number(new DataView(signature.buffer, signature.byteOffset).getBigUint64(0)) : NaN;
      all &&= Number.isSafeInteger(time) && await verifies(key, signature.slice(8), `cosignature/v1\ntime ${time}\n${note.text}`);
      newest = Math.max(newest, time);
    }
    (all ? found.seen : found.wrong).push(name);
    if (all) times.push([newest, name]);
  }
  found.met = isMet(policy, found.seen);
  times.sort(([one], [other]) => other - one);
  const counted = [];
  for (const [time, name] of times) {
    counted.push(name);
    if (found.time === null && isMet(policy, counted)) found.time = time;
  }
  return found;
}

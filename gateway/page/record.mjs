// Checking a record in the browser: from its exact bytes, without trusting how a parser would write them again.
//
// The hash covers the canonical bytes without the members hash, sig and pub_key; the signature covers
// "sigil/record/v1\n" and the hash. What cannot be checked here is said, not guessed.

import { blake3, hex } from "./blake3.mjs";

const UNHASHED = new Set(["hash", "sig", "pub_key"]);

/** The end of the JSON value that starts at `at`, found without parsing it. */
function valueEnd(text, at) {
  let depth = 0;
  for (let i = at; i < text.length; i += 1) {
    const c = text[i];
    if (c === '"') i = stringEnd(text, i) - 1;
    else if (c === "{" || c === "[") depth += 1;
    else if (c === "}" || c === "]") {
      if (depth === 0) return i;
      depth -= 1;
    } else if (c === "," && depth === 0) return i;
    if (depth === 0 && (c === "}" || c === "]")) return i + 1;
  }
  throw new Error("the record ends too early");
}

function stringEnd(text, at) {
  for (let i = at + 1; i < text.length; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === '"') return i + 1;
  }
  throw new Error("a string is never closed");
}

/** The members of the object in `text`, in its order: `[name, exact text of "name":value, exact text of the value]`. */
function cut(text) {
  if (text[0] !== "{") throw new Error("a record is an object");
  const found = [];
  let at = 1;
  while (text[at] !== "}") {
    const nameEnd = stringEnd(text, at);
    if (text[nameEnd] !== ":") throw new Error("not canonical: a colon follows a name at once");
    const end = valueEnd(text, nameEnd + 1);
    found.push([JSON.parse(text.slice(at, nameEnd)), text.slice(at, end), text.slice(nameEnd + 1, end)]);
    if (text[end] !== "," && text[end] !== "}") throw new Error("not canonical: a comma or the end was expected");
    at = text[end] === "," ? end + 1 : end;
  }
  if (at !== text.length - 1) throw new Error("something follows the record");
  return found;
}

/** The members of the canonical object in `text`, each as the exact text it stands as: `[name, text of "name":value]`. */
export function members(text) {
  const found = cut(text);
  found.forEach(([name], at) => {
    if (at > 0 && found[at - 1][0] >= name) throw new Error("not canonical: names are sorted and unique");
  });
  return found;
}

/** The exact text of a member's value in the text of an answer; undefined when it has none, or two of that name. */
export function valueText(text, name) {
  const found = cut(text).filter(([found]) => found === name);
  return found.length === 1 ? found[0][2] : undefined;
}

/** The exact texts of the items of the array in `text`, up to its end. */
export function items(text) {
  if (text?.[0] !== "[") throw new Error("a list was expected");
  const found = [];
  let at = 1;
  while (text[at] !== "]") {
    const end = valueEnd(text, at);
    found.push(text.slice(at, end));
    at = text[end] === "," ? end + 1 : end;
  }
  return found;
}

/** The exact texts of the records in the text of a timeline's answer. */
export function pageRecords(text) {
  const start = '{"data":';
  if (!text.startsWith(`${start}[`)) throw new Error("this is no page of a timeline");
  return items(text.slice(start.length));
}

/** The bytes that a record's hash covers. */
export function hashedBytes(text) {
  const kept = members(text).filter(([name]) => !UNHASHED.has(name));
  return new TextEncoder().encode(`{${kept.map(([, part]) => part).join(",")}}`);
}

/** Whether WebCrypto here verifies Ed25519. */
export async function canVerifySignatures() {
  if (!globalThis.crypto?.subtle) return false;
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32).fill(1), { name: "Ed25519" }, false, ["verify"]);
    return true;
  } catch (error) {
    // An engine without Ed25519 does not know the name; any other failure means that it does.
    return error.name !== "NotSupportedError";
  }
}

export function base64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

async function signatureVerifies(record) {
  const domain = new TextEncoder().encode("sigil/record/v1\n");
  const hash = Uint8Array.from(record.hash.match(/../g), (digits) => Number.parseInt(digits, 16));
  const message = new Uint8Array([...domain, ...hash]);
  const key = await crypto.subtle.importKey("raw", base64(record.pub_key), { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, key, base64(record.sig), message);
}

/**
 * Checks the record in `text`; `previous` is the parsed record before it in its tenant's chain, when it is known.
 * Answers `{hash, signature, chain}`, each "passed", "failed" or "not checked".
 */
export async function verify(text, previous) {
  const result = { hash: "failed", signature: "not checked", chain: "not checked" };
  let record;
  try {
    record = JSON.parse(text);
    result.hash = hex(blake3(hashedBytes(text))) === record.hash ? "passed" : "failed";
  } catch {
    return result;
  }
  if (await canVerifySignatures()) {
    const verified = await signatureVerifies(record).catch(() => false);
    result.signature = verified ? "passed" : "failed";
  }
  if (record.seq === 0) result.chain = record.prev === null ? "passed" : "failed";
  else if (previous && previous.tenant === record.tenant && previous.seq === record.seq - 1) {
    result.chain = record.prev === previous.hash ? "passed" : "failed";
  }
  return result;
}

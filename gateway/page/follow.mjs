// What a page's checkpoint is to the ones that this browser saw before, and to the log's witnesses.
//
// Every checkpoint must continue the one before, also across visits: the newest one is remembered, by the log's first
// record. What the server says about its witnesses is its own word; their cosignatures are checked here.

import { hex } from "./blake3.mjs";
import { judge, readPolicy } from "./note.mjs";
import { continues } from "./proof.mjs";
import { canVerifySignatures } from "./record.mjs";

const POLICY_MS = 60_000;
// How old a checkpoint is when its witnesses are late.
const WITNESS_MS = 10_000;
// Roots that a page keeps at most, however long it stays open.
const ROOTS = 10_000;

const passed = (text) => ({ result: "passed", text });
const failed = (text) => ({ result: "failed", text });
const notChecked = (text) => ({ result: "not checked", text });
const notAsked = (text) => ({ result: "not asked", text });

/** A memory in `storage` that is none where the browser allows none. */
function memory(storage) {
  const kept = new Map();
  return {
    get(name) {
      try { return JSON.parse(storage?.getItem(name) ?? "null") ?? kept.get(name) ?? null; } catch { return kept.get(name) ?? null; }
    },
    set(name, value) {
      kept.set(name, value);
      try { storage?.setItem(name, JSON.stringify(value)); } catch { /* this page remembers it all the same */ }
    },
  };
}

/**
 * Follows the checkpoints of one server. `ask(path)` answers `{text}` or throws an error with `status` and `code`;
 * `storage` is where the newest one is remembered, and may be missing.
 */
export function follower(ask, storage) {
  const ofLogs = memory(storage);
  // Two logs may have one name, so one whose first record is not known is remembered no longer than this page.
  const ofNames = memory(undefined);
  const roots = new Map();
  let policy = null;

  function keepRoot({ size, root }) {
    roots.set(size, root);
    if (roots.size > ROOTS) roots.delete(roots.keys().next().value);
  }

  async function joined(older, newer) {
    let answer;
    try {
      answer = await ask(`/v1/checkpoints/consistency?from=${older.size}&to=${newer.size}`);
    } catch (error) {
      // A server that has fewer records than it has signed says so itself.
      return error.code === "POSITION_AHEAD" ? "failed" : "not checked";
    }
    return (await continues(answer.text, older, newer).catch(() => false)) ? "passed" : "failed";
  }

  /** What `found`, of `verifyPage`, is to the checkpoints before it; `log` tells one log from another. */
  async function consistency(found, log) {
    if (!found.note) return notChecked("the answer has no checkpoint that could be read");
    if (found.checkpoint === "failed") return notChecked("a checkpoint that nobody signed continues nothing");
    const now = { size: found.note.size, root: hex(found.note.root) };
    const name = `checkpoint ${log ?? found.note.origin}`;
    const remembered = log ? ofLogs : ofNames;
    const before = remembered.get(name);
    const known = roots.get(now.size) ?? (before?.size === now.size ? before.root : null);
    if (known && known !== now.root) return failed("two different checkpoints of the same size: the log was forked");
    if (!before) {
      remembered.set(name, { ...now, first: now.size });
      keepRoot(now);
      return notAsked("this is the first checkpoint of this log that this browser sees; every later one must continue it");
    }
    if (before.size !== now.size) {
      const [older, newer] = before.size < now.size ? [before, now] : [now, before];
      const result = await joined(older, newer);
      if (result === "failed") {
        return failed(`the checkpoints of ${older.size} and ${newer.size} records, both seen by this browser, do not belong to one log: it was rewritten, forked or put back to an older copy`);
      }
      if (result === "not checked") return notChecked("the server gave no proof that this checkpoint continues the one before");
      if (newer === now) remembered.set(name, { ...now, first: before.first });
    }
    keepRoot(now);
    return passed(`it continues every checkpoint that this browser has seen, since the one of ${before.first} records`);
  }

  async function learnPolicy() {
    if (policy && Date.now() - policy.at < POLICY_MS) return policy;
    try {
      const { text } = await ask("/v1/checkpoints/policy");
      policy = { at: Date.now(), policy: readPolicy(text) };
    } catch (error) {
      if (error.status === 404) policy = { at: Date.now(), policy: null };
      else return { why: error.status === undefined ? `the policy cannot be read: ${error.message}` : "the server gave no policy" };
    }
    return policy;
  }

  /** Who has cosigned the checkpoint of `found`; `now` is this computer's time in milliseconds. */
  async function witnesses(found, now) {
    if (!found.note) return notChecked("the answer has no checkpoint that could be read");
    const { policy: asked, why } = await learnPolicy();
    if (why) return notChecked(why);
    if (!asked?.quorum) return notAsked("this server says that its log asks no witnesses");
    if (!(await canVerifySignatures())) return notChecked("this browser has no Ed25519");
    const { seen, missing, wrong, met, time } = await judge(found.note, asked);
    const count = `${seen.length} of ${asked.witnesses.length}`;
    const without = missing.length ? `, without ${missing.join(", ")}` : "";
    if (wrong.length) return failed(`${count}: the cosignature of ${wrong.join(", ")} is wrong`);
    const judged = `${count} have cosigned (${seen.join(", ") || "nobody"}${without})`;
    if (met) {
      const whose = "Each cosignature was checked here; who the witnesses are, and how many are enough, is the server's word";
      return { ...passed(`${judged}, which is a quorum. ${whose}`), time };
    }
    const isNew = now - Date.parse(found.time ?? 0) < WITNESS_MS;
    return isNew ? notChecked(`${judged} so far, which is no quorum yet`) : failed(`${judged}, which is no quorum`);
  }

  return { consistency, witnesses };
}

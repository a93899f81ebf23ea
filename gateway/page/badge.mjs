// The badge above the timeline: one verdict for each promise, and what nobody checked.

import { element, mark } from "./view.mjs";

const FRESH_S = 60;

function item(result, name, text) {
  return element("li", {}, mark(result), " ", element("strong", {}, name), `: ${text}`);
}

/** The worst of several results. */
function worst(results) {
  return ["failed", "not checked"].find((result) => results.includes(result)) ?? "passed";
}

function named({ label, target, tenant }) {
  const what = label === "" ? "the whole chain" : `${label} ${target}`;
  return `${what} of tenant ${tenant}`;
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function ofRecords(results) {
  const count = (name, result) => results.filter((found) => found[name] === result).length;
  const all = (name) => (count(name, "failed") ? "failed" : count(name, "passed") === results.length ? "passed" : "not checked");
  const shown = plural(results.length, "record");
  const authentic = results.length ? worst([all("hash"), all("signature")]) : "not checked";
  const failed = results.filter((found) => found.hash === "failed" || found.signature === "failed").length;
  const signature = failed
    ? `${failed} of ${shown} shown FAILED`
    : `${count("signature", "passed")} of ${shown} shown are signed, hash and Ed25519, under the key that each names`;
  const broken = count("chain", "failed");
  const chain = broken
    ? `${broken} of ${shown} do not follow the one before`
    : `${count("chain", "passed")} of ${shown} follow the record before them in their tenant; of the others it is not shown`;
  return [
    item(authentic, "signature", signature),
    item(broken ? "failed" : count("chain", "passed") ? "passed" : "not checked", "chain", chain),
  ];
}

function ofCheckpoint(proof) {
  const words = {
    passed: `the checkpoint of ${plural(proof.size, "record")} is signed with the key that this server's first record names`,
    failed: proof.forked ? "two different checkpoints of the same size: the log was forked" : `the signature is wrong${proof.why ? `: ${proof.why}` : ""}`,
    "not checked": "no key to check it with, or no Ed25519 in this browser; after a rotation only a trust file knows the key",
  };
  return item(proof.checkpoint, "checkpoint", words[proof.checkpoint]);
}

function ofPlace(proof, covered) {
  const inclusion = proof.inclusion === "passed"
    ? `the rows below record ${proof.asOf} are in the checkpoint's tree`
    : proof.why ?? "the proof does not lead to the checkpoint";
  const items = [item(proof.inclusion, "inclusion", inclusion)];
  if (proof.completeness !== "passed") {
    return [...items, item(proof.completeness, "completeness", proof.why ?? "something is left out")];
  }
  const { from, until, count } = covered;
  const place = until > from
    ? `records ${from + 1} to ${until} of ${count}, none left out between them`
    : count ? `none of its ${plural(count, "record")} lies in this span of time` : "there is none";
  const newest = until === count && until > from ? ", none newer" : "";
  return [...items, item("passed", "completeness", `${named(proof.query)}: ${place}${newest}, as of record ${proof.asOf}`)];
}

function duration(seconds) {
  const [unit, name] = seconds < 120 ? [1, "s"] : seconds < 7200 ? [60, "min"] : seconds < 172800 ? [3600, "h"] : [86400, "days"];
  return `${Math.floor(Math.max(seconds, 0) / unit)} ${name}`;
}

function ofTime(proof, now) {
  const age = Math.round((now - Date.parse(proof.time)) / 1000);
  if (!Number.isFinite(age)) return item("not checked", "freshness", "the proof has no time");
  const newer = proof.unproven.length ? `; ${plural(proof.unproven.length, "newer row")} not proven yet` : "";
  const old = age > FRESH_S ? ": nothing may have been recorded since, or this answer is old; this page cannot tell" : "";
  const text = `as of ${duration(age)} ago, the log's clock against this computer's${newer}${old}`;
  return item(age > FRESH_S ? "not checked" : "passed", "freshness", text);
}

function ofWitnesses(proof) {
  const names = proof.cosignatures ?? [];
  const text = names.length
    ? `${plural(names.length, "cosignature")} on the checkpoint (${names.join(", ")}), not checked here: your trust file says whose count and how many make a quorum`
    : "nobody has cosigned this checkpoint";
  return item("not checked", "witnesses", text);
}

/**
 * Fills the badge. `results` are those of the records shown, `proof` what `verifyPage` found of the newest page with the
 * answer's `query`, `covered` what was proven of all pages shown together.
 */
export function fill(badge, results, proof, covered, now) {
  const items = ofRecords(results);
  let bad = results.some((result) => Object.values(result).includes("failed"));
  if (!proof?.provable) {
    const reason = proof ? `not provable: ${proof.reason}` : "asking";
    items.push(item("not checked", "completeness", reason));
  } else {
    items.push(ofCheckpoint(proof), ...ofPlace(proof, covered ?? proof.range));
    if (proof.inclusion === "passed") items.push(ofTime(proof, now), ofWitnesses(proof));
    bad ||= [proof.checkpoint, proof.inclusion, proof.completeness].includes("failed");
  }
  const proven = proof?.provable && worst([proof.checkpoint, proof.inclusion, proof.completeness]) === "passed";
  badge.className = `badge ${bad ? "failed" : proven ? "passed" : ""}`;
  badge.replaceChildren(
    element("strong", {}, bad ? "A check FAILED in this browser" : "Checked in this browser"),
    element("ul", { className: "checks" }, ...items),
    element("p", { className: "muted" },
      "Not checked here: that the keys are the log's. This page and the keys come from the same server; ",
      element("code", {}, "sigil verify --trust FILE"), " takes them from your file."));
  return bad;
}

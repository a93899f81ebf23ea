// The badge above the timeline: one verdict for each promise, and what nobody checked.

import { element, mark } from "./view.mjs";

const FRESH_S = 60;

function item(result, name, text) {
  return element("li", {}, mark(result), " ", element("strong", {}, name), `: ${text}`);
}

function named({ label, target, tenant }) {
  return `${label === "" ? "the whole chain" : `${label} ${target}`} of tenant ${tenant}`;
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function ofRecords(results) {
  const count = (name, result) => results.filter((found) => found[name] === result).length;
  const all = (name) => (count(name, "failed") ? "failed" : count(name, "passed") === results.length ? "passed" : "not checked");
  const shown = plural(results.length, "record");
  const both = [all("hash"), all("signature")];
  const authentic = results.length ? ["failed", "not checked"].find((result) => both.includes(result)) ?? "passed" : "not checked";
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
    failed: `the signature is wrong${proof.why ? `: ${proof.why}` : ""}`,
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
  const { query, rows, asOf } = proof;
  const one = `${named(query)}: ${place}${newest}`;
  const text = query.and
    ? `${query.and.map((other) => `${other.label} ${other.target}`).join(" and ")}: ${plural(rows, "proven row")} of the newest page, found here among all records of ${one}`
    : one;
  return [...items, item("passed", "completeness", `${text}, as of record ${asOf}`)];
}

function duration(seconds) {
  const [unit, name] = seconds < 120 ? [1, "s"] : seconds < 7200 ? [60, "min"] : seconds < 172800 ? [3600, "h"] : [86400, "days"];
  return `${Math.floor(Math.max(seconds, 0) / unit)} ${name}`;
}

function ofTime(proof, now) {
  const seen = proof.witnesses?.time ? proof.witnesses.time * 1000 : null;
  const age = Math.round((now - (seen ?? Date.parse(proof.time))) / 1000);
  const whose = seen ? "the witnesses' clocks" : "the log's clock";
  if (!Number.isFinite(age)) return item("not checked", "freshness", "the proof has no time");
  const newer = proof.unproven.length ? `; ${plural(proof.unproven.length, "newer row")} not proven yet` : "";
  const old = age > FRESH_S ? ": nothing may have been recorded since, or this answer is old; this page cannot tell" : "";
  const text = `as of ${duration(age)} ago, ${whose} against this computer's${newer}${old}`;
  return item(age > FRESH_S ? "not checked" : "passed", "freshness", text);
}

const UNPROVEN = ["checkpoint", "inclusion", "consistency", "completeness", "freshness", "witnesses"];

/**
 * Fills the badge. `results` are those of the records shown, `proof` what `verifyPage` found of the newest page, with the
 * answer's `query` and the verdicts `consistency` and `witnesses` of `follower`; `covered` what was proven of all pages
 * shown together.
 */
export function fill(badge, results, proof, covered, now) {
  const items = ofRecords(results);
  let bad = results.some((result) => Object.values(result).includes("failed"));
  let proven = false;
  if (!proof?.provable) {
    const reason = proof ? `the server gave no proof: ${proof.reason}` : "asking";
    items.push(...UNPROVEN.map((name) => item("not checked", name, name === "completeness" ? reason : "there is no proof to check it with")));
  } else {
    const { consistency, witnesses } = proof;
    const time = proof.inclusion === "passed" ? ofTime(proof, now) : item("not checked", "freshness", "nothing leads to the checkpoint");
    items.push(
      ofCheckpoint(proof), ...ofPlace(proof, covered ?? proof.range), time,
      item(consistency.result, "consistency", consistency.text), item(witnesses.result, "witnesses", witnesses.text));
    const verdicts = [proof.checkpoint, proof.inclusion, proof.completeness, consistency.result, witnesses.result];
    bad ||= verdicts.includes("failed");
    proven = verdicts.slice(0, 3).every((verdict) => verdict === "passed");
  }
  badge.className = `badge ${bad ? "failed" : proven ? "passed" : ""}`;
  badge.replaceChildren(
    element("strong", {}, bad ? "A check FAILED in this browser" : "Checked in this browser"),
    element("ul", { className: "checks" }, ...items),
    element("p", { className: "muted" },
      "Every verdict above was computed here; keys, witnesses and this page itself came from the server that is checked. ",
      element("code", {}, "sigil verify --trust FILE"), " takes them from your file."));
  return bad;
}

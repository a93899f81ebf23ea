// The live timeline: asks for the first page of the filter every second and a half, marks what is new, and checks every
// record that it shows, and the proof that the page comes with. The token, when the server wants one, lives in sessionStorage
// and goes into a header only; the newest checkpoint is remembered in localStorage.

import { fill } from "./badge.mjs";
import { follower } from "./follow.mjs";
import { join, verifyPage } from "./proof.mjs";
import { pageRecords, verify } from "./record.mjs";
import { drawer, row, showCheck, summary } from "./view.mjs";

const POLL_MS = 1500;
const PARAMETERS = ["actor", "session", "kind", "action", "outcome", "from", "to", "tenant", "q"];
const LINK_PARAMETERS = ["actor", "subject", "resource", "session", "proposal", "kind"];
const at = (id) => document.getElementById(id);

const state = { entries: [], cursor: null, etag: null, paused: false, question: 0, extra: {}, shown: null, refused: false, proof: null, covered: null };
const follow = follower((path) => ask(path), browserStorage());
let genesis;

// Where the browser forbids it, the newest checkpoint is remembered until the page is left.
function browserStorage() {
  try { return globalThis.localStorage; } catch { return undefined; }
}

function parameters() {
  const form = new FormData(at("filters"));
  const found = PARAMETERS.map((name) => [name, String(form.get(name) ?? "").trim()]).filter(([, value]) => value);
  return new URLSearchParams([...found, ...Object.entries(state.extra)]);
}

async function ask(path, headers = {}) {
  const token = sessionStorage.getItem("token");
  const authorization = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { headers: { ...authorization, ...headers }, cache: "no-store", credentials: "omit" });
  if (response.status === 304) return { response };
  const text = await response.text();
  if (response.ok) return { response, text };
  let problem = {};
  try { problem = JSON.parse(text); } catch { /* not ours: the status says enough */ }
  throw Object.assign(new Error(problem.detail ?? `status ${response.status}`), { status: response.status, code: problem.code, action: problem.action });
}

function complain(error) {
  const problem = at("problem");
  // Without a token the sign-in field says it all.
  const asked = error?.status === 401 && !sessionStorage.getItem("token");
  problem.hidden = !error || asked;
  problem.textContent = error && !asked ? [error.message, error.action].filter(Boolean).join(" — ") : "";
  at("signin").hidden = error?.status !== 401;
}

function status(word, style) {
  at("status").textContent = word;
  at("dot").className = `dot ${style}`;
}

function entries(text) {
  return pageRecords(text).map((exact) => ({ text: exact, record: JSON.parse(exact) }));
}

function tellHead(response) {
  const [position, head] = ["sigil-position", "sigil-head"].map((name) => Number(response.headers.get(name)));
  const behind = head > position ? `, ${head - position} not shown yet` : "";
  status(`${state.paused ? "paused" : "live"} · ${head} records${behind}`, state.paused ? "" : "live");
}

// What the answer must say that it answers. How the server reads a phrase is shown, not compared.
function asked(query) {
  const pairs = [["order", "desc"], ["cursor", query.has("cursor")]];
  if (query.has("tenant")) pairs.push(["tenant", query.get("tenant")]);
  if (query.has("q")) return pairs;
  const conditions = LINK_PARAMETERS.filter((name) => query.has(name)).map((name) => [name, query.get(name)]);
  return [...pairs, ["conditions", conditions.length ? conditions : [["", ""]]], ["recorded_from", undefined], ["recorded_to", undefined]];
}

// The checkpoint key that the log's first record names, and its hash, once that record has passed its own checks.
async function learnGenesis() {
  const { text } = await ask("/v1/audit/timeline?tenant=sigil-ledger&order=asc&limit=1").catch(() => ({}));
  const first = text && pageRecords(text)[0];
  const result = first && (await verify(first));
  if (!result || result.hash !== "passed" || result.signature === "failed") return null;
  const record = JSON.parse(first);
  return record.kind === "ledger.genesis" && record.offset === 0 ? { key: record.payload.checkpoint_key, hash: record.hash } : null;
}

async function prove(text, query) {
  const question = state.question;
  genesis ??= await learnGenesis();
  const proof = await verifyPage(text, asked(query), genesis?.key);
  if (proof.provable) {
    proof.query = JSON.parse(text).query;
    proof.consistency = await follow.consistency(proof, genesis?.hash);
    proof.witnesses = await follow.witnesses(proof, Date.now());
  }
  if (question !== state.question) return;
  if (proof.completeness === "passed") {
    // A page that does not follow what was proven stands for itself, or is the newest one after a gap.
    const range = { ...proof.range, of: `${proof.query.label} ${proof.query.target}` };
    const other = state.covered && state.covered.of !== range.of;
    const joined = other ? null : join(state.covered, range);
    if (joined || !query.has("cursor")) state.covered = { ...(joined ?? range), of: range.of };
    else if (other) Object.assign(proof, { completeness: "not checked", why: "this page is proven by another timeline than the one before, so that it is not shown whether they touch" });
    else Object.assign(proof, { completeness: "failed", why: "records between two pages are left out" });
  } else if (!query.has("cursor")) state.covered = null;
  const verdicts = (found) => [found.checkpoint, found.inclusion, found.completeness, found.consistency?.result, found.witnesses?.result];
  const bad = (found) => found && verdicts(found).includes("failed");
  // The newest page tells the time; an older one is shown only when it is wrong.
  if (!query.has("cursor") || bad(proof)) state.proof = proof;
  drawBadge();
}

async function poll() {
  const question = state.question;
  const query = parameters();
  query.set("limit", "50");
  query.set("proof", "true");
  const { response, text } = await ask(`/v1/audit/timeline?${query}`, state.etag ? { "if-none-match": state.etag } : {});
  if (question !== state.question) return;
  complain(null);
  tellHead(response);
  if (text === undefined) return drawBadge();
  state.etag = response.headers.get("etag");
  merge(entries(text), JSON.parse(text).next_cursor);
  await prove(text, query);
}

// New rows go where the page has them; a page without any known row replaces the list.
function merge(page, cursor) {
  const known = new Map(state.entries.map((entry) => [entry.record.id, entry]));
  const first = state.entries.length === 0;
  const overlaps = page.some((entry) => known.has(entry.record.id));
  const fresh = page.filter((entry) => !known.has(entry.record.id));
  fresh.forEach((entry) => { entry.isNew = !first; });
  state.entries.forEach((entry) => { entry.isNew = false; entry.row.className = ""; });
  if (first || (!overlaps && cursor)) {
    state.entries = page;
    state.cursor = cursor;
  } else {
    const onPage = new Set(page.map((entry) => entry.record.id));
    const rest = state.entries.filter((entry) => !onPage.has(entry.record.id));
    state.entries = [...page.map((entry) => known.get(entry.record.id) ?? entry), ...rest];
  }
  if (!first && fresh.length) at("news").textContent = `${fresh.length} new ${fresh.length === 1 ? "record" : "records"}`;
  render();
}

function render() {
  const rows = at("rows");
  const wanted = state.entries.map((entry) => entry.row ?? row(entry, open));
  // Rows that stay are not touched, so that focus stays where it is.
  wanted.forEach((node, index) => {
    if (rows.children[index] !== node) rows.insertBefore(node, rows.children[index] ?? null);
  });
  while (rows.children.length > wanted.length) rows.lastElementChild.remove();
  at("empty").hidden = state.entries.length > 0;
  at("more").hidden = !state.cursor;
  check();
}

function previous(record) {
  return state.entries.find((other) => other.record.tenant === record.tenant && other.record.seq === record.seq - 1)?.record;
}

async function check() {
  const question = state.question;
  for (const entry of [...state.entries]) {
    const again = entry.result?.chain === "not checked" && previous(entry.record);
    if (entry.result && !again) continue;
    entry.result = await verify(entry.text, previous(entry.record));
    if (question !== state.question) return;
    showCheck(entry);
    if (state.shown === entry) show(entry);
  }
  drawBadge();
}

function drawBadge() {
  const results = state.entries.map((entry) => entry.result).filter(Boolean);
  const failed = results.filter((result) => summary(result) === "failed").length;
  if (failed) at("news").textContent = `${failed} of ${results.length} records failed a check in this browser`;
  const bad = fill(at("badge"), results, state.proof, state.covered, Date.now());
  if (bad && !failed) at("news").textContent = "The proof of this page failed a check in this browser";
}

function show(entry) {
  at("record").replaceChildren(...drawer(entry, filterBy, () => at("drawer").close()));
}

function open(entry) {
  state.shown = entry;
  show(entry);
  at("drawer").showModal();
}

function filterBy(label, target) {
  at("drawer").close();
  at("filters").reset();
  state.extra = {};
  const field = at("filters").elements.namedItem(label);
  if (field) field.value = target;
  else if (LINK_PARAMETERS.includes(label)) state.extra = { [label]: target };
  else return complain(new Error(`There is no filter for ${label} links yet.`));
  restart();
}

function restart() {
  Object.assign(state, { entries: [], cursor: null, etag: null, refused: false, question: state.question + 1, proof: null, covered: null });
  at("rows").replaceChildren();
  at("badge").replaceChildren();
  return tick();
}

async function tick() {
  try {
    await poll();
  } catch (error) {
    // A refused question is refused again: wait until it changes. A failing server is asked again.
    state.refused = error.status >= 400 && error.status < 500;
    status(error.status ? "stopped" : "server not reachable", "down");
    complain(error.status ? error : Object.assign(error, { message: "The server cannot be reached." }));
  }
}

async function loadMore() {
  const question = state.question;
  const query = parameters();
  query.set("limit", "50");
  query.set("cursor", state.cursor);
  query.set("proof", "true");
  try {
    const { text } = await ask(`/v1/audit/timeline?${query}`);
    if (question !== state.question) return;
    const known = new Set(state.entries.map((entry) => entry.record.id));
    const page = entries(text).filter((entry) => !known.has(entry.record.id));
    state.entries.push(...page);
    state.cursor = JSON.parse(text).next_cursor;
    render();
    page[0]?.row.querySelector("button").focus();
    await prove(text, query);
  } catch (error) {
    complain(error);
  }
}

at("filters").addEventListener("submit", (event) => { event.preventDefault(); state.extra = {}; restart(); });
at("filters").addEventListener("reset", () => setTimeout(() => { state.extra = {}; restart(); }));
at("filters").elements.namedItem("outcome").addEventListener("change", () => { state.extra = {}; restart(); });
at("signin").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", at("token").value.trim());
  at("token").value = "";
  restart().then(tellLog);
});
at("more").addEventListener("click", loadMore);
at("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  at("pause").setAttribute("aria-pressed", String(state.paused));
  at("pause").textContent = state.paused ? "Resume" : "Pause";
  if (state.paused) status("paused", "");
  else tick();
});
at("drawer").addEventListener("close", () => { state.shown?.row.querySelector("button")?.focus(); state.shown = null; });

async function tellLog() {
  const { text } = await ask("/v1/head").catch(() => ({}));
  if (text) at("log").textContent = JSON.parse(text).log;
}

async function live() {
  if (!state.paused && !state.refused && !document.hidden) await tick();
  setTimeout(live, POLL_MS);
}

at("filterbox").open = !matchMedia("(max-width: 700px)").matches;
tellLog();
live();

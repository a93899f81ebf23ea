// Rows and the record drawer. Everything from a record enters the page as text, never as markup.

/** An element with properties and children; text children stay text. */
export function element(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (key.startsWith("aria-") || key === "scope") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function targets(record, ...labels) {
  return record.links.filter((link) => labels.includes(link.label)).map((link) => link.target).join(", ");
}

/** When it happened, as the timeline orders it. */
export function happened(record) {
  return record.payload.occurred_at ?? record.ts;
}

function shortTime(time) {
  return time.replace("T", " ").replace(/\.0+Z$/, "").replace(/(\.\d{3})\d*Z$/, "$1");
}

const WORDS = { passed: ["✓", "passed-text", "passed"], failed: ["✗", "failed-text", "failed"], "not checked": ["–", "open-text", "could not be checked"], "not asked": ["·", "muted", "not asked"] };

/** What a row says about its checks: the worst of hash, signature and chain; an unchecked chain is no failure. */
export function summary(result) {
  if (Object.values(result).includes("failed")) return "failed";
  return result.hash === "passed" && result.signature === "passed" ? "passed" : "not checked";
}

/** A result as a sign and a word. */
export function mark(result) {
  const [sign, style, word] = WORDS[result];
  return element("span", { className: style }, element("span", { "aria-hidden": "true" }, sign), ` ${word}`);
}

/** One row of the timeline; `open` is called when it is to be shown. */
export function row(entry, open) {
  const { record } = entry;
  const what = record.payload.action ?? record.payload.key ?? "";
  const outcome = record.payload.outcome;
  const button = element("button", { className: "open", type: "button", onclick: () => open(entry) }, what || record.kind);
  entry.checkCell = element("td", { className: "check" }, "…");
  entry.row = element("tr", { className: entry.isNew ? "new" : "" },
    element("td", { className: "time" }, shortTime(happened(record))),
    element("td", { className: "what" }, button, what ? element("div", { className: "muted mono" }, record.kind) : null),
    element("td", {}, outcome ? element("span", { className: `pill ${outcome}` }, outcome) : ""),
    element("td", { className: "who" }, targets(record, "actor") || record.author.id),
    element("td", { className: "on" }, targets(record, "resource", "subject")),
    entry.checkCell);
  return entry.row;
}

/** Shows what the checks of a row have found. */
export function showCheck(entry) {
  entry.checkCell.replaceChildren(mark(summary(entry.result)));
}

function copyable(title, text) {
  const button = element("button", { type: "button", "aria-label": `Copy ${title}` }, "Copy");
  button.onclick = async () => {
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    button.textContent = copied ? "Copied" : "Select and copy by hand";
  };
  return [element("div", { className: "copyline" }, element("h3", {}, title), button), element("pre", { tabIndex: 0 }, text)];
}

function checks(entry) {
  const { result, record } = entry;
  const item = (word, text) => element("li", {}, mark(word), `: ${text}`);
  const chain = result.chain === "not checked"
    ? "chain: the record before it is not on this page"
    : record.seq === 0 ? "chain: the first record of its tenant, without prev" : `chain: prev is the hash of record ${record.seq - 1} of the tenant`;
  const signature = result.signature === "not checked"
    ? "signature: this browser has no Ed25519"
    : "signature: Ed25519 over the hash, under the key that the record names";
  return element("div", { className: `badge ${summary(result)}` },
    element("strong", {}, "Checked in this browser"),
    element("ul", { className: "checks" },
      item(result.hash, "hash: BLAKE3 of the exact bytes below"), item(result.signature, signature), item(result.chain, chain)),
    element("p", { className: "muted" },
      "Not checked here: that the key is the log's. The badge above the timeline says what is proven of the page; ",
      element("code", {}, "sigil verify --trust FILE"), " checks all of it."));
}

/** Fills the drawer with one record; `filter(label, target)` is called for a clicked link, `close` to go back. */
export function drawer(entry, filter, close) {
  const { record, text } = entry;
  const pair = (name, ...value) => [element("dt", {}, name), element("dd", {}, ...value)];
  const asFilter = (name, value) => element("button", { type: "button", onclick: () => filter(name, value) }, value);
  const links = record.links.map((link) => element("button", {
    type: "button", "aria-label": `Show records with ${link.label} ${link.target}`, onclick: () => filter(link.label, link.target),
  }, `${link.label} ${link.target}`));
  return [
    element("div", { className: "drawer-head" },
      element("h2", { id: "drawer-title" }, record.payload.action ?? record.kind),
      element("button", { type: "button", onclick: close }, "Close")),
    entry.result ? checks(entry) : element("p", { className: "badge" }, "Checking…"),
    element("dl", {},
      ...pair("Happened", happened(record)), ...pair("Recorded", record.ts),
      ...pair("Kind", asFilter("kind", record.kind)), ...pair("Outcome", record.payload.outcome ?? "–"),
      ...pair("Asked by", `${record.author.id} (${record.author.auth})`),
      ...pair("Tenant", record.tenant), ...pair("Position", `offset ${record.offset}, ${record.seq} in the tenant's chain`), ...pair("Id", record.id)),
    element("h3", {}, "Links"),
    links.length ? element("div", { className: "links" }, ...links) : element("p", { className: "muted" }, "none"),
    ...copyable("Payload", JSON.stringify(record.payload, null, 2)),
    ...copyable("Exact bytes", text), ...copyable("Hash (BLAKE3-256)", record.hash),
    ...copyable("Signature (Ed25519)", record.sig), ...copyable("Key", record.pub_key),
  ];
}

// Renders /openapi.json: every route with its parameters, bodies and answers.

import { element } from "./view.mjs";

const REFERENCE = "#/components/schemas/";

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.replace(REFERENCE, "");
  if (schema.type === "array") return `[${typeOf(schema.items)}]`;
  if (schema.oneOf) return schema.oneOf.map(typeOf).filter((type) => type !== "null").join(" or ");
  return [schema.type].flat().filter((type) => type && type !== "null").join(" or ") || "any";
}

// Text with `code` in back quotes.
function prose(text) {
  const parts = (text ?? "").split("`");
  return element("span", {}, ...parts.map((part, at) => (at % 2 ? element("code", {}, part) : part)));
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, typeof cell === "string" ? prose(cell) : (cell ?? "")))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

function bodies(content) {
  return Object.entries(content ?? {}).map(([type, media]) => `${type}: ${typeOf(media.schema)}`).join("; ");
}

function operation(path, method, described) {
  const parameters = (described.parameters ?? []).map((parameter) =>
    [element("code", {}, parameter.name), parameter.in, parameter.description]);
  const answers = Object.entries(described.responses).map(([status, answer]) => [status, answer.description, bodies(answer.content)]);
  return element("section", {},
    element("h2", {}, element("code", {}, `${method.toUpperCase()} ${path}`)),
    element("p", {}, prose([described.summary, described.description].filter(Boolean).join(" "))),
    parameters.length ? table(["Parameter", "In", "Meaning"], parameters) : null,
    described.requestBody ? element("p", {}, "Body: ", bodies(described.requestBody.content)) : null,
    table(["Status", "Meaning", "Body"], answers));
}

function schema(name, described) {
  const required = new Set(described.required ?? []);
  const rows = Object.entries(described.properties ?? {}).map(([member, property]) =>
    [element("code", {}, member), typeOf(property), required.has(member) ? "always" : "optional", property.description]);
  return element("section", { id: name }, element("h2", {}, name), element("p", {}, prose(described.description)),
    table(["Member", "Type", "", "Meaning"], rows));
}

const response = await fetch("/openapi.json");
const api = await response.json();
const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, described]) => operation(path, method, described)));
const schemas = Object.entries(api.components.schemas).map(([name, described]) => schema(name, described));
document.getElementById("api").replaceChildren(
  element("p", {}, api.info.description), ...operations, element("h1", {}, "Shapes"), ...schemas);

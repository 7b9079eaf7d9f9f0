// Lists of results: groups of hits, and what happened lately.

import { age, counted, element, pathText } from "./dom.js";

export function place(hit) {
  if (hit.commit) return `commit ${hit.commit.slice(0, 12)}`;
  if (hit.file) return hit.line ? `${hit.file}:${hit.line}` : hit.file;
  if (hit.session) return hit.session.includes("#") ? `#${hit.session.split("#").pop()}` : `session ${hit.session}`;
  return hit.kind;
}

export function nameOf(hit) {
  if (hit.name) return hit.name;
  if (hit.commit) return `commit ${hit.commit}`;
  if (hit.session && !hit.file) return `session ${hit.session}`;
  return place(hit);
}

export function editorLink(hit) {
  if (!hit.editor) return null;
  const title = `Open ${hit.file} in the editor`;
  return element("a", { class: "editor", href: hit.editor, title, "aria-label": title }, "edit");
}

export const state = hit => [
  hit.state && element("span", { class: "state" }, hit.state),
  hit.status && element("span", { class: "state" }, hit.status),
];

function aside(hit) {
  const kind = hit.commit ? "" : hit.kind;
  return [kind, hit.author, hit.time && age(hit.time)].filter(Boolean).join(", ");
}

const marked = line => line.map(([text, isMatch]) => (isMatch ? element("mark", {}, text) : text));

// `to` makes the link of a name, and follows it without loading the page anew.
export function hitItem(hit, to, more = null) {
  const symbol = hit.commit ? null : hit.symbol;
  return element("li", { class: "hit" },
    element("p", { class: "head" },
      element("a", { class: "place", ...to(nameOf(hit), hit) }, pathText(place(hit))), " ",
      symbol && element("b", {}, symbol), " ",
      element("span", { class: "aside" }, aside(hit)), " ", state(hit), " ", editorLink(hit)),
    hit.lines?.length
      ? element("pre", {}, hit.lines.map((line, row) => [row ? "\n" : "", marked(line)]))
      : hit.text && element("pre", {}, hit.text.split("\n").filter(line => line.trim()).slice(0, 2).join("\n")),
    hit.also?.length
      ? element("p", { class: "also" }, "also ", hit.also.map((other, row) => [
        row ? ", " : "",
        hit.file && other.line
          ? element("a", to(`${hit.file}:${other.line}`, hit), other.symbol || `line ${other.line}`)
          : other.symbol,
      ]))
      : null,
    more);
}

export function groupsOf(hits, to) {
  const groups = Map.groupBy ? Map.groupBy(hits, hit => hit.group ?? "results") : grouped(hits);
  return [...groups].map(([group, found]) =>
    element("section", { "aria-label": group },
      element("h2", {}, group), element("ol", {}, found.map(hit => hitItem(hit, to)))));
}

function grouped(hits) {
  const groups = new Map();
  for (const hit of hits) {
    const group = hit.group ?? "results";
    groups.set(group, [...(groups.get(group) ?? []), hit]);
  }
  return groups;
}

export function entryList(answer, to) {
  return [
    element("ol", { class: "entries" }, answer.entries.map(entry => hitItem(entry, to,
      entry.files?.length
        ? element("p", { class: "also" }, "touched ", entry.files.slice(0, 4).map((file, row) => [
          row ? ", " : "", element("a", to(file, { file }), pathText(file))]),
          entry.files.length > 4 ? ` and ${entry.files.length - 4} more` : "")
        : null))),
    answer.more ? element("p", { class: "also" }, `and ${counted(answer.more, "earlier one")}`) : null,
  ];
}

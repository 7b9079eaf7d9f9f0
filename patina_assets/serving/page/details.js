// One thing: its text, a commit's diff, what is certain of it, what is like it, and why it is as it is.

import { age, append, ask, beginning, counted, element, pathText, webLink } from "./dom.js";
import { editorLink, entryList, hitItem, place, state } from "./results.js";

const LONGEST_LINES = 4000, CODE = new Set(["function", "type", "code", "file", "section"]);

// `context`: { project, assets, to, signal, note } ; `shown` is the element that is filled.
export async function showDetails(shown, name, context) {
  const { project, signal } = context;
  let isShown = false;
  shown.setAttribute("aria-busy", "true");
  try {
    const isCommit = /^commit\s/.test(name);
    const found = await ask(isCommit ? "commit" : "passage", { name, project }, signal)
      .catch(async error => {
        if (!isCommit || error.name === "AbortError") throw error;
        return { ...await ask("passage", { name, project }, signal), notes: [error.message] };
      });
    shown.replaceChildren();
    isShown = true;
    append(shown, head(found, name, context), notes(found), textsOf(found, context), diffOf(found));
    if (found.next_offset) append(shown, moreButton(found, name, context));
    const beside = element("div", { class: "beside" }, element("p", { class: "also" }, "…"));
    append(shown, beside);
    const like = await ask("like", { name, project, characters: 200 }, signal);
    beside.replaceChildren();
    append(beside, factsOf(like, context), notes({ notes: like.notes.filter(note => !found.notes.includes(note)) }), listsOf(like, context), history(found, context));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!isShown) {
      shown.replaceChildren(element("p", { class: "bar" },
        element("button", { type: "button", click: context.close }, "Back"), element("b", {}, name)));
    }
    append(shown, element("p", { class: "error", role: "alert" }, error.message));
  } finally {
    if (!signal.aborted) shown.removeAttribute("aria-busy");  // else the next one is busy already
  }
}

export function showLike(shown) {
  const heading = shown.querySelector("#like");
  if (!heading) return false;
  heading.scrollIntoView({ block: "start" });
  heading.focus({ preventScroll: true });
  return true;
}

function head(found, name, context) {
  const first = found.passages[0] ?? {};
  const where = found.file ? (found.line ? `${found.file}:${found.line}` : found.file) : place(first);
  const symbol = found.kind === "commit" ? null : found.name !== found.file ? found.name : null;
  return [
    element("p", { class: "bar" },
      element("button", { type: "button", click: context.close }, "Back"),
      element("button", { type: "button", click: context.like, title: "m" }, "Like this"),
      found.file && editorLink({ file: found.file, editor: found.editor }),
      element("a", { href: `/assets/${[...context.assets, "base", "index"].map(encodeURIComponent).join("/")}` }, "Index in Dagster")),
    element("h2", { tabindex: -1 }, pathText(where)),
    element("p", { class: "aside" },
      symbol && found.kind !== "session" ? [element("b", {}, symbol), " "] : null,
      [found.kind, first.author, first.time && age(first.time)].filter(Boolean).join(", "), " ", state(first), " ",
      webLink(first.url, "on the web")),
  ];
}

const notes = found => found.notes.map(note => element("p", { class: "note" }, note));

function textsOf(found, context) {
  return found.passages.map(passage => {
    const told = found.kind === "session" || found.kind === "file";
    // A result tells the text alone; *Recent* tells the title before it.
    const texts = [passage.text, [passage.symbol, passage.text].filter(Boolean).join("\n\n")];
    const chosen = context.note && texts.some(text => beginning(text) === context.note);
    const kind = [passage.kind, passage.symbol].filter(Boolean).join(" ");
    return element("article", { class: chosen ? "passage chosen" : "passage" },
      told && element("h3", {}, kind, " ", state(passage)),
      passage.kind === "commit" && element("p", { class: "subject" }, passage.symbol),
      passage.line && CODE.has(passage.kind) ? numbered(passage) : passage.text !== passage.symbol && element("pre", { class: "prose" }, passage.text),
      passage.cut && element("p", { class: "also" }, "The text goes on."));
  });
}

function numbered(passage) {
  const lines = passage.text.trimEnd().split("\n");
  return element("pre", { class: passage.kind === "section" ? "code told" : "code", tabindex: 0, "aria-label": "text" }, lines.map((line, row) => [
    element("span", { class: "number", "data-line": passage.line + row }), line, "\n",
  ]));
}

function diffOf(found) {
  if (found.diff === undefined) return null;
  // Not `^` with the flag `m`: a changed line may hold a carriage return, and would look like another file.
  const files = found.diff.split(/(?<=^|\n)(?=diff --git )/).filter(Boolean);
  return element("section", { class: "diff", "aria-label": "Changes" },
    element("h3", {}, `Changes of ${counted(files.length, "file")}`),
    files.map((text, row) => fileDiff(text, row < 8)),
    found.diff_cut && element("p", { class: "note" }, "The diff is longer: this is its beginning."));
}

function fileDiff(text, isOpen) {
  const lines = text.trimEnd().split("\n");
  const start = lines.findIndex(line => line.startsWith("@@"));
  const title = lines[0].replace(/^diff --git (.*)$/, "$1");
  const names = title.length % 2 && title.slice(0, (title.length - 1) / 2).slice(1) === title.slice((title.length + 1) / 2).slice(1);
  const name = names ? title.slice(2, (title.length - 1) / 2) : title;
  const shown = (start < 0 ? lines.slice(1) : lines.slice(start)).slice(0, LONGEST_LINES);
  return element("details", { open: isOpen }, element("summary", {}, pathText(name)),
    element("pre", { class: "code", tabindex: 0, "aria-label": `diff of ${name}` }, shown.map(line => [
      element("span", { class: { "+": "added", "-": "removed", "@": "hunk" }[line[0]] ?? "same" }, line), "\n",
    ])));
}

function factsOf(like, context) {
  const facts = like.facts;
  if (!facts) return null;
  const link = (name, text, hit) => element("a", context.to(name, hit ?? {}), text);
  const definition = entry => link(entry.line ? `${entry.file}:${entry.line}` : entry.file, entry.name);
  const rows = [
    ["called by", facts.called_by.map(definition), "called_by"],
    ["calls", facts.calls.map(definition), "calls"],
    ["touched", facts.files.map(file => link(file, pathText(file))), "files"],
    ["changed together", facts.changed_together.map(entry => [
      entry.removed ? pathText(entry.file) : link(entry.file, pathText(entry.file)),
      ` ${counted(entry.count, "time")}`, entry.removed ? ", removed" : ""]), "changed_together"],
    ["authors", facts.authors.map(author => `${author.name} (${author.commits})`), "authors"],
  ].filter(([, found]) => found.length);
  if (!rows.length) return null;
  return element("section", { "aria-label": "Facts" }, element("h3", {}, "What is certain"),
    element("dl", {}, rows.map(([title, found, key]) => [
      element("dt", {}, title),
      element("dd", {}, element("ul", {}, found.map(entry => element("li", {}, entry)),
        facts.more[key] ? element("li", { class: "also" }, `and ${facts.more[key]} more`) : null)),
    ])));
}

function listsOf(like, context) {
  return element("section", { "aria-label": "Like this" },
    element("h3", { id: "like", tabindex: -1 }, "Like this"),
    like.lists.length ? null : element("p", { class: "also" }, "No index holds it."),
    like.lists.map(list => [
      element("h4", {}, list.projection, element("span", { class: "aside" }, list.meaning && `  ${list.meaning}`)),
      element("ol", {}, list.hits.map(hit => hitItem(hit, context.to))),
    ]));
}

function history(found, context) {
  if (!found.file) return null;
  const shown = element("section", { "aria-label": "Why" });
  const button = element("button", { type: "button", click: async () => {
    button.disabled = true;
    try {
      const name = found.line ? `${found.file}:${found.line}` : found.file;
      const answer = await ask("why", { name, project: context.project }, context.signal);
      shown.replaceChildren();
      append(shown, element("h3", { tabindex: -1 }, "Why it is so"), notes(answer), entryList(answer, context.to));
    } catch (error) {
      if (error.name !== "AbortError") append(shown, element("p", { class: "error", role: "alert" }, error.message));
    }
  } }, "Why is it so?");
  append(shown, button);
  return shown;
}

function moreButton(found, name, context) {
  let offset = found.next_offset;
  const button = element("button", { type: "button", click: async () => {
    try {
      const next = await ask("passage", { name, project: context.project, offset }, context.signal);
      button.before(...textsOf(next, context));
      offset = next.next_offset;
      if (!offset) button.remove();
    } catch (error) {
      if (error.name !== "AbortError") button.before(element("p", { class: "error", role: "alert" }, error.message));
    }
  } }, "More of the text");
  return button;
}

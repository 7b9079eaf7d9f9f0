// What is shown before somebody asks: how much of what is searched, questions to begin with, what is new. And notes.

import { append, ask, element, tell } from "./dom.js";
import { entryList } from "./results.js";

// `context`: { project, to, asking(question), signal }
export async function showBeginning(results, context) {
  const { project, signal } = context;
  const found = await ask("overview", { project }, signal);
  results.replaceChildren();
  append(results, searched(found, context), examples(found, context),
    element("section", { "aria-label": "Newest" }, element("h2", {}, "newest"), entryList(found, context.to)));
  results.dataset.of = "";
  const more = await ask("suggestions", { project }, signal).catch(error => {
    if (error.name === "AbortError") throw error;
    return { suggestions: [] };
  });
  append(results, suggested(more));
}

function searched(found) {
  if (!found.groups.length) return null;
  return element("section", { "aria-label": "What is searched" }, element("h2", {}, "what is searched"),
    element("ul", { class: "counts" }, found.groups.map(({ group, count }) =>
      element("li", {}, element("b", {}, count.toLocaleString("en")), ` ${group}`))));
}

function examples(found, { asking }) {
  if (!found.examples.length) return null;
  return element("section", { "aria-label": "Try" }, element("h2", {}, "try"),
    element("ul", { class: "examples" }, found.examples.map(({ group, text }) =>
      element("li", {}, element("a", asking(text), text), " ", element("span", { class: "aside" }, group)))));
}

function suggested(found) {
  if (!found.suggestions.length) return null;
  return element("section", { "aria-label": "Could be had" }, element("h2", {}, "could be had"),
    element("ul", {}, found.suggestions.map(({ projection, purpose }) =>
      element("li", {}, element("b", {}, projection), ` ${purpose}`))),
    element("p", { class: "also" }, "Run ", element("code", {}, found.command), "."));
}

// "language leaves out commits and notes."
export function leftOut(answer) {
  return answer.left_out.map(({ group, by }) => element("p", { class: "note" },
    `${by.join(" and ")} ${by.length > 1 ? "leave" : "leaves"} out all ${group}.`));
}

// The form of a note: `about` returns the file that is shown, or nothing.
export function prepareNotes({ form, said, about, project }) {
  const [text, kind, file] = ["text", "kind", "about"].map(name => form.querySelector(`[name=${name}]`));
  form.addEventListener("toggle", () => {
    if (!form.open) return;
    file.value = about() ?? "";
    text.focus();
  });
  form.querySelector("button").addEventListener("click", async event => {
    event.target.disabled = true;
    try {
      const places = file.value.trim() ? [file.value.trim()] : [];
      const answer = await tell("note", { text: text.value, kind: kind.value, about: places, project: project() });
      text.value = "";
      said.textContent = answer.left_out ? `${answer.file}: it will not be searched: ${answer.left_out}` : `Written: ${answer.file}`;
    } catch (error) {
      said.textContent = error.message;
    } finally {
      event.target.disabled = false;
    }
  });
}

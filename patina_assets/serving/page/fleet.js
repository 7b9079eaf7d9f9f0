// The search page of a fleet: the address holds the question, and the server decides what who asks may see.

import { append, counted, element } from "./dom.js";
import { place, hitItem } from "./results.js";

const FIELDS = ["q", "project", "group", "kind", "path", "language"], MOST_OFFERED = 500;
const at = id => document.getElementById(id);
const [form, results, said, likeliest] = ["search", "results", "said", "likeliest"].map(at);
let asked = new AbortController();

async function ask(operation, values, signal) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  let response;
  try {
    response = await fetch(`api/v1/${operation}?${query}`, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? "You are not logged in any more: load this page again.");
  return answer;
}

const values = () => Object.fromEntries(FIELDS.map(name => [name, form.elements[name].value.trim()]));
const addressOf = wanted => `?${new URLSearchParams(Object.entries(wanted).filter(([, value]) => value))}`;

function read() {
  const query = new URLSearchParams(location.search);
  for (const name of FIELDS) form.elements[name].value = query.get(name) ?? "";
}

function go(change = {}) {
  for (const [name, value] of Object.entries(change)) form.elements[name].value = value;
  if (addressOf(values()) !== location.search) history.pushState(null, "", addressOf(values()));
  show();
}

// A link to a project limits the question to it.
function projectLink(name) {
  return element("a", {
    class: "project", href: addressOf({ ...values(), project: name }),
    click: event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      go({ project: name });
    },
  }, name);
}

async function show() {
  asked.abort();
  asked = new AbortController();
  const wanted = values();
  document.title = [wanted.q, "Patina"].filter(Boolean).join(" - ");
  if (!wanted.q) {
    results.replaceChildren();
    likeliest.replaceChildren();
    said.textContent = "";
    return;
  }
  try {
    const answer = await ask("search", { ...wanted, limit: 20, characters: 300 }, asked.signal);
    likeliest.replaceChildren();
    if (answer.projects.length) append(likeliest, "Likeliest: ", answer.projects.map(name => [projectLink(name), " "]));
    results.replaceChildren(element("ol", { "aria-label": "Results" }, answer.hits.map(hit => {
      const item = hitItem(hit, () => ({ title: place(hit) }));
      item.querySelector(".head").prepend(projectLink(hit.project), " ");
      return item;
    })));
    const weak = answer.doubtful && answer.hits.length ? " Nothing matches the words of the question well: this is the nearest in meaning." : "";
    said.textContent = answer.hits.length ? `${counted(answer.hits.length, "result")}.${weak}` : "Nothing matches.";
  } catch (error) {
    if (error.name === "AbortError") return;
    results.replaceChildren();
    likeliest.replaceChildren();
    said.textContent = error.message;
  }
}

form.addEventListener("submit", event => { event.preventDefault(); go(); });
window.addEventListener("popstate", () => { read(); show(); });

async function showProjects() {
  try {
    const { projects } = await ask("projects", {});
    const passages = projects.reduce((sum, one) => sum + one.passages, 0);
    at("age").textContent = `${counted(projects.length, "project")}, ${passages.toLocaleString("en")} passages`;
    append(at("projects"), projects.slice(0, MOST_OFFERED).map(one => element("option", { value: one.name })));
  } catch (error) {
    at("age").textContent = error.message;
  }
}

read();
showProjects();
show();

// The search page: the address holds what is shown, and everything follows it.

import { age, ask, append, beginning, counted, element } from "./dom.js";
import { markHits, showPlane } from "./mapping.js";
import { leftOut, prepareNotes, showBeginning } from "./begin.js";
import { showDetails, showLike } from "./details.js";
import { entryList, groupsOf } from "./results.js";

const POLL_MILLISECONDS = 3000;
// An answer that takes longer holds nothing back.
const PATIENCE_MILLISECONDS = 30_000;
const KINDS = ["code", "docs", "commits", "notes"], FILTERS = ["path", "language", "since", "author"];
const at = id => document.getElementById(id);
const [box, results, details, said] = ["q", "results", "details", "said"].map(at);

let state = read(), hasTyped = false, isAsking = false, projects = [], built = null;
let searching = new AbortController(), detailing = new AbortController();
let scrolled = 0, opened = null;

function read() {
  const query = new URLSearchParams(location.search);
  const found = { kind: query.getAll("kind").filter(kind => KINDS.includes(kind)) };
  for (const name of ["q", "project", "view", "index", "show", "note", ...FILTERS]) found[name] = query.get(name) ?? "";
  return found;
}

function address(values) {
  const query = new URLSearchParams();
  for (const name of ["q", "project", "view", "index", ...FILTERS, "show", "note"]) if (values[name]) query.set(name, values[name]);
  for (const kind of values.kind) query.append("kind", kind);
  return `?${query}`;
}

// Shows another state; the answer is kept once the list of results is there.
function go(change, { replace = false } = {}) {
  state = { ...state, ...change };
  if (address(state) !== location.search) history[replace ? "replaceState" : "pushState"](null, "", address(state));
  if ("q" in change) hasTyped = false;
  showAsked();
  return follow();
}

// Attributes of a link to a thing: a new tab opens it as well.
function to(name, hit) {
  const target = { show: name, note: hit?.session ? beginning(hit.text) : "" };
  return {
    href: address({ ...state, ...target }),
    "data-name": name,
    click: event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      opened = event.currentTarget;
      go(target);
    },
  };
}

// Attributes of a link that asks a question.
function asking(question) {
  const target = { q: question, view: "", show: "", note: "" };
  return {
    href: address({ ...state, ...target }),
    click: event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      go(target);
    },
  };
}

// What is shown follows the address; what is shown already stays.
let shown = {};
function follow() {
  const project = state.project || projects[0]?.name || "";
  const list = JSON.stringify([state.q, state.kind, FILTERS.map(name => state[name]), state.view, state.index, project, built]);
  for (const link of document.querySelectorAll("nav a[data-view]")) {
    const isCurrent = link.dataset.view === (state.view || "search");
    if (isCurrent) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    link.setAttribute("href", address({ ...state, view: link.dataset.view === "search" ? "" : link.dataset.view, show: "", note: "" }));
  }
  at("search").hidden = state.view === "recent";
  at("map").hidden = state.view !== "map";
  document.title = [state.show || state.q, "Patina"].filter(Boolean).join(" - ");
  const filling = list === shown.list ? null : fillList(project);
  shown.list = list;
  const detail = JSON.stringify([state.show, state.note, project]);
  if (detail !== shown.detail) { shown.detail = detail; fillDetails(project); }
  return filling;
}

async function fillList(project) {
  searching.abort();
  searching = new AbortController();
  const { signal } = searching;
  try {
    if (state.view === "recent") {
      const answer = await ask("recent", { project, limit: 50 }, signal);
      results.replaceChildren(...fragment(element("h2", {}, "Recent"), entryList(answer, to)));
      say(counted(answer.entries.length, "entry").replace("entrys", "entries"));
    } else if (!state.q.trim()) {
      say("");
      if (state.view !== "map") return await showBeginning(results, { project, to, asking, signal });
      results.replaceChildren();
      await showMapOf(project, [], signal);
    } else {
      const filters = Object.fromEntries(FILTERS.map(name => [name, state[name]]));
      const answer = await ask("search", { q: state.q, kind: state.kind, ...filters, project, limit: 20, characters: 300 }, signal);
      const notes = [...answer.notes.map(note => element("p", { class: "note" }, note)), leftOut(answer)];
      results.replaceChildren(...fragment(groupsOf(answer.hits, to), notes));
      const weak = answer.doubtful && answer.hits.length ? " Nothing matches the words of the question well: this is the nearest in meaning." : "";
      say(answer.hits.length ? `${counted(answer.hits.length, "result")}.${weak}` : "Nothing matches.");
      if (state.view === "map") await showMapOf(project, answer.hits, signal);
    }
    results.dataset.of = state.q;
  } catch (error) {
    if (error.name === "AbortError") return;
    results.replaceChildren();
    say(error.message);
  }
}

async function showMapOf(project, hits, signal) {
  const one = projects.find(known => known.name === project);
  if (!one) return;
  const names = one.projections.map(projection => projection.name);
  await showPlane({
    project, built, projection: state.index || "base", names, signal,
    open: name => go({ show: name, note: "" }), choose: index => go({ index }),
  });
  at("plane").dataset.marked = String(markHits(hits));
}

function fragment(...children) {
  const made = document.createDocumentFragment();
  append(made, ...children);
  return [...made.childNodes];
}

async function fillDetails(project) {
  detailing.abort();
  detailing = new AbortController();
  const isOpen = Boolean(state.show);
  if (isOpen && details.hidden) scrolled = window.scrollY;
  details.hidden = !isOpen;
  document.body.classList.toggle("with-details", isOpen);
  if (!isOpen) {
    details.replaceChildren();
    window.scrollTo(0, scrolled);
    const again = opened?.isConnected ? opened : null;
    again?.focus({ preventScroll: true });
    return;
  }
  details.scrollTop = 0;
  const assets = projects.find(one => one.name === project)?.assets ?? [];
  const context = { project, assets, to, signal: detailing.signal, note: state.note, close, like: () => showLike(details) };
  await showDetails(details, state.show, context);
  if (!context.signal.aborted && document.activeElement?.closest("#details, #q") === null) {
    details.querySelector("h2")?.focus({ preventScroll: true });
  }
}

function close() {
  go({ show: "", note: "" });
}

const say = text => { said.textContent = text; };

// Question and filters

function showAsked() {
  if (hasTyped) return;
  if (box.value.trim() !== state.q.trim()) box.value = state.q;
  for (const input of document.querySelectorAll("#kinds input")) input.checked = state.kind.includes(input.value);
  for (const name of FILTERS) {
    const input = document.querySelector(`#filters [name=${name}]`);
    if (document.activeElement !== input) input.value = state[name];
  }
  const chosen = [...state.kind, ...FILTERS.map(name => state[name] && `${name} ${state[name]}`)].filter(Boolean);
  at("chosen").textContent = chosen.length ? `(${chosen.join(", ")})` : "";
}

append(at("kinds"), KINDS.map(kind =>
  element("label", {}, element("input", { type: "checkbox", name: "kind", value: kind }), kind)));

const written = () => ({
  q: box.value.trim(),
  kind: [...document.querySelectorAll("#kinds input:checked")].map(input => input.value),
  ...Object.fromEntries(FILTERS.map(name => [name, document.querySelector(`#filters [name=${name}]`).value.trim()])),
});

// One question is under way at a time: what is typed meanwhile is asked next.
async function asTyped() {
  hasTyped = true;
  if (isAsking) return;
  isAsking = true;
  try {
    while (hasTyped) {
      const answered = go({ ...written(), show: "", note: "" }, { replace: true });
      await Promise.race([answered, new Promise(done => setTimeout(done, PATIENCE_MILLISECONDS))]);
    }
  } finally { isAsking = false; }
}

box.addEventListener("input", asTyped);
at("filters").addEventListener("input", asTyped);
at("clear").addEventListener("click", () => {
  at("search").querySelector("fieldset").querySelectorAll("input").forEach(input => {
    if (input.type === "checkbox") input.checked = false; else input.value = "";
  });
  go({ kind: [], ...Object.fromEntries(FILTERS.map(name => [name, ""])) });
});
at("search").addEventListener("submit", event => {
  event.preventDefault();
  go({ q: box.value.trim() });
  const first = results.querySelector("a.place");
  if (results.dataset.of === state.q) first?.click();
});
at("project").addEventListener("change", event => go({ project: event.target.value, show: "", note: "" }));
document.querySelector("nav").addEventListener("click", event => {
  const view = event.target.dataset?.view;
  if (!view || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ view: view === "search" ? "" : view, show: "", note: "" });
});
window.addEventListener("popstate", () => { state = read(); hasTyped = false; showAsked(); follow(); });

// Keys

const places = () => [...results.querySelectorAll("a.place")];

function step(by) {
  const all = places(), now = all.indexOf(document.activeElement?.closest(".hit")?.querySelector("a.place"));
  const next = all[now + by];
  if (next) next.focus(); else if (now + by < 0) box.focus();
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const inField = event.target.matches?.("input, textarea, select");
  const isBox = event.target === box;
  if (event.key === "/" && !inField) { event.preventDefault(); box.focus(); box.select(); }
  else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && (isBox || event.target.closest?.("#results"))) {
    if (isBox && event.key === "ArrowUp") return;
    event.preventDefault();
    step(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "m" && !inField) {
    const place = event.target.closest?.(".hit")?.querySelector("a.place");
    event.preventDefault();
    if (place && !details.contains(place)) likeOf(place); else showLike(details);
  } else if (event.key === "Escape") {
    if (state.show) { event.preventDefault(); close(); }
    else if (document.activeElement !== box) { event.preventDefault(); box.focus(); }
  }
});

async function likeOf(place) {
  place.click();
  const until = Date.now() + 10_000;
  while (!showLike(details) && Date.now() < until) await new Promise(done => setTimeout(done, 50));
}

// How old the index is, and what is being built

async function poll() {
  if (!document.hidden) {
    try {
      const answer = await ask("status", {}, AbortSignal.timeout(PATIENCE_MILLISECONDS));
      projects = answer.projects;
      showProjects();
      showAge(answer);
      follow();
    } catch (error) {
      at("age").textContent = error.message;
      if (!shown.list) follow();
    }
  }
  setTimeout(poll, POLL_MILLISECONDS);
}

function showProjects() {
  const choice = at("project");
  choice.hidden = projects.length < 2;
  if (choice.options.length !== projects.length) {
    choice.replaceChildren(...projects.map(one => element("option", { value: one.name }, one.name)));
  }
  choice.value = state.project || projects[0]?.name || "";
}

function showAge(answer) {
  const mine = projects.find(one => one.name === state.project) ?? projects[0];
  if (!mine) return;
  built = mine.built;
  at("writing").hidden = !mine.notes;
  const runs = answer.runs.filter(run => !run.location || projects.length < 2 || run.location === mine.name);
  const steps = runs.flatMap(run => run.steps.map(step => step.replaceAll("__", "/")));
  const parts = [];
  if (mine.error) parts.push(mine.error);
  else parts.push(`${mine.passages.toLocaleString("en")} passages, built ${agoOf(mine.built)}`);
  parts.push(...mine.stale.map(note => note.text));
  if (runs.length || mine.building) parts.push(`building ${steps.join(", ") || "now"}`);
  const text = parts.join(" · ");
  if (at("age").textContent !== text) at("age").textContent = text;
  at("age").classList.toggle("stale", mine.stale.length > 0);
  at("age").classList.toggle("building", runs.length > 0 || mine.building);
}

prepareNotes({
  form: at("note"), said: at("noted"),
  about: () => (/^[^\s]+$/.test(state.show) && !state.show.includes("#") ? state.show : null),
  project: () => state.project || projects[0]?.name || "",
});

function agoOf(time) {
  const minutes = Math.floor((Date.now() - Date.parse(time)) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${counted(minutes, "minute")} ago`;
  return minutes < 1440 ? `${counted(Math.floor(minutes / 60), "hour")} ago` : age(time);
}

// First what is built, which the list depends on.
showAsked();
poll();

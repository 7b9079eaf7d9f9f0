// Elements out of texts, and answers of the API. A text becomes a text node or an attribute, never a part of the page.

// As the terminal's rule has it (pipeline/plain_text.py): what would show another text than there is.
const OBEYED = /[\0-\b\v\f\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const DAYS = [["year", 365.25], ["month", 30.44], ["week", 7], ["day", 1]];

export const clean = text => String(text).replace(OBEYED, "\ufffd");

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key, value);
    else made.setAttribute(key, value === true ? "" : clean(value));
  }
  append(made, ...children);
  return made;
}

export function append(parent, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    parent.append(child instanceof Node ? child : document.createTextNode(clean(child)));
  }
}

// A path where a line may end behind each slash; the text stays as it is.
export const pathText = path => path.split("/").map((part, row) => row ? ["/", element("wbr"), part] : part);

// Addresses that a repository or a forge names: those of the web alone.
export function webLink(address, text) {
  if (!/^https?:\/\//i.test(address ?? "")) return null;
  return element("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, text);
}

export async function ask(operation, values, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== "") query.append(name, one);
  }
  return answered(`api/v1/${operation}?${query}`, { signal });
}

export async function tell(operation, document) {
  return answered(`api/v1/${operation}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(document),
  });
}

async function answered(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: start `patina ui` again.");
  }
  if (response.status === 401) throw new Error("Open the address that `patina ui` printed: this one is of another start.");
  const answer = await response.json().catch(() => ({ error: "The server failed: what `patina ui` prints says why." }));
  if (answer.error && !response.ok) throw new Error(answer.error);
  return answer;
}

export function age(time) {
  const days = (Date.now() - Date.parse(time)) / 86_400_000;
  if (Number.isNaN(days)) return "";
  for (const [name, length] of DAYS) {
    const count = Math.floor(days / length);
    if (count >= 1) return `${count} ${name}${count > 1 ? "s" : ""} ago`;
  }
  return days >= 0 ? "today" : "";
}

export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

// What tells a note from the others of its session, in an address.
export const beginning = text => text.slice(0, 60);

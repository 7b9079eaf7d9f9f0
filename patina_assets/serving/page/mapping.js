// The tab with the map: which index, which colours, and the results of a search in it.

import { ask, counted, element } from "./dom.js";
import { showMap } from "./map.js";
import { nameOf } from "./results.js";

const at = id => document.getElementById(id);
let of = "", data = null, map = null;

// Show the map of an index; `names`: its projections, `open(name)` is told of an item that is clicked.
export async function showPlane({ project, built, projection, names, open, choose, signal }) {
  const wanted = JSON.stringify([project, built, projection]);
  if (of === wanted) return;
  const found = await ask("map", { project, projection }, signal);
  data = found;
  of = wanted;
  at("index").replaceChildren(...["base", ...names].map(name => element("option", { value: name }, name)));
  at("index").value = projection;
  at("index").onchange = () => choose(at("index").value);
  at("colour").replaceChildren(...data.colourings.map(one => element("option", { value: one.name }, one.name)));
  const canvas = at("plane").cloneNode();
  at("plane").replaceWith(canvas);
  const more = data.items > data.x.length ? `, ${data.x.length} of them shown` : "";
  canvas.ariaLabel = `Map of ${counted(data.items, "item")} of ${projection}${more}. Plus and minus zoom, arrows move, 0 shows all.`;
  map = showMap({ canvas, tip: at("tip"), legend: at("legend") }, data, row => data.names[row] && open(data.names[row]));
  at("colour").onchange = () => map.colour(at("colour").value);
}

// Mark the items that are results; return how many there are.
export function markHits(hits) {
  if (!map) return 0;
  const names = new Set(hits.flatMap(hit => [nameOf(hit), hit.file].filter(Boolean)));
  const rows = [...data.names.keys()].filter(row => names.has(data.names[row]));
  map.mark(rows);
  return rows.length;
}

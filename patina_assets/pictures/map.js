// A map on a canvas: zoom, pan, hover, highlight, colours by one grouping. Used by the search page and by `patina map`.

const MARGIN = 14, NEAR = 144, STEP = 1.3, MOST_ZOOM = 400;

// `parts`: { canvas, tip, legend } ; `data`: see map_document in map.py ; `opened(row)` is told of a click.
export function showMap(parts, data, opened = null) {
  const { canvas, tip, legend } = parts;
  const pen = canvas.getContext("2d");
  const [left, right] = ends(data.x), [bottom, top] = ends(data.y);
  let colouring = data.colourings[0], hidden = new Set(), marked = new Set();
  let zoom = 1, shiftX = 0, shiftY = 0, places = [], drag = null, asked = 0;

  function ends(values) {
    return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  }

  function place() {
    const width = canvas.clientWidth, height = canvas.clientHeight;
    const scaleX = (width - 2 * MARGIN) / (right - left || 1), scaleY = (height - 2 * MARGIN) / (top - bottom || 1);
    places = data.x.map((x, row) => [
      (MARGIN + (x - left) * scaleX) * zoom + shiftX,
      (height - MARGIN - (data.y[row] - bottom) * scaleY) * zoom + shiftY,
    ]);
  }

  function draw() {
    asked = 0;
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    place();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const size = Math.min(3.2 * Math.sqrt(zoom), 7), isSeen = ([x, y]) => x > -9 && y > -9 && x < width + 9 && y < height + 9;
    colouring.groups.forEach((group, number) => {
      if (hidden.has(number)) return;
      pen.globalAlpha = marked.size ? 0.25 : 0.65;
      pen.fillStyle = group.colour;
      pen.beginPath();
      places.forEach((spot, row) => {
        if (colouring.of[row] !== number || !isSeen(spot)) return;
        pen.moveTo(spot[0] + size, spot[1]);
        pen.arc(spot[0], spot[1], size, 0, 7);
      });
      pen.fill();
    });
    pen.globalAlpha = 1;
    pen.lineWidth = 2;
    for (const row of marked) {
      pen.fillStyle = colouring.groups[colouring.of[row]].colour;
      pen.strokeStyle = getComputedStyle(canvas).color;
      pen.beginPath();
      pen.arc(places[row][0], places[row][1], size + 3, 0, 7);
      pen.fill();
      pen.stroke();
    }
    canvas.dataset.drawn = String(data.x.length);
  }

  function redraw() {
    if (!asked) asked = requestAnimationFrame(draw);
  }

  function nearest(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let found = -1, best = NEAR;
    places.forEach(([px, py], row) => {
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < best && !hidden.has(colouring.of[row])) [found, best] = [row, distance];
    });
    return found;
  }

  function zoomTo(factor, x, y) {
    const next = Math.min(Math.max(zoom * factor, 1), MOST_ZOOM), by = next / zoom;
    shiftX = next === 1 ? 0 : x - (x - shiftX) * by;
    shiftY = next === 1 ? 0 : y - (y - shiftY) * by;
    zoom = next;
    redraw();
  }

  function move(x, y) {
    shiftX += x;
    shiftY += y;
    redraw();
  }

  function showTip(row, event) {
    tip.hidden = row < 0;
    canvas.classList.toggle("over", row >= 0);
    if (row < 0) return;
    tip.firstElementChild.textContent = data.labels[row];
    tip.lastElementChild.textContent = data.texts[row];
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8))}px`;
  }

  function showLegend() {
    const counts = colouring.groups.map(() => 0);
    for (const number of colouring.of) counts[number] += 1;
    legend.replaceChildren(...colouring.groups.map((group, number) => {
      const button = document.createElement("button"), dot = document.createElement("span");
      button.type = "button";
      dot.textContent = "●";
      dot.style.color = group.colour;
      dot.ariaHidden = "true";
      button.append(dot, ` ${group.name} (${counts[number]})`);
      button.ariaPressed = "true";
      button.addEventListener("click", () => {
        if (!hidden.delete(number)) hidden.add(number);
        button.ariaPressed = String(!hidden.has(number));
        redraw();
      });
      return button;
    }));
  }

  canvas.addEventListener("pointerdown", event => {
    drag = { x: event.clientX, y: event.clientY, moved: 0 };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", event => {
    if (!drag) return showTip(nearest(event), event);
    move(event.clientX - drag.x, event.clientY - drag.y);
    drag = { x: event.clientX, y: event.clientY, moved: drag.moved + Math.abs(event.clientX - drag.x) + Math.abs(event.clientY - drag.y) };
    tip.hidden = true;
  });
  canvas.addEventListener("pointerup", event => {
    const row = drag && drag.moved < 5 ? nearest(event) : -1;
    drag = null;
    if (row >= 0 && opened) opened(row);
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoomTo(event.deltaY < 0 ? STEP : 1 / STEP, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const x = canvas.clientWidth / 2, y = canvas.clientHeight / 2;
    const act = {
      "+": () => zoomTo(STEP, x, y), "=": () => zoomTo(STEP, x, y), "-": () => zoomTo(1 / STEP, x, y),
      "0": () => zoomTo(1 / MOST_ZOOM, x, y), ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0),
      ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  new ResizeObserver(redraw).observe(canvas);
  showLegend();
  draw();
  return {
    colour(name) {
      colouring = data.colourings.find(one => one.name === name) ?? data.colourings[0];
      hidden = new Set();
      showLegend();
      redraw();
    },
    mark(rows) {
      marked = new Set(rows);
      redraw();
    },
    zoom: () => zoom,
    place: row => places[row],
  };
}

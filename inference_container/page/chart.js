// One drawing per target: what was, what comes, and how sure that is. Plain SVG, redrawn for the width it has.
// Past and forecast differ by dash and dots, bands by edge and hatching, so that no colour has to be told apart.

import { html, svg } from "./dom.js";
import { number, numberTicks, time, timeTicks } from "./words.js";

const MARGIN = { top: 12, right: 14, bottom: 26, left: 54 };
/** Beyond this many steps, dots would melt into a bar. */
const MOST_DOTS = 48;
let drawings = 0;

/**
 * A figure of `{target, past: [[ms, value|null]], ahead: [[ms, value]], bands: [{label, points: [[ms, low, high]]}]}`,
 * bands from wide to narrow. `words` is the drawing in a sentence: its text alternative and its caption.
 * Call `draw()` of the result when it stands in the page and whenever its width changed.
 */
export function chart(data, words) {
  const name = `drawing-${(drawings += 1)}`;
  const plot = html("div", { class: "plot" });
  const readout = html("p", { class: "readout", "aria-hidden": true });
  const figure = html("figure", {},
    html("h3", {}, data.target), plot, readout, legend(data, name), html("figcaption", { id: `${name}-words` }, words));
  const draw = () => plot.replaceChildren(picture(data, name, Math.max(240, plot.clientWidth), readout));
  return { figure, draw };
}

function picture(data, name, width, readout) {
  const height = Math.round(Math.min(360, Math.max(220, width * 0.45)));
  const place = scales(data, width, height);
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": `${name}-title`, "aria-describedby": `${name}-words`,
  }, svg("title", { id: `${name}-title` }, `${data.target}: history and forecast`));
  drawing.append(hatching(name), axes(place, width, height));
  const last = lastKnown(data.past);
  data.bands.forEach((band, index) => drawing.append(bandOf(band, index, last, place, name)));
  if (last !== null) drawing.append(svg("line", {
    class: "now", x1: place.x(last[0]), x2: place.x(last[0]), y1: MARGIN.top, y2: height - MARGIN.bottom,
  }));
  drawing.append(...pastOf(data.past, place));
  drawing.append(svg("path", { class: "ahead", d: path(last === null ? data.ahead : [last, ...data.ahead], place) }));
  if (data.ahead.length <= MOST_DOTS) {
    drawing.append(...data.ahead.map(([at, value]) => svg("circle", {
      class: "dot", cx: place.x(at), cy: place.y(value), r: 2.5,
    })));
  }
  pointAt(drawing, data, place, height, readout);
  return drawing;
}

function scales(data, width, height) {
  const known = data.past.filter(([, value]) => value !== null);
  const values = [...known.map(([, value]) => value), ...data.ahead.map(([, value]) => value),
    ...data.bands.flatMap((band) => band.points.flatMap(([, low, high]) => [low, high]))];
  // Not Math.min(...values): ten thousand arguments are more than some browsers take.
  let low = values.reduce((one, other) => Math.min(one, other), Infinity);
  let high = values.reduce((one, other) => Math.max(one, other), -Infinity);
  if (high - low < 1e-9 * Math.max(1, Math.abs(high))) [low, high] = [low - 1, high + 1];
  const yTicks = numberTicks(low, high, Math.max(3, Math.floor(height / 60)));
  const bottom = yTicks[0].at, top = yTicks.at(-1).at;
  const from = (data.past[0] ?? data.ahead[0])[0], to = data.ahead.at(-1)[0];
  const across = width - MARGIN.left - MARGIN.right, down = height - MARGIN.top - MARGIN.bottom;
  const span = Math.max(1, to - from);
  return {
    x: (at) => MARGIN.left + ((at - from) / span) * across,
    y: (value) => MARGIN.top + ((top - value) / (top - bottom)) * down,
    moment: (x) => from + ((x - MARGIN.left) / across) * span,
    yTicks,
    xTicks: timeTicks(from, to, Math.max(2, Math.floor(across / 75))),
  };
}

function axes(place, width, height) {
  const group = svg("g", { "aria-hidden": true });
  for (const { at, label } of place.yTicks) {
    const y = place.y(at);
    group.append(svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
      svg("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, label));
  }
  for (const { at, label } of place.xTicks) {
    const x = place.x(at);
    // The outermost labels lean inwards: they would be cut off otherwise.
    const anchor = x < MARGIN.left + 20 ? "start" : x > width - MARGIN.right - 20 ? "end" : "middle";
    group.append(svg("line", { class: "grid", x1: x, x2: x, y1: MARGIN.top, y2: height - MARGIN.bottom }),
      svg("text", { x, y: height - 8, "text-anchor": anchor }, label));
  }
  return group;
}

/** The inner band is hatched; the outer one is plain with a dotted edge. */
function hatching(name) {
  return svg("defs", {}, svg("pattern", {
    id: `${name}-hatch`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
  }, svg("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 6 })));
}

function bandOf(band, index, last, place, name) {
  const points = last === null ? band.points : [[last[0], last[1], last[1]], ...band.points];
  const lows = points.map(([at, low]) => [at, low]), highs = points.map(([at, , high]) => [at, high]);
  const area = `${path(highs, place)}L${path([...lows].reverse(), place).slice(1)}Z`;
  const outer = index === 0 ? " outer" : "";
  return svg("g", { class: "band", "data-band": band.label },
    svg("path", { class: "fill", d: area }),
    index > 0 ? svg("path", { d: area, fill: `url(#${name}-hatch)` }) : null,
    svg("path", { class: `edge${outer}`, d: path(lows, place) }),
    svg("path", { class: `edge${outer}`, d: path(highs, place) }));
}

/** Lines between known neighbours; a value with a gap on both sides is a dot, or it would not be seen. */
function pastOf(past, place) {
  const runs = [[]];
  for (const point of past) {
    if (point[1] === null) runs.push([]);
    else runs.at(-1).push(point);
  }
  return runs.filter((run) => run.length > 0).map((run) => run.length > 1
    ? svg("path", { class: "past", d: path(run, place) })
    : svg("circle", { class: "lone", cx: place.x(run[0][0]), cy: place.y(run[0][1]), r: 2 }));
}

function path(points, place) {
  return `M${points.map(([at, value]) => `${place.x(at).toFixed(1)},${place.y(value).toFixed(1)}`).join("L")}`;
}

function lastKnown(past) {
  return past.findLast(([, value]) => value !== null) ?? null;
}

/** For pointers: the values under it, in words. The table holds the same for everybody else. */
function pointAt(drawing, data, place, height, readout) {
  const cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: "hidden" });
  drawing.append(cursor);
  const all = [...data.past.map(([at, value]) => ({ at, value, index: null })),
    ...data.ahead.map(([at, value], index) => ({ at, value, index }))];
  const away = () => {
    cursor.setAttribute("visibility", "hidden");
    readout.textContent = "";
  };
  drawing.addEventListener("pointerleave", away);
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const at = place.moment(((event.clientX - box.left) / box.width) * drawing.viewBox.baseVal.width);
    const near = all.reduce((one, other) => (Math.abs(other.at - at) < Math.abs(one.at - at) ? other : one));
    const x = place.x(near.at);
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, x);
    cursor.setAttribute("visibility", "visible");
    const bands = near.index === null ? [] : [...data.bands].reverse().map((band) => {
      const [, low, high] = band.points[near.index];
      return `${band.label} ${number(low)} to ${number(high)}`;
    });
    readout.textContent = [`${time(near.at)}: ${near.index === null ? "" : "forecast "}${number(near.value)}`, ...bands].join("; ");
  });
}

function legend(data, name) {
  const item = (drawing, words) => html("li", {}, svg("svg", { viewBox: "0 0 36 14", "aria-hidden": true }, ...drawing), words);
  const line = (kind) => svg("path", { class: kind, d: "M1,7L35,7" });
  const bands = data.bands.map((band, index) => {
    const edge = index === 0 ? "edge outer" : "edge";
    const area = { x: 1, y: 2, width: 34, height: 10 };
    return item([svg("rect", { class: "fill", ...area }),
      index > 0 ? svg("rect", { fill: `url(#${name}-hatch)`, ...area }) : null,
      svg("path", { class: edge, d: "M1,2L35,2" }), svg("path", { class: edge, d: "M1,12L35,12" })].filter(Boolean),
    `${band.label} band`);
  });
  return html("ul", { class: "legend" },
    item([line("past")], "history"), item([line("ahead")], "forecast"), ...bands);
}

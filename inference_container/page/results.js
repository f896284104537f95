// The part of the page that holds an answer: drawings, table, file to keep, stage timings.

import { describe, forecastRows, recent, toCsv, views } from "./answer.js";
import { chart } from "./chart.js";
import { byId, html, table } from "./dom.js";
import { columnWriter, number, plural } from "./words.js";

/** A table of thousands of rows makes a screen reader and a phone slow; the file holds them all. */
const MOST_TABLED = 500;

/** What each stage is, in the order of a batch's way through a worker. */
const STAGES = [
  ["precheck_ms", "Decoding and checking the bodies"],
  ["window_data_ms", "Windows, scaling, calendar"],
  ["model_predict_ms", "The network"],
  ["inverse_scale_ms", "Back to your units"],
  ["json_serialize_ms", "Writing the answers"],
];

let shown = null;

/** Shows an answer in place of the one before. `steps` that went without bands although the model has some say so. */
export function show(answer, series, model, seen_ms, noBands) {
  const all = views(answer, series, model);
  shown = { all, model, drawn: [] };
  const notes = [`Computed by model ${answer.run_id.slice(0, 12)}.`];
  if (series.left > 0) {
    notes.push(`${plural(series.left, "older row")} of the file stayed here: the last ${series.times.length} were sent.`);
  }
  if (noBands) notes.push(`Bands reach ${plural(model.horizon, "step")} ahead; this forecast goes further and has none.`);
  byId("results-note").textContent = notes.join(" ");
  const spare = all.some((view) => recent(view, model).past.length < view.past.length);
  byId("span-line").hidden = !spare;
  byId("results").hidden = false;
  drawAll();
  tabulate(all);
  time(answer.timings_ms, seen_ms);
}

/** One sentence per target, for the live region. */
export function announcement() {
  return shown.all.map((view) => {
    const values = view.ahead.map(([, value]) => value);
    const last = values.at(-1);
    return values.length === 1
      ? `${view.target}: ${number(last)}.`
      : `${view.target}: from ${number(values[0])} to ${number(last)} over ${plural(values.length, "step")}.`;
  }).join(" ");
}

export function hide() {
  byId("results").hidden = true;
}

export function listen() {
  byId("span").addEventListener("change", drawAll);
  byId("save").addEventListener("click", save);
  // Redrawn for the new width: a drawing that is merely scaled has letters too small to read on a phone.
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now !== width && now > 0 && shown !== null) shown.drawn.forEach((drawing) => drawing.draw());
    width = now;
  }).observe(byId("charts"));
}

function drawAll() {
  const whole = byId("span").checked;
  shown.drawn = shown.all.map((view) => {
    const visible = whole ? view : recent(view, shown.model);
    return chart(visible, describe(visible));
  });
  byId("charts").replaceChildren(...shown.drawn.map((drawing) => drawing.figure));
  shown.drawn.forEach((drawing) => drawing.draw());
}

function tabulate(all) {
  const { heads, rows } = forecastRows(all, columnWriter);
  const cut = rows.length > MOST_TABLED;
  const caption = cut ? `The first ${MOST_TABLED} of ${rows.length} steps; the file has all of them` : "The forecast, step by step";
  byId("table").replaceChildren(table(caption, heads, rows.slice(0, MOST_TABLED)));
}

function save() {
  const address = URL.createObjectURL(new Blob([toCsv(shown.all)], { type: "text/csv" }));
  html("a", { href: address, download: "forecast.csv" }).click();
  URL.revokeObjectURL(address);
}

/** The worker's own clock, if the answer has it; the rest of what was waited is the queue, the network, the browser. */
function time(timings, seen_ms) {
  const place = byId("timings");
  if (timings === undefined || timings === null) {
    place.replaceChildren(html("p", { class: "help" }, `Answered in ${seen_ms.toFixed(1)} ms, as seen from this browser.`));
    return;
  }
  const stages = STAGES.filter(([name]) => typeof timings[name] === "number");
  const rows = stages.map(([name, words]) => {
    const share = html("span", { class: "share", "aria-hidden": true });
    share.style.setProperty("--share", `${Math.min(100, (100 * timings[name]) / Math.max(timings.overall_ms, 1e-6))}%`);
    return [html("span", {}, words, share), timings[name].toFixed(3)];
  });
  rows.push(["All of the worker's stages", (timings.overall_ms ?? 0).toFixed(3)]);
  rows.push(["As seen from this browser", seen_ms.toFixed(3)]);
  const calls = timings.model_predict_calls;
  place.replaceChildren(
    html("h3", {}, "Where the time went"),
    table("Milliseconds in each stage, for the batch that this request was in", ["Stage", "ms"], rows, "stages"),
    html("p", { class: "help" }, calls === undefined ? "" : `The network ran ${calls === 1 ? "once" : `${calls} times`}.`));
}

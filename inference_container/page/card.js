// The model card: what is served, what it reads, how good it was. Shows what the service says and leaves out the rest.

import { byId, html, table } from "./dom.js";
import { duration, list, number, plural, time } from "./words.js";

export function showCard(model) {
  const facts = [
    ["Name", model.name],
    ["Identity", html("code", {}, model.bundle_id)],
    ["Made", model.created_at ? `${time(Date.parse(model.created_at))} UTC${model.origin === "imported" ? ", imported" : ""}` : null],
    ["Network", [model.arch, `run by ${model.backend}`].filter(Boolean).join(", ")],
    ["Forecasts", list(model.targets)],
    ["Reads", `${plural(model.input_len, "row")} of ${list(model.columns)}`],
    ["One step", duration(model.freq_seconds)],
    ["Reach", reach(model)],
    ["Held", model.held?.length > 0 ? `${list(model.held)}: keep their last value beyond ${plural(model.horizon, "step")}` : null],
    ["Calendar", model.calendar?.length > 0 ? list(model.calendar).replaceAll("_", " ") : null],
    ["Bands", levels(model.quantile_levels ?? [])],
  ].filter(([, value]) => value !== null && value !== "");
  byId("card").replaceChildren(
    html("dl", {}, ...facts.flatMap(([term, value]) => [html("dt", {}, term), html("dd", {}, value)])),
    ...backtest(model));
}

function reach(model) {
  const native = plural(model.horizon, "step");
  return model.max_steps > model.horizon ? `${native} at once, ${plural(model.max_steps, "step")} step upon step` : native;
}

function levels(known) {
  if (known.length === 0) return "none in this bundle";
  return known.length < 6 ? `quantiles ${list(known.map(String))}` : `${known.length} quantiles from ${known[0]} to ${known.at(-1)}`;
}

function backtest(model) {
  const scores = Object.entries(model.metrics?.targets ?? {});
  if (scores.length === 0) {
    return [html("h3", {}, "Back-test"), html("p", { class: "help" }, "The bundle came without one: how good it is, is not known.")];
  }
  const rows = scores.map(([target, score]) =>
    [target, number(score.rmse), number(score.persistence_rmse), number(score.seasonal_naive_rmse)]);
  const windows = model.metrics.n_windows;
  return [
    html("h3", {}, "Back-test"),
    table(`Root mean square error${windows ? ` over ${plural(windows, "window")} it was not fitted to` : ""}`,
      ["Target", "model", "as now", "as a season ago"], rows),
    ...coverage(scores),
  ];
}

/** How often the truth lay inside each band. */
function coverage(scores) {
  const lines = scores.flatMap(([target, score]) => (score.coverage ?? []).map((each) =>
    `${target}: the ${number(each.interval * 100)} % band held ${number(Number((each.mean * 100).toFixed(1)))} % of what came.`));
  return lines.length > 0 ? [html("p", { class: "help" }, lines.join(" "))] : [];
}

// An answer of `POST /predict` to what is drawn, tabled and said. Pure; `results.js` puts it into the page.

import { moment, number, plural, time } from "./words.js";

/** Bands people expect, from wide to narrow, each as the two levels that bound it. */
const BANDS = [[0.025, 0.975], [0.1, 0.9]];

/**
 * The levels to ask for: those of the 95 % and 80 % bands that lie within what the model knows, else its own outermost
 * ones. None when it has no levels, or when the forecast reaches further than they do.
 */
export function levelsFor(model, steps) {
  const known = model.quantile_levels ?? [];
  if (known.length < 2 || steps > model.horizon) return [];
  const lowest = Math.min(...known), highest = Math.max(...known);
  const inside = BANDS.filter(([low, high]) => low >= lowest - 1e-9 && high <= highest + 1e-9);
  return (inside.length > 0 ? inside : [[lowest, highest]]).flat().sort((one, other) => one - other);
}

/** For each target: past and forecast as points, and the bands that the answer holds, from wide to narrow. */
export function views(answer, series, model) {
  const ahead = answer.predictions.map((row) => moment(row.ts));
  const rows = series.times.length;
  // Times that only the service can read: the rows are drawn one step apart, which is where the model sees them.
  const past = series.moments ?? series.times.map((_, index) => ahead[0] - (rows - index) * model.freq_seconds * 1000);
  return model.targets.map((target) => ({
    target,
    past: (series.columns[target] ?? []).map((value, index) => [past[index], value]),
    ahead: answer.predictions.map((row, index) => [ahead[index], row[target]]),
    bands: bandsOf(answer.predictions, target, ahead),
  }));
}

function bandsOf(predictions, target, ahead) {
  const keys = Object.keys(predictions[0]?.quantiles?.[target] ?? {});
  const rising = keys.map((key) => ({ key, level: Number(key) })).sort((one, other) => one.level - other.level);
  const bands = [];
  for (let index = 0; index < Math.floor(rising.length / 2); index += 1) {
    const low = rising[index], high = rising[rising.length - 1 - index];
    const share = Number(((high.level - low.level) * 100).toFixed(1));
    bands.push({
      label: `${share} %`, lowLevel: low.level, highLevel: high.level,
      points: predictions.map((row, step) => [ahead[step], row.quantiles[target][low.key], row.quantiles[target][high.key]]),
    });
  }
  return bands;
}

/** The rows worth a look by default: enough past to see the pattern, not so much that the forecast becomes a sliver. */
export function recent(view, model) {
  const rows = Math.max(24, model.input_len, 3 * view.ahead.length);
  return { ...view, past: view.past.slice(-rows) };
}

/** A drawing in one paragraph, for those who do not see it and for those who do. */
export function describe(view) {
  const known = view.past.filter(([, value]) => value !== null);
  const sentences = [];
  if (known.length > 0) {
    const [low, high] = reach(known);
    sentences.push(`${plural(known.length, "known value")} up to ${time(known.at(-1)[0])}, between ${number(low)} and ` +
      `${number(high)}, the last one ${number(known.at(-1)[1])}.`);
  }
  const [low, high] = reach(view.ahead);
  const [end, value] = view.ahead.at(-1);
  sentences.push(view.ahead.length === 1
    ? `Forecast for ${time(end)}: ${number(value)}.`
    : `Forecast of ${plural(view.ahead.length, "step")} to ${time(end)}: between ${number(low)} and ${number(high)}, ` +
      `ending at ${number(value)}.`);
  for (const band of [...view.bands].reverse()) {
    const [, from, to] = band.points.at(-1);
    sentences.push(`The ${band.label} band ends at ${number(from)} to ${number(to)}.`);
  }
  return sentences.join(" ");
}

function reach(points) {
  return points.reduce(([low, high], [, value]) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

/** Heads and rows of the forecast as text. `writer` gets a column's numbers and returns what writes each of them. */
export function forecastRows(all, writer) {
  const heads = ["Time (UTC)"], columns = [];
  const add = (head, values) => {
    heads.push(head);
    columns.push(values.map(writer(values)));
  };
  for (const view of all) {
    add(view.target, view.ahead.map(([, value]) => value));
    const edges = view.bands.flatMap((band) => [[band.lowLevel, 1, band], [band.highLevel, 2, band]]);
    for (const [level, side, band] of edges.sort((one, other) => one[0] - other[0])) {
      add(`${view.target} q${level}`, band.points.map((point) => point[side]));
    }
  }
  return { heads, rows: all[0].ahead.map(([at], index) => [time(at), ...columns.map((column) => column[index])]) };
}

/** The same as a CSV file, in full precision. */
export function toCsv(all) {
  const { heads, rows } = forecastRows(all, () => String);
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return [heads, ...rows].map((cells) => cells.map(quoted).join(",")).join("\n") + "\n";
}

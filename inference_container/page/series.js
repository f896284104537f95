// From the rows of a file to the body of a request: the time column, the model's columns, the rows that count.

import { FileError } from "./csv.js";
import { list, moment } from "./words.js";

const TIME_NAMES = ["ts", "timestamp", "time", "date"];
const NUMERAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** Rows that are sent at most, unless the model reads more: a body has a bound, and older rows change nothing. */
const MOST_ROWS = 2000;

/**
 * What `model` needs of a parsed file: `timeName`, `times` as written, `moments` (milliseconds; null when one of them
 * is no ISO 8601 time), `columns` by name (numbers and nulls), `left` (older rows that stay behind).
 * Throws a FileError that names the line or the columns.
 */
export function readSeries(file, model) {
  const timeAt = timeColumn(file.names, model);
  const missing = model.columns.filter((name) => !file.names.includes(name));
  if (missing.length > 0) {
    throw new FileError(`The model reads ${list(model.columns)}, and the file has no column ${list(missing)}. ` +
      `It has ${list(file.names)}.`);
  }
  const dated = file.rows.map((row) => ({ ...row, at: moment(row.cells[timeAt]) }));
  const blank = dated.find((row) => row.cells[timeAt] === "");
  if (blank !== undefined) throw new FileError(`Line ${blank.line}: the time is empty.`);
  const known = dated.every((row) => row.at !== null);
  // Files often run from new to old; the last rows are those with the latest times. Otherwise the file's order holds.
  if (known) dated.sort((one, other) => one.at - other.at);
  const rows = dated.slice(-Math.max(model.input_len, MOST_ROWS));
  const columns = Object.fromEntries(model.columns.map((name) => {
    const at = file.names.indexOf(name);
    return [name, rows.map((row) => numeral(row.cells[at], row.line, name))];
  }));
  return {
    timeName: file.names[timeAt],
    times: rows.map((row) => row.cells[timeAt]),
    moments: known ? rows.map((row) => row.at) : null,
    columns,
    left: dated.length - rows.length,
  };
}

/** The body of `POST /predict`. `quantiles` may be empty. */
export function bodyOf(series, steps, quantiles) {
  return {
    data: { [series.timeName]: series.times, ...series.columns },
    index_col: series.timeName,
    inference_length: steps,
    ...(quantiles.length > 0 ? { quantiles } : {}),
  };
}

function timeColumn(names, model) {
  const lower = names.map((name) => name.toLowerCase());
  const named = [...(model.time_columns ?? []), ...TIME_NAMES].map((name) => lower.indexOf(name.toLowerCase()));
  const found = named.find((at) => at >= 0) ?? 0;
  if (model.columns.includes(names[found])) {
    throw new FileError(`The file has no column of times: expected ${TIME_NAMES.join(", ")}, or the first column.`);
  }
  return found;
}

function numeral(cell, line, name) {
  if (cell === "") return null;
  const value = NUMERAL.test(cell) ? Number(cell) : Number.NaN;
  if (!Number.isFinite(value)) {
    const shown = cell.length > 40 ? `${cell.slice(0, 40)}…` : cell;
    throw new FileError(`Line ${line}, column ${name}: “${shown}” is not a number. ` +
      "Leave the cell empty where a value is missing.");
  }
  return value;
}

// Times and numbers in words. Everything is UTC: what the service answers is.

const MINUTE = 60_000, HOUR = 3_600_000, DAY = 86_400_000;
const SIMPLE = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?))?(Z|[+-]\d{2}:?\d{2})?$/i;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });

/** Milliseconds since the epoch, or null when the text is no ISO 8601 time. Without an offset it is UTC. */
export function moment(text) {
  const found = SIMPLE.exec(text.trim());
  if (found === null) return null;
  const [, day, clock = "00:00", zone = "Z"] = found;
  const colon = /^[+-]\d{4}$/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  // Finer than a millisecond is of no use to a drawing, and not every browser reads it.
  const at = Date.parse(`${day}T${clock.replace(",", ".").replace(/(\.\d{3})\d+/, "$1")}${colon}`);
  return Number.isNaN(at) ? null : at;
}

export function number(value) {
  return value === null ? "none" : NUMBER.format(value);
}

/** Writes the numbers of one column with the same count of decimals, so that they can be compared down the page. */
export function columnWriter(values) {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const decimals = largest > 0 ? Math.min(8, Math.max(0, 4 - Math.floor(Math.log10(largest)))) : 0;
  const format = new Intl.NumberFormat("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return (value) => format.format(value);
}

export function time(at) {
  const text = new Date(at).toISOString();
  const end = at % 1000 !== 0 ? 23 : at % MINUTE !== 0 ? 19 : 16;
  return text.slice(0, end).replace("T", " ");
}

/** A duration such as `1 hour` or `90 seconds`: the largest unit that divides it. */
export function duration(seconds) {
  for (const [unit, name] of [[86_400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds % unit === 0) return plural(seconds / unit, name);
  }
  return plural(seconds, "second");
}

export function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

export function list(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** At most `most` moments on a time axis, each with its label; a new day, month or year says its name. */
export function timeTicks(from, to, most) {
  const steps = [1000, 5000, 15_000, 30_000, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR,
    12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY];
  const step = steps.find((each) => (to - from) / each <= most);
  if (step === undefined) return monthTicks(from, to, most);
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    const text = new Date(at).toISOString();
    const clock = step < MINUTE ? text.slice(11, 19) : text.slice(11, 16);
    ticks.push({ at, label: step >= DAY || at % DAY === 0 ? dayOf(at) : clock });
  }
  return ticks;
}

function monthTicks(from, to, most) {
  const first = new Date(from);
  const months = (to - from) / (30.4 * DAY);
  const step = [1, 3, 6, 12, 24, 60, 120, 600, 1200].find((each) => months / each <= most) ?? 6000;
  const ticks = [];
  // Counted from year 0, so that a step of a year falls on January.
  let count = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth() + 1) / step) * step;
  for (;; count += step) {
    const at = Date.UTC(Math.floor(count / 12), count % 12);
    if (at > to) return ticks;
    ticks.push({ at, label: count % 12 === 0 ? String(count / 12) : `${MONTHS[count % 12]} ${Math.floor(count / 12)}` });
  }
}

function dayOf(at) {
  const day = new Date(at);
  return `${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]}`;
}

/** About `count` round numbers from at most `low` to at least `high`, and how to write them. */
export function numberTicks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => {
    // Rounded to the step's own digits: 0.1 * 3 is not written 0.30000000000000004.
    const at = Number(((first + index) * step).toPrecision(12));
    return { at, label: number(at) };
  });
}

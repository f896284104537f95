// The page itself: a file or the sample, a number of steps, a forecast. Reads the form, calls the service, tells how it
// went; drawing and arithmetic are in the other modules.

import { levelsFor } from "./answer.js";
import { showCard } from "./card.js";
import { watchClaims } from "./claims.js";
import { FileError, parseCsv } from "./csv.js";
import { byId } from "./dom.js";
import { announcement, hide, listen as listenToResults, show } from "./results.js";
import { bodyOf, readSeries } from "./series.js";
import { askForecast, askModel, askSample, Refusal } from "./service.js";
import { complain, countDown, forgive, say } from "./telling.js";
import { duration, list, plural } from "./words.js";

/** A file beyond this is a mistake: the model looks at some thousand rows. */
const MOST_BYTES = 50_000_000;
/** While a model loads, it is asked for this often at least. */
const ASK_AGAIN_S = 2;

let model = null;
let file = null; // {name, parsed}
let running = null; // AbortController of the forecast that is under way

async function learn() {
  try {
    const found = await askModel();
    const first = model === null;
    model = found;
    byId("served").textContent = `Model ${model.name}: forecasts ${list(model.targets)}, ${duration(model.freq_seconds)} a step.`;
    showCard(model);
    prepareForm(first);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    byId("served").textContent = `No model yet: ${error.message}`;
    setTimeout(learn, 1000 * Math.max(ASK_AGAIN_S, error.retryAfter ?? ASK_AGAIN_S));
  }
}

function prepareForm(first) {
  const steps = byId("steps");
  steps.max = model.max_steps;
  if (first) steps.value = Math.min(model.max_steps, Math.max(model.horizon, 12));
  byId("steps-help").textContent =
    `1 to ${model.max_steps.toLocaleString("en")}. One step is ${duration(model.freq_seconds)}.`;
  byId("needs").hidden = false;
  byId("needs").textContent = `This model reads the columns ${list(model.columns)}, at least ${plural(model.input_len, "row")}.`;
  byId("sample-line").hidden = !model.sample;
}

async function take(chosen) {
  forgive();
  file = null;
  byId("file-chosen").textContent = "";
  if (chosen.size > MOST_BYTES) {
    refuseFile("The file is larger than 50 MB. Keep its last few thousand rows.");
    return;
  }
  await accept(chosen.name, await chosen.text());
}

async function accept(name, text) {
  try {
    const parsed = parseCsv(text);
    file = { name, parsed };
    byId("file-chosen").textContent = `${name}: ${plural(parsed.rows.length, "row")}, columns ${list(parsed.names)}`;
    say(`${name} is read. Press Forecast.`);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    refuseFile(error.message);
  }
}

function refuseFile(sentence) {
  complain(sentence, byId("file"));
}

async function forecast() {
  forgive();
  running?.abort();
  if (model === null) {
    complain("There is no model to ask yet; the service may still be loading it.", null, { retryAfter: ASK_AGAIN_S });
    return;
  }
  if (file === null) {
    complain("Choose a CSV file first, or try it with sample data.", byId("file"));
    byId("file").focus();
    return;
  }
  const steps = Number(byId("steps").value);
  if (!Number.isInteger(steps) || steps < 1 || steps > model.max_steps) {
    complain(`Steps to forecast must be a whole number from 1 to ${model.max_steps}.`, byId("steps"));
    byId("steps").focus();
    return;
  }
  const asking = new AbortController();
  running = asking;
  say("Asking for a forecast…");
  try {
    const series = readSeries(file.parsed, model);
    const levels = levelsFor(model, steps);
    const { answer, seen_ms } = await askForecast(bodyOf(series, steps, levels), asking.signal);
    // Models are swapped under way: an answer is shown with the card of the model that gave it.
    if (answer.run_id !== model.bundle_id) await learn();
    show(answer, series, model, seen_ms, levels.length === 0 && (model.quantile_levels ?? []).length > 1);
    say(`The forecast is here. ${announcement()}`);
    byId("results-title").focus();
  } catch (error) {
    if (error.name === "AbortError") return; // a newer request took its place
    fail(error);
  } finally {
    if (running === asking) running = null;
  }
}

function fail(error) {
  hide();
  if (error instanceof FileError) refuseFile(error.message);
  else if (error instanceof Refusal) complain(error.message, null, error);
  else throw error;
}

async function trySample() {
  forgive();
  say("Fetching the sample…");
  try {
    byId("file").value = "";
    await accept("Sample data", await askSample());
  } catch (error) {
    fail(error);
    return;
  }
  await forecast();
}

function listenToDrops() {
  const zone = byId("drop");
  // Anywhere on the page: a file that misses the zone by a pixel must not replace the page with its text.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  zone.addEventListener("dragover", () => zone.classList.add("over"));
  for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    const [dropped, more] = event.dataTransfer.files;
    if (dropped === undefined) return;
    if (more !== undefined) {
      refuseFile("Drop one file at a time.");
      return;
    }
    byId("file").value = "";
    void take(dropped);
  });
}

byId("file").addEventListener("change", (event) => {
  const [chosen] = event.target.files;
  if (chosen !== undefined) void take(chosen);
});
byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  void forecast();
});
byId("sample").addEventListener("click", () => void trySample());
byId("again").addEventListener("click", () => void forecast());
countDown(byId("again"), byId("again-line"));
listenToDrops();
listenToResults();
void learn();
watchClaims();

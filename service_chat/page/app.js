// The page itself: who is asked about, the question, the answer under way, what was asked before. Reads the form, shows
// one question's card at a time; the life of a question is in `asking.js`, its picture in `card.js`.

import { Asking } from "./asking.js";
import { showNotice } from "./banner.js";
import { makeCard } from "./card.js";
import { byId, motion } from "./dom.js";
import { complain, forgive, prepareForm, question, reuse, watchForm } from "./form.js";
import { History } from "./history.js";
import { askForKey, watchKey } from "./key.js";
import { watchReadiness } from "./readiness.js";
import { askInfo } from "./service.js";
import { say } from "./telling.js";
import { elapsed, isOver, noticeOf } from "./turn.js";
import { stateWords, timerWords } from "./words.js";

const TICK_MS = 200;

let shown = null; // the entry whose card is on the screen: {asking, turn, card}
let running = null; // the entry that waits for its answer

const history = new History((entry) => {
  show(entry);
  byId("talk").focus();
});

/** `instead`: an entry that came to nothing, which this try takes the place of. */
function send(instead = null) {
  if (running !== null) return;
  forgive();
  const wanted = question();
  if (wanted === null) return;
  const entry = { turn: null, card: null, asking: null, state: "" };
  entry.asking = new Asking(wanted, (turn) => changed(entry, turn));
  entry.turn = entry.asking.turn;
  entry.card = makeCard(entry.turn, {
    reuse,
    again: () => reask(entry),
    retry: () => entry.asking.retry(),
  });
  running = entry;
  if (instead !== null) history.remove(instead);
  history.add(entry);
  show(entry);
  busy(true);
  changed(entry, entry.turn);
  reveal();
  void entry.asking.run();
}

function changed(entry, turn) {
  entry.turn = turn;
  entry.card.update(turn);
  history.update(entry);
  if (entry === shown) showNotice(noticeOf(turn), () => leave(entry));
  if (turn.state !== entry.state) {
    entry.state = turn.state;
    say(stateWords(turn));
  }
  if (isOver(turn) && running === entry) {
    running = null;
    busy(false);
    if (turn.state === "failed") mend(entry);
  }
  tick();
}

/** What the person can put right is marked where it is put right. */
function mend(entry) {
  const { refusal } = entry.turn;
  // Fixed words to read come before a field to mend: the focus would carry the eye away from them.
  const quiet = refusal.floor?.notice != null;
  if (refusal.status === 401 || refusal.status === 403) askForKey(refusal, () => send(entry), quiet);
  else if (refusal.code === "patient_not_found") complain(["nobody"], quiet);
  else if (refusal.status === 422) complain(refusal.fields, quiet);
}

function show(entry) {
  shown = entry;
  byId("log").replaceChildren(...(entry === null ? [] : [entry.card.element]));
  byId("talk").hidden = entry === null;
  showNotice(entry === null ? null : noticeOf(entry.turn), () => leave(entry));
  tick();
}

/** Brings the place of the answer up where its beginning would be low in the window. Focus stays where it is. */
function reveal() {
  if (byId("talk").getBoundingClientRect().top > 0.6 * innerHeight) byId("talk").scrollIntoView({ behavior: motion() });
}

function reask(entry) {
  if (running !== null) return;
  prepareForm(entry.turn.question);
  byId("query").focus();
  send(entry);
}

function busy(on) {
  byId("log").setAttribute("aria-busy", String(on));
  byId("send").setAttribute("aria-disabled", String(on));
  for (const field of ["mrn", "query"]) byId(field).readOnly = on;
  for (const field of ["example", "mode"]) byId(field).disabled = on;
  const cancel = byId("cancel");
  // A button that goes takes the focus with it, unless it is handed on first.
  if (!on && document.activeElement === cancel) byId("query").focus();
  cancel.hidden = !on;
  byId("new").hidden = on;
}

function stop() {
  if (running !== null) void running.asking.cancel();
}

function tick() {
  const timer = byId("timer");
  const words = shown === null ? "" : timerWords(shown.turn, elapsed(shown.turn, performance.now()));
  if (timer.textContent !== words) timer.textContent = words;
}

function anew() {
  stop();
  forgive();
  show(null);
  prepareForm({ query: "" });
  byId("key-part").hidden = true;
  say("");
  byId("query").focus();
}

/** At once, and without a trace on the screen. */
function leave(entry) {
  history.remove(entry);
  anew();
  prepareForm({ mrn: "", query: "" });
}

function clearHistory() {
  history.clear(running);
  if (shown !== running) show(running);
  say("The list is cleared.");
  byId("query").focus();
}

async function learn() {
  const info = await askInfo().catch(() => null);
  if (info !== null) watchForm(info);
  return info !== null;
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
byId("query").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    send();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && running !== null) stop();
});
byId("cancel").addEventListener("click", stop);
byId("new").addEventListener("click", anew);
byId("clear").addEventListener("click", clearHistory);
setInterval(tick, TICK_MS);
watchKey();
watchReadiness(learn);

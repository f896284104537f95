// What was asked in this tab, newest first. In memory only: nothing of a patient stays in the browser.

import { byId, html } from "./dom.js";
import { isWatched } from "./banner.js";
import { badge } from "./card.js";
import { tongue } from "./prose.js";
import { isOver, noticeOf } from "./turn.js";

const MOST = 50;
const STATES = { failed: "No answer", cancelled: "Taken back" };

/** `open` shows an entry again. An entry has a `turn`. */
export class History {
  #entries = [];
  #open;

  constructor(open) {
    this.#open = open;
  }

  add(entry) {
    const button = html("button", { type: "button", class: "entry" });
    button.addEventListener("click", () => this.#open(entry));
    const held = { entry, button, item: html("li", {}, button), shown: "", at: new Date() };
    this.#entries = [held, ...this.#entries].slice(0, MOST);
    byId("history-list").replaceChildren(...this.#entries.map(({ item }) => item));
    this.update(entry);
  }

  update(entry) {
    const held = this.#entries.find((each) => each.entry === entry);
    if (held === undefined) return;
    const { turn } = entry;
    const watched = isWatched(noticeOf(turn));
    const shown = JSON.stringify([turn.state === "answered" ? turn.result.acuity : STATES[turn.state] ?? "running", watched]);
    if (held.shown === shown) return;
    held.shown = shown;
    const state = turn.state === "answered" ? badge(turn.result.acuity) : html("p", { class: "badge plain" }, html("span", {}, isOver(turn) ? STATES[turn.state] : "Under way"));
    held.button.replaceChildren(
      html("span", { class: "when" }, `${clock(held.at)} · ${turn.question.mrn || "no patient"}`),
      // A list stays in sight for long: what might harm who wrote it is not repeated there.
      watched
        ? html("span", { class: "what" }, "Words are not shown here")
        : html("span", { class: "what", ...tongue(turn.result?.language) }, turn.question.query),
      ...inline(state));
    byId("history").hidden = false;
  }

  remove(entry) {
    this.#entries = this.#entries.filter((each) => each.entry !== entry);
    byId("history-list").replaceChildren(...this.#entries.map(({ item }) => item));
    byId("history").hidden = this.#entries.length === 0;
  }

  clear(kept = null) {
    for (const { entry } of this.#entries) if (entry !== kept) this.remove(entry);
  }
}

/** Inside a button only phrases may stand. */
function inline(paragraph) {
  return [html("span", { class: paragraph.className }, ...paragraph.childNodes)];
}

function clock(at) {
  return at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

// The fixed words that come before all else, with the numbers to call. The element is an alert and is always there: it is
// read out when its words change, and only then.

import { byId, html, motion } from "./dom.js";
import { icon, tongue, withNumbers } from "./prose.js";

let shown = null;

/** Whether somebody may look over the reader's shoulder who must not read this. */
export function isWatched(notice) {
  return notice !== null && notice.codes.includes("violence_abuse");
}

/** `notice`: {acuity, notice, numbers, language, codes} or null; `leave` clears the screen at once. */
export function showNotice(notice, leave) {
  // By what is seen of it: told again with more reasons it is the same, and who is on a link stays there.
  const now = notice === null ? null : JSON.stringify([notice.acuity, notice.notice, notice.numbers, notice.language, isWatched(notice)]);
  if (now === shown) return;
  shown = now;
  const place = byId("banner");
  place.className = notice === null ? "" : `banner ${notice.acuity}`;
  if (notice === null) {
    place.replaceChildren();
    return;
  }
  // Whether it is safe to read on is the first thing said where somebody may be watched, and the way out is beside it.
  const watched = isWatched(notice);
  const out = html("button", { type: "button", class: "quiet", id: "leave" }, "Clear this screen");
  out.addEventListener("click", leave);
  place.replaceChildren(
    icon(notice.acuity === "urgent" ? "clock" : "phone"),
    html("div", {},
      html("p", { class: "notice", ...tongue(notice.language) }, ...words(notice)),
      html("p", { class: "calls" }, ...notice.numbers.map(callButton), ...(watched ? [out] : []))));
  reveal(place);
}

/** The first sentence is what to do, and stands out. Sentences end differently in other scripts. */
function words({ notice, numbers }) {
  const first = /^[^.!?。！？।؟]*[.!?。！？।؟]*/u.exec(notice)[0];
  return [html("strong", {}, ...withNumbers(first, numbers)), ...withNumbers(notice.slice(first.length), numbers)];
}

/** It may come where nobody looks. Focus stays where it is. */
function reveal(place) {
  const { top, bottom } = place.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight - byId("always").offsetHeight) place.scrollIntoView({ block: "start", behavior: motion() });
}

function callButton({ label, number }) {
  return html("a", { class: "call", href: `tel:${number}` }, icon("phone"), html("span", {}, `Call ${label}`));
}

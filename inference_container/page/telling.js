// What the page says: a polite line for what happened, an alert for what went wrong, a button for trying again.

import { byId, html } from "./dom.js";
import { plural } from "./words.js";

let tick = null;
let button = null, line = null;

/** Names the button that offers another try. It opens when the time that the service asked for has passed. */
export function countDown(again, around) {
  [button, line] = [again, around];
}

export function say(words) {
  byId("status").textContent = words;
}

/**
 * Shows what is wrong, read out at once. `field` is marked as the place to mend; a `retryAfter` of the refusal (whole
 * seconds) brings the button.
 */
export function complain(sentence, field = null, { retryAfter = null, trace = null } = {}) {
  say("");
  byId("problem").replaceChildren(html("p", {}, sentence),
    ...(trace ? [html("p", { class: "trace" }, "Trace ", html("code", {}, trace))] : []));
  if (field !== null) {
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-errormessage", "problem");
  }
  if (retryAfter !== null) offer(retryAfter);
}

/** Takes back everything that was said. */
export function forgive() {
  clearInterval(tick);
  line.hidden = true;
  say("");
  byId("problem").replaceChildren();
  for (const field of document.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-errormessage");
  }
}

function offer(seconds) {
  clearInterval(tick);
  // By the clock and not by counting: a tab in the background is woken only now and then.
  const open = Date.now() + seconds * 1000;
  line.hidden = false;
  const show = () => {
    const left = Math.ceil((open - Date.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${plural(left, "second")}` : "Try again";
    if (left <= 0) {
      clearInterval(tick);
      say("You can try again now.");
    }
  };
  tick = setInterval(show, 250);
  show();
}

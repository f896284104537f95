// The page's one polite live region: what has changed, one sentence at a time. Clocks and counters stay out of it.

import { byId } from "./dom.js";

export function say(words) {
  byId("status").textContent = words;
}

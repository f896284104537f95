// Buttons with a life of their own: one that copies, one that opens when the service wants to be asked again.

import { html } from "./dom.js";
import { icon } from "./prose.js";
import { say } from "./telling.js";
import { plural } from "./words.js";

/** Copies `text`; where the browser forbids that, the text is selected for the person to copy. */
export function copyButton(text, what) {
  const button = html("button", { type: "button", class: "quiet small", "aria-label": `Copy ${what}` }, icon("copy"), html("span", {}, "Copy"));
  button.addEventListener("click", async () => {
    const copied = await copy(text, button.parentElement.querySelector("code"));
    say(copied ? `The ${what} is copied.` : `The ${what} is selected: copy it with your keyboard.`);
    if (copied) button.lastChild.textContent = "Copied";
  });
  return button;
}

async function copy(text, element) {
  try {
    await navigator.clipboard.writeText(text); // there is none on a plain http address other than localhost
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return document.execCommand?.("copy") ?? false;
  }
}

/** Opens when `seconds` have passed. By the clock and not by counting: a tab in the background is woken now and then. */
export function retryButton(seconds, act) {
  const button = html("button", { type: "button", class: "again" }, "Ask again");
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") act();
  });
  const open = performance.now() + 1000 * seconds;
  const show = () => {
    const left = Math.ceil((open - performance.now()) / 1000);
    // Not `disabled`: that would drop the focus of who waits on it.
    button.setAttribute("aria-disabled", String(left > 0));
    button.textContent = left > 0 ? `Ask again in ${plural(left, "second")}` : "Ask again";
    if (left > 0) return;
    clearInterval(tick);
    if (seconds > 0 && button.isConnected) say("You can ask again now.");
  };
  const tick = setInterval(show, 250);
  show();
  return button;
}

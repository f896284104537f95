// Who asks: a key, where the service wants one. It stays in the page's memory; a reload forgets it.

import { byId } from "./dom.js";
import { hasKey, useKey } from "./service.js";
import { say } from "./telling.js";

let then = () => {};

/** Shows the field; `again` is called once there is a key. */
export function askForKey(again) {
  then = again;
  const part = byId("key-part");
  byId("key-wrong").textContent = hasKey() ? "The service does not take this key." : "";
  part.hidden = false;
  byId("key").focus();
}

export function watchKey() {
  byId("key-part").addEventListener("submit", (event) => {
    event.preventDefault();
    const value = byId("key").value.trim();
    if (value === "") return;
    useKey(value);
    byId("key").value = "";
    byId("key-part").hidden = true;
    byId("forget").hidden = false;
    byId("send").focus();
    then();
  });
  byId("forget").addEventListener("click", () => {
    useKey("");
    byId("forget").hidden = true;
    byId("query").focus();
    say("The key is forgotten.");
  });
}

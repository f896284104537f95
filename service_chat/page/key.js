// Who asks: a key, where the service wants one. It stays in the page's memory; a reload forgets it.

import { byId } from "./dom.js";
import { hasKey, useKey } from "./service.js";
import { say } from "./telling.js";

let then = () => {};

/** Shows the field; `again` is called once there is a key. `quiet` leaves the focus where it is. */
export function askForKey({ status }, again, quiet) {
  then = again;
  const words = status === 403 ? "The service does not allow this with the key it was given." : "The service does not take this key.";
  byId("key-wrong").textContent = hasKey() ? words : "";
  byId("key-part").hidden = false;
  if (!quiet) byId("key").focus();
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

// Whether the service is there and its model ready: one line in the page's head, and a bar while the model comes.

import { byId } from "./dom.js";
import { askReadiness } from "./service.js";
import { say } from "./telling.js";
import { duration, sentence } from "./words.js";

const SOON_MS = 1500, LATER_MS = 20_000;

/** `learn` is called until it has learnt what the service offers. */
export function watchReadiness(learn) {
  let known = false, before = "";
  const look = async () => {
    known ||= await learn();
    const told = await askReadiness().catch(() => ({ status: "away" }));
    const { words, good } = inWords(told);
    byId("served").textContent = words;
    byId("served").className = good ? "served good" : "served";
    const bar = byId("loading");
    const loads = told.status === "loading" && typeof told.percent === "number";
    bar.hidden = !loads;
    if (loads) bar.value = told.percent;
    byId("early").hidden = !["loading", "warming", "starting", "new"].includes(told.status);
    // Only that it changed: how many percent there are is for the eye.
    if (before !== "" && before !== told.status && told.status === "ready") say("The model is ready.");
    before = told.status;
    setTimeout(look, known && told.status === "ready" ? LATER_MS : SOON_MS);
  };
  void look();
}

function inWords({ status, phase, percent, eta_s: eta, message, degraded }) {
  switch (status) {
    case "ready":
      if (degraded?.includes("model_disabled")) return { words: "Rules and record answer; the model is switched off", good: true };
      return degraded?.length > 0 ? { words: "The model starts again", good: false } : { words: "Ready", good: true };
    case "away":
      return { words: "The service does not answer", good: false };
    case "loading":
      return { words: `The model is coming: ${[
        phase,
        typeof percent === "number" ? `${Math.floor(percent)} %` : null,
        typeof eta === "number" ? `about ${duration(1000 * eta)}` : null,
      ].filter(Boolean).join(", ")}`, good: false };
    default:
      return { words: message ?? sentence(status), good: false };
  }
}

// The Kafka door: what is in hand, whether fetching is paused, lag, dead letters, the last results. Asked for again and
// again while the page is seen; hidden where the service consumes no claims.

import { byId, html, table } from "./dom.js";
import { askClaims } from "./service.js";
import { number, plural } from "./words.js";

const EVERY_MS = 2000;
const STATES = { starting: "waits for its first model", running: "runs", backing_off: "backs off after an error", stopped: "has stopped" };

export function watchClaims() {
  let shown = null;
  const look = async () => {
    // A page that nobody sees asks for nothing.
    if (!document.hidden) {
      try {
        const claims = await askClaims();
        if (claims.state === "off") return;
        shown = render(claims, shown);
      } catch {
        byId("claims-state").textContent = "The service did not say how claims are; the last it said stands below.";
      }
    }
    setTimeout(look, EVERY_MS);
  };
  look();
}

/** Draws what changed. A table that somebody is scrolling is not replaced by one that says the same. */
function render(claims, shown) {
  byId("claims").hidden = false;
  const sentence = state(claims);
  if (sentence !== byId("claims-state").textContent) byId("claims-state").textContent = sentence;
  const parts = {
    "claims-lane": lane(claims),
    "claims-lag": lag(claims.partitions),
    "claims-letters": letters(claims),
    "claims-latest": latest(claims.latest),
  };
  for (const [id, { told, made }] of Object.entries(parts)) {
    if (shown?.[id] !== told) byId(id).replaceChildren(...made());
  }
  return Object.fromEntries(Object.entries(parts).map(([id, { told }]) => [id, told]));
}

function state(claims) {
  const held = claims.held ? "Claims are held" : `The consumer ${STATES[claims.state] ?? claims.state}`;
  return claims.reason ? `${held}: ${claims.reason}` : `${held}.`;
}

function lane({ lane, gate, oldest_s, outcomes }) {
  const facts = [
    ["In hand", `${number(lane.depth)} of ${plural(lane.bound, "place")}; never more than ${number(lane.most_depth)}`],
    ["Waiting for a worker", number(lane.waiting)],
    ["Oldest", lane.depth > 0 ? `${oldest_s.toFixed(1)} s` : "none"],
    ["Gate", gate.closed ? "shut: fetching is paused until the lane is emptier" : "open"],
    ["Turned", `${plural(gate.flips, "time")}, paused for ${gate.paused_s.toFixed(1)} s in all`],
    ["Ended", Object.entries(outcomes).filter(([, count]) => count > 0).map(([name, count]) => `${number(count)} ${name.replaceAll("_", " ")}`).join(", ") || "none yet"],
  ];
  return part(facts, () => [html("dl", {}, ...facts.flatMap(([term, value]) => [html("dt", {}, term), html("dd", {}, value)]))]);
}

function lag(partitions) {
  const rows = partitions.filter((each) => each.lag > 0)
    .map((each) => [`${each.topic} ${each.partition}`, number(each.lag), each.paused ? "paused" : "read"]);
  const rest = partitions.length - rows.length;
  const sentence = partitions.length === 0 ? "No partition is this service's."
    : rest > 0 ? `${rows.length > 0 ? "The others, " : ""}${plural(rest, "partition")}: worked to the end.` : "";
  return part([rows, sentence], () => [
    ...(rows.length > 0 ? [table("Partitions with a lag", ["Partition", "not committed", "now"], rows)] : []),
    html("p", { class: "help" }, sentence)]);
}

function letters({ dead_letters }) {
  const rows = Object.entries(dead_letters).sort((one, other) => other[1] - one[1])
    .map(([reason, count]) => [reason.replaceAll("_", " "), number(count)]);
  return part(rows, () => [rows.length > 0
    ? table("Dead letters since the start", ["Reason", "messages"], rows)
    : html("p", { class: "help" }, "No dead letter since the start.")]);
}

function latest(results) {
  const rows = results.map((each) =>
    [each.source, each.claim_id ?? "", each.reason ? `${each.status.replaceAll("_", " ")}: ${each.reason}` : each.status,
      number(each.rows), each.timestamp.replace("T", " ").slice(0, 19)]);
  return part(rows, () => [rows.length > 0
    ? table("Last results, newest first", ["Message", "claim", "became", "rows", "sent, UTC"], rows)
    : html("p", { class: "help" }, "No result yet.")]);
}

function part(said, made) {
  return { told: JSON.stringify(said), made };
}

// One question and what is known of it: a value, and the next value after each event. Pure; `asking.js` feeds it,
// `card.js` shows it.

/** Where a question is. The last three are ends. */
export const STATES = ["sending", "queued", "prefill", "generating", "lost", "cancelling", "answered", "failed", "cancelled"];
const ENDS = new Set(["answered", "failed", "cancelled"]);

/** `question`: {mrn, query, mode}; `at`: milliseconds on the clock that the other functions are told as well. */
export function newTurn(question, at) {
  return {
    question, state: "sending", begun: at, ended: null, jobId: null, trace: null,
    floor: null, status: null, text: "", result: null, refusal: null, retryAt: null,
    heard: false,
  };
}

export function isOver(turn) {
  return ENDS.has(turn.state);
}

/** How long it takes, or took, in milliseconds. */
export function elapsed(turn, now) {
  return (turn.ended ?? now) - turn.begun;
}

/** What must be said before all else, in fixed words, whoever told it; null where there is nothing. */
export function noticeOf(turn) {
  const { result, floor, refusal } = turn;
  const told = result !== null
    ? floorOf(result)
    : refusal?.floor ?? floor;
  return told?.notice ? { ...told, language: result?.language ?? floor?.language ?? null } : null;
}

/** The acuity and whether it may still rise; null while nothing is known. */
export function acuityOf(turn) {
  if (turn.result !== null) return { acuity: turn.result.acuity, final: true };
  const floor = turn.refusal?.floor ?? turn.floor;
  return floor === null ? null : { acuity: floor.acuity, final: false };
}

/** The turn after an event of the stream, {name, data}. Unknown events change nothing: newer services may send them. */
export function after(turn, { name, data }, now) {
  if (isOver(turn)) return turn;
  switch (name) {
    case "accepted":
      return { ...turn, jobId: data.job_id, trace: data.trace_id };
    case "acuity":
      return { ...turn, floor: { ...floorOf(data), language: data.language } };
    case "status":
      return turn.state === "cancelling" ? turn : { ...turn, state: data.state, status: data };
    case "delta":
      return { ...turn, text: turn.text + data.text };
    case "result":
      return answered(turn, data, now);
    default:
      return turn;
  }
}

export function answered(turn, result, now) {
  return { ...turn, state: "answered", ended: now, result, jobId: result.job_id, trace: result.trace_id, retryAt: null };
}

export function failed(turn, refusal, now) {
  return { ...turn, state: "failed", ended: now, refusal, trace: refusal.trace ?? turn.trace, retryAt: null };
}

/** `heard`: whether the service knows. */
export function cancelled(turn, now, heard) {
  return { ...turn, state: "cancelled", ended: now, retryAt: null, heard };
}

/** The connection broke; it is tried again at `retryAt`. */
export function lost(turn, retryAt) {
  return { ...turn, state: "lost", retryAt };
}

/** It is back: what it was doing is told by the next event. */
export function found(turn) {
  return { ...turn, state: turn.status?.state ?? "sending", retryAt: null };
}

export function cancelling(turn) {
  return { ...turn, state: "cancelling", retryAt: null };
}

function floorOf(told) {
  return {
    acuity: told.acuity,
    notice: told.emergency_notice,
    numbers: told.emergency_numbers ?? [],
    codes: (told.red_flags ?? []).map((flag) => flag.code),
  };
}

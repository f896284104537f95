// What the page says in its own words: levels, states, durations. What the service says is shown as it is.

/** How urgent: a word and a picture, so that no meaning is in a colour alone. */
export const ACUITY = {
  emergency_now: { word: "Emergency: call now", icon: "phone" },
  emergency: { word: "Emergency", icon: "hospital" },
  urgent: { word: "Urgent", icon: "clock" },
  routine: { word: "Routine", icon: "calendar" },
  self_care: { word: "Self-care", icon: "home" },
  informational: { word: "Information", icon: "info" },
};

const DEGRADED = {
  model_unavailable: "There is no model to ask just now: this is what the rules and the record say.",
  deadline: "The model was not done in time: this is what the rules and the record say.",
  model_silent: "The model wrote nothing: this is what the rules and the record say.",
  model_incoherent: "What the model wrote made no sense: this is what the rules and the record say.",
  model_invalid: "What the model wrote could not be used: this is what the rules and the record say.",
};

const NOTICES = {
  prompt_injection: "Part of the text reads like instructions to software; they were not followed.",
  privacy: "Names, addresses and numbers of people are not needed here.",
  out_of_scope: "This is outside of what the service can help with.",
  language_unsupported: "The service does not know this language well enough.",
};

const GATE = {
  age_unknown: "the age is not known",
  age_out_of_range: "the very young and the old are seen by a person",
  high_risk_record: "the record holds what makes small things large",
  language_unsupported: "the language is not known well enough",
  vague: "the complaint is too vague",
  symptom_unrecognised: "a part of the question was not recognised",
  symptom_unruled: "no rule knows how harmless this symptom is",
  not_checked: "a medicine is not in the tables",
  record_unread: "the record was not read",
  model_absent: "no model gave a second opinion",
  model_disagreed: "the model finds it more serious",
};

const SOURCES = { rules: "the rules, from your words", record: "the rules, from your words and the record", model: "the model", gate: "caution: too little is known to say less" };

export function acuityWords(acuity) {
  return ACUITY[acuity] ?? { word: sentence(acuity), icon: "info" };
}

export const degradedWords = (code) => DEGRADED[code] ?? `This answer is less than it could be: ${plain(code)}.`;
export const noticeWords = (code) => NOTICES[code] ?? `${sentence(code)}.`;
export const gateWords = (code) => GATE[code] ?? plain(code);
export const sourceWords = (code) => SOURCES[code] ?? plain(code);

/** What a question is doing, for the live region: one sentence a state, and none that a number changes. */
export function stateWords(turn) {
  switch (turn.state) {
    case "sending": return "Your question is on its way.";
    case "queued": return `Your question waits in line: ${queueWords(turn.status)}`;
    case "prefill": return "The record is being read.";
    case "generating": return "The answer is being written.";
    case "lost": return "The connection is lost. It is being tried again.";
    case "cancelling": return "Taking the question back.";
    case "answered": return `The answer is here: ${acuityWords(turn.result.acuity).word}.`;
    case "cancelled": return "The question was taken back.";
    case "failed": return `There is no answer. ${turn.refusal.message}`;
    default: return `${sentence(turn.state)}.`; // of a newer service
  }
}

/** The same for the eye, with its numbers. */
export function progressWords(turn) {
  const { state, status } = turn;
  switch (state) {
    case "sending": return "On its way…";
    case "queued": return sentence(queueWords(status));
    case "prefill": return status.total ? `Reading the record: ${count(status.done)} of ${count(status.total)} tokens` : "Reading the record…";
    case "generating": return status?.tokens ? `Writing the answer: ${plural(status.tokens, "token")} so far` : "Writing the answer…";
    case "lost": return "The connection is lost. The service works on for a while, and nothing is lost if it comes back.";
    case "cancelling": return "Taking the question back…";
    default: return `${sentence(state)}…`;
  }
}

/** What was said to the service, or could not be. */
export function cancelWords({ heard }) {
  return heard
    ? "The question was taken back. The service has stopped working on it."
    : "The question was given up here. The service could not be told; it stops by itself when nobody has asked for a while.";
}

function queueWords({ position, eta_s: eta }) {
  const place = position > 0 ? `${plural(position, "question")} before yours` : "yours is next";
  return eta === undefined || eta === null ? `${place}.` : `${place}, about ${duration(eta * 1000)} to wait.`;
}

/** `42s`, or `3m 7s` from a minute on. */
export function duration(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
}

export function timerWords(turn, ms) {
  return `${turn.ended === null ? "Elapsed time:" : "Total time:"} ${duration(ms)}`;
}

export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

export function count(number) {
  return number.toLocaleString("en");
}

export function plain(code) {
  return code.replaceAll("_", " ");
}

export function sentence(code) {
  const words = plain(code);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// A question and its answer, as they grow. Each part is built when what it shows has changed, and only then: focus and
// what somebody has opened stay where they are.

import { html } from "./dom.js";
import { feedbackForm } from "./feedback.js";
import { blocksOf, icon, prose, tongue } from "./prose.js";
import { acuityOf, isOver } from "./turn.js";
import { acuityWords, cancelWords, degradedWords, gateWords, noticeWords, plain, progressWords, sentence, sourceWords } from "./words.js";
import { copyButton, retryButton } from "./buttons.js";

/** `acts`: what the buttons do: {reuse(text), again(), retry()}. */
export function makeCard(turn, acts) {
  const parts = new Map();
  const element = html("article", { class: "card", "aria-label": "Question and answer" });
  for (const name of ["asked", "verdict", "progress", "words", "chips", "questions", "notes", "problem", "why", "about", "feedback"]) {
    const part = html("div", { class: `part ${name}` });
    parts.set(name, { part, shown: "" });
    element.append(part);
  }

  /** Puts what `build` makes of `value` into its place; null empties it. */
  function place(name, value, build) {
    const held = parts.get(name);
    const now = value === null ? "" : JSON.stringify(value);
    if (held.shown === now) return;
    held.shown = now;
    held.part.replaceChildren(...(value === null ? [] : [build(value)].flat()));
  }

  function update(now) {
    const { result, refusal } = now;
    const over = isOver(now);
    place("asked", [now.question, result?.language ?? now.floor?.language ?? null], asked);
    place("verdict", acuityShown(now), verdict);
    place("progress", over ? null : { words: progressWords(now), ...bar(now), lost: now.state === "lost" }, (told) => progress(told, acts));
    place("words", result !== null ? ["answer", blocksOf(result), result.language] : over || now.text === "" ? null : ["draft", [now.text], now.floor?.language], answer);
    place("chips", listOf(result?.citations), chips);
    place("questions", listOf(result?.questions), (questions) => toAsk(questions, result.language, acts));
    place("notes", listOf(notesOf(now)), notes);
    place("problem", refusal === null ? now.state === "cancelled" ? { cancelled: cancelWords(now) } : null : problemTold(refusal), (told) => problem(told, acts));
    place("why", listOf(result?.red_flags ?? []), why);
    place("about", result, about);
    place("feedback", result?.job_id ?? null, () => feedbackForm(result));
  }

  update(turn);
  return { element, update };
}

const listOf = (list) => (list === undefined || list === null || list.length === 0 ? null : list);

function asked([{ mrn, query }, language]) {
  return [
    html("p", { class: "who" }, mrn === "" ? "No patient chosen" : `Record ${mrn}`),
    html("p", { class: "question", ...tongue(language) }, query),
  ];
}

/** Word, picture and colour. */
export function badge(acuity, prefix = "") {
  const { word, icon: name } = acuityWords(acuity);
  return html("p", { class: `badge ${acuity}` }, icon(name), html("span", {}, prefix === "" ? word : `${prefix} ${word.toLowerCase()}`));
}

/** Low levels are no finding before the answer is whole: they would soothe while nothing is settled. */
const LOW = ["informational", "self_care"];

function acuityShown(turn) {
  const known = acuityOf(turn);
  return known === null || known.final || !isOver(turn) || !LOW.includes(known.acuity) ? known : null;
}

function verdict({ acuity, final }) {
  if (!final && LOW.includes(acuity)) return html("p", { class: "badge plain" }, html("span", {}, "How urgent it is, is not settled yet"));
  return badge(acuity, final ? "" : "At least");
}

function bar({ state, status }) {
  return state === "prefill" && status?.total ? { done: status.done, total: status.total } : {};
}

function progress({ words, done, total, lost }, acts) {
  const meter = done === undefined
    ? html("span", { class: "pulse", "aria-hidden": true })
    : html("progress", { value: done, max: total, "aria-label": "Record read" });
  const parts = [meter, html("p", {}, words)];
  if (lost) {
    const now = html("button", { type: "button", class: "quiet" }, "Try now");
    now.addEventListener("click", () => acts.retry());
    parts.push(now);
  }
  return parts;
}

function answer([kind, blocks, language]) {
  const text = html("div", { class: `prose ${kind}`, ...tongue(language) }, ...prose(blocks));
  return kind === "draft" ? [html("p", { class: "label" }, "The model writes:"), text] : text;
}

function chips(citations) {
  const chip = ({ id, kind, text, date, source }) => html("li", {},
    html("details", { class: "chip" },
      html("summary", {}, icon("record"), html("span", {}, `${sentence(kind)} ${id}`)),
      html("p", { dir: "auto" }, text),
      html("p", { class: "help" }, [date, source].filter(Boolean).join(" · "))));
  return [html("h3", {}, "From the record"), html("ul", { class: "row-list" }, ...citations.map(chip))];
}

function toAsk(questions, language, acts) {
  const button = (text) => {
    const one = html("button", { type: "button", class: "quiet ask", ...tongue(language) }, text);
    one.addEventListener("click", () => acts.reuse(text));
    return html("li", {}, one);
  };
  return [
    html("h3", {}, "It would help to know"),
    html("ul", { class: "row-list" }, ...questions.map(button)),
    html("p", { class: "help" }, "A press puts the question into the box above, for you to answer."),
  ];
}

function notesOf({ result, floor }) {
  const told = result ?? floor;
  if (told === null) return [];
  return [...(result?.degraded ?? []).map(degradedWords), ...(result?.notices ?? []).map(noticeWords)];
}

function notes(texts) {
  return html("ul", { class: "remarks" }, ...texts.map((text) => html("li", {}, icon("info"), html("span", {}, text))));
}

function problemTold({ message, code, trace, retryAfter, status }) {
  return { message, code, trace, retryAfter, status };
}

/** Whether the same question would be refused again: what is wrong with it is mended in the form. */
function mended(status, code) {
  return [400, 401, 403, 413, 422].includes(status) || (status === 404 && code !== "job_not_found");
}

function problem({ cancelled, message, code, trace, retryAfter, status }, acts) {
  return html("div", { class: cancelled === undefined ? "trouble" : "ended" },
    html("p", {}, cancelled ?? message),
    ...(trace ? [traceLine(trace)] : []),
    ...(mended(status, code) ? [] : [html("p", {}, retryButton(retryAfter ?? 0, acts.again))]));
}

function traceLine(trace) {
  return html("p", { class: "trace" }, "Trace ", html("code", {}, trace), " ", copyButton(trace, "trace id"));
}

function why(flags) {
  const rule = (flag) => html("li", {},
    html("strong", {}, flag.label), " ",
    ...(flag.evidence.length > 0 ? [html("span", { dir: "auto" }, `“${flag.evidence.join("”, “")}” `)] : []),
    ...(flag.record.length > 0 ? [html("span", {}, `Record: ${flag.record.join(", ")}. `)] : []),
    html("span", { class: "help" }, html("code", {}, flag.rule), " ",
      ...(/^https:\/\//.test(flag.source) ? [html("a", { href: flag.source, rel: "noreferrer noopener", target: "_blank" }, `Source: ${new URL(flag.source).hostname} (new tab)`)] : [])));
  return html("details", {}, html("summary", {}, "What the rules found"), html("ul", { class: "rules" }, ...flags.map(rule)));
}

function about(result) {
  const { usage, timings, versions, context } = result;
  const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
  const facts = [
    ["Decided by", sourceWords(result.acuity_source)],
    ["Not self-care because", result.gate.map(gateWords).join("; ")],
    ["Record items read", String(context.items)],
    ["Left out for want of room", context.truncated.map(plain).join(", ")],
    ["Cut from the model's words", result.ungrounded_terms.join(", ")],
    ["Mode", result.llm_mode],
    ["Model", versions.model],
    ["Inference time", seconds(result.inference_time_ms)],
    ["Of that", usage === null ? "" : `waiting ${seconds(timings.queue_ms)}, reading ${seconds(timings.prefill_ms)}, writing ${seconds(timings.decode_ms)}`],
    ["Tokens", usage === null ? "" : `${usage.prompt_tokens} read (${usage.cached_tokens} known already), ${usage.completion_tokens} written`],
    ["Versions", `service ${versions.service}, prompt ${versions.prompt}, rules ${versions.rules}`],
    ["Conversation", result.conversation_id],
    ["Job", result.job_id],
  ].filter(([, value]) => value !== null && value !== "");
  return [
    html("details", {}, html("summary", {}, "About this answer"),
      html("dl", {}, ...facts.flatMap(([term, value]) => [html("dt", {}, term), html("dd", {}, value)]))),
    html("p", { class: "help disclaimer", ...tongue(result.language) }, result.disclaimer),
    traceLine(result.trace_id),
  ];
}

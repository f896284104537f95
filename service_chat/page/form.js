// The form: who is asked about, what is asked, by which engine. Marks what has to be put right.

import { byId, html } from "./dom.js";
import { count } from "./words.js";

let most = 8000;

/** Fills in what the service offers. */
export function watchForm(info) {
  most = info.max_query_chars;
  const examples = byId("example"), modes = byId("mode");
  examples.replaceChildren(html("option", { value: "" }, "None chosen"),
    ...info.example_patients.map(({ mrn, about }) => html("option", { value: mrn }, `${mrn} · ${about}`)));
  byId("example-part").hidden = info.example_patients.length === 0;
  modes.replaceChildren(...info.llm_modes.map((mode) =>
    html("option", { value: mode }, mode === info.default_llm_mode ? `${mode} (usual)` : mode)));
  byId("mode-part").hidden = info.llm_modes.length < 2;
  const number = byId("emergency-number");
  number.textContent = info.emergency_number.label;
  number.setAttribute("href", `tel:${info.emergency_number.number}`);
  byId("emergency-call").hidden = false;
  measure();
}

/** What is asked; null where nothing is, which the form then says. A missing patient is the service's to refuse: it looks
    for danger in the words first. */
export function question() {
  const query = byId("query").value;
  if (query.trim() === "") {
    mark("query", "Write a question first.");
    byId("query").focus();
    return null;
  }
  const mode = byId("mode");
  return { mrn: byId("mrn").value.trim(), query, mode: mode.selectedIndex > 0 ? mode.value : null };
}

/** Puts a question into the form; what is not named stays. */
export function prepareForm({ mrn, query, mode }) {
  if (mrn !== undefined) {
    byId("mrn").value = mrn;
    choose(mrn);
  }
  if (mode !== undefined) byId("mode").value = mode ?? byId("mode").options[0]?.value ?? "";
  byId("query").value = query;
  measure();
}

/** Adds what an answer would like to know, for the person to answer it. */
export function reuse(text) {
  const box = byId("query");
  if (box.readOnly) return;
  const before = box.value.trimEnd();
  box.value = `${before}${before === "" ? "" : "\n"}${text} `;
  measure();
  box.focus();
  box.setSelectionRange(box.value.length, box.value.length);
}

/** Marks the fields that the service refused, in the page's words, and goes to the first unless it is to be `quiet`. */
export function complain(fields, quiet) {
  if (fields.includes("query")) mark("query", `A question has at most ${count(most)} characters.`);
  if (fields.includes("patient_mrn")) {
    mark("mrn", byId("mrn").value.trim() === ""
      ? "Choose a patient, or enter a record number."
      : "A record number has at most 64 letters, digits, dots, dashes and underscores.");
  }
  if (fields.includes("nobody")) mark("mrn", "No record has this number.");
  if (!quiet) document.querySelector("#ask [aria-invalid]")?.focus();
}

export function forgive() {
  for (const name of ["mrn", "query"]) {
    byId(name).removeAttribute("aria-invalid");
    byId(`${name}-wrong`).textContent = "";
  }
}

function mark(name, words) {
  byId(name).setAttribute("aria-invalid", "true");
  byId(`${name}-wrong`).textContent = words;
}

function choose(mrn) {
  const examples = byId("example");
  examples.value = [...examples.options].some((option) => option.value === mrn) ? mrn : "";
}

function measure() {
  const length = [...byId("query").value].length; // as the service counts: a character of two halves is one
  byId("count").textContent = `${count(length)} of ${count(most)}`;
  byId("count").classList.toggle("over", length > most);
}

byId("query").addEventListener("input", measure);
byId("mrn").addEventListener("input", () => choose(byId("mrn").value.trim()));
byId("example").addEventListener("change", () => { byId("mrn").value = byId("example").value; });

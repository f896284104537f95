// What a reader thinks of an answer's urgency: a verdict, and a word if he likes.

import { html } from "./dom.js";
import { Refusal, sendFeedback } from "./service.js";
import { say } from "./telling.js";
import { acuityWords } from "./words.js";

const MOST = 1000;
const VERDICTS = [["agree", "Agree"], ["too_high", "Too high"], ["too_low", "Too low"]];

export function feedbackForm(result) {
  const name = `verdict-${result.job_id}`, comment = `comment-${result.job_id}`;
  const form = html("form", { class: "opinion" },
    html("fieldset", {},
      html("legend", {}, `Is “${acuityWords(result.acuity).word}” right?`),
      html("p", { class: "choices" }, ...VERDICTS.map(([value, words]) =>
        html("label", {}, html("input", { type: "radio", name, value }), html("span", {}, words))))),
    html("div", { class: "more", hidden: true },
      html("label", { for: comment }, "Why? (optional)"),
      html("textarea", {
        id: comment, rows: 2, maxlength: MOST, autocomplete: "off", dir: "auto", "aria-describedby": `${comment}-help`,
      }),
      html("p", { class: "help", id: `${comment}-help` }, "No names. Words are kept, encrypted, only where the service is set up to keep any."),
      html("p", {}, html("button", { type: "submit", class: "quiet" }, "Send"))),
    html("p", { class: "told" }));
  const more = form.querySelector(".more"), told = form.querySelector(".told");
  form.addEventListener("change", () => { more.hidden = false; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const verdict = form.querySelector("input:checked").value;
    try {
      await sendFeedback(result.job_id, verdict, form.querySelector("textarea").value.trim());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      told.textContent = `It could not be kept. ${error.message}`;
      say(told.textContent);
      return;
    }
    // The words take the place of the form, and the focus with them: it was on a button that is gone.
    const thanks = html("p", { class: "told", tabindex: -1 }, "Thank you. Your opinion is kept with this answer.");
    form.replaceChildren(thanks);
    thanks.focus();
    say("Thank you.");
  });
  return form;
}

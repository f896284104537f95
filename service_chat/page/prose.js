// Text of the service as elements: paragraphs, lists, numbers to call. Text stays text; no part of it is markup.

import { html, svg } from "./dom.js";

/** Languages that are written from the right. */
const FROM_THE_RIGHT = new Set(["ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"]);

/** `lang` and `dir` for text of a language; of an unknown one the browser finds the direction. */
export function tongue(language) {
  if (language === null || language === undefined || language === "und") return { dir: "auto" };
  return { lang: language, dir: FROM_THE_RIGHT.has(language) ? "rtl" : "ltr" };
}

/** A picture of the page's own sheet. The word for it stands beside it, so that nobody has to be told of it. */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": true, focusable: "false" }, svg("use", { href: `#icon-${name}` }));
}

/** Blocks of text, with lines that begin with a dash as a list. Each finds its own direction: quotes may be in another. */
export function prose(blocks) {
  return blocks.flatMap((block) => {
    const parts = [];
    for (const line of block.split("\n")) {
      const item = /^- /.test(line);
      const last = parts.at(-1);
      if (item && last?.tagName === "UL") last.append(html("li", { dir: "auto" }, line.slice(2)));
      else parts.push(item ? html("ul", {}, html("li", { dir: "auto" }, line.slice(2))) : html("p", { dir: "auto" }, line));
    }
    return parts;
  });
}

/** Blocks of an answer's text, less those that the page shows elsewhere in better form. */
export function blocksOf(result) {
  const listed = (texts) => texts.map((text) => `- ${text}`).join("\n");
  const elsewhere = new Set([result.emergency_notice ?? "", listed(result.questions)]);
  const blocks = result.response.split(/\n{2,}/).filter((block) => block.trim() !== "" && !elsewhere.has(block));
  // Who wrote it begins the disclaimer, which is always shown.
  return blocks.filter((block) => !result.disclaimer.startsWith(block));
}

/** A notice with each number that it names as a link that a phone dials. */
export function withNumbers(text, numbers) {
  let parts = [text];
  for (const { label, number } of numbers) {
    parts = parts.flatMap((part) => (typeof part === "string" ? cut(part, label, () => call(label, number)) : [part]));
  }
  return parts;
}

export function call(label, number) {
  return html("a", { href: `tel:${number}` }, label);
}

/** At each place where `label` stands by itself: 112 is no part of 1122. */
function cut(text, label, link) {
  const parts = [];
  let from = 0;
  for (let at = text.indexOf(label); at >= 0; at = text.indexOf(label, at + label.length)) {
    const end = at + label.length;
    if (/\d/.test(text[at - 1] ?? "") || /\d/.test(text[end] ?? "")) continue;
    parts.push(text.slice(from, at), link());
    from = end;
  }
  return [...parts, text.slice(from)];
}

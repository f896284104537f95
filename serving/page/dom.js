// Elements without markup: text is only ever text here, so a column named like a tag stays a name.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `attributes` with the value null or false are left out. */
export function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for a part of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** How to scroll: at once for those who want nothing to move. */
export function motion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
}

export function byId(id) {
  return document.getElementById(id);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A table that scrolls by itself, reachable by keyboard. `rows` begin with the cell that names them. */
export function table(caption, heads, rows, kind = null) {
  const cells = ([first, ...rest]) =>
    html("tr", {}, html("th", { scope: "row" }, first), ...rest.map((cell) => html("td", {}, cell)));
  const whole = html("table", { class: kind },
    html("caption", {}, caption),
    html("thead", {}, html("tr", {}, ...heads.map((head) => html("th", { scope: "col" }, head)))),
    html("tbody", {}, ...rows.map(cells)));
  return html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, whole);
}

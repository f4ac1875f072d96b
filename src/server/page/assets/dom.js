// Making elements, and text that is safe to look at. Data reaches the page as text nodes and attributes only.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children. No attribute is an event handler or a style.
 * @template {keyof HTMLElementTagNameMap} N
 * @param {N} name
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[N]}
 */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) => child ?? ""));
  return element;
}

/** A shape of glyphs.html. @param {string} id @param {string} [kind] @param {string} [status] */
export function shape(id, kind = "icon", status) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", kind);
  svg.setAttribute("aria-hidden", "true");
  if (status) svg.dataset.status = status;
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}

/** A status as glyph and word; the word is the one of the legend's language. @param {string} status */
export function statusMark(status) {
  const mark = h("span", { class: "status", "data-status": status });
  mark.append(shape(`g-${status}`, "glyph"), statusWord(status));
  return mark;
}

/** @type {Map<string, string>} */
const words = new Map();

/** The page's own word for a status, taken from what the server wrote. @param {string} status */
export function statusWord(status) {
  if (words.size === 0) {
    for (const option of document.querySelectorAll("option[value]")) {
      const value = option.getAttribute("value") ?? "";
      if (/^[A-Z_]+$/.test(value)) words.set(value, option.textContent ?? value);
    }
  }
  return words.get(status) ?? status;
}

/** @param {string} selector @param {ParentNode} [within] @returns {HTMLElement | null} */
export function one(selector, within = document) {
  return /** @type {HTMLElement | null} */ (within.querySelector(selector));
}

/** @param {string} selector @param {ParentNode} [within] @returns {HTMLElement[]} */
export function all(selector, within = document) {
  return [...within.querySelectorAll(selector)].filter((element) => element instanceof HTMLElement);
}

/** An element that the template promises. @template {Element} E @param {string} selector @param {new () => E} type @param {ParentNode} [within] @returns {E} */
export function need(selector, type, within = document) {
  const element = within.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${selector}`);
  return element;
}

// Control characters, format characters (bidi, zero width, tags), line and paragraph separators, lone surrogates.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0]/gu;

/** The text with what cannot be seen as ⟨U+202E⟩, as the server's filter of that name writes it. @param {string} text */
export function visible(text) {
  return text.replace(UNSEEN, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** Visible, and cut in the middle when long. @param {string} text */
export function cut(text) {
  const seen = [...visible(text)];
  return seen.length <= 26 ? seen.join("") : `${seen.slice(0, 8).join("")}…${seen.slice(-8).join("")}`;
}

/** As the server's filter of that name. @param {string} text */
export function percent(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** What the server's filter `percent` wrote. @param {string | undefined | null} text */
export function unpercent(text) {
  try {
    return decodeURIComponent(text ?? "");
  } catch {
    return text ?? "";
  }
}

/** @param {number} value */
export function number(value) {
  return Math.trunc(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** What stands in front of every path. */
export const base = document.documentElement.dataset.base ?? "";

/** Says something once, to eyes and to screen readers. @param {string} text */
export function toast(text) {
  const place = one("#toasts");
  if (!place) return;
  const line = h("p", {}, text);
  place.append(line);
  setTimeout(() => line.remove(), 6000);
}

// Ctrl-K: views, and whatever the API suggests for what is typed (sagas, orders, traces, steps, types).

import { all, base, h, need, visible } from "./dom.js";
import { t } from "./texts.js";

/**
 * An entry of GET /api/v1/suggest?prefix.
 * @typedef {object} Suggestion
 * @property {"saga" | "order" | "trace" | "step" | "type" | "service" | "letter"} kind
 * @property {string} value
 * @property {string | null} [status]
 */

/** @typedef {{name: string, what: string, href: string}} Entry */

const WAIT_MILLIS = 120;

/** @type {Entry[]} */
let entries = [];
let chosen = 0;
let asked = 0;
/** @type {AbortController | null} */
let asking = null;

/** @param {Suggestion} it @returns {Entry} */
function entryOf(it) {
  const value = encodeURIComponent(it.value);
  switch (it.kind) {
    case "saga": return { name: it.value, what: t("js-kind-saga"), href: `/ui/saga?id=${value}` };
    case "order": return { name: it.value, what: t("js-kind-order"), href: `/ui/search?orderId=${value}` };
    case "trace": return { name: it.value, what: t("js-kind-trace"), href: `/ui/search?traceId=${value}` };
    case "step": return { name: it.value, what: t("js-kind-step"), href: `/ui/search?step=${value}` };
    case "service": return { name: it.value, what: t("js-kind-service"), href: `/ui/search?producerService=${value}` };
    case "letter": return { name: it.value, what: t("js-kind-letter"), href: `/ui/dead-letters/${value}` };
    default: return { name: it.value, what: t("js-kind-type"), href: `/ui/flow/${value}` };
  }
}

/** The views, from the navigation itself. @param {string} typed @returns {Entry[]} */
function views(typed) {
  return all(".nav a, .tabs a").map((link) => ({ name: link.textContent?.trim() ?? "", what: t("js-kind-view"), href: (link.getAttribute("href") ?? "").slice(base.length) }))
    .filter((entry) => entry.name.toLowerCase().includes(typed.toLowerCase()));
}

/** @param {HTMLElement} list @param {HTMLInputElement} input */
function draw(list, input) {
  list.replaceChildren(...entries.map((entry, place) => h("div", { role: "option", id: `palette-${place}`, "aria-selected": String(place === chosen), "data-place": place },
    h("bdi", { class: "name" }, visible(entry.name)), h("span", { class: "what" }, entry.what))));
  if (entries.length > 0) input.setAttribute("aria-activedescendant", `palette-${chosen}`);
  else input.removeAttribute("aria-activedescendant");
  list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
}

/** @param {Entry | undefined} entry */
function go(entry) {
  if (entry) location.assign(base + entry.href);
}

/** @param {HTMLElement} list @param {HTMLInputElement} input */
async function suggest(list, input) {
  const typed = input.value.trim();
  const mine = (asked += 1);
  asking?.abort();
  /** @type {Entry[]} */
  const find = typed ? [{ name: typed, what: t("js-kind-find"), href: `/ui/find?q=${encodeURIComponent(typed)}` }] : [];
  entries = [...views(typed), ...find];
  chosen = 0;
  draw(list, input);
  if (!typed) return;
  await new Promise((done) => { setTimeout(done, WAIT_MILLIS); });
  if (mine !== asked) return;
  asking = new AbortController();
  try {
    const answer = await fetch(`${base}/api/v1/suggest?prefix=${encodeURIComponent(typed)}`, { signal: asking.signal });
    if (!answer.ok || mine !== asked) return;
    const { suggestions } = /** @type {{suggestions: Suggestion[]}} */ (await answer.json());
    entries = [...suggestions.map(entryOf), ...views(typed), ...find];
    chosen = 0;
    draw(list, input);
  } catch {
    // What was typed since asks anew; without an answer the finding itself remains.
  }
}

export function openPalette() {
  const dialog = need("#palette", HTMLDialogElement);
  const input = need("#palette input", HTMLInputElement);
  if (!dialog.open) dialog.showModal();
  input.value = "";
  input.focus();
  void suggest(need("#palette-list", HTMLElement), input);
}

export function listenForPalette() {
  const dialog = need("#palette", HTMLDialogElement);
  const input = need("#palette input", HTMLInputElement);
  const list = need("#palette-list", HTMLElement);
  input.addEventListener("input", () => void suggest(list, input));
  input.addEventListener("keydown", (event) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by !== 0 && entries.length > 0) {
      event.preventDefault();
      chosen = (chosen + by + entries.length) % entries.length;
      draw(list, input);
    }
    if (event.key === "Enter") {
      event.preventDefault();
      go(entries[chosen]);
    }
  });
  list.addEventListener("click", (event) => {
    const option = event.target instanceof Element ? event.target.closest("[data-place]") : null;
    if (option instanceof HTMLElement) go(entries[Number(option.dataset.place)]);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

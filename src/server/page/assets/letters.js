// Dead letters: an edit shows what it changes before anything is asked for; redrives are followed until they end.

import { all, base, h, need, number, one, unpercent, visible } from "./dom.js";
import { t } from "./texts.js";

const FOLLOW_MILLIS = 1_000;
const SHOWN_BYTES = 4_096;

/** @param {string} base64 */
function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
function hexOf(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Null when it is not hex. @param {string} text */
function bytesOfHex(text) {
  const bare = text.replace(/\s+/g, "");
  if (bare.length % 2 !== 0 || /[^0-9a-fA-F]/.test(bare)) return null;
  return Uint8Array.from({ length: bare.length / 2 }, (_, i) => parseInt(bare.slice(i * 2, i * 2 + 2), 16));
}

/** @param {HTMLFormElement} form @param {Uint8Array | null} before @param {Uint8Array | null} after */
function showDiff(form, before, after) {
  const place = need("[data-part=edit-diff]", HTMLElement, form);
  /** @type {Node[]} */
  const lines = [];
  for (const field of all("[data-change]", form)) {
    if (!(field instanceof HTMLInputElement)) continue;
    const was = unpercent(field.dataset.was);
    if (field.value === was) continue;
    lines.push(h("div", {}, h("code", {}, field.dataset.change ?? ""), " ", h("span", { class: "diff-old" }, visible(was) || "–"), " → ", h("span", { class: "diff-new" }, visible(field.value) || "–")));
  }
  if (before && after) {
    const longer = Math.max(before.length, after.length);
    let changed = 0;
    const shown = h("code", { class: "hex" });
    for (let i = 0; i < longer; i += 1) {
      if (before[i] === after[i]) continue;
      changed += 1;
      if (changed > 24) continue;
      const name = i.toString(16).padStart(6, "0");
      shown.append(`${name} `, h("span", { class: "diff-old" }, before[i]?.toString(16).padStart(2, "0") ?? "--"), "→", h("span", { class: "diff-new" }, after[i]?.toString(16).padStart(2, "0") ?? "--"), "  ");
    }
    if (changed > 0) lines.push(h("div", {}, t("js-bytes-differ", { count: number(changed), before: number(before.length), after: number(after.length) })), shown);
  }
  place.replaceChildren(...(lines.length > 0 ? lines : [h("span", { class: "dim" }, t("js-no-change"))]));
}

/** @param {HTMLFormElement} form */
function listenForEdit(form) {
  const area = need("[data-part=edit-bytes]", HTMLTextAreaElement, form);
  /** @type {Uint8Array | null} */
  let before = null;
  area.addEventListener("focus", async () => {
    if (before) return;
    try {
      const answer = await fetch(base + (form.dataset.edit ?? ""));
      const letter = await answer.json();
      before = letter.value ? bytesOf(letter.value.base64) : new Uint8Array();
      area.readOnly = before.length > SHOWN_BYTES;
      area.value = area.readOnly ? t("js-too-long-to-edit") : hexOf(before);
    } catch {
      area.value = t("js-unreachable");
    }
  });
  form.addEventListener("input", () => {
    const after = before && !area.readOnly ? bytesOfHex(area.value) : null;
    area.setCustomValidity(before && !area.readOnly && !after ? t("js-not-hex") : "");
    const differs = before && after && (before.length !== after.length || before.some((byte, i) => byte !== after[i]));
    if (differs && after) area.dataset.base64 = btoa(String.fromCharCode(...after));
    else delete area.dataset.base64;
    for (const field of all("[data-change]", form)) if (field instanceof HTMLInputElement) field.disabled = Boolean(differs);
    showDiff(form, before, after);
  }, { capture: true });
}

/**
 * GET /api/v1/dead-letters/redrives/{number}, as far as it is followed. Conflicts are counted among the duplicates; `open`
 * are letters of which it is not known yet what they came to, those that wait for their turn among them.
 * @typedef {object} Redrive
 * @property {boolean} running
 * @property {number} letters
 * @property {number} waiting
 * @property {number} published
 * @property {number} skipped
 * @property {number} refused
 * @property {number} left
 * @property {number} forecast
 * @property {{applied: number, duplicates: number, conflicts: number, deadLetters: number, removed: number, forgotten: number, open: number}} outcomes
 */

/** The figures of a redrive, by name. @param {Redrive} redrive @returns {Record<string, number>} */
export function figures({ letters, waiting, published, skipped, refused, left, outcomes }) {
  const { applied, duplicates, deadLetters, removed, forgotten, open } = outcomes;
  const cameBack = applied + duplicates + deadLetters + removed + forgotten;
  return { letters, waiting, published, skipped, refused, left, open, cameBack };
}

/** Whether the page says something else by now. @param {Redrive} redrive @param {{running: boolean, waits: boolean}} shown */
export function isOther({ running, waiting, letters, outcomes }, shown) {
  if (shown.running) return !running || (shown.waits && waiting < letters);
  return outcomes.open === 0;
}

/** @param {HTMLElement} place */
async function follow(place) {
  const shown = { running: place.dataset.running === "true", waits: place.dataset.waits === "true" };
  const path = `${base}/api/v1/dead-letters/redrives/${encodeURIComponent(place.dataset.follow ?? "")}`;
  for (;;) {
    await new Promise((done) => { setTimeout(done, FOLLOW_MILLIS); });
    if (document.hidden) continue;
    try {
      const answer = await fetch(path);
      if (!answer.ok) continue;
      /** @type {Redrive} */
      const redrive = await answer.json();
      const values = figures(redrive);
      for (const element of all("[data-field]", place)) element.textContent = number(values[element.dataset.field ?? ""] ?? 0);
      const bar = place.querySelector("progress");
      const progress = one("[data-part=progress]", place);
      if (progress) {
        const done = redrive.forecast + redrive.skipped + redrive.refused;
        progress.textContent = t("js-progress", { done: number(done), total: number(redrive.letters) });
        if (bar) bar.value = done;
      } else if (bar) {
        bar.max = Math.max(values.published, 1);
        bar.value = Math.min(values.cameBack, bar.max);
      }
      if (isOther(redrive, shown)) {
        location.reload();
        return;
      }
    } catch {
      // The next second asks again.
    }
  }
}

for (const form of document.querySelectorAll("form[data-edit]")) if (form instanceof HTMLFormElement) listenForEdit(form);
for (const place of all("[data-follow]")) void follow(place);

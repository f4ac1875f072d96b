// The keyboard: Ctrl-K and `/` find, `g` goes, `j k Enter x` walk the rows of the page's first table. Single keys can be
// switched off in the settings, and never act while somebody types.

import { all, base, need, one } from "./dom.js";
import { copyAddress } from "./copy.js";
import { openPalette } from "./palette.js";

const GO = new Map([["o", "/"], ["s", "/ui/search"], ["l", "/ui/dead-letters"], ["f", "/ui/flow"], ["p", "/ui/ops/ledger"]]);

let waitingForGo = false;
let at = -1;

/** @param {KeyboardEvent} event */
function typing(event) {
  const target = event.target;
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) && !(target instanceof HTMLInputElement && target.type === "checkbox");
}

/** @param {number} by */
function walk(by) {
  const rows = all("tr[data-row]").filter((row) => !row.hidden);
  if (rows.length === 0) return;
  at = Math.min(Math.max(at + by, 0), rows.length - 1);
  const row = rows[at];
  // What a row is about, wherever it stands among links that narrow.
  const link = row.querySelector("th a") ?? row.querySelector("a");
  for (const other of rows) other.removeAttribute("aria-selected");
  if (link instanceof HTMLElement) link.focus();
  row.scrollIntoView({ block: "nearest" });
}

/** The row that the focus is in. */
function currentRow() {
  return document.activeElement?.closest("tr[data-row]") ?? null;
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  const off = document.documentElement.dataset.keys === "off";
  if (off || event.ctrlKey || event.metaKey || event.altKey || typing(event) || document.querySelector("dialog[open]")) return;
  if (waitingForGo) {
    waitingForGo = false;
    const path = GO.get(event.key);
    if (path) location.assign(base + path);
    return;
  }
  switch (event.key) {
    case "g":
      waitingForGo = true;
      setTimeout(() => { waitingForGo = false; }, 1200);
      break;
    case "/":
      event.preventDefault();
      one("#find")?.focus();
      break;
    case "j": walk(1); break;
    case "k": walk(-1); break;
    case "x": {
      const box = currentRow()?.querySelector("input[type=checkbox]");
      if (box instanceof HTMLInputElement) box.click();
      break;
    }
    case "y": copyAddress(); break;
    case "?": need("#help", HTMLDialogElement).showModal(); break;
    default: break;
  }
}

export function listenForKeys() {
  document.addEventListener("keydown", pressed);
}

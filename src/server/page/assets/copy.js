// Buttons that copy, and lines that name this server.

import { all, base, toast, unpercent } from "./dom.js";
import { curl } from "./quote.js";
import { t } from "./texts.js";

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("js-copied"));
  } catch {
    toast(t("js-not-copied"));
  }
}

/** Writes the lines of curl with this server's own address. */
export function nameServer() {
  for (const code of all("code[data-curl]")) {
    const path = code.dataset.curl ?? "";
    code.textContent = path.startsWith("/api/v1/live") ? curl("GET", location.origin + base + path).replace("-sS", "-sSN") : curl("GET", location.origin + base + path);
  }
}

export function listenForCopies() {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button) return;
    if (button.dataset.copy !== undefined) void copy(unpercent(button.dataset.copy));
    if (button.dataset.copyText !== undefined) void copy(button.parentElement?.querySelector("code")?.textContent ?? "");
  });
}

/** The address that opens exactly this. */
export function copyAddress() {
  dispatchEvent(new Event("saga-tracker:address"));
  void copy(location.href);
}

// Settings at once: zone, theme, density and keys without a new page, language with one. The server keeps them in its
// cookie, as it does for those without a script.

import { need } from "./dom.js";
import { isZone, writeTimes } from "./time.js";
import { t } from "./texts.js";

export function listenForSettings() {
  const form = need("#settings", HTMLFormElement);
  const zones = need("#zones", HTMLDataListElement);
  const zone = need("#set-zone", HTMLInputElement);
  zone.addEventListener("focus", () => fill(zones), { once: true });
  form.addEventListener("change", () => {
    zone.setCustomValidity(isZone(zone.value) ? "" : t("js-no-zone"));
    if (!form.reportValidity()) return;
    const chosen = new FormData(form);
    const root = document.documentElement;
    const language = String(chosen.get("lang"));
    root.dataset.theme = String(chosen.get("theme"));
    root.dataset.density = String(chosen.get("density"));
    root.dataset.zone = String(chosen.get("zone"));
    root.dataset.keys = String(chosen.get("keys"));
    writeTimes();
    dispatchEvent(new Event("saga-tracker:look"));
    const query = new URLSearchParams();
    for (const [name, value] of chosen) query.set(name, String(value));
    void fetch(`${form.action}?${query}`, { redirect: "manual" }).finally(() => {
      if (language !== root.lang) location.reload();
    });
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.closest("details")?.removeAttribute("open");
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (event.target instanceof Node && !menu.contains(event.target)) menu.removeAttribute("open");
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.removeAttribute("open");
      menu.querySelector("summary")?.focus();
    }
  });
}

/** @param {HTMLDataListElement} list */
function fill(list) {
  const known = typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];
  for (const name of known) {
    const option = document.createElement("option");
    option.value = name;
    list.append(option);
  }
}

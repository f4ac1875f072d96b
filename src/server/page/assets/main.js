// What every view has: times in the chosen zone, keys, palette, settings, copies, acts, and the live stream.

import { listenForActs } from "./act.js";
import { listenForCopies, nameServer } from "./copy.js";
import { listenForKeys } from "./keys.js";
import { goLive } from "./live.js";
import { listenForPalette } from "./palette.js";
import { listenForSettings } from "./settings.js";
import { explainTimes, writeTimes } from "./time.js";

writeTimes();
explainTimes();
nameServer();
listenForCopies();
listenForKeys();
listenForPalette();
listenForSettings();
listenForActs();
goLive();

// The pager asks for a page by its number from 1; the address counts from 0.
for (const form of document.querySelectorAll("form:has(input[name=jump])")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!(form instanceof HTMLFormElement)) return;
    const here = new URL(location.href);
    here.searchParams.delete("cursor");
    here.searchParams.set("page", String(Number(new FormData(form).get("jump")) - 1));
    location.assign(here);
  });
}

// What is not filled in is not asked for.
document.addEventListener("formdata", (event) => {
  if (!(event.target instanceof HTMLFormElement) || event.target.method !== "get") return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

// Loading shows itself only where an answer takes longer than a blink.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!(link instanceof HTMLAnchorElement) || link.target || link.download !== "" || link.hasAttribute("download") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.origin === location.origin && !link.hash) document.querySelector("main")?.classList.add("loading");
});
addEventListener("pageshow", () => document.querySelector("main")?.classList.remove("loading"));

// The stylesheet's tokens as colours that a canvas takes; read anew when theme or density change.

import { h } from "../dom.js";
import { STATUSES } from "./model.js";

/** @import { Look } from "./draw.js" */

/** @param {HTMLElement} within @returns {Look} */
export function readLook(within) {
  const probe = h("span", { class: "unseen", "aria-hidden": "true" });
  within.append(probe);
  /** @param {string} token */
  const colour = (token) => {
    probe.style.color = `var(${token})`;
    return getComputedStyle(probe).color;
  };
  const tones = ["--started", "--in-progress", "--completed", "--failed", "--compensated"].map(colour);
  probe.style.height = "var(--lane)";
  probe.style.fontSize = "var(--small)";
  const style = getComputedStyle(probe);
  const lane = parseFloat(style.height);
  const size = parseFloat(style.fontSize);
  probe.style.height = "1.75rem"; // as .lane-names leaves above the first lane
  const axis = parseFloat(style.height);
  const look = {
    tone: Object.fromEntries(STATUSES.map((status, at) => [status, tones[at]])),
    ink: colour("--ink"), ink2: colour("--ink-2"), line: colour("--line"), line2: colour("--line-2"),
    surface: colour("--surface"), sunken: colour("--sunken"),
    font: style.fontFamily, size, lane, axis, glyph: size * 1.2,
  };
  probe.remove();
  return look;
}

// What no frame of the live stream carries: lists, series, labels of the flow, health, notices. The page's own address
// is asked for them again, and what it answers takes the place of what is shown, unless somebody is at it.

import { all } from "./dom.js";
import { writeTimes } from "./time.js";

/** @import { Frame } from "./live.js" */

const EVERY_MILLIS = 15_000;
/** Never more often than that, whatever changes: two hundred screens may hang on walls while everything fails. */
const LEAST_MILLIS = 5_000;
const PATIENCE_MILLIS = 10_000;
/** What scrolls inside of a part. */
const SCROLLS = ".table-scroll, .flow-scroll";

let asked = Date.now();
let asking = false;
/** Whether a frame told of something that what is shown does not have yet. */
let changed = false;
/** @type {Frame | null} */
let before = null;

/** Whether lists are other ones than at the frame before. @param {Frame | null} was @param {Frame} is */
export function isOther(was, is) {
  return was !== null && (was.byStatus.FAILED !== is.byStatus.FAILED || was.incidents !== is.incidents || was.unexplained !== is.unexplained);
}

/** Whether it is time to ask. @param {number} since milliseconds since it was asked last @param {boolean} hurry */
export function isDue(since, hurry) {
  return since >= (hurry ? LEAST_MILLIS : EVERY_MILLIS);
}

/**
 * Asks if it is time. Frames come once a second while the stream is open: nothing is asked in a hidden tab.
 * @param {Frame} frame
 * @param {() => void} then when something was put in place
 */
export function refresh(frame, then) {
  changed ||= isOther(before, frame);
  before = frame;
  if (asking || !isDue(Date.now() - asked, changed)) return;
  asked = Date.now();
  changed = false;
  void ask(then);
}

/** @param {() => void} then */
async function ask(then) {
  asking = true;
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE_MILLIS) });
    if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), "text/html"), then);
  } catch {
    // What is shown stays; that nothing comes is said by the stream.
  } finally {
    asking = false;
  }
}

/** @param {Document} page @param {() => void} then */
function put(page, then) {
  const { scrollX, scrollY } = window;
  for (const part of all("[data-fresh]")) {
    const next = page.querySelector(`[data-fresh="${part.dataset.fresh}"]`);
    if (next && !isUsed(part)) replace(part, document.importNode(next, true));
  }
  then();
  if (window.scrollX !== scrollX || window.scrollY !== scrollY) scrollTo({ left: scrollX, top: scrollY, behavior: "instant" });
}

/** Whether somebody is at it: by focus, by hand, with a selection, a menu or a dialog. @param {HTMLElement} part */
function isUsed(part) {
  const chosen = getSelection();
  return part.contains(document.activeElement) || part.matches(":active")
    || (chosen !== null && !chosen.isCollapsed && chosen.containsNode(part, true))
    || part.querySelector("details[open]") !== null || document.querySelector("dialog[open]") !== null;
}

/** @param {HTMLElement} part @param {Element} next */
function replace(part, next) {
  writeTimes(next);
  if (part.isEqualNode(next)) return;
  const scrolled = all(SCROLLS, part).map(({ scrollLeft, scrollTop }) => [scrollLeft, scrollTop]);
  part.replaceWith(next);
  all(SCROLLS, next).forEach((element, at) => { [element.scrollLeft, element.scrollTop] = scrolled[at] ?? [0, 0]; });
}

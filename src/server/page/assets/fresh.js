// What no frame of the live stream carries: lists, series, labels of the flow, health, notices. The page's own address
// is asked for them again, and what it answers takes the place of what is shown, unless somebody is at it.

import { all } from "./dom.js";
import { writeTimes } from "./time.js";

/** @import { Frame } from "./live.js" */

const EVERY_MILLIS = 15_000;
/** Never more often than that, whatever changes: two hundred screens may hang on walls while everything fails. */
const LEAST_MILLIS = 5_000;
const PATIENCE_MILLIS = 10_000;
/** Who has not touched anything for so long is not at it any more, whatever has the focus: a wall is clicked once a week. */
const TOUCH_MILLIS = 60_000;
/** What scrolls inside of a part. */
const SCROLLS = ".table-scroll, .flow-scroll";

let asked = Date.now();
/** When what is shown was answered. */
let answered = Date.now();
let touched = 0;
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
 * @returns {number} milliseconds since what is shown was answered
 */
export function refresh(frame, then) {
  changed ||= isOther(before, frame);
  before = frame;
  const now = Date.now();
  if (!asking && isDue(now - asked, changed)) {
    asked = now;
    changed = false;
    void ask(then);
  }
  return now - answered;
}

/** Notes when somebody was at the page last. */
export function watchHands() {
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
}

/** @param {() => void} then */
async function ask(then) {
  asking = true;
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE_MILLIS) });
    if (!answer.ok) throw new Error(String(answer.status));
    if (put(new DOMParser().parseFromString(await answer.text(), "text/html"), then)) answered = Date.now();
  } catch {
    // What is shown stays, and its age is told.
    changed = true;
  } finally {
    asking = false;
  }
}

/** Whether it is of these modules' version, and so was put in place. @param {Document} page @param {() => void} then */
function put(page, then) {
  if (programOf(page) !== programOf(document)) {
    // Another version answers, whose parts these modules do not know.
    if (!isTouched()) location.reload();
    return false;
  }
  const { scrollX, scrollY } = window;
  for (const part of all("[data-fresh]")) {
    const next = page.querySelector(`[data-fresh="${part.dataset.fresh}"]`);
    if (next && !isUsed(part)) replace(part, document.importNode(next, true));
  }
  then();
  if (window.scrollX !== scrollX || window.scrollY !== scrollY) scrollTo({ left: scrollX, top: scrollY, behavior: "instant" });
  return true;
}

/** Its name is made of what is in it. @param {Document} page */
function programOf(page) {
  return page.querySelector("script[type=module][src*='main']")?.getAttribute("src");
}

function isTouched() {
  return Date.now() - touched < TOUCH_MILLIS;
}

/** Whether somebody is at it: by focus, by hand, with a selection, a menu or a dialog. @param {HTMLElement} part */
function isUsed(part) {
  const chosen = getSelection();
  const isHeld = part.contains(document.activeElement) || (chosen !== null && !chosen.isCollapsed && chosen.containsNode(part, true));
  return part.matches(":active") || (isHeld && isTouched())
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

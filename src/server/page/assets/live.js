// The live stream: one connection a page, none in a hidden tab, and never a number that only looks alive.

import { all, base, h, need, number, one, percent } from "./dom.js";
import { refresh, watchHands } from "./fresh.js";
import { clock, duration } from "./time.js";
import { t } from "./texts.js";

/**
 * A frame of GET /api/v1/live?type: event `frame`, one a second, the same for all viewers. `end` says that the server
 * goes away. What is not known is null. `edges` are the busiest of the last minute, and `edgesLeftOut` says how many more
 * there are. A type that has neither sagas nor a definition is a 404.
 * @typedef {object} Frame
 * @property {string} at
 * @property {number | null} lag
 * @property {number | null} offsets
 * @property {number | null} accounted
 * @property {number | null} unexplained
 * @property {Record<string, number>} byStatus
 * @property {number | null} failedPerHour
 * @property {number} stuck
 * @property {number} deadLettersOpen
 * @property {number} incidents
 * @property {{from: string, to: string, perSecond: number}[]} edges
 * @property {string | null} flowType whose edges they are
 * @property {number} edgesLeftOut
 */

const STALE_MILLIS = 5_000;
const LONGEST_WAIT = 30_000;
/** Lists that are older, several answers having failed, are not told as live. */
const OLD_MILLIS = 60_000;

/** @type {EventSource | null} */
let source = null;
/** @type {Frame | null} */
let newest = null;
let last = 0;
let wait = 1_000;
/** Nothing comes because there is nothing of that type yet: what is shown is not stale. */
let empty = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;

/** @param {any} frame @param {string} path */
function at(frame, path) {
  return path.split(".").reduce((found, name) => found?.[name], frame);
}

/** @param {number} perSecond */
function rate(perSecond) {
  return perSecond >= 10 ? 4 : perSecond >= 3 ? 3 : perSecond >= 1 ? 2 : perSecond > 0 ? 1 : 0;
}

/** @param {unknown} value @param {string | undefined} format */
function written(value, format) {
  if (typeof value !== "number") return format === "per-hour" ? t("js-per-hour-unknown") : t("js-unknown");
  return format === "per-hour" ? t("js-per-hour", { count: number(value) }) : number(value);
}

/** By edge, as the drawing names it: how fast it flows. @param {Frame["edges"]} edges */
export function ratesOf(edges) {
  return new Map(edges.map((edge) => [`${percent(edge.from)} ${percent(edge.to)}`, rate(edge.perSecond)]));
}

/** The edges of a frame, if they are of that type. @param {Frame} frame @param {string | undefined} type */
export function edgesOf({ flowType, edges, edgesLeftOut }, type) {
  return flowType === type ? { edges, edgesLeftOut } : { edges: [], edgesLeftOut: 0 };
}

/**
 * Edges flow as the frame says. One that it does not name stands still, unless there was no room for all; and all do while
 * the frame's are of another type than the one that is drawn.
 * @param {Frame} frame
 */
function showEdges(frame) {
  const place = one("[data-part=edges-left-out]");
  const { edges, edgesLeftOut } = edgesOf(frame, place?.dataset.flowType);
  const rates = ratesOf(edges);
  for (const element of document.querySelectorAll("[data-edge]")) {
    const found = rates.get(element.getAttribute("data-edge") ?? "") ?? (edgesLeftOut === 0 ? 0 : undefined);
    if (found !== undefined) element.setAttribute("data-rate", String(found));
  }
  if (place) place.textContent = edgesLeftOut > 0 ? t("js-edges-left-out", { shown: number(edges.length), count: number(edgesLeftOut) }) : "";
}

/** Whether every offset is accounted for; null when nobody knows. @param {Frame} frame */
export function isWhole({ offsets, accounted, unexplained }) {
  return offsets === null || accounted === null || unexplained === null ? null : unexplained === 0 && accounted === offsets;
}

/** @param {Frame} frame */
function showSeal(frame) {
  const whole = isWhole(frame);
  const seal = one("[data-part=seal]");
  if (!seal || whole === null || seal.dataset.whole === String(whole)) return;
  seal.dataset.whole = String(whole);
  seal.querySelector("use")?.setAttribute("href", whole ? "#i-whole" : "#i-broken");
  need("[data-part=seal-word]", HTMLElement, seal).textContent = whole ? t("js-seal-complete") : t("js-seal-incomplete");
}

/** @param {string} state @param {string} text */
function say(state, text) {
  const place = need("[data-live-state]", HTMLElement);
  place.dataset.state = state;
  const words = one(".words", place);
  if (words) words.textContent = text;
}

/** @param {Frame} frame */
function showFigures(frame) {
  for (const element of all("[data-live]")) {
    const text = written(at(frame, element.dataset.live ?? ""), element.dataset.format);
    if (element.textContent !== text) element.textContent = text;
  }
  showSeal(frame);
  showEdges(frame);
}

/** @param {Frame} frame */
function show(frame) {
  newest = frame;
  showFigures(frame);
  // The answer is older than the newest frame.
  const age = refresh(frame, () => { if (newest) showFigures(newest); });
  if (age < OLD_MILLIS) say("live", t("js-live", { time: clock(Date.parse(frame.at)) }));
  else say("stale", t("js-lists-stale", { time: duration(Math.floor(age / 1000) * 1000) }));
}

function stale() {
  if ((!source && !again) || empty) return;
  const silent = Date.now() - last;
  const is = last > 0 && silent > STALE_MILLIS && !document.hidden;
  document.body.classList.toggle("stale", is);
  const notice = need("#stale", HTMLElement);
  notice.hidden = !is;
  if (!is) return;
  const time = duration(Math.floor(silent / 1000) * 1000);
  say("stale", t("js-stale", { time }));
  // Told once to screen readers; the seconds go on for eyes alone: on a wall and on a phone the bar does not tell them.
  if (notice.textContent === "") notice.replaceChildren(h("span", {}, t("js-stale-notice")), h("span", { class: "dim", "aria-hidden": "true", "data-part": "silent" }));
  need("[data-part=silent]", HTMLElement, notice).textContent = t("js-ago", { time });
}

function connect() {
  clearTimeout(again);
  again = undefined;
  source?.close();
  const type = new URLSearchParams(location.search).get("type");
  const address = `${base}/api/v1/live${type ? `?type=${encodeURIComponent(type)}` : ""}`;
  source = new EventSource(address);
  source.addEventListener("frame", (event) => {
    last = Date.now();
    wait = 1_000;
    empty = false;
    need("#stale", HTMLElement).textContent = "";
    show(JSON.parse(event.data));
    stale();
  });
  source.addEventListener("end", retry);
  source.addEventListener("error", () => { if (source?.readyState === EventSource.CLOSED) void refused(address); });
}

/** An event source does not tell why it was refused: the same call does. @param {string} address */
async function refused(address) {
  retry();
  const asking = new AbortController();
  try {
    const { status } = await fetch(address, { signal: asking.signal });
    asking.abort();
    if (status !== 404 || source) return;
    empty = true;
    clearTimeout(again);
    again = setTimeout(connect, LONGEST_WAIT);
    say("still", t("js-live-no-type"));
    document.body.classList.remove("stale");
    need("#stale", HTMLElement).hidden = true;
  } catch {
    // It does not answer at all; what was asked for already goes on being tried.
  }
}

function retry() {
  source?.close();
  source = null;
  again ??= setTimeout(connect, wait);
  wait = Math.min(wait * 2, LONGEST_WAIT);
}

function pause() {
  clearTimeout(again);
  again = undefined;
  source?.close();
  source = null;
}

/** From now on silence counts: while nobody looked, nothing was asked for. */
function resume() {
  last = Date.now();
  connect();
}

export function goLive() {
  if (all("[data-live]").length === 0) return;
  last = Date.now();
  if (!document.hidden) connect();
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : resume()));
  addEventListener("pagehide", pause);
  addEventListener("pageshow", (event) => { if (event.persisted && !document.hidden) resume(); });
  watchHands();
  setInterval(stale, 1_000);
}

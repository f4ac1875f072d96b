// The live stream: one connection a page, none in a hidden tab, and never a number that only looks alive.

import { all, base, need, number, one, percent } from "./dom.js";
import { clock, duration } from "./time.js";
import { t } from "./texts.js";

/**
 * A frame of GET /api/v1/live?type: event `frame`, one a second, the same for all viewers. `end` says that the server
 * goes away. What is not known is null.
 * @typedef {object} Frame
 * @property {string} at
 * @property {number | null} lag
 * @property {number | null} offsets
 * @property {number | null} accounted
 * @property {number | null} unexplained
 * @property {Record<string, number>} byStatus
 * @property {number} failedPerHour
 * @property {number} stuck
 * @property {number} deadLettersOpen
 * @property {number} incidents
 * @property {{from: string, to: string, perSecond: number}[]} [edges]
 */

const STALE_MILLIS = 5_000;
const LONGEST_WAIT = 30_000;

/** @type {EventSource | null} */
let source = null;
let last = 0;
let wait = 1_000;
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

/** @param {Frame} frame */
function show(frame) {
  for (const element of all("[data-live]")) {
    const value = at(frame, element.dataset.live ?? "");
    const text = value === null || value === undefined ? "?" : number(value);
    if (element.textContent !== text) element.textContent = text;
  }
  for (const edge of frame.edges ?? []) {
    const key = `${percent(edge.from)} ${percent(edge.to)}`;
    document.querySelector(`[data-edge="${CSS.escape(key)}"]`)?.setAttribute("data-rate", String(rate(edge.perSecond)));
  }
  const state = need("[data-live-state]", HTMLElement);
  state.dataset.state = "live";
  const words = one(".words", state);
  if (words) words.textContent = t("js-live", { time: clock(Date.parse(frame.at)) });
}

function stale() {
  if (!source && !again) return;
  const silent = Date.now() - last;
  const is = last > 0 && silent > STALE_MILLIS && !document.hidden;
  document.body.classList.toggle("stale", is);
  const notice = need("#stale", HTMLElement);
  const state = need("[data-live-state]", HTMLElement);
  notice.hidden = !is;
  if (!is) return;
  state.dataset.state = "stale";
  const words = one(".words", state);
  const text = t("js-stale", { time: duration(Math.floor(silent / 1000) * 1000) });
  if (words) words.textContent = text;
  // Told once to screen readers; the seconds go on in the bar alone.
  if (notice.textContent === "") notice.textContent = t("js-stale-notice");
}

function connect() {
  clearTimeout(again);
  again = undefined;
  source?.close();
  const type = new URLSearchParams(location.search).get("type");
  source = new EventSource(`${base}/api/v1/live${type ? `?type=${encodeURIComponent(type)}` : ""}`);
  source.addEventListener("frame", (event) => {
    last = Date.now();
    wait = 1_000;
    need("#stale", HTMLElement).textContent = "";
    show(JSON.parse(event.data));
    stale();
  });
  source.addEventListener("end", retry);
  source.addEventListener("error", () => { if (source?.readyState === EventSource.CLOSED) retry(); });
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

export function goLive() {
  if (all("[data-live]").length === 0) return;
  last = Date.now();
  if (!document.hidden) connect();
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : connect()));
  addEventListener("pagehide", pause);
  addEventListener("pageshow", (event) => { if (event.persisted && !document.hidden) connect(); });
  setInterval(stale, 1_000);
}

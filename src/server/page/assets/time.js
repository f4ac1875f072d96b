// The one formatter of instants and durations: text, axes and tooltips. Addresses carry UTC; people see their zone,
// always with its offset.

import { all } from "./dom.js";
import { t } from "./texts.js";

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** Asked for once: an axis names every tick, in every frame, and an answer takes the browser half a millisecond. */
let ofBrowser = "";

/** The zone that is chosen, as an IANA name. */
export function zone() {
  const chosen = document.documentElement.dataset.zone ?? "browser";
  if (chosen !== "browser") return chosen;
  ofBrowser ||= Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  return ofBrowser;
}

/** @param {string} name */
export function isZone(name) {
  if (name === "browser") return true;
  try {
    Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** @param {string} name */
function format(name) {
  let known = formats.get(name);
  if (!known) {
    const timeZone = isZone(name) ? name : "UTC";
    known = new Intl.DateTimeFormat("en-GB", {
      timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    formats.set(name, known);
  }
  return known;
}

/**
 * The parts of an instant in a zone.
 * @param {number} millis
 * @param {string} [name]
 */
export function parts(millis, name = zone()) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const part of format(name).formatToParts(millis)) found[part.type] = part.value;
  const seconds = Math.floor(millis / 1000);
  const local = Date.UTC(+found.year, +found.month - 1, +found.day, +found.hour, +found.minute, +found.second) / 1000;
  const minutes = Math.round((local - seconds) / 60);
  const sign = minutes < 0 ? "-" : "+";
  const offset = `${sign}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return {
    date: `${found.year.padStart(4, "0")}-${found.month}-${found.day}`,
    clock: `${found.hour}:${found.minute}:${found.second}`,
    fraction: (((millis % 1000) + 1000) % 1000).toString().padStart(3, "0"),
    offset,
  };
}

/** @param {number} value */
function two(value) {
  return value.toString().padStart(2, "0");
}

/** 2026-11-20 20:51:15.471 +09:00; without the fraction where it is nought. @param {number} millis @param {string} [name] */
export function instant(millis, name) {
  const { date, clock: hands, fraction, offset } = parts(millis, name);
  return `${date} ${hands}${fraction === "000" ? "" : `.${fraction}`} ${offset}`;
}

/** 20:51:15 +09:00. @param {number} millis */
export function clock(millis) {
  const { clock: hands, offset } = parts(millis);
  return `${hands} ${offset}`;
}

/** The offset that the clocks of an axis have, which it says once; both where they are put forward or back in between. @param {number} from @param {number} to */
export function offsets(from, to) {
  const [before, after] = [parts(from).offset, parts(to).offset];
  return before === after ? before : `${before} → ${after}`;
}

/** What a tick of an axis says when neighbours are `step` milliseconds apart. @param {number} millis @param {number} step */
export function tick(millis, step) {
  const { date, clock: hands, fraction } = parts(millis);
  if (step < 1000) return `${hands.slice(3)}.${fraction}`;
  if (step < 60_000) return hands;
  if (step < 86_400_000) return `${date.slice(5)} ${hands.slice(0, 5)}`;
  return date;
}

const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000]];

/** 303 ms, 4.2 s, 2 h 14 m, 3 d 4 h; as the server's filter writes it. @param {number} millis @returns {string} */
export function duration(millis) {
  if (millis < 0) return `−${duration(-millis)}`;
  if (millis < 1000) return `${Math.round(millis)} ms`;
  if (millis < 60_000) return `${trimmed(millis / 1000)} s`;
  for (let at = 0; at < UNITS.length - 1; at += 1) {
    const [name, size] = /** @type {[string, number]} */ (UNITS[at]);
    if (millis < size) continue;
    const [smaller, part] = /** @type {[string, number]} */ (UNITS[at + 1]);
    const whole = Math.floor(millis / size);
    const rest = Math.floor((millis - whole * size) / part);
    return rest === 0 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${smaller}`;
  }
  return `${Math.round(millis)} ms`;
}

/** @param {number} value */
function trimmed(value) {
  return value < 10 ? value.toFixed(2).replace(/\.?0+$/, "") : value.toFixed(1).replace(/\.0$/, "");
}

/** 4 m ago, or in 4 m. @param {number} millis */
export function relative(millis) {
  const since = Date.now() - millis;
  return since >= 0 ? t("js-ago", { time: duration(since) }) : t("js-ahead", { time: duration(-since) });
}

/** Writes every instant of the page in the zone that is chosen. @param {ParentNode} [within] */
export function writeTimes(within = document) {
  const name = zone();
  for (const element of all("time[datetime]:not([data-as])", within)) {
    const millis = Date.parse(element.getAttribute("datetime") ?? "");
    if (!Number.isNaN(millis)) element.textContent = instant(millis, name);
  }
}

/** An element for an instant. @param {number} millis */
export function timeElement(millis) {
  const element = document.createElement("time");
  element.dateTime = new Date(millis).toISOString();
  element.textContent = instant(millis);
  return element;
}

/** An instant in UTC, in the browser's own zone, and how long ago it is. @param {number} millis */
export function explained(millis) {
  const local = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  return [instant(millis, "UTC"), `${instant(millis, local)} ${local}`, relative(millis)];
}

/** Where the pointer or the focus is, the title says UTC, local and relative. */
export function explainTimes() {
  /** @param {Event} event */
  const explain = (event) => {
    const found = event.target instanceof Element ? event.target.closest("time[datetime]") : null;
    if (!(found instanceof HTMLElement)) return;
    const millis = Date.parse(found.getAttribute("datetime") ?? "");
    if (!Number.isNaN(millis)) found.title = explained(millis).join("\n");
  };
  document.addEventListener("pointerover", explain);
  document.addEventListener("focusin", explain);
}

// What the saga was at a moment: asked of the server, never folded here.

import { base, h, number, shape, statusMark, visible } from "../dom.js";
import { timeElement } from "../time.js";
import { t } from "../texts.js";

const WAIT_MILLIS = 120;
const PATIENCE_MILLIS = 10_000;

/** @typedef {{field: string, from: unknown, to: unknown}} Field */
/** @typedef {{saga: {currentStatus: string, stepCount: number} | null, onlyHereCount: number}} Side */

/** Shows what differs between a moment and now. */
export class Moment {
  /** @param {HTMLElement} place @param {string} id @param {boolean} archived */
  constructor(place, id, archived) {
    this.place = place;
    this.id = id;
    this.archived = archived;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.waiting = undefined;
    /** @type {{asOf: number | null, knownAt: number | null}} */
    this.wanted = { asOf: null, knownAt: null };
    this.turn = place.querySelector("[data-part=turn]");
    this.diff = place.querySelector("[data-part=diff]");
    this.now = [...(this.turn?.childNodes ?? [])];
    this.nowStatus = "";
  }

  /** @param {number | null} asOf @param {number | null} knownAt */
  show(asOf, knownAt) {
    for (const [part, value] of /** @type {[string, number | null][]} */ ([["as-of", asOf], ["known-at", knownAt]])) {
      const place = this.place.querySelector(`[data-part=${part}]`);
      place?.replaceChildren(value === null ? t("js-now") : timeElement(value));
    }
    this.wanted = { asOf, knownAt };
    this.waiting ??= setTimeout(() => void this.askNext(), WAIT_MILLIS);
  }

  /** A moment that moves all the time is asked for again and again: waiting until it stands, nothing would be told. */
  async askNext() {
    const asked = this.wanted;
    await this.ask(asked.asOf, asked.knownAt);
    this.waiting = this.wanted === asked ? undefined : setTimeout(() => void this.askNext(), WAIT_MILLIS);
  }

  /** @param {number | null} asOf @param {number | null} knownAt */
  async ask(asOf, knownAt) {
    if (asOf === null && knownAt === null) {
      this.diff?.replaceChildren();
      if (this.nowStatus) this.turn?.replaceChildren(statusMark(this.nowStatus));
      return;
    }
    const query = new URLSearchParams();
    if (asOf !== null) query.set("from", new Date(asOf).toISOString());
    if (knownAt !== null) query.set("fromKnownAt", new Date(knownAt).toISOString());
    if (this.archived) query.set("archive", "true");
    try {
      const answer = await fetch(`${base}/api/v1/sagas/${encodeURIComponent(this.id)}/diff?${query}`, { signal: AbortSignal.timeout(PATIENCE_MILLIS) });
      const read = await answer.json();
      if (answer.ok) this.told(read);
      else this.diff?.replaceChildren(visible(String(read.message ?? answer.status)));
    } catch {
      this.diff?.replaceChildren(t("js-unreachable"));
    }
  }

  /** @param {{from: Side, to: Side, fields: Field[]}} difference */
  told({ from, to, fields }) {
    const arrow = shape("i-arrow");
    arrow.removeAttribute("aria-hidden");
    arrow.setAttribute("role", "img");
    arrow.setAttribute("aria-label", t("js-becomes"));
    this.nowStatus = to.saga?.currentStatus ?? this.nowStatus;
    const then = from.saga === null ? h("span", {}, t("js-not-begun")) : statusMark(from.saga.currentStatus);
    const same = from.saga?.currentStatus === to.saga?.currentStatus;
    this.turn?.replaceChildren(...(same ? [then] : [then, arrow, to.saga === null ? "–" : statusMark(to.saga.currentStatus)]));
    const counts = [
      to.onlyHereCount ? h("span", {}, t("js-events-since", { count: number(to.onlyHereCount) })) : null,
      from.onlyHereCount ? h("span", {}, t("js-events-then", { count: number(from.onlyHereCount) })) : null,
    ];
    const told = fields.filter(({ field }) => !["status", "currentStatus", "traceIds", "anomalies"].includes(field))
      .map(({ field, from: before, to: after }) => h("span", {}, h("code", {}, field), ` ${short(before)} → `, h("span", { class: "strong" }, short(after))));
    this.diff?.replaceChildren(...[...counts, ...told].filter((part) => part !== null));
  }
}

/** @param {unknown} value */
function short(value) {
  if (value === null || value === undefined) return "–";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const seen = visible(text);
  return seen.length > 60 ? `${seen.slice(0, 59)}…` : seen;
}

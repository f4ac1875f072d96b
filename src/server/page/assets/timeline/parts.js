// A timeline that is too long to be told event by event is asked for again: for the part that is shown, and for what was
// known at a moment. What one answer only counts stands event by event in another.

/** @import { Model } from "./model.js" */

const WAIT_MILLIS = 150;

/** @typedef {[number, number] | null} Part null for the whole */
/** @typedef {{part: Part, knownAt: number | null}} Wanted */
/** @typedef {Wanted & {model: Model}} Got */
/** @typedef {(wanted: Wanted, signal: AbortSignal) => Promise<Model | null>} Ask null where nothing was known then */
/** @typedef {{use: (model: Model) => void, failed: (error: unknown) => void}} Told */

/** Whether an answer to one part tells of all of another. @param {Part} range @param {Part} part */
export function covers(range, part) {
  return range === null || (part !== null && range[0] <= part[0] && part[1] <= range[1]);
}

/** @param {Part} a @param {Part} b */
function isSamePart(a, b) {
  return covers(a, b) && covers(b, a);
}

/** @param {Wanted | null} a @param {Wanted} b */
function isSame(a, b) {
  return a !== null && a.knownAt === b.knownAt && isSamePart(a.part, b.part);
}

/** Events that stand one by one say themselves when they were known. @param {Got} got @param {Wanted} wanted */
function suffices(got, wanted) {
  return isSame(got, wanted) || (got.model.answer.exact && got.knownAt === null && covers(got.part, wanted.part));
}

export class Parts {
  /** @param {Model} first the answer for the whole @param {Ask} ask @param {Told} told @param {number} [wait] */
  constructor(first, ask, told, wait = WAIT_MILLIS) {
    this.ask = ask;
    this.told = told;
    this.wait = wait;
    /** @type {Got} */
    this.first = { model: first, part: null, knownAt: null };
    /** What is drawn. */
    this.got = this.first;
    /** The last answer that asked for no moment. */
    this.atAnyTime = this.first;
    /** @type {Wanted | null} */
    this.wanted = this.first;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.waiting = undefined;
    /** @type {AbortController | null} */
    this.asking = null;
  }

  /** Sees to an answer for what is shown; the first one stands in until it comes. @param {Part} part @param {number | null} knownAt */
  show(part, knownAt) {
    const wanted = { part, knownAt };
    if (this.first.model.answer.exact || isSame(this.wanted, wanted)) return;
    this.wanted = wanted;
    clearTimeout(this.waiting);
    this.asking?.abort();
    if (suffices(this.got, wanted)) return;
    if (suffices(this.first, wanted) || !covers(this.got.part, part)) this.use(this.first);
    if (!suffices(this.got, wanted)) this.waiting = setTimeout(() => void this.fetch(wanted), this.wait);
  }

  /** Draws the first answer until something else is shown. */
  back() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    this.wanted = null;
    this.use(this.first);
  }

  /** @param {Got} got */
  use(got) {
    this.got = got;
    this.told.use(got.model);
  }

  /** @param {Wanted} wanted */
  async fetch(wanted) {
    const asking = new AbortController();
    this.asking = asking;
    try {
      const found = await this.find(wanted, asking.signal);
      if (!asking.signal.aborted) this.use(found);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.wanted = null;
      this.told.failed(error);
    }
  }

  /** @param {Wanted} wanted @param {AbortSignal} signal @returns {Promise<Got>} */
  async find(wanted, signal) {
    const { part, knownAt } = wanted;
    if (!isSamePart(this.atAnyTime.part, part)) {
      const model = part === null ? this.first.model : await this.ask({ part, knownAt: null }, signal);
      if (model !== null) this.atAnyTime = { model, part, knownAt: null };
    }
    if (this.atAnyTime.model.answer.exact || knownAt === null) return this.atAnyTime;
    const model = await this.ask(wanted, signal);
    return { model: model ?? this.atAnyTime.model.withoutCounted(), part, knownAt };
  }
}

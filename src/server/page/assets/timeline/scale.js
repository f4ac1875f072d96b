// From time to pixels and back. Long silences can be cut: what is left of one is a fixed width that says how long it was.

/** @typedef {{from: number, to: number, left: number, right: number, cut: boolean}} Stretch */

const CUT_WIDTH = 44;
const MOST_CUTS = 8;
/** How far apart ticks may stand, milliseconds. */
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000];

export class Scale {
  /**
   * @param {Float64Array} times sorted
   * @param {number} from
   * @param {number} to later than from
   * @param {number} left first pixel
   * @param {number} right last pixel
   * @param {boolean} cutting
   */
  constructor(times, from, to, left, right, cutting) {
    this.from = from;
    this.to = Math.max(to, from + 1);
    this.left = left;
    this.right = Math.max(right, left + 1);
    const gaps = cutting ? silences(times, this.from, this.to, (this.right - this.left) / (CUT_WIDTH * 3)) : [];
    const silent = gaps.reduce((sum, [start, end]) => sum + end - start, 0);
    const perMilli = (this.right - this.left - gaps.length * CUT_WIDTH) / Math.max(this.to - this.from - silent, 1);
    /** @type {Stretch[]} */
    this.stretches = [];
    let at = this.from;
    let x = this.left;
    /** @param {number} until @param {boolean} isCut */
    const add = (until, isCut) => {
      const width = isCut ? CUT_WIDTH : (until - at) * perMilli;
      this.stretches.push({ from: at, to: until, left: x, right: x + width, cut: isCut });
      at = until;
      x += width;
    };
    for (const [start, end] of gaps) {
      add(start, false);
      add(end, true);
    }
    add(this.to, false);
    /** Milliseconds of a pixel, outside of cuts. */
    this.perPixel = 1 / perMilli;
  }

  /** @param {number} millis */
  x(millis) {
    const stretch = this.stretches.find((it) => millis <= it.to) ?? this.stretches[this.stretches.length - 1];
    const share = (millis - stretch.from) / Math.max(stretch.to - stretch.from, 1e-9);
    return stretch.left + share * (stretch.right - stretch.left);
  }

  /** Where each of many times is. @param {Float64Array} times sorted */
  places(times) {
    const out = new Float64Array(times.length);
    let at = 0;
    for (let i = 0; i < times.length; i += 1) {
      while (at < this.stretches.length - 1 && times[i] > this.stretches[at].to) at += 1;
      const { from, to, left, right } = this.stretches[at];
      out[i] = left + ((times[i] - from) / Math.max(to - from, 1e-9)) * (right - left);
    }
    return out;
  }

  /** @param {number} x */
  time(x) {
    const stretch = this.stretches.find((it) => x <= it.right) ?? this.stretches[this.stretches.length - 1];
    const share = (x - stretch.left) / Math.max(stretch.right - stretch.left, 1e-9);
    return stretch.from + share * (stretch.to - stretch.from);
  }

  /** Ticks at round instants, never inside a cut. @param {number} apart pixels at least @returns {{step: number, at: number[]}} */
  ticks(apart) {
    const least = apart * this.perPixel;
    const step = STEPS.find((it) => it >= least) ?? Math.ceil(least / 86_400_000) * 86_400_000;
    /** @type {number[]} */
    const at = [];
    let last = -Infinity;
    for (const stretch of this.stretches) {
      if (stretch.cut) continue;
      for (let tick = Math.ceil(stretch.from / step) * step; tick <= stretch.to; tick += step) {
        const x = this.x(tick);
        if (x - last < apart) continue;
        last = x;
        at.push(tick);
      }
    }
    return { step, at };
  }
}

/** How many times as long as what is usual among the others a silence is, and how much of the rest it takes. */
const FAR_LONGER = 8;
const MUCH = 0.06;
/** What is left of a silence on either side, of what is shown to scale. */
const EDGE = 0.03;

/**
 * Silences that are far longer than what is usual and take much of the range. The longest goes first; what remains
 * says whether the next one is long.
 * @param {Float64Array} times
 * @param {number} from
 * @param {number} to
 * @param {number} room how many fit
 * @returns {[number, number][]}
 */
function silences(times, from, to, room) {
  /** @type {[number, number][]} */
  const gaps = [];
  let before = from;
  for (const at of times) {
    if (at <= from) continue;
    if (at > to) break;
    if (at > before) gaps.push([before, at]);
    before = at;
  }
  gaps.sort(([a, b], [c, d]) => (d - c) - (b - a));
  const most = Math.min(MOST_CUTS, Math.floor(room));
  let rest = to - from;
  let cuts = 0;
  while (cuts < most && gaps.length - cuts > 1) {
    const [start, end] = gaps[cuts];
    const [a, b] = gaps[(cuts + gaps.length) >> 1];
    if (end - start <= (b - a) * FAR_LONGER || end - start <= rest * MUCH) break;
    rest -= end - start;
    cuts += 1;
  }
  return gaps.slice(0, cuts).sort(([a], [b]) => a - b).map(([start, end]) => {
    const edge = Math.min(rest * EDGE, (end - start) / 4);
    return [start + edge, end - edge];
  });
}

// From time to pixels and back. Long silences can be cut: what is left of one is a fixed width that says how long it was.

/** @typedef {{from: number, to: number, left: number, right: number, cut: boolean}} Stretch */

const CUT_WIDTH = 44;
const MOST_CUTS = 8;

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

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000];

/**
 * Silences that are far longer than what is usual and take much of the range.
 * @param {Float64Array} times
 * @param {number} from
 * @param {number} to
 * @param {number} most
 * @returns {[number, number][]}
 */
function silences(times, from, to, most) {
  /** @type {[number, number][]} */
  const all = [];
  let before = from;
  for (const at of times) {
    if (at <= from) continue;
    if (at > to) break;
    if (at > before) all.push([before, at]);
    before = at;
  }
  if (all.length < 2) return [];
  const lengths = all.map(([start, end]) => end - start).sort((a, b) => a - b);
  const usual = Math.max(lengths[lengths.length >> 1], lengths.reduce((sum, it) => sum + it, 0) / lengths.length / 8, 1);
  const long = all.filter(([start, end]) => end - start > usual * 8 && end - start > (to - from) * 0.08);
  return long.sort(([a, b], [c, d]) => (d - c) - (b - a)).slice(0, Math.max(Math.min(MOST_CUTS, Math.floor(most)), 0)).sort(([a], [b]) => a - b)
    .map(([start, end]) => {
      const edge = Math.min(usual / 2, (end - start) / 4);
      return [start + edge, end - edge];
    });
}

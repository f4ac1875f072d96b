// A lane's events: glyphs and names where they fit, density where they do not; notable ones always.

import { visible } from "../dom.js";
import { t } from "../texts.js";
import { duration } from "../time.js";
import { FLAG, STATUSES } from "./model.js";
import { fitting, glyph, icon, isThere, line, middle } from "./pen.js";

/** @import { Lane, Model } from "./model.js" */
/** @import { Scene } from "./draw.js" */

const BIN = 3;
const ROOM_OF_GLYPH = 28;
/** A name leaves room for the next one that is at least so far away, pixels. */
const LEAST_NAME = 64;
/** The gravest on top. */
const FROM_THE_GROUND = [0, 1, 2, 4, 3];

/** What is said beside an event. @param {Model} model @param {number} i */
function marks(model, i) {
  /** @type {{icon: string, text: string}[]} */
  const found = [];
  if (model.flags[i] & FLAG.late) found.push({ icon: "i-late", text: `+${duration(model.arrived[i] - model.recorded[i])}` });
  if (model.deliveries(i) > 1) found.push({ icon: "i-duplicate", text: `×${model.deliveries(i)}` });
  if (model.flags[i] & (FLAG.anomaly | FLAG.conflict)) found.push({ icon: "i-anomaly", text: "" });
  if (model.flags[i] & FLAG.operator) found.push({ icon: "i-operator", text: model.flags[i] & FLAG.refused ? t("js-refused") : "" });
  return found;
}

/** Where in a lane the events from an instant on begin. @param {Lane} lane @param {Float64Array} recorded @param {number} millis */
function firstAtOrAfter(lane, recorded, millis) {
  let low = 0;
  let high = lane.events.length;
  while (low < high) {
    const half = (low + high) >> 1;
    if (recorded[lane.events[half]] < millis) low = half + 1;
    else high = half;
  }
  return low;
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {Lane} lane @param {number} at @param {boolean} sparse */
export function laneOf(pen, scene, lane, at, sparse) {
  const { model, scale } = scene;
  const y = middle(scene, at);
  const shown = lane.events.slice(firstAtOrAfter(lane, model.recorded, scale.from), firstAtOrAfter(lane, model.recorded, scale.to + 1e-3));
  if (sparse) segments(pen, scene, withNeighbours(scene, lane), y);
  else density(pen, scene, lane, shown, y);
  const drawn = sparse ? shown : shown.filter((i) => model.notable(i));
  const few = sparse || drawn.length <= scene.width / ROOM_OF_GLYPH;
  if (few) for (const i of drawn) event(pen, scene, i, y, true);
  else {
    notches(pen, scene, drawn, y);
    if (drawn.includes(scene.at)) event(pen, scene, scene.at, y, true);
  }
  if (sparse) labels(pen, scene, shown, y);
}

/** The events of the range and the one on either side, so that a line comes from where it comes from. @param {Scene} scene @param {Lane} lane */
function withNeighbours({ model, scale }, lane) {
  return lane.events.slice(Math.max(firstAtOrAfter(lane, model.recorded, scale.from) - 1, 0), firstAtOrAfter(lane, model.recorded, scale.to + 1e-3) + 1);
}

/** How long from one event of a lane to the next. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {number[]} shown @param {number} y */
function segments(pen, scene, shown, y) {
  const { model, scale, look } = scene;
  for (let at = 1; at < shown.length; at += 1) {
    const [a, b] = [shown[at - 1], shown[at]];
    const x1 = scale.x(model.recorded[a]) + look.glyph / 2 + 1;
    const x2 = scale.x(model.recorded[b]) - look.glyph / 2 - 1;
    if (x2 <= x1) continue;
    pen.globalAlpha = isThere(scene, b) ? 1 : 0.3;
    pen.strokeStyle = look.tone[STATUSES[model.status[a]]];
    pen.lineWidth = 2;
    line(pen, x1, y, x2, y);
    const text = duration(model.recorded[b] - model.recorded[a]);
    const cut = scale.stretches.some((it) => it.cut && it.from >= model.recorded[a] && it.to <= model.recorded[b]);
    if (!cut && pen.measureText(text).width + 12 < x2 - x1) {
      pen.textAlign = "center";
      pen.fillStyle = look.ink2;
      pen.fillText(text, (x1 + x2) / 2, y + look.size * 0.95);
    }
    pen.globalAlpha = 1;
  }
}

/** Of events that are only counted nobody knows when they arrived; none was known before it happened. The answer for a moment counts those that were. @param {Scene} scene @param {number} time */
function wasThere({ asOf, knownAt }, time) {
  return (asOf === null || time <= asOf) && (knownAt === null || time <= knownAt);
}

/** More events than fit: how many a pixel has, by status; dimmer where most of them are beyond the moment. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {Lane} lane @param {number[]} shown @param {number} y */
function density(pen, scene, lane, shown, y) {
  const { model, scale, look, width } = scene;
  const bins = Math.ceil(width / BIN);
  const counts = Array.from({ length: STATUSES.length }, () => new Float64Array(bins));
  const sums = new Float64Array(bins);
  const beyond = new Float64Array(bins);
  /** @param {number} x @param {number} status @param {number} count @param {boolean} there */
  const put = (x, status, count, there) => {
    const bin = Math.floor(x / BIN);
    if (bin < 0 || bin >= bins) return;
    counts[status][bin] += count;
    sums[bin] += count;
    if (!there) beyond[bin] += count;
  };
  for (const i of shown) put(scene.places[i], model.status[i], 1, isThere(scene, i));
  const counted = model.answer.density;
  if (counted) {
    for (const i of lane.cells) {
      const time = model.answer.base + (counted.cell[i] + 0.5) * counted.cellMillis;
      if (time >= scale.from && time <= scale.to) put(scale.x(time), counted.status[i], counted.count[i], wasThere(scene, time));
    }
  }
  const top = Math.log2(sums.reduce((most, it) => Math.max(most, it), 1) + 1);
  for (let bin = 0; bin < bins; bin += 1) {
    if (sums[bin] === 0) continue;
    const tall = Math.max((Math.log2(sums[bin] + 1) / top) * look.lane * 0.62, 2);
    pen.globalAlpha = beyond[bin] > sums[bin] / 2 ? 0.25 : 0.85;
    let bottom = y + look.lane * 0.34;
    for (const status of FROM_THE_GROUND) {
      const part = (counts[status][bin] / sums[bin]) * tall;
      if (part === 0) continue;
      pen.fillStyle = look.tone[STATUSES[status]];
      pen.fillRect(bin * BIN, bottom - part, BIN - 0.75, part);
      bottom -= part;
    }
  }
  pen.globalAlpha = 1;
}

/** Notable events of a lane that is too full for glyphs: a notch above the density, as many as there are. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {number[]} notable @param {number} y */
function notches(pen, scene, notable, y) {
  const { model, look } = scene;
  const top = y - look.lane * 0.44;
  for (const i of notable) {
    const status = model.status[i];
    pen.globalAlpha = isThere(scene, i) ? 1 : 0.3;
    pen.fillStyle = status === 3 || status === 4 ? look.tone[STATUSES[status]] : look.ink;
    pen.fillRect(scene.places[i] - 0.75, top, 1.5, 6);
  }
  pen.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {number} i @param {number} y @param {boolean} large */
function event(pen, scene, i, y, large) {
  const { model, scale, look } = scene;
  const x = scene.places[i];
  const size = large ? look.glyph : 8;
  const there = isThere(scene, i);
  pen.globalAlpha = there ? 1 : 0.28;
  if (model.flags[i] & FLAG.late && large) {
    // Its way through the world: from when it happened to when it was known.
    const arrived = Math.min(scale.x(model.arrived[i]), scene.width);
    pen.strokeStyle = look.ink2;
    pen.lineWidth = 1;
    pen.setLineDash([2, 3]);
    line(pen, x, y + look.glyph * 0.78, arrived, y + look.glyph * 0.78);
    pen.setLineDash([]);
    if (arrived < scene.width) line(pen, arrived, y + look.glyph * 0.78 - 4, arrived, y + look.glyph * 0.78 + 4);
  }
  if (model.deliveries(i) > 1 && large) {
    pen.strokeStyle = look.ink2;
    pen.lineWidth = 1.2;
    pen.strokeRect(x - look.glyph / 2 + 3, y - look.glyph / 2 - 3, look.glyph, look.glyph);
  }
  glyph(pen, STATUSES[model.status[i]], x, y, size, look);
  if (model.flags[i] & FLAG.operator && large) {
    pen.strokeStyle = look.ink;
    pen.lineWidth = 1.5;
    // One that was refused changed nothing.
    pen.setLineDash(model.flags[i] & FLAG.refused ? [3, 3] : []);
    for (const side of [-1, 1]) {
      pen.beginPath();
      pen.moveTo(x + side * 7, y - 10);
      pen.lineTo(x + side * 11, y - 10);
      pen.lineTo(x + side * 11, y + 10);
      pen.lineTo(x + side * 7, y + 10);
      pen.stroke();
    }
    pen.setLineDash([]);
  }
  pen.globalAlpha = 1;
  if (!there && large) {
    pen.strokeStyle = look.ink2;
    pen.lineWidth = 1;
    pen.setLineDash([2, 2]);
    pen.beginPath();
    pen.arc(x, y, look.glyph / 2 + 3, 0, Math.PI * 2);
    pen.stroke();
    pen.setLineDash([]);
  }
  if (i === scene.at) {
    pen.strokeStyle = look.ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, look.glyph / 2 + 5, 0, Math.PI * 2);
    pen.stroke();
  }
}

/** Names above the events that have room, cut where there is little; notable ones take theirs first. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {number[]} shown @param {number} y */
function labels(pen, scene, shown, y) {
  const { model, scale, look, width } = scene;
  /** @type {[number, number][]} */
  const taken = [];
  const order = [...shown].sort((a, b) => Number(model.notable(b)) - Number(model.notable(a)) || a - b);
  const top = y - look.size * 1.45;
  for (const i of order) {
    const found = marks(model, i);
    const beside = found.reduce((sum, it) => sum + 16 + pen.measureText(it.text).width, 0);
    const whole = visible(model.step(i));
    const at = scale.x(model.recorded[i]) - look.glyph / 2;
    const left = Math.min(Math.max(at, 2), Math.max(width - pen.measureText(whole).width - beside - 2, 2));
    if (taken.some(([from, to]) => left >= from - 4 && left <= to + 10)) continue;
    const following = shown.find((other) => other > i && scene.places[other] - look.glyph / 2 - left >= LEAST_NAME);
    const beginning = following === undefined ? width : scene.places[following] - look.glyph / 2;
    const next = taken.reduce((least, [from]) => (from > left ? Math.min(least, from) : least), beginning);
    const name = fitting(pen, whole, next - left - beside - 10);
    if (name === "") continue;
    const space = pen.measureText(name).width + beside;
    taken.push([left, left + space]);
    const there = isThere(scene, i);
    pen.textAlign = "left";
    pen.fillStyle = look.surface;
    pen.fillRect(left - 2, top - look.size * 0.6, space + 4, look.size * 1.2);
    pen.fillStyle = there ? look.ink : look.ink2;
    pen.fillText(name, left, top);
    let x = left + pen.measureText(name).width + 5;
    for (const mark of found) {
      icon(pen, mark.icon, x, top, look.size, look.ink2);
      pen.fillStyle = look.ink2;
      pen.fillText(mark.text, x + look.size + 2, top);
      x += 16 + pen.measureText(mark.text).width;
    }
  }
}

// A lane's events: glyphs and names where they fit, density where they do not; notable ones always.

import { visible } from "../dom.js";
import { duration } from "../time.js";
import { FLAG, STATUSES } from "./model.js";
import { GLYPH, glyph, icon, isThere, line, middle } from "./pen.js";

/** @import { Lane, Model } from "./model.js" */
/** @import { Scene } from "./draw.js" */

/** What is said beside an event. @param {Model} model @param {number} i */
function marks(model, i) {
  /** @type {{icon: string, text: string}[]} */
  const found = [];
  if (model.flags[i] & FLAG.late) found.push({ icon: "i-late", text: `+${duration(model.arrived[i] - model.recorded[i])}` });
  if (model.deliveries(i) > 1) found.push({ icon: "i-duplicate", text: `×${model.deliveries(i)}` });
  if (model.flags[i] & (FLAG.anomaly | FLAG.conflict)) found.push({ icon: "i-anomaly", text: "" });
  if (model.flags[i] & FLAG.operator) found.push({ icon: "i-operator", text: "" });
  return found;
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {Lane} lane @param {number} at @param {boolean} sparse */
export function laneOf(pen, scene, lane, at, sparse) {
  const { model, scale } = scene;
  const y = middle(scene, at);
  const shown = lane.events.filter((i) => model.recorded[i] >= scale.from && model.recorded[i] <= scale.to);
  if (sparse) segments(pen, scene, shown, y);
  else density(pen, scene, lane, shown, y);
  const drawn = sparse ? shown : shown.filter((i) => model.notable(i));
  const few = drawn.length <= scene.width / 5;
  for (const i of drawn) event(pen, scene, i, y, few);
  if (sparse) labels(pen, scene, shown, y);
}

/** How long from one event of a lane to the next. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {number[]} shown @param {number} y */
function segments(pen, scene, shown, y) {
  const { model, scale, look } = scene;
  for (let at = 1; at < shown.length; at += 1) {
    const [a, b] = [shown[at - 1], shown[at]];
    const x1 = scale.x(model.recorded[a]) + GLYPH / 2 + 1;
    const x2 = scale.x(model.recorded[b]) - GLYPH / 2 - 1;
    if (x2 <= x1) continue;
    pen.globalAlpha = isThere(scene, b) ? 1 : 0.3;
    pen.strokeStyle = look.tone[STATUSES[model.status[a]]];
    pen.lineWidth = 2;
    line(pen, x1, y, x2, y);
    const text = duration(model.recorded[b] - model.recorded[a]);
    if (pen.measureText(text).width + 12 < x2 - x1) {
      pen.textAlign = "center";
      pen.fillStyle = look.ink2;
      pen.fillText(text, (x1 + x2) / 2, y + look.size * 0.95);
    }
    pen.globalAlpha = 1;
  }
}

/** More events than fit: how many a pixel has, in the tone of the gravest. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {Lane} lane @param {number[]} shown @param {number} y */
function density(pen, scene, lane, shown, y) {
  const { model, scale, look, width } = scene;
  const wide = 3;
  const bins = Math.ceil(width / wide);
  const counts = new Float64Array(bins);
  const gravest = new Uint8Array(bins);
  const beyond = new Float64Array(bins);
  const grave = [0, 1, 2, 4, 3];
  /** @param {number} time @param {number} status @param {number} count @param {boolean} there */
  const put = (time, status, count, there) => {
    const bin = Math.floor(scale.x(time) / wide);
    if (bin < 0 || bin >= bins) return;
    counts[bin] += count;
    if (!there) beyond[bin] += count;
    if (grave[status] >= grave[gravest[bin]]) gravest[bin] = status;
  };
  for (const i of shown) put(model.recorded[i], model.status[i], 1, isThere(scene, i));
  const cells = model.answer.density;
  if (cells) {
    cells.cell.forEach((cell, i) => {
      const service = cells.service[i] < 0 ? "" : model.answer.names.services[cells.service[i]];
      if (service !== lane.key) return;
      const time = model.answer.base + (cell + 0.5) * cells.cellMillis;
      if (time >= scale.from && time <= scale.to) put(time, cells.status[i], cells.count[i], scene.asOf === null || time <= scene.asOf);
    });
  }
  const top = Math.log2(counts.reduce((most, it) => Math.max(most, it), 1) + 1);
  for (let bin = 0; bin < bins; bin += 1) {
    if (counts[bin] === 0) continue;
    const tall = Math.max((Math.log2(counts[bin] + 1) / top) * look.lane * 0.6, 2);
    pen.globalAlpha = beyond[bin] > counts[bin] / 2 ? 0.18 : 0.55;
    pen.fillStyle = look.tone[STATUSES[gravest[bin]]];
    pen.fillRect(bin * wide, y - tall / 2, wide - 0.5, tall);
  }
  pen.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {number} i @param {number} y @param {boolean} large */
function event(pen, scene, i, y, large) {
  const { model, scale, look } = scene;
  const x = scale.x(model.recorded[i]);
  const size = large ? GLYPH : 8;
  const there = isThere(scene, i);
  pen.globalAlpha = there ? 1 : 0.28;
  if (model.flags[i] & FLAG.late && large) {
    // Its way through the world: from when it happened to when it was known.
    const arrived = Math.min(scale.x(model.arrived[i]), scene.width);
    pen.strokeStyle = look.ink2;
    pen.lineWidth = 1;
    pen.setLineDash([2, 3]);
    line(pen, x, y + GLYPH * 0.78, arrived, y + GLYPH * 0.78);
    pen.setLineDash([]);
    if (arrived < scene.width) line(pen, arrived, y + GLYPH * 0.78 - 4, arrived, y + GLYPH * 0.78 + 4);
  }
  if (model.deliveries(i) > 1 && large) {
    pen.strokeStyle = look.ink2;
    pen.lineWidth = 1.2;
    pen.strokeRect(x - GLYPH / 2 + 3, y - GLYPH / 2 - 3, GLYPH, GLYPH);
  }
  glyph(pen, STATUSES[model.status[i]], x, y, size, look);
  if (model.flags[i] & FLAG.operator && large) {
    pen.strokeStyle = look.ink;
    pen.lineWidth = 1.5;
    for (const side of [-1, 1]) {
      pen.beginPath();
      pen.moveTo(x + side * 7, y - 10);
      pen.lineTo(x + side * 11, y - 10);
      pen.lineTo(x + side * 11, y + 10);
      pen.lineTo(x + side * 7, y + 10);
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
  if (!there && large) {
    pen.strokeStyle = look.ink2;
    pen.lineWidth = 1;
    pen.setLineDash([2, 2]);
    pen.beginPath();
    pen.arc(x, y, GLYPH / 2 + 3, 0, Math.PI * 2);
    pen.stroke();
    pen.setLineDash([]);
  }
  if (i === scene.at) {
    pen.strokeStyle = look.ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, GLYPH / 2 + 5, 0, Math.PI * 2);
    pen.stroke();
  }
}

/** Names above the events that have room; notable ones take theirs first. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {number[]} shown @param {number} y */
function labels(pen, scene, shown, y) {
  const { model, scale, look, width } = scene;
  /** @type {[number, number][]} */
  const taken = [];
  const order = [...shown].sort((a, b) => Number(model.notable(b)) - Number(model.notable(a)) || a - b);
  const top = y - look.size * 1.35;
  for (const i of order) {
    const found = marks(model, i);
    const name = visible(model.step(i));
    const space = pen.measureText(name).width + found.reduce((sum, it) => sum + 16 + pen.measureText(it.text).width, 0);
    const left = Math.min(Math.max(scale.x(model.recorded[i]) - GLYPH / 2, 2), width - space - 2);
    if (taken.some(([from, to]) => left < to + 10 && left + space + 10 > from)) continue;
    taken.push([left, left + space]);
    pen.globalAlpha = isThere(scene, i) ? 1 : 0.55;
    pen.textAlign = "left";
    pen.fillStyle = look.surface;
    pen.fillRect(left - 2, top - look.size * 0.6, space + 4, look.size * 1.2);
    pen.fillStyle = isThere(scene, i) ? look.ink : look.ink2;
    pen.fillText(name, left, top);
    let x = left + pen.measureText(name).width + 5;
    for (const mark of found) {
      icon(pen, mark.icon, x, top, look.size, look.ink2);
      pen.fillStyle = look.ink2;
      pen.fillText(mark.text, x + look.size + 2, top);
      x += 16 + pen.measureText(mark.text).width;
    }
    pen.globalAlpha = 1;
  }
}

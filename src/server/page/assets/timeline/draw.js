// Pixels of the plot. Meaning that is only here is nowhere: every event is a row of the table.

import { visible } from "../dom.js";
import { duration, offsets, tick } from "../time.js";
import { arcs, ghosts } from "./arcs.js";
import { laneOf } from "./lanes.js";
import { icon, laneIndex, line, middle } from "./pen.js";

/** @import { Lane, Model } from "./model.js" */
/** @import { Scale } from "./scale.js" */

/**
 * @typedef {object} Look
 * @property {Record<string, string>} tone by status
 * @property {string} ink
 * @property {string} ink2
 * @property {string} line
 * @property {string} line2
 * @property {string} surface
 * @property {string} sunken
 * @property {string} font
 * @property {number} size of text, pixels
 * @property {number} lane height of a lane, pixels
 * @property {number} axis height of what stands above the lanes, pixels
 * @property {number} glyph pixels
 */

/**
 * @typedef {object} Scene
 * @property {Model} model
 * @property {Model} all the answer for the whole, of which `model` may tell a part
 * @property {import("./address.js").By} by
 * @property {Lane[]} lanes
 * @property {Scale} scale
 * @property {Float64Array} places where each event is, in pixels
 * @property {number | null} asOf
 * @property {number | null} knownAt
 * @property {number} at the event that is picked, or -1
 * @property {Look} look
 * @property {number} width
 * @property {number} height
 * @property {[number, number] | null} dragged pixels of a brush that is being drawn
 */

/** Of more events than these no names and no ways from one to the next are drawn. */
const SPARSE = 300;

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene */
export function drawLanes(pen, scene) {
  const { look, width, height } = scene;
  pen.clearRect(0, 0, width, height);
  pen.font = `${look.size}px ${look.font}`;
  pen.textBaseline = "middle";
  axis(pen, scene);
  incidents(pen, scene);
  cuts(pen, scene);
  scene.lanes.forEach((_, lane) => {
    pen.strokeStyle = look.line;
    pen.lineWidth = 1;
    const y = Math.round(look.axis + (lane + 1) * look.lane) + 0.5;
    line(pen, 0, y, width, y);
  });
  const from = scene.model.from(scene.scale.from);
  const to = scene.model.from(scene.scale.to + 1);
  // Between events of which others are only counted nothing leads from one to the next.
  const sparse = scene.model.answer.density === null && to - from <= SPARSE;
  if (sparse) connections(pen, scene, from, to);
  arcs(pen, scene);
  scene.lanes.forEach((lane, at) => laneOf(pen, scene, lane, at, sparse));
  ghosts(pen, scene);
  moment(pen, scene);
  if (scene.dragged) {
    pen.fillStyle = look.ink;
    pen.globalAlpha = 0.1;
    pen.fillRect(scene.dragged[0], look.axis, scene.dragged[1] - scene.dragged[0], height - look.axis);
    pen.globalAlpha = 1;
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene */
function axis(pen, scene) {
  const { look, scale } = scene;
  const { step, at } = scale.ticks(leastApart(look));
  const room = offset(pen, scene);
  pen.textAlign = "left";
  for (const time of at) {
    const x = Math.round(scale.x(time)) + 0.5;
    pen.strokeStyle = look.line;
    pen.lineWidth = 1;
    line(pen, x, 4, x, scene.height);
    pen.fillStyle = look.ink2;
    const text = tick(time, step);
    if (x + 4 + pen.measureText(text).width < room) pen.fillText(text, x + 4, look.axis * 0.38);
  }
  // The saga's status over the same time.
  for (const state of scene.model.answer.states) {
    const left = Math.max(scale.x(Math.max(Date.parse(state.from), scale.from)), 0);
    const until = state.until === null ? Math.max(scene.model.last, scale.to) : Date.parse(state.until);
    if (until < scale.from || Date.parse(state.from) > scale.to) continue;
    const right = Math.min(scale.x(Math.min(until, scale.to)), scene.width);
    pen.fillStyle = look.tone[state.status];
    pen.fillRect(left, look.axis * 0.77, Math.max(right - left - 1, 1.5), look.axis * 0.14);
  }
}

/** The offset of all ticks, once, at the right end; up to where there is room for their names. @param {CanvasRenderingContext2D} pen @param {Scene} scene */
function offset(pen, { look, scale, width }) {
  const text = offsets(scale.from, scale.to);
  pen.textAlign = "right";
  pen.fillStyle = look.ink2;
  pen.fillText(text, width - 2, look.axis * 0.38);
  return width - 2 - pen.measureText(text).width - look.size * 0.7;
}

/** @param {Look} look */
function leastApart(look) {
  return look.size * 8.5;
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene */
function cuts(pen, scene) {
  const { look, scale, height } = scene;
  for (const stretch of scale.stretches) {
    if (!stretch.cut) continue;
    const x = (stretch.left + stretch.right) / 2;
    pen.fillStyle = look.sunken;
    pen.fillRect(x - 9, look.axis, 18, height - look.axis);
    pen.strokeStyle = look.line2;
    pen.lineWidth = 1;
    for (const side of [-9, 9]) {
      pen.beginPath();
      for (let y = look.axis; y <= height; y += 4) pen.lineTo(x + side + (((y - look.axis) / 4) % 2 === 0 ? -2 : 2), y);
      pen.stroke();
    }
    pen.save();
    pen.translate(x, (look.axis + height) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillStyle = look.ink2;
    pen.fillText(duration(stretch.to - stretch.from), 0, 0.5);
    pen.restore();
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene */
function incidents(pen, scene) {
  const { look, scale, height } = scene;
  for (const incident of scene.model.answer.incidents) {
    const from = Math.max(Date.parse(incident.from), scale.from);
    const to = Math.min(incident.until === null ? scale.to : Date.parse(incident.until), scale.to);
    if (to < from) continue;
    const left = scale.x(from);
    const right = Math.max(scale.x(to), left + 2);
    pen.save();
    pen.beginPath();
    pen.rect(left, look.axis, right - left, height - look.axis);
    pen.clip();
    pen.strokeStyle = look.line;
    pen.lineWidth = 1;
    for (let x = left - height; x < right; x += 7) line(pen, x, height, x + height, 0);
    pen.textAlign = "left";
    pen.fillStyle = look.ink2;
    pen.restore();
    pen.textAlign = "left";
    const name = visible(incident.name);
    const space = pen.measureText(name).width + look.size * 1.7;
    if (space > right - left) continue;
    const y = height - look.size * 0.9;
    pen.fillStyle = look.surface;
    pen.fillRect(left + 2, y - look.size * 0.7, space, look.size * 1.4);
    icon(pen, "i-incident", left + 4, y, look.size, look.ink2);
    pen.fillStyle = look.ink2;
    pen.fillText(name, left + look.size * 1.5, y);
  }
}

/** From event to event, whichever lane it is in. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {number} from @param {number} to */
function connections(pen, scene, from, to) {
  const lanes = laneIndex(scene);
  pen.strokeStyle = scene.look.line2;
  pen.lineWidth = 1;
  for (let i = Math.max(from, 1); i < to; i += 1) {
    const before = lanes.get(i - 1);
    const here = lanes.get(i);
    if (before === undefined || here === undefined || before === here) continue;
    const x1 = scene.scale.x(scene.model.recorded[i - 1]);
    const x2 = scene.scale.x(scene.model.recorded[i]);
    const y1 = middle(scene, before);
    const y2 = middle(scene, here);
    const bend = Math.min(Math.max((x2 - x1) / 2, 10), 40);
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
    pen.stroke();
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Scene} scene */
function moment(pen, scene) {
  const { look, scale, asOf } = scene;
  if (asOf === null || asOf < scale.from || asOf > scale.to) return;
  const x = Math.round(scale.x(asOf)) + 0.5;
  pen.strokeStyle = look.ink;
  pen.lineWidth = 1;
  const top = look.axis * 0.55;
  line(pen, x, top, x, scene.height);
  pen.fillStyle = look.ink;
  pen.beginPath();
  pen.moveTo(x - 5, top);
  pen.lineTo(x + 5, top);
  pen.lineTo(x, top + 7);
  pen.fill();
}

// The whole of a timeline, small.

import { STATUSES } from "./model.js";
import { line } from "./pen.js";

/** @import { Scene } from "./draw.js" */

/** The whole of it: how much happened when, the gravest status on top. @param {CanvasRenderingContext2D} pen @param {Scene} scene */
export function drawMinimap(pen, scene) {
  const { model, scale, look, width, height } = scene;
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = look.sunken;
  pen.fillRect(0, 4, width, height - 8);
  for (const incident of model.answer.incidents) {
    const left = scale.x(Math.max(Date.parse(incident.from), scale.from));
    const right = incident.until === null ? width : scale.x(Math.min(Date.parse(incident.until), scale.to));
    pen.fillStyle = look.line2;
    pen.globalAlpha = 0.25;
    pen.fillRect(left, 4, Math.max(right - left, 2), height - 8);
    pen.globalAlpha = 1;
  }
  const wide = 4;
  const bins = Math.ceil(width / wide);
  const counts = Array.from({ length: bins }, () => [0, 0, 0, 0, 0]);
  for (let i = 0; i < model.size; i += 1) {
    const bin = Math.min(Math.max(Math.floor(scene.places[i] / wide), 0), bins - 1);
    counts[bin][model.status[i]] += 1;
  }
  const cells = model.answer.density;
  cells?.cell.forEach((cell, i) => {
    const bin = Math.min(Math.max(Math.floor(scale.x(model.answer.base + (cell + 0.5) * cells.cellMillis) / wide), 0), bins - 1);
    counts[bin][cells.status[i]] += cells.count[i];
  });
  const sums = counts.map((bin) => bin.reduce((sum, it) => sum + it, 0));
  const top = Math.log2(Math.max(...sums, 1) + 1);
  const room = height - 16;
  sums.forEach((sum, bin) => {
    if (sum === 0) return;
    const tall = Math.max((Math.log2(sum + 1) / top) * room, 3);
    let y = height - 9;
    for (const status of [0, 1, 2, 4, 3]) {
      const part = (counts[bin][status] / sum) * tall;
      if (part === 0) continue;
      pen.fillStyle = look.tone[STATUSES[status]];
      pen.fillRect(bin * wide, y - part, wide - 1, part);
      y -= part;
    }
  });
  for (const state of model.answer.states) {
    const left = scale.x(Date.parse(state.from));
    const right = state.until === null ? width : scale.x(Date.parse(state.until));
    pen.fillStyle = look.tone[state.status];
    pen.fillRect(left, height - 7, Math.max(right - left - 1, 1.5), 3);
  }
  for (const stretch of scale.stretches) {
    if (!stretch.cut) continue;
    const x = (stretch.left + stretch.right) / 2;
    pen.fillStyle = look.surface;
    pen.fillRect(x - 4, 2, 8, height - 4);
    pen.strokeStyle = look.line2;
    pen.lineWidth = 1;
    line(pen, x - 4.5, 2, x - 1.5, height - 2);
    line(pen, x + 1.5, 2, x + 4.5, height - 2);
  }
}

// What the definition says of the events: arcs from what was done to what undid it, open where it is owed, and ghosts of
// steps that were not reached. The server tells which; this only draws them.

import { visible } from "../dom.js";
import { t } from "../texts.js";
import { fitting, isThere, laneIndex, middle } from "./pen.js";

/** @import { Scene } from "./draw.js" */

/** Where an end of an arc is; one outside of the part that is drawn stands in the first answer alone. @param {Scene} scene @param {Map<number, number>} lanes @param {number | null} id */
export function endOf(scene, lanes, id) {
  const here = id === null ? -1 : scene.model.byId(id);
  if (here >= 0) return { time: scene.model.recorded[here], lane: lanes.get(here) ?? 0, there: isThere(scene, here) };
  const { all, by } = scene;
  // Ids count the events of an answer's own timeline: one that was made of others names others.
  if (scene.model.answer.whole !== all.answer.whole) return null;
  const beyond = id === null ? -1 : all.byId(id);
  if (beyond < 0) return null;
  const lane = Math.max(scene.lanes.findIndex(({ key }) => key === all.keyOf(beyond, by)), 0);
  return { time: all.recorded[beyond], lane, there: isThere({ ...scene, model: all }, beyond) };
}

/** What undid what. @param {CanvasRenderingContext2D} pen @param {Scene} scene */
export function arcs(pen, scene) {
  const { model, scale, look } = scene;
  if (model.answer.arcs.length === 0) return;
  const lanes = laneIndex(scene);
  for (const arc of model.answer.arcs) {
    const from = endOf(scene, lanes, arc.from);
    if (from === null) continue;
    const x1 = scale.x(from.time);
    const y1 = middle(scene, from.lane);
    const to = endOf(scene, lanes, arc.to);
    pen.strokeStyle = look.tone.COMPENSATED;
    pen.lineWidth = 1.5;
    pen.setLineDash([5, 4]);
    if (to !== null) {
      const x2 = scale.x(to.time);
      const y2 = middle(scene, to.lane);
      const sag = y1 === y2 ? Math.min(scene.look.lane * 0.55, scene.height - y1 - 6) : 0;
      pen.globalAlpha = to.there ? 1 : 0.3;
      pen.beginPath();
      pen.moveTo(x1, y1 + 8);
      const deep = Math.max(y1, y2) + (sag || scene.look.lane * 0.35);
      pen.bezierCurveTo(x1, deep + 6, x2, deep + 6, x2, y2 + 9);
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = look.tone.COMPENSATED;
      pen.beginPath();
      pen.moveTo(x2, y2 + 8);
      pen.lineTo(x2 - 4, y2 + 15);
      pen.lineTo(x2 + 4, y2 + 15);
      pen.fill();
      pen.globalAlpha = 1;
      continue;
    }
    const due = arc.due === null ? scale.to : Date.parse(arc.due);
    const x2 = Math.min(Math.max(scale.x(Math.min(due, scale.to)), x1 + 40), scene.width - 12);
    const y2 = y1 + look.lane * 0.42;
    pen.beginPath();
    pen.moveTo(x1, y1 + 8);
    pen.bezierCurveTo(x1, y2 + 4, x1 + 20, y2, x2 - 6, y2);
    pen.stroke();
    pen.setLineDash([]);
    pen.beginPath();
    pen.arc(x2, y2, 5, 0, Math.PI * 2);
    pen.stroke();
    pen.fillStyle = look.ink2;
    pen.textAlign = "right";
    const text = arc.overdue ? t("js-owed-overdue", { step: visible(arc.step) }) : t("js-owed", { step: visible(arc.step) });
    const space = pen.measureText(text).width;
    if (space < x2 - x1 - 40) {
      pen.save();
      pen.fillStyle = look.surface;
      pen.fillRect(x2 - 14 - space, y2 - look.size * 0.6, space + 4, look.size * 1.2);
      pen.restore();
      pen.fillText(text, x2 - 12, y2);
    }
  }
}

/** Steps that were not reached, behind everything that happened. @param {CanvasRenderingContext2D} pen @param {Scene} scene */
export function ghosts(pen, scene) {
  const { look, model, scale, width } = scene;
  if (scale.to < model.last) return;
  /** @type {Map<number, number>} */
  const next = new Map();
  for (const ghost of model.answer.ghosts) {
    const at = scene.lanes.findIndex((lane) => lane.key === (ghost.service ?? "") || lane.key === ghost.step);
    if (at < 0) continue;
    const text = fitting(pen, visible(ghost.step), Math.max(width - scale.right - 32, 48));
    if (text === "") continue;
    const space = pen.measureText(text).width + 16;
    const events = scene.lanes[at].events;
    const last = events.length > 0 ? scale.x(model.recorded[events[events.length - 1]]) + 24 : 0;
    const left = next.get(at) ?? Math.max(Math.min(scale.right + 12, width - space - 2), last);
    if (left + space > width + 40) continue;
    next.set(at, left + space + 6);
    const y = middle(scene, at);
    pen.strokeStyle = look.ink2;
    pen.lineWidth = 1;
    pen.setLineDash([3, 3]);
    pen.fillStyle = look.surface;
    pen.beginPath();
    pen.roundRect(left, y - 9, space, 18, 5);
    pen.fill();
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = look.ink2;
    pen.textAlign = "left";
    pen.fillText(text, left + 8, y + 0.5);
  }
}

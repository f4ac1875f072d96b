// Strokes that everything drawn shares: shapes of glyphs.html, lines, where a lane is.

/** @import { Look, Scene } from "./draw.js" */

/** @type {Map<string, Path2D>} */
const paths = new Map();

/** The path of a shape of glyphs.html, 16 by 16. @param {string} id */
function path(id) {
  let known = paths.get(id);
  if (!known) {
    known = new Path2D(document.querySelector(`#${id} path`)?.getAttribute("d") ?? "");
    paths.set(id, known);
  }
  return known;
}

/** How high the plot is. @param {number} lanes @param {Look} look @param {boolean} incidents whether their names need a line */
export function heightOf(lanes, look, incidents) {
  return look.axis + Math.max(lanes, 1) * look.lane + (incidents ? look.size * 2 : look.size * 0.7);
}

/** @param {Scene} scene @param {number} lane */
export function middle(scene, lane) {
  return scene.look.axis + lane * scene.look.lane + scene.look.lane * 0.56;
}

/** @param {CanvasRenderingContext2D} pen @param {string} status @param {number} x @param {number} y @param {number} size @param {Look} look */
export function glyph(pen, status, x, y, size, look) {
  pen.save();
  pen.translate(x - size / 2, y - size / 2);
  pen.scale(size / 16, size / 16);
  pen.fillStyle = look.surface;
  pen.fillRect(1, 1, 14, 14);
  pen.fillStyle = look.tone[status];
  pen.fill(path(`g-${status}`), "evenodd");
  pen.restore();
}

/** @param {CanvasRenderingContext2D} pen @param {string} id @param {number} x @param {number} y @param {number} size @param {string} colour */
export function icon(pen, id, x, y, size, colour) {
  pen.save();
  pen.translate(x, y - size / 2);
  pen.scale(size / 16, size / 16);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.7;
  pen.lineCap = "round";
  pen.lineJoin = "round";
  pen.stroke(path(id));
  pen.restore();
}

/** @param {CanvasRenderingContext2D} pen @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
export function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

/** @param {Scene} scene */
export function laneIndex(scene) {
  /** @type {Map<number, number>} */
  const found = new Map();
  scene.lanes.forEach((lane, at) => { for (const i of lane.events) found.set(i, at); });
  return found;
}

/** @param {Scene} scene @param {number} i */
export function isThere(scene, i) {
  return (scene.asOf === null || scene.model.recorded[i] <= scene.asOf) && (scene.knownAt === null || scene.model.arrived[i] <= scene.knownAt);
}

/** The text, cut to a width; nothing when little would be left of it. @param {CanvasRenderingContext2D} pen @param {string} text @param {number} room */
export function fitting(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  if (room < 48) return "";
  const letters = [...text];
  let many = Math.floor((letters.length * room) / pen.measureText(text).width);
  while (many > 3 && pen.measureText(`${letters.slice(0, many).join("")}…`).width > room) many -= 1;
  return many > 3 ? `${letters.slice(0, many).join("")}…` : "";
}

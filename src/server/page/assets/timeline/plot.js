// The plot and what hands do to it: zoom, brush, hover, walk by keys. What it shows is in draw.js.

import { all, h, need, number, shape, statusMark, statusWord, visible } from "../dom.js";
import { duration, explained, instant } from "../time.js";
import { t } from "../texts.js";
import { cuts, lanesOf } from "./address.js";
import { drawLanes } from "./draw.js";
import { readLook } from "./look.js";
import { drawMinimap } from "./minimap.js";
import { FLAG, STATUSES } from "./model.js";
import { heightOf, isThere, middle } from "./pen.js";
import { Scale } from "./scale.js";

/** @import { By } from "./address.js" */
/** @import { Lane, Model } from "./model.js" */
/** @import { Scene } from "./draw.js" */

const PAD = 14;
const REACH = 12;

/** @typedef {{view: () => void, drawFirst: () => void, picked: (i: number) => void, say: (text: string) => void}} Told `drawFirst`: the first answer has to be drawn */

export class Plot {
  /** @param {HTMLElement} root @param {Model} model @param {Told} told */
  constructor(root, model, told) {
    this.root = root;
    /** The answer for the whole. */
    this.all = model;
    /** The answer that is drawn: the same, or one for the part that is shown. */
    this.model = model;
    this.told = told;
    this.canvas = need("[data-part=lanes]", HTMLCanvasElement, root);
    this.small = need("[data-part=minimap]", HTMLCanvasElement, root);
    this.overlay = need("[data-part=overlay]", HTMLElement, root);
    this.option = need("[data-part=overlay] [role=option]", HTMLElement, root);
    this.tip = need("[data-part=tip]", HTMLElement, root);
    this.brush = need("[data-part=brush]", HTMLElement, root);
    this.names = need("[data-part=names]", HTMLElement, root);
    /** @type {By} */
    this.by = lanesOf(root.dataset.shownLanes);
    this.cutting = cuts(root.dataset.shownGaps);
    this.at = -1;
    /** Of the event that is picked, which need not be one that is drawn. @type {string | null} */
    this.position = null;
    /** @type {number | null} */
    this.asOf = null;
    /** @type {number | null} */
    this.knownAt = null;
    /** The part that is shown; the whole when both are null. @type {[number, number] | null} */
    this.part = null;
    /** @type {[number, number] | null} */
    this.dragged = null;
    this.look = readLook(root);
    /** @type {Lane[]} */
    this.lanes = [];
    this.pending = false;
    /** @type {{key: string, scale: Scale, places: Float64Array} | undefined} */
    this.kept = undefined;
    /** @type {{key: string, scale: Scale} | undefined} */
    this.keptWhole = undefined;
    /** @type {{key: string, scale: Scale} | undefined} */
    this.keptKnown = undefined;
    /** What the minimap was drawn for. */
    this.drawnSmall = "";
    this.layOut();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas.parentElement ?? root);
    addEventListener("saga-tracker:look", () => this.relook());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.relook());
  }

  relook() {
    this.drawnSmall = "";
    this.look = readLook(this.root);
    this.layOut();
  }

  layOut() {
    const none = this.model.answer.density?.ofOtherServices ? t("js-no-or-other-service") : t("js-no-service");
    const words = { none, partition: t("js-partition"), rest: t("js-lane-rest") };
    this.lanes = this.model.lanes(this.by, words, this.model === this.all ? [] : this.all.lanes(this.by, words));
    this.names.replaceChildren(...this.lanes.map((lane) => h("li", { title: visible(lane.name) }, h("span", { class: "name" }, visible(lane.name)), h("span", { class: "note" }, t("js-lane-events", { count: number(this.model.countOf(lane)) })))));
    this.draw();
  }

  /** Draws another answer. The event that is picked stays so. @param {Model} model */
  use(model) {
    if (model === this.model) return;
    this.model = model;
    this.kept = undefined;
    this.at = this.position === null ? -1 : model.byPosition(this.position);
    if (this.at >= 0) this.describe(this.at);
    this.layOut();
  }

  /** Pixels at the right that ghosts and open arcs need. */
  gutter() {
    const { ghosts } = this.model.answer;
    if (ghosts.length === 0 || this.part) return 0;
    const longest = Math.max(...ghosts.map((ghost) => ghost.step.length));
    return Math.min(longest * this.look.size * 0.72 + 30, this.canvas.clientWidth * 0.25);
  }

  /** @param {number} width */
  whole(width) {
    const key = [width, this.cutting].join();
    if (this.keptWhole?.key !== key) this.keptWhole = { key, scale: new Scale(this.all.recorded, this.all.first, this.end(), PAD, width - PAD, this.cutting) };
    return this.keptWhole.scale;
  }

  /** The same of when events came to be known, which may be long after the last one happened. @param {number} width */
  wholeKnown(width) {
    if (this.all.lastArrived <= this.end()) return this.whole(width);
    const key = [width, this.cutting].join();
    if (this.keptKnown?.key !== key) this.keptKnown = { key, scale: new Scale(this.all.instants(), this.all.first, this.all.lastArrived, PAD, width - PAD, this.cutting) };
    return this.keptKnown.scale;
  }

  height() {
    return heightOf(this.lanes.length, this.look, this.model.answer.incidents.length > 0);
  }

  end() {
    return Math.max(this.all.last, this.all.first + 1);
  }

  /** @param {number} width */
  scaleOf(width) {
    if (!this.part) return new Scale(this.model.recorded, this.all.first, this.end(), PAD, width - PAD - this.gutter(), this.cutting);
    return new Scale(this.model.recorded, this.part[0], this.part[1], PAD, width - PAD, this.cutting);
  }

  /** The scale and the places of all events on it, made anew only when something about them changes. @param {number} width */
  placed(width) {
    const key = [width, this.part?.[0], this.part?.[1], this.cutting, this.gutter()].join();
    if (this.kept?.key !== key) {
      const scale = this.scaleOf(width);
      this.kept = { key, scale, places: scale.places(this.model.recorded) };
    }
    return this.kept;
  }

  /** @returns {Scene} */
  scene() {
    const width = this.canvas.clientWidth;
    const { scale, places } = this.placed(width);
    return {
      model: this.model, all: this.all, by: this.by, lanes: this.lanes, scale, places, asOf: this.asOf, knownAt: this.knownAt, at: this.at,
      look: this.look, width, height: this.height(), dragged: this.dragged,
    };
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.paint();
    });
  }

  paint() {
    const height = this.height();
    if (this.canvas.style.height !== `${height}px`) this.canvas.style.height = `${height}px`;
    const scene = this.scene();
    this.shown = scene;
    const pen = penOf(this.canvas, scene.width, height);
    if (pen) drawLanes(pen, scene);
    const width = this.small.clientWidth;
    const tall = this.small.clientHeight;
    const whole = this.whole(width);
    const drawn = [width, tall, this.cutting, devicePixelRatio].join();
    if (this.drawnSmall !== drawn) {
      this.drawnSmall = drawn;
      const smallPen = penOf(this.small, width, tall);
      if (smallPen) drawMinimap(smallPen, { ...scene, model: this.all, scale: whole, places: whole.places(this.all.recorded), width, height: tall });
    }
    this.brush.hidden = !this.part;
    if (this.part) {
      const left = whole.x(Math.max(this.part[0], whole.from));
      this.brush.style.left = `${left}px`;
      this.brush.style.width = `${Math.max(whole.x(Math.min(this.part[1], whole.to)) - left, 2)}px`;
    }
    this.placeOption(scene);
  }

  /** @param {Scene} scene */
  placeOption(scene) {
    if (this.at < 0) return;
    const lane = this.laneOf(this.at);
    this.option.style.left = `${scene.scale.x(this.model.recorded[this.at])}px`;
    this.option.style.top = `${middle(scene, lane)}px`;
  }

  /** @param {number} i */
  laneOf(i) {
    return Math.max(this.lanes.findIndex((lane) => lane.events.includes(i)), 0);
  }

  /** Shows a part, or the whole. @param {[number, number] | null} part */
  show(part) {
    const least = 2;
    if (part) {
      const from = Math.max(Math.min(part[0], part[1]), this.all.first - 1);
      const to = Math.min(Math.max(part[0], part[1]), this.end() + 1);
      this.part = to - from < least || (from <= this.all.first && to >= this.end()) ? null : [from, to];
    } else this.part = null;
    this.draw();
    this.told.view();
  }

  /** @param {number} factor below 1 comes nearer @param {number} [around] */
  zoom(factor, around) {
    const [from, to] = this.part ?? [this.all.first, this.end()];
    const centre = around ?? (this.at >= 0 ? this.model.recorded[this.at] : (from + to) / 2);
    this.show([centre - (centre - from) * factor, centre + (to - centre) * factor]);
  }

  /** @param {number} share of the range */
  pan(share) {
    if (!this.part) return;
    const by = (this.part[1] - this.part[0]) * share;
    const held = Math.min(Math.max(by, this.all.first - this.part[0]), this.end() - this.part[1]);
    this.show([this.part[0] + held, this.part[1] + held]);
  }

  /** What an event says. @param {number} i */
  words(i) {
    const model = this.model;
    const told = [model.step(i), statusWord(STATUSES[model.status[i]]), model.service(i) ?? "", instant(model.recorded[i])];
    if (model.flags[i] & FLAG.late) told.push(t("js-late", { time: duration(model.arrived[i] - model.recorded[i]) }));
    if (model.deliveries(i) > 1) told.push(t("js-deliveries", { count: number(model.deliveries(i)) }));
    if (model.flags[i] & (FLAG.anomaly | FLAG.conflict)) told.push(t("js-anomaly"));
    if (model.flags[i] & FLAG.operator) told.push(t("js-operator"));
    if (model.flags[i] & FLAG.refused) told.push(t("js-refused"));
    if (!isThere(/** @type {any} */ ({ model, asOf: this.asOf, knownAt: this.knownAt }), i)) told.push(t("js-not-yet"));
    return visible(told.filter(Boolean).join(", "));
  }

  /** Goes to an event. @param {number} i */
  pick(i) {
    if (i < 0 || i >= this.model.size) return;
    this.at = i;
    this.position = this.model.position(i);
    const [from, to] = this.part ?? [this.all.first, this.end()];
    const time = this.model.recorded[i];
    this.describe(i);
    this.draw();
    this.told.picked(i);
    // Last: another answer may be drawn then, in which the event stands elsewhere.
    if (time < from || time > to) this.show([time - (to - from) / 2, time + (to - from) / 2]);
  }

  /** @param {number} i */
  describe(i) {
    this.option.setAttribute("aria-label", t("js-event-says", { place: number(i + 1), of: number(this.model.size), event: this.words(i) }));
    this.option.setAttribute("aria-posinset", String(i + 1));
    this.option.setAttribute("aria-setsize", String(this.model.size));
    this.overlay.setAttribute("aria-activedescendant", this.option.id);
  }

  /** Goes to an event of the first answer, wherever it is. @param {number} i */
  pickOfAll(i) {
    if (i < 0 || i >= this.all.size) return;
    const here = this.model.byPosition(this.all.position(i));
    if (here < 0) this.told.drawFirst();
    this.pick(here < 0 ? i : here);
    this.told.view();
  }

  /** @param {number} by */
  notable(by) {
    for (let i = this.at + by; i >= 0 && i < this.model.size; i += by) {
      if (this.model.notable(i)) {
        this.pick(i);
        return;
      }
    }
    const edge = this.part ? this.part[by > 0 ? 1 : 0] : null;
    const beyond = this.model === this.all || edge === null ? -1 : this.all.nextNotable(edge, by);
    if (beyond >= 0) this.pickOfAll(beyond);
    else this.told.say(t("js-no-more-notable"));
  }

  /** @param {number} by */
  inLane(by) {
    if (this.at < 0) {
      this.pick(0);
      return;
    }
    const { events } = this.lanes[this.laneOf(this.at)];
    const next = events[events.indexOf(this.at) + by];
    if (next !== undefined) this.pick(next);
    else if (this.model !== this.all) this.pan(by / 2);
  }

  /** The event of the next lane that is nearest in time. @param {number} by */
  toLane(by) {
    const time = this.at < 0 ? this.all.first : this.model.recorded[this.at];
    for (let lane = this.laneOf(this.at) + by; lane >= 0 && lane < this.lanes.length; lane += by) {
      const { events } = this.lanes[lane];
      if (events.length === 0) continue;
      this.pick(events.reduce((best, i) => (Math.abs(this.model.recorded[i] - time) < Math.abs(this.model.recorded[best] - time) ? i : best), events[0]));
      return;
    }
  }

  /** @param {PointerEvent | MouseEvent} event @returns {number} */
  under(event) {
    const scene = this.shown;
    if (!scene) return -1;
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const lane = Math.floor((event.clientY - box.top - scene.look.axis) / scene.look.lane);
    const events = scene.lanes[lane]?.events ?? [];
    let best = -1;
    let least = REACH;
    for (const i of events) {
      const far = Math.abs(scene.scale.x(this.model.recorded[i]) - x);
      if (far < least) {
        least = far;
        best = i;
      }
    }
    return best;
  }

  /** @param {PointerEvent} event */
  hover(event) {
    const i = this.under(event);
    this.tip.hidden = i < 0;
    this.canvas.classList.toggle("over", i >= 0);
    if (i < 0) return;
    const model = this.model;
    const [chosen, others] = [instant(model.recorded[i]), explained(model.recorded[i])];
    const rest = [visible(model.service(i) ?? ""), others.some((line) => line.startsWith(chosen)) ? "" : chosen, ...others];
    const late = model.flags[i] & FLAG.late ? h("div", {}, shape("i-late"), " ", t("js-late", { time: duration(model.arrived[i] - model.recorded[i]) })) : null;
    const again = model.deliveries(i) > 1 ? h("div", {}, shape("i-duplicate"), " ", t("js-deliveries", { count: number(model.deliveries(i)) })) : null;
    this.tip.replaceChildren(...[h("div", { class: "strong" }, visible(model.step(i))), h("div", {}, statusMark(STATUSES[model.status[i]])), ...rest.filter(Boolean).map((line) => h("div", {}, line)), late, again].filter((part) => part !== null));
    const box = this.canvas.getBoundingClientRect();
    const left = event.clientX - box.left;
    this.tip.style.left = `${Math.min(Math.max(left + 14, 0), Math.max(box.width - this.tip.offsetWidth - 8, 0))}px`;
    this.tip.style.top = `${event.clientY - box.top + 16}px`;
  }

  listen() {
    let start = 0;
    let down = false;
    this.canvas.addEventListener("pointermove", (event) => {
      if (!down) {
        this.hover(event);
        return;
      }
      const x = event.offsetX;
      this.dragged = Math.abs(x - start) > 4 ? [Math.min(start, x), Math.max(start, x)] : null;
      this.draw();
    });
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      down = true;
      start = event.offsetX;
      this.tip.hidden = true;
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointerup", (event) => {
      down = false;
      const dragged = this.dragged;
      this.dragged = null;
      if (dragged && this.shown) this.show([this.shown.scale.time(dragged[0]), this.shown.scale.time(dragged[1])]);
      else {
        this.pick(this.under(event));
        this.overlay.focus({ preventScroll: true });
      }
    });
    this.canvas.addEventListener("dblclick", () => this.show(null));
    this.canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.shown?.scale.time(event.offsetX));
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) && this.part) {
        event.preventDefault();
        this.pan(event.deltaX / this.canvas.clientWidth);
      }
    }, { passive: false });
    this.listenToMinimap();
    this.overlay.addEventListener("keydown", (event) => this.pressed(event));
    for (const button of all("[data-lanes]", this.root)) button.addEventListener("click", () => this.setLanes(button));
    for (const button of all("[data-gaps]", this.root)) {
      button.addEventListener("click", () => {
        this.cutting = cuts(button.dataset.gaps);
        press(this.root, "[data-gaps]", button);
        this.draw();
        this.told.view();
      });
    }
  }

  /** @param {HTMLElement} button */
  setLanes(button) {
    this.by = lanesOf(button.dataset.lanes);
    press(this.root, "[data-lanes]", button);
    this.layOut();
    this.told.view();
  }

  listenToMinimap() {
    /** @type {{x: number, part: [number, number] | null, moving: boolean} | null} */
    let held = null;
    this.small.addEventListener("pointerdown", (event) => {
      const time = this.whole(this.small.clientWidth).time(event.offsetX);
      const inside = this.part !== null && time >= this.part[0] && time <= this.part[1];
      held = { x: event.offsetX, part: this.part, moving: inside };
      this.small.setPointerCapture(event.pointerId);
    });
    this.small.addEventListener("pointermove", (event) => {
      if (!held || Math.abs(event.offsetX - held.x) < 3) return;
      const whole = this.whole(this.small.clientWidth);
      if (held.moving && held.part) {
        const by = whole.time(event.offsetX) - whole.time(held.x);
        this.show([held.part[0] + by, held.part[1] + by]);
      } else this.show([whole.time(held.x), whole.time(event.offsetX)]);
    });
    this.small.addEventListener("pointerup", () => { held = null; });
    this.small.addEventListener("dblclick", () => this.show(null));
  }

  /** Keys of the overlay, which has the focus. @param {KeyboardEvent} event */
  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowRight: () => this.inLane(1), ArrowLeft: () => this.inLane(-1), ArrowDown: () => this.toLane(1), ArrowUp: () => this.toLane(-1),
      Home: () => this.pickOfAll(0), End: () => this.pickOfAll(this.all.size - 1), PageDown: () => this.pan(0.5), PageUp: () => this.pan(-0.5),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** @param {HTMLElement} root @param {string} which @param {HTMLElement} pressed */
function press(root, which, pressed) {
  for (const button of all(which, root)) button.setAttribute("aria-pressed", String(button === pressed));
}

/** A pen that draws in CSS pixels. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function penOf(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

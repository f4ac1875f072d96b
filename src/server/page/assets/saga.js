// The saga's view: the plot, its two time handles, and the table that follows them. The address says all of it.

import { all, base, need, number, one, unpercent, visible } from "./dom.js";
import { instant } from "./time.js";
import { t } from "./texts.js";
import { addressOf, questionOf } from "./timeline/address.js";
import { Model } from "./timeline/model.js";
import { Moment } from "./timeline/moment.js";
import { Parts } from "./timeline/parts.js";
import { Plot } from "./timeline/plot.js";

const STEPS_OF_HANDLE = 1000;
const PLAY_MILLIS = 6_000;
const MOST_EVENTS = 20_000;

const root = need("#plot", HTMLElement);
const id = unpercent(root.dataset.id);
const archived = root.dataset.archive === "true";

/** @param {string | undefined} text */
function millis(text) {
  const found = Date.parse(text ?? "");
  return Number.isNaN(found) ? null : found;
}

/** @type {import("./timeline/parts.js").Ask} */
async function ask(wanted, signal) {
  root.classList.add("loading");
  try {
    const answer = await fetch(`${base}/api/v1/sagas/${encodeURIComponent(id)}/timeline?${questionOf(wanted, MOST_EVENTS, archived)}`, { signal });
    const read = await answer.json();
    if (answer.status === 404 && wanted.knownAt !== null) return null;
    if (!answer.ok) throw new Error(String(read.message ?? answer.status));
    return new Model(read);
  } finally {
    root.classList.remove("loading");
  }
}

/** How much of the saga is drawn, and how. @param {import("./timeline/model.js").Answer} answer */
function drawn({ exact, whole, total, notableLeftOut, statesLeftOut, density }) {
  const events = total < whole ? t("js-plot-part", { count: number(total), whole: number(whole) }) : t("js-plot-events", { count: number(whole) });
  const told = [exact ? events : t("js-plot-density", { count: number(total) })];
  if (notableLeftOut > 0) told.push(t("js-notable-left-out", { count: number(notableLeftOut) }));
  if (density && density.ofOtherServices > 0) told.push(t("js-other-services", { count: number(density.ofOtherServices) }));
  if (statesLeftOut > 0) told.push(t("js-states-left-out", { count: number(statesLeftOut) }));
  return told.join(" · ");
}

/** @param {Model} first the answer for all of it */
function start(first) {
  /** Rows stay as the server wrote them; a hand that drags looks at them in every frame. */
  const rows = all("#steps tbody tr").map((row) => ({ row, recorded: millis(row.dataset.recorded) ?? 0, arrived: millis(row.dataset.arrived) ?? 0 }));
  const says = need("[data-part=says]", HTMLElement, root);
  const count = need("[data-part=count]", HTMLElement, root);
  const moment = new Moment(need("[data-part=moment]", HTMLElement, root), id, archived);
  const asOf = need("#handle-as-of", HTMLInputElement, root);
  const knownAt = need("#handle-known-at", HTMLInputElement, root);
  let playing = 0;

  const parts = new Parts(first, ask, { use: useAnswer, failed });

  const plot = new Plot(root, first, {
    view() {
      address();
      filterRows();
      parts.show(plot.part, plot.knownAt);
    },
    drawFirst: () => parts.back(),
    picked(i) {
      says.textContent = plot.words(i);
      markRow(plot.model.position(i));
      address();
    },
    say(text) { says.textContent = text; },
  });

  /** @param {Model} model */
  function useAnswer(model) {
    plot.use(model);
    count.textContent = drawn(model.answer);
  }

  /** @param {unknown} error */
  function failed(error) {
    console.error(error);
    count.textContent = [drawn(plot.model.answer), visible(t("js-no-part", { why: whyOf(error) }))].join(" · ");
  }

  /** @param {string} position */
  function markRow(position) {
    for (const { row } of rows) {
      if (row.dataset.position === position) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;

  /** Browsers refuse an address that changes with every frame; it follows what moves all the same. */
  function address() {
    later ??= setTimeout(writeAddress, 200);
  }

  function writeAddress() {
    clearTimeout(later);
    later = undefined;
    const { part, by, cutting, position } = plot;
    const shown = { asOf: plot.asOf, knownAt: plot.knownAt, part, by, cutting, event: position };
    history.replaceState(history.state, "", addressOf(location.href, shown));
    // Further steps are shown as these are.
    for (const link of document.querySelectorAll(".pager a[rel=next]")) if (link instanceof HTMLAnchorElement) link.href = addressOf(link.href, shown).href;
  }

  // A step is picked where it is; only one that is not drawn has to be asked for.
  need("#steps", HTMLElement).addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a.step-name") : null;
    const row = link?.closest("tr");
    const found = row ? plot.model.byPosition(row.dataset.position ?? "") : -1;
    if (found < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    plot.pick(found);
  });

  count.textContent = drawn(first.answer);

  /** The table shows what the plot does, and dims what had not happened or was not known. */
  function filterRows() {
    let hidden = 0;
    for (const { row, recorded, arrived } of rows) {
      row.hidden = plot.part !== null && (recorded < plot.part[0] || recorded > plot.part[1]);
      row.classList.toggle("not-yet", (plot.asOf !== null && recorded > plot.asOf) || (plot.knownAt !== null && arrived > plot.knownAt));
      hidden += row.hidden ? 1 : 0;
    }
    const place = one("[data-part=filtered]");
    if (place) place.textContent = hidden > 0 ? t("js-rows-hidden", { count: number(hidden) }) : "";
  }

  /** What a handle moves on: the time in which events happened, or that in which they came to be known as well. @param {HTMLInputElement} input */
  const scaleOf = (input) => (input === knownAt ? plot.wholeKnown(plot.small.clientWidth) : plot.whole(plot.small.clientWidth));
  const sortedArrivals = Float64Array.from(first.arrived).sort();

  /** Where the two clocks' handles stand on the whole. @param {HTMLInputElement} input @param {number | null} at */
  function placeHandle(input, at) {
    const scale = scaleOf(input);
    const share = at === null ? 1 : (scale.x(Math.min(at, scale.to)) - scale.left) / (scale.right - scale.left);
    input.value = String(Math.round(share * STEPS_OF_HANDLE));
    input.classList.toggle("at-end", at === null);
    input.setAttribute("aria-valuetext", at === null ? t("js-now") : instant(at));
  }

  /** @param {HTMLInputElement} input */
  function read(input) {
    const scale = scaleOf(input);
    const share = Number(input.value) / STEPS_OF_HANDLE;
    return share >= 1 ? null : Math.floor(scale.time(scale.left + share * (scale.right - scale.left)));
  }

  /** @param {number | null} at @param {number | null} known */
  function setMoment(at, known) {
    plot.asOf = at;
    plot.knownAt = known;
    placeHandle(asOf, at);
    placeHandle(knownAt, known);
    plot.draw();
    filterRows();
    moment.show(at, known);
    parts.show(plot.part, known);
    address();
  }

  addEventListener("saga-tracker:address", writeAddress);
  asOf.addEventListener("input", () => setMoment(read(asOf), plot.knownAt));
  knownAt.addEventListener("input", () => setMoment(plot.asOf, read(knownAt)));

  /** Arrow keys step from event to event, which a thousandth of the range would not. @param {KeyboardEvent} event @param {ArrayLike<number>} times @param {number | null} from @param {(at: number | null) => void} set */
  function stepped(event, times, from, set) {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const sorted = Array.from(times);
    const at = from ?? sorted[sorted.length - 1];
    if (by < 0) set([...sorted].reverse().find((time) => time < at) ?? (sorted[0] - 1));
    else {
      const next = sorted.find((time) => time > at);
      set(next === undefined || next >= sorted[sorted.length - 1] ? null : next);
    }
  }
  asOf.addEventListener("keydown", (event) => stepped(event, first.recorded, plot.asOf, (at) => setMoment(at, plot.knownAt)));
  knownAt.addEventListener("keydown", (event) => stepped(event, sortedArrivals, plot.knownAt, (at) => setMoment(plot.asOf, at)));

  function play() {
    const button = need("[data-tool=play]", HTMLElement, root);
    if (playing) {
      cancelAnimationFrame(playing);
      clearTimeout(playing);
      playing = 0;
      button.setAttribute("aria-pressed", "false");
      return;
    }
    button.setAttribute("aria-pressed", "true");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const scale = scaleOf(asOf);
    const began = performance.now();
    const frame = () => {
      const share = (performance.now() - began) / PLAY_MILLIS;
      if (share >= 1) {
        playing = 0;
        button.setAttribute("aria-pressed", "false");
        setMoment(null, plot.knownAt);
        return;
      }
      setMoment(Math.floor(scale.time(scale.left + share * (scale.right - scale.left))), plot.knownAt);
      playing = calm ? window.setTimeout(frame, 700) : requestAnimationFrame(frame);
    };
    frame();
  }

  /** @type {Record<string, () => void>} */
  const tools = { in: () => plot.zoom(0.5), out: () => plot.zoom(2), all: () => plot.show(null), play };
  for (const button of all("[data-tool]", root)) button.addEventListener("click", () => tools[button.dataset.tool ?? ""]?.());

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const busy = target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
    const off = document.documentElement.dataset.keys === "off" && !(target instanceof Node && root.contains(target));
    if (busy || off || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const onButton = target instanceof HTMLElement && target.closest("button, a, summary") !== null;
    /** @type {Record<string, () => void>} */
    const keys = {
      "[": () => plot.notable(-1), "]": () => plot.notable(1), "+": () => plot.zoom(0.5), "=": () => plot.zoom(0.5), "-": () => plot.zoom(2), 0: () => plot.show(null),
      t: () => { if (plot.at >= 0) setMoment(plot.model.recorded[plot.at], plot.knownAt); },
    };
    if (event.key === " " && !onButton) keys[" "] = play;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const from = millis(root.dataset.from);
  const to = millis(root.dataset.to);
  if (from !== null && to !== null) plot.show([from, to]);
  plot.position = unpercent(root.dataset.event) || null;
  const picked = plot.position === null ? -1 : first.byPosition(plot.position);
  if (picked >= 0) plot.pick(picked);
  else if (first.answer.exact) plot.position = null;
  const asked = [millis(root.dataset.asOf), millis(root.dataset.knownAt)];
  plot.paint();
  setMoment(asked[0], asked[1]);
}

/** @param {unknown} error */
function whyOf(error) {
  return error instanceof Error ? error.message : String(error);
}

try {
  const first = await ask({ part: null, knownAt: null }, new AbortController().signal);
  if (first) start(first);
} catch (error) {
  console.error(error);
  const place = one(".plot", root);
  place?.replaceChildren(visible(t("js-no-plot", { why: whyOf(error) })));
  place?.classList.add("state", "in-panel");
}

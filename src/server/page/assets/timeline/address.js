// The address of a saga's view: the moment, the part, the picked event, and how the plot is laid out. What is as it is
// from the start is left out of it. And that of the call which answers what it shows.

/** @typedef {"service" | "step" | "partition"} By what a lane is */

/** @type {readonly By[]} */
const LANES = ["service", "step", "partition"];

/**
 * @typedef {object} Shown
 * @property {number | null} asOf
 * @property {number | null} knownAt
 * @property {[number, number] | null} part
 * @property {string | null} event its position
 * @property {By} by
 * @property {boolean} cutting whether long silences are cut
 */

/** By what lanes are made, as an address or a button names it. @param {string | null | undefined} name @returns {By} */
export function lanesOf(name) {
  return LANES.find((known) => known === name) ?? LANES[0];
}

/** Whether silences are cut. @param {string | null | undefined} name */
export function cuts(name) {
  return name !== "scale";
}

/** An instant as addresses carry it. @param {number | null} millis */
function instant(millis) {
  return millis === null ? null : new Date(millis).toISOString();
}

/** An address that opens exactly this; all else in it stays. @param {string | URL} here @param {Shown} shown */
export function addressOf(here, { asOf, knownAt, part, event, by, cutting }) {
  const address = new URL(here);
  /** @type {Record<string, string | null>} */
  const params = {
    asOf: instant(asOf),
    knownAt: instant(knownAt),
    from: instant(part && Math.floor(part[0])),
    to: instant(part && Math.ceil(part[1])),
    event,
    lanes: by === LANES[0] ? null : by,
    gaps: cutting ? null : "scale",
  };
  for (const [name, value] of Object.entries(params)) {
    if (value === null) address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  return address;
}

/** The query of the call that answers a part, as it was known at a moment. @param {import("./parts.js").Wanted} wanted @param {number} max @param {boolean} archived */
export function questionOf({ part, knownAt }, max, archived) {
  const query = new URLSearchParams({ max: String(max) });
  const params = { from: instant(part && Math.floor(part[0])), to: instant(part && Math.ceil(part[1])), knownAt: instant(knownAt) };
  for (const [name, value] of Object.entries(params)) if (value !== null) query.set(name, value);
  if (archived) query.set("archive", "true");
  return query;
}

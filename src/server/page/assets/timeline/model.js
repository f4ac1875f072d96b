// A saga's timeline as the API answers it, unpacked into columns that can be drawn. Nothing is folded here: states,
// arcs and ghosts come from the server.

/**
 * GET /api/v1/sagas/{id}/timeline?from&to&max&asOf&knownAt&archive. All columns have the same length; `id`, `recordedAt` and `offset` hold
 * the difference to the entry before (the first to 0, to `base` and to 0).
 * @typedef {object} Answer
 * @property {string} sagaId
 * @property {string} sagaType
 * @property {string} first recordedAt of the first event of all
 * @property {string} last recordedAt of the last event of all
 * @property {number} whole events of the whole timeline
 * @property {number} total events from `from` to `to`
 * @property {boolean} exact whether the columns hold all of them; otherwise only the notable ones, and `density` the rest
 * @property {number} notableLeftOut notable ones that are counted in `density`, because there are too many of them
 * @property {number} base epoch milliseconds
 * @property {{steps: string[], services: string[]}} names
 * @property {{id: number[], recordedAt: number[], delay: number[], step: number[], service: number[], status: number[], effective: number[], partition: number[], offset: number[], deliveries: number[], flags: number[]}} columns
 *   `delay` is arrivedAt less recordedAt; `service` is -1 where an event names none; statuses count in STATUSES
 * @property {{cellMillis: number, ofOtherServices: number, service: number[], cell: number[], status: number[], count: number[]} | null} density
 *   `cell` counts from `base` in steps of cellMillis; `ofOtherServices` are events of services beyond those that are told
 *   apart, which stand at service -1
 * @property {{status: string, from: string, until: string | null}[]} states
 * @property {number} statesLeftOut states before the last one that are not among them
 * @property {{from: number, to: number | null, step: string, due: string | null, overdue: boolean}[]} arcs
 *   from the event that was undone to the one that undid it; without `to` what is owed
 * @property {{step: string, service: string | null, due: string | null}[]} ghosts
 * @property {{id: string, name: string, severity: string | null, from: string, until: string | null}[]} incidents
 */

export const STATUSES = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"];
export const FLAG = { late: 1, conflict: 2, anomaly: 4, operator: 8, refused: 16 };

/** @typedef {{key: string, name: string, events: number[], cells: number[]}} Lane its events, and its cells of the density */
/** @typedef {{none: string, partition: string, rest: string}} Words names of lanes: without a service, of a partition, of what is only counted */

/** The lane of events that are only counted, where lanes are not services: nobody knows of which step they are. */
const REST = "\0rest";

/** @param {number[]} deltas @param {number} from */
function summed(deltas, from) {
  const out = new Float64Array(deltas.length);
  let at = from;
  for (let i = 0; i < deltas.length; i += 1) {
    at += deltas[i];
    out[i] = at;
  }
  return out;
}

export class Model {
  /** @param {Answer} answer */
  constructor(answer) {
    const { columns, base } = answer;
    this.answer = answer;
    this.size = columns.id.length;
    this.id = summed(columns.id, 0);
    /** Where an event stands, by its id. @type {Map<number, number>} */
    this.byIds = new Map();
    for (let i = this.size - 1; i >= 0; i -= 1) this.byIds.set(this.id[i], i);
    this.recorded = summed(columns.recordedAt, base);
    this.offset = summed(columns.offset, 0);
    this.arrived = Float64Array.from(columns.delay, (delay, i) => this.recorded[i] + delay);
    this.status = Uint8Array.from(columns.status);
    this.flags = Uint8Array.from(columns.flags);
    this.first = Date.parse(answer.first);
    this.last = Date.parse(answer.last);
    let known = this.last;
    for (const at of this.arrived) known = Math.max(known, at);
    this.lastArrived = known;
  }

  /** @param {number} i */
  step(i) {
    return this.answer.names.steps[this.answer.columns.step[i]] ?? "";
  }

  /** @param {number} i */
  service(i) {
    const at = this.answer.columns.service[i];
    return at < 0 ? null : (this.answer.names.services[at] ?? null);
  }

  /** @param {number} i */
  position(i) {
    return `${this.answer.columns.partition[i]}@${this.offset[i]}`;
  }

  /** @param {number} i */
  deliveries(i) {
    return this.answer.columns.deliveries[i];
  }

  /** Whether an event is worth a glyph however many others there are. @param {number} i */
  notable(i) {
    return this.flags[i] !== 0 || this.status[i] === 3 || this.status[i] === 4 || this.deliveries(i) > 1;
  }

  /** The first event at or after an instant. @param {number} millis */
  from(millis) {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.recorded[middle] < millis) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {number} id */
  byId(id) {
    return this.byIds.get(id) ?? -1;
  }

  /** @param {string} position */
  byPosition(position) {
    for (let i = 0; i < this.size; i += 1) if (this.position(i) === position) return i;
    return -1;
  }

  /** The lane that an event is in. @param {number} i @param {import("./address.js").By} by */
  keyOf(i, by) {
    if (by === "partition") return String(this.answer.columns.partition[i]);
    return by === "step" ? this.step(i) : (this.service(i) ?? "");
  }

  /**
   * Lanes in the order in which they first had an event; those of ghosts alone come last.
   * @param {import("./address.js").By} by
   * @param {Words} words
   * @param {Lane[]} [before] lanes of another answer, which keep their places
   * @returns {Lane[]}
   */
  lanes(by, words, before = []) {
    /** @type {Map<string, Lane>} */
    const found = new Map(before.filter(({ key }) => key !== REST).map(({ key, name }) => [key, { key, name, events: [], cells: [] }]));
    /** @param {string} key @param {string} name */
    const lane = (key, name) => {
      const known = found.get(key) ?? { key, name, events: [], cells: [] };
      found.set(key, known);
      return known;
    };
    for (let i = 0; i < this.size; i += 1) {
      const key = this.keyOf(i, by);
      lane(key, by === "partition" ? `${words.partition} ${key}` : key || words.none).events.push(i);
    }
    this.answer.density?.service.forEach((at, cell) => {
      const service = at < 0 ? null : this.answer.names.services[at];
      (by === "service" ? lane(service ?? "", service ?? words.none) : lane(REST, words.rest)).cells.push(cell);
    });
    if (by === "service") for (const ghost of this.answer.ghosts) lane(ghost.service ?? "", ghost.service ?? words.none);
    else if (by === "step") for (const ghost of this.answer.ghosts) lane(ghost.step, ghost.step);
    return [...found.values()];
  }

  /** The same without what is only counted. */
  withoutCounted() {
    const { density } = this.answer;
    const none = { service: [], cell: [], status: [], count: [] };
    return new Model({ ...this.answer, density: density && { ...density, ...none } });
  }

  /** Every instant at which something happened or came to be known, in order. */
  instants() {
    const both = new Float64Array(this.size * 2);
    both.set(this.recorded);
    both.set(this.arrived, this.size);
    return both.sort();
  }

  /** The next notable event before or behind an instant; -1 where there is none. @param {number} time @param {number} by */
  nextNotable(time, by) {
    const start = by > 0 ? this.from(time + 1) : this.from(time) - 1;
    for (let i = start; i >= 0 && i < this.size; i += by) if (this.notable(i)) return i;
    return -1;
  }

  /** How many events a lane has, those among them that are only counted. @param {Lane} lane */
  countOf(lane) {
    const counts = this.answer.density?.count ?? [];
    return lane.cells.reduce((sum, cell) => sum + counts[cell], lane.events.length);
  }
}

// What the page's modules promise that needs no browser. Run: node --test tests/page
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const assets = new URL("../../src/server/page/assets/", import.meta.url);
const { commandLine, curl, word } = await import(new URL("quote.js", assets));
const { Scale } = await import(new URL("timeline/scale.js", assets));
const { addressOf, cuts, lanesOf, questionOf } = await import(new URL("timeline/address.js", assets));
const { Model } = await import(new URL("timeline/model.js", assets));
const { Parts } = await import(new URL("timeline/parts.js", assets));

const WORDS = { none: "none", partition: "Partition", rest: "rest" };

const HOSTILE = ["plain", "", "two words", "it's", "a\"b", "$(reboot)", "`id`", "\\", "!!", "-n", "--set", "*", "~", "a\nb\tc", "\u202eevil", "한글 사가", "\u0007", "'\n'", "🙂\u200b"];

test("a shell reads a word as what it was made of", () => {
  const env = { LC_ALL: "C.UTF-8", PATH: process.env.PATH };
  const read = execFileSync("bash", ["-c", `printf '%s\\0' ${HOSTILE.map(word).join(" ")}`], { encoding: "utf8", env });
  assert.deepEqual(read.split("\0").slice(0, -1), HOSTILE);
});

test("what no shell can pass has no word", () => {
  assert.equal(word("a\0b"), null);
  assert.equal(commandLine("saga-tracker get {id}", { id: "a\0b" }), null);
});

test("a part of a command line goes with the value that is not given", () => {
  const line = "saga-tracker set-status {id} {status} [--expected {expected}] --reason {reason}";
  assert.equal(commandLine(line, { id: "ORD-1", status: "FAILED", expected: "", reason: "by hand" }), "saga-tracker set-status ORD-1 FAILED --reason 'by hand'");
  assert.equal(commandLine(line, { id: "ORD-1", status: "FAILED", expected: "STARTED", reason: "x" }), "saga-tracker set-status ORD-1 FAILED --expected STARTED --reason x");
});

test("a value that looks like a part of the template stays a value", () => {
  assert.equal(commandLine("get {id} --reason {reason}", { id: "{reason}", reason: "[x {id}]" }), "get '{reason}' --reason '[x {id}]'");
});

test("spaces in a value stay, and those that a part leaves behind go", () => {
  assert.equal(commandLine("x {id}", { id: "A  B" }), "x 'A  B'");
  assert.equal(commandLine("x {id}", { id: " A " }), "x ' A '");
  assert.equal(commandLine("redrive {id} {changes*} [--limit {limit}] --dry-run", { id: "0-1" }), "redrive 0-1 --dry-run");
});

test("changes are told one by one", () => {
  assert.equal(commandLine("redrive {id} {changes*} --dry-run", { id: "0-1" }, { status: "FAILED", step: "A B" }), "redrive 0-1 --set status=FAILED --set 'step=A B' --dry-run");
});

test("curl sends the body that was made", () => {
  const line = curl("POST", "http://h/api", { operator: "kim", body: { reason: "it's" } });
  const words = execFileSync("bash", ["-c", `curl() { printf '%s\\0' "$@"; }; ${line}`], { encoding: "utf8" }).split("\0").slice(0, -1);
  assert.deepEqual(words, ["-sS", "-X", "POST", "http://h/api", "-H", "X-Operator: kim", "-H", "Content-Type: application/json", "--data", '{"reason":"it\'s"}']);
});

test("a time is at its pixel, and a pixel at its time", () => {
  const times = Float64Array.from([0, 10, 20, 8_000_000, 8_000_010, 8_000_030]);
  for (const cutting of [true, false]) {
    const scale = new Scale(times, 0, 8_000_030, 14, 986, cutting);
    for (const time of times) assert.ok(Math.abs(scale.time(scale.x(time)) - time) < 0.001, `${time} ${cutting}`);
    assert.equal(scale.x(0), 14);
    assert.ok(Math.abs(scale.x(8_000_030) - 986) < 0.001);
  }
});

test("a long silence is cut, and even steps are not", () => {
  const long = new Scale(Float64Array.from([0, 10, 20, 8_000_000, 8_000_010]), 0, 8_000_010, 0, 1000, true);
  assert.equal(long.stretches.filter((it) => it.cut).length, 1);
  const even = new Scale(Float64Array.from([0, 83, 120, 200, 303]), 0, 303, 0, 1000, true);
  assert.equal(even.stretches.length, 1);
});

test("what comes before a long silence is not squeezed by a shorter one behind it", () => {
  const scale = new Scale(Float64Array.from([0, 40, 130, 400, 8_040_000, 8_040_090, 8_049_000]), 0, 8_049_000, 0, 1000, true);
  assert.equal(scale.stretches.filter((it) => it.cut).length, 2);
  assert.ok(scale.x(400) - scale.x(0) > 400);
});

test("ticks are never inside of a cut", () => {
  const scale = new Scale(Float64Array.from([0, 10, 20, 8_000_000, 8_000_010]), 0, 8_000_010, 0, 1000, true);
  const [cut] = scale.stretches.filter((it) => it.cut);
  for (const at of scale.ticks(40).at) assert.ok(at <= cut.from || at >= cut.to);
});

test("columns unpack to the events that they were made of", () => {
  const model = new Model(JSON.parse(readFileSync(new URL("samples/api/timeline.json", import.meta.url), "utf8")));
  assert.equal(model.size, 7);
  assert.equal(model.step(5), "STOCK_RELEASED");
  assert.equal(new Date(model.recorded[5]).toISOString(), "2026-11-20T20:51:15.685Z");
  assert.equal(model.arrived[5] - model.recorded[5], 4200);
  assert.equal(model.position(0), "0@10137423");
  assert.equal(model.byPosition("0@10137441"), 6);
  const lanes = model.lanes("service", WORDS);
  assert.deepEqual(lanes.map((lane) => [lane.name, lane.events]), [["order-service", [0, 6]], ["product-service", [1, 2, 5]], ["payment-service", [3, 4]]]);
});

// Modules that read the document while they load find an empty one.
globalThis.document ??= { documentElement: { dataset: {} }, querySelectorAll: () => [] };

test("an edge of a frame is found by what the drawing names it", async () => {
  const { ratesOf } = await import(new URL("live.js", assets));
  const { edges } = JSON.parse(readFileSync(new URL("samples/api/live.json", import.meta.url), "utf8"));
  assert.deepEqual([...ratesOf(edges)], [["ORDER_CREATED STOCK_RESERVATION", 4]]);
  assert.deepEqual([...ratesOf([{ from: "A B", to: "C/D", perSecond: 0 }, { from: "E", to: "E", perSecond: 0.1 }]).entries()], [["A%20B C%2FD", 0], ["E E", 1]]);
});

test("the seal is of a frame, and of none that does not know", async () => {
  const { isWhole } = await import(new URL("live.js", assets));
  const frame = JSON.parse(readFileSync(new URL("samples/api/live.json", import.meta.url), "utf8"));
  assert.equal(isWhole(frame), true);
  assert.equal(isWhole({ ...frame, accounted: frame.offsets - 2, unexplained: 2 }), false);
  assert.equal(isWhole({ ...frame, offsets: null, accounted: null, unexplained: null }), null);
});

test("lists are asked for again at once when a frame tells of other ones, and not more often than they can change", async () => {
  const { isDue, isOther } = await import(new URL("fresh.js", assets));
  const frame = JSON.parse(readFileSync(new URL("samples/api/live.json", import.meta.url), "utf8"));
  assert.equal(isOther(null, frame), false);
  assert.equal(isOther(frame, { ...frame, lag: 7, stuck: 38 }), false);
  for (const other of [{ byStatus: { ...frame.byStatus, FAILED: 0 } }, { incidents: 2 }, { unexplained: 1 }]) assert.equal(isOther(frame, { ...frame, ...other }), true);
  assert.deepEqual([isDue(4_999, true), isDue(5_000, true), isDue(14_999, false), isDue(15_000, false)], [false, true, false, true]);
});

test("edges of another type than the one that is drawn do not flow", async () => {
  const { edgesOf } = await import(new URL("live.js", assets));
  const frame = JSON.parse(readFileSync(new URL("samples/api/live.json", import.meta.url), "utf8"));
  assert.equal(edgesOf(frame, "ORDER_CREATION").edges.length, frame.edges.length);
  assert.deepEqual(edgesOf(frame, "PAYMENT_COMPLETION"), { edges: [], edgesLeftOut: 0 });
});

test("a redrive is followed until it says something else", async () => {
  const { figures, isOther } = await import(new URL("letters.js", assets));
  const { redrive } = JSON.parse(readFileSync(new URL("samples/redrive.json", import.meta.url), "utf8"));
  assert.deepEqual([figures(redrive).cameBack, figures(redrive).open], [3, 2]);
  assert.equal(isOther(redrive, { running: true, waits: false }), false);
  assert.equal(isOther(redrive, { running: true, waits: true }), true);
  assert.equal(isOther({ ...redrive, running: false }, { running: true, waits: false }), true);
  assert.equal(isOther({ ...redrive, running: false }, { running: false, waits: false }), false);
  const known = { ...redrive.outcomes, open: 0 };
  assert.equal(isOther({ ...redrive, running: false, outcomes: known }, { running: false, waits: false }), true);
});

test("events that are only counted stand in the lane of their service, or in one of their own", () => {
  const whole = JSON.parse(readFileSync(new URL("samples/api/timeline.json", import.meta.url), "utf8"));
  const density = { cellMillis: 10, ofOtherServices: 5, service: [0, -1, 0], cell: [0, 1, 2], status: [0, 0, 1], count: [3, 5, 4] };
  const model = new Model({ ...whole, exact: false, density });
  const byService = model.lanes("service", WORDS);
  assert.deepEqual(byService.map((lane) => [lane.name, lane.cells, model.countOf(lane)]), [["order-service", [0, 2], 9], ["product-service", [], 3], ["payment-service", [], 2], ["none", [1], 5]]);
  const byPartition = model.lanes("partition", WORDS);
  assert.deepEqual(byPartition.map((lane) => [lane.name, lane.cells, model.countOf(lane)]), [["Partition 0", [], 7], ["rest", [0, 1, 2], 12]]);
});

test("the address of a saga opens what is shown, and leaves out what is so from the start", () => {
  const start = { asOf: null, knownAt: null, part: null, event: null, by: "service", cutting: true };
  const here = "http://h/base/ui/saga?id=A%2FB&lang=ko";
  assert.equal(addressOf(here, start).href, here);
  const shown = { asOf: 1_000, knownAt: 2_500, part: [0.5, 10.2], event: "0@7", by: "step", cutting: false };
  const address = addressOf(here, shown);
  assert.deepEqual([...address.searchParams], [
    ["id", "A/B"], ["lang", "ko"], ["asOf", "1970-01-01T00:00:01.000Z"], ["knownAt", "1970-01-01T00:00:02.500Z"],
    ["from", "1970-01-01T00:00:00.000Z"], ["to", "1970-01-01T00:00:00.011Z"], ["event", "0@7"], ["lanes", "step"], ["gaps", "scale"],
  ]);
  assert.equal(addressOf(address, start).href, here);
});

test("what an address says of lanes and silences is read as it was written", () => {
  for (const by of ["service", "step", "partition"]) {
    for (const cutting of [true, false]) {
      const { searchParams } = addressOf("http://h/ui/saga?id=A", { asOf: null, knownAt: null, part: null, event: null, by, cutting });
      assert.deepEqual([lanesOf(searchParams.get("lanes")), cuts(searchParams.get("gaps"))], [by, cutting]);
    }
  }
  assert.deepEqual([lanesOf("colour"), lanesOf(null), cuts("?")], ["service", "service", true]);
});

test("an axis says the offset of its clocks once, and both where they change", async () => {
  const { offsets } = await import(new URL("time.js", assets));
  globalThis.document.documentElement.dataset.zone = "America/New_York";
  const [before, after] = [Date.parse("2026-03-08T06:59:00Z"), Date.parse("2026-03-08T07:01:00Z")];
  assert.equal(offsets(before - 60_000, before), "-05:00");
  assert.equal(offsets(before, after), "-05:00 → -04:00");
  delete globalThis.document.documentElement.dataset.zone;
});

test("an instant is explained in UTC, in the browser's own zone and by how long ago it is", async () => {
  const { explained, instant } = await import(new URL("time.js", assets));
  const at = Date.parse("2026-01-31T09:30:00.250Z");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  assert.deepEqual(explained(at).slice(0, 2), ["2026-01-31 09:30:00.250 +00:00", `${instant(at, own)} ${own}`]);
  assert.equal(explained(at).length, 3);
});

test("the call for a part asks for whole milliseconds that hold it", () => {
  assert.equal(questionOf({ part: null, knownAt: null }, 20_000, false).toString(), "max=20000");
  assert.deepEqual([...questionOf({ part: [0.5, 10.2], knownAt: 7 }, 9, true)], [
    ["max", "9"], ["from", "1970-01-01T00:00:00.000Z"], ["to", "1970-01-01T00:00:00.011Z"], ["knownAt", "1970-01-01T00:00:00.007Z"], ["archive", "true"],
  ]);
});

/** What is drawn of a saga of which only short parts are told event by event, and which calls it took. */
function partsOf() {
  const sample = JSON.parse(readFileSync(new URL("samples/api/timeline.json", import.meta.url), "utf8"));
  const answer = (exact, name) => Object.assign(new Model({ ...sample, exact, density: exact ? null : { cellMillis: 1, ofOtherServices: 0, service: [0], cell: [0], status: [0], count: [9] } }), { name });
  const asked = [];
  const used = [];
  let done = () => {};
  const ask = ({ part, knownAt }, signal) => {
    const name = `${part}|${knownAt}`;
    asked.push(name);
    return Promise.resolve(knownAt === 0 || signal.aborted ? null : answer(part !== null && part[1] - part[0] <= 10, name));
  };
  const told = { use: (model) => { used.push(model.name); done(); }, failed: assert.fail };
  const parts = new Parts(answer(false, "first"), ask, told, 0);
  const next = () => new Promise((resolve) => { done = resolve; });
  return { parts, asked, used, next };
}

test("a part of a long saga is asked for until it is told event by event, and the whole is the first answer", async () => {
  const { parts, asked, used, next } = partsOf();
  parts.show(null, null);
  parts.show([0, 50], null);
  parts.show([0, 40], null);
  await next();
  parts.show([10, 20], null);
  await next();
  assert.deepEqual([asked, used], [["0,40|null", "10,20|null"], ["0,40|null", "10,20|null"]]);
  // All of this is there already.
  parts.show([12, 15], null);
  parts.show([12, 15], 13);
  assert.equal(asked.length, 2);
  // Until what stands elsewhere is told, the first answer stands in.
  parts.show([15, 25], null);
  assert.equal(used.at(-1), "first");
  await next();
  parts.show(null, null);
  assert.deepEqual([asked.slice(2), used.slice(2)], [["15,25|null"], ["first", "15,25|null", "first"]]);
  // What was taken back is asked for anew.
  parts.show([30, 35], null);
  await next();
  parts.back();
  parts.show([30, 35], null);
  await next();
  assert.deepEqual(used.slice(-3), ["30,35|null", "first", "30,35|null"]);
});

test("what is only counted is counted as it was known, and not at all before anything was", async () => {
  const { parts, asked, used, next } = partsOf();
  parts.show(null, 7);
  await next();
  parts.show([0, 40], 7);
  await next();
  assert.deepEqual([asked, used], [["null|7", "0,40|null", "0,40|7"], ["null|7", "0,40|7"]]);
  parts.show([0, 40], 0);
  await next();
  assert.deepEqual([asked.slice(3), parts.got.model.answer.density.count], [["0,40|0"], []]);
});

test("lanes keep their places when another answer is drawn", () => {
  const whole = JSON.parse(readFileSync(new URL("samples/api/timeline.json", import.meta.url), "utf8"));
  const before = [{ key: "later", name: "later", events: [4], cells: [] }, { key: "product-service", name: "product-service", events: [], cells: [1] }, { key: "\0rest", name: "rest", events: [], cells: [2] }];
  const lanes = new Model(whole).lanes("service", WORDS, before);
  assert.deepEqual(lanes.map((lane) => [lane.name, lane.events, lane.cells]), [["later", [], []], ["product-service", [1, 2, 5], []], ["order-service", [0, 6], []], ["payment-service", [3, 4], []]]);
});

test("an arc comes from where it comes from, beyond the part that is drawn too", async () => {
  const { endOf } = await import(new URL("timeline/arcs.js", assets));
  const sample = JSON.parse(readFileSync(new URL("samples/api/timeline.json", import.meta.url), "utf8"));
  const all = new Model(sample);
  const columns = Object.fromEntries(Object.entries(sample.columns).map(([name, column]) => [name, column.slice(0, 2)]));
  const model = new Model({ ...sample, columns });
  for (const [by, lane] of [["service", 2], ["step", 4], ["partition", 0]]) {
    const scene = { model, all, by, lanes: model.lanes(by, WORDS, all.lanes(by, WORDS)), asOf: all.recorded[3], knownAt: null };
    assert.deepEqual(endOf(scene, new Map([[1, 1]]), 2), { time: all.recorded[1], lane: 1, there: true });
    assert.deepEqual(endOf(scene, new Map(), 5), { time: all.recorded[4], lane, there: false });
    assert.deepEqual([endOf(scene, new Map(), 99), endOf(scene, new Map(), null)], [null, null]);
  }
});

test("the clock of arrivals goes on to the last of them, and the next notable event is found beyond a part", () => {
  const model = new Model(JSON.parse(readFileSync(new URL("samples/api/timeline.json", import.meta.url), "utf8")));
  const instants = [...model.instants()];
  assert.deepEqual([instants.length, instants[0], instants.at(-1)], [14, model.first, model.lastArrived]);
  assert.ok(model.lastArrived > model.last && instants.every((at, i) => i === 0 || at >= instants[i - 1]));
  assert.deepEqual([model.nextNotable(model.recorded[4], 1), model.nextNotable(model.recorded[4], -1), model.nextNotable(model.recorded[6], 1)], [5, 2, -1]);
});

"""What pm4py makes of the exported log is what the tracker itself answers: constraints of Declare, and the flow.

pm4py (AGPL) is a tool of these tests alone: nothing of it is part of the product.
"""

import html
import random
import re
from collections import Counter, defaultdict
from itertools import pairwise, permutations

import networkx
import pytest

import checks
import workload
from conftest import SEED

pytestmark = pytest.mark.tracker

ORDERS = "ORDER_CREATION"
RESERVED_FIRST = [("STOCK_RESERVED", "PAYMENT_COMPLETED"), ("ORDER_CREATED", "STOCK_RESERVED")]
DEFINITIONS = f"""
[types.{ORDERS}]
completing_steps = ["ORDER_CONFIRMED"]
order = {[list(pair) for pair in RESERVED_FIRST]}
[types.PAYMENT_COMPLETION]
completing_steps = ["PAYMENT_COMPLETED"]
"""
AWKWARD_STEPS = ['SAY "so" \\ <b>', "a|b{c}; #34;", "two\nlines", "재고 × 1.000 s"]
PERIODS = [{}, {"fromDate": "2025-01-05", "toDate": "2025-01-20"}]
EVERYTHING = {"sagaType": ORDERS}


class Shop:
    def __init__(self, world):
        rng = random.Random(SEED)
        file = world.directory / "definitions.toml"
        file.write_text(DEFINITIONS)
        world.publisher.send(workload.messages(SEED + 31, 400, awkward=True))
        for number, step in enumerate(AWKWARD_STEPS):
            for name in (step, "ORDER_CREATED", step):
                fields = workload.valid(rng, sagaId=f"awkward {number}", step=name, status="IN_PROGRESS")
                fields["recordedAt"] += rng.randrange(1, 9_000_000)
                world.publisher.send([workload.Message(fields)])
        world.publisher.flush()
        self.tracker = world.tracker(SAGA_TRACKER_DEFINITIONS_FILE=str(file)).start().wait_caught_up()
        self.truth = world.truth()
        self.api = self.tracker.api
        assert self.truth.duplicates > 20, "nothing that would show if duplicates were counted"

    def log(self, pm4py, directory, **filters):
        """What pm4py reads of the exported log."""
        file = directory / "log.xes"
        file.write_bytes(self.api.get("/api/v1/export/events", format="xes", **filters).content)
        return pm4py.read_xes(str(file))

    def total(self, **asked):
        """How many orders a search finds."""
        return self.api.search(size=1, **EVERYTHING, **asked)["page"]["totalElements"]

    def flow(self, **period):
        return self.api.json("/api/v1/flow", **EVERYTHING, **period)

    def graph(self, form):
        done = self.tracker.cli("flow", "--type", ORDERS, form, "--url", self.tracker.url)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def shop(module_world):
    return Shop(module_world)


@pytest.fixture(scope="module")
def constraints(shop, pm4py, tmp_path_factory):
    """template → activities → (cases that satisfy it, cases that violate it), of those that it is about."""
    log = shop.log(pm4py, tmp_path_factory.mktemp("declare"), **EVERYTHING)
    found = pm4py.discover_declare(log, min_support_ratio=0.0, min_confidence_ratio=0.0)
    return {
        template: {
            activities: (counts["confidence"], counts["support"] - counts["confidence"])
            for activities, counts in rules.items()
        }
        for template, rules in found.items()
    }


def shown(text):
    """As XML can hold it."""
    return "".join(chr(0x2400 + ord(c)) if ord(c) < 0x20 and c not in "\t\n\r" else c for c in text)


def activated(rules):
    return {activities: counts for activities, counts in rules.items() if counts != (0, 0)}


# --- Declare ------------------------------------------------------------------------


def test_which_steps_come_together_is_what_searches_count(shop, constraints):
    orders = shop.total()
    steps = [step["step"] for step in shop.flow()["steps"]]
    having = {step: shop.total(step=step) for step in steps}
    without = {step: shop.total(withoutStep=step) for step in steps}
    assert all(having[step] + without[step] == orders for step in steps)
    assert constraints["existence"] == {shown(step): (having[step], without[step]) for step in steps}
    responded, apart = {}, {}
    for one, other in permutations(steps, 2):
        alone = shop.total(step=one, withoutStep=other)
        both = shop.total(step=[one, other])
        pair = (shown(one), shown(other))
        responded[pair] = (both, alone)
        apart[pair] = (alone + having[other] - both, both)
    assert activated(constraints["responded_existence"]) == activated(responded)
    assert activated(constraints["noncoexistence"]) == activated(apart)


def test_what_sagas_begin_with_is_what_the_flow_tells(shop, constraints):
    flow = shop.flow()
    first = {shown(step["step"]): step["first"] for step in flow["steps"]}
    assert constraints["init"] == {step: (count, flow["sagas"] - count) for step, count in first.items()}


def counted(traces, steps, verdict):
    """By pair of steps: of the sagas that the constraint is about, how many satisfy it and how many do not."""
    found = {}
    for pair in permutations(steps, 2):
        verdicts = Counter(verdict(trace, *pair) for trace in traces)
        if verdicts[True] or verdicts[False]:
            found[pair] = (verdicts[True], verdicts[False])
    return found


def response(trace, one, other):
    """Behind each of the one comes one of the other."""
    if one not in trace:
        return None
    return other in trace[len(trace) - trace[::-1].index(one) :]


def precedence(trace, one, other):
    """One of the one comes before each of the other."""
    if other not in trace:
        return None
    return one in trace[: trace.index(other)]


def succession(trace, one, other):
    verdicts = (response(trace, one, other), precedence(trace, one, other))
    return None if verdicts == (None, None) else False not in verdicts


def chain_response(trace, one, other):
    """The next behind each of the one is the other."""
    if one not in trace:
        return None
    return all(after == other for before, after in pairwise([*trace, None]) if before == one)


@pytest.mark.parametrize(
    ("template", "verdict"),
    [
        ("response", response),
        ("precedence", precedence),
        ("succession", succession),
        ("chainresponse", chain_response),
    ],
)
def test_in_which_order_steps_come_is_what_the_timelines_answer(shop, constraints, template, verdict):
    ids = [saga.saga_id for saga in shop.truth.select(**EVERYTHING)]
    traces = [[shown(step["step"]) for step in shop.api.steps(saga_id)["steps"]] for saga_id in ids]
    expected = counted(traces, sorted({step for trace in traces for step in trace}), verdict)
    assert any(satisfied and violated for satisfied, violated in expected.values())
    assert activated(constraints[template]) == expected


def test_sagas_out_of_order_are_those_that_violate_the_precedence_of_what_was_done(shop, pm4py, tmp_path):
    """A step that failed has not come, says the rule; so the log is asked without those."""
    log = shop.log(pm4py, tmp_path, **EVERYTHING)
    done = log[log["status"] != "FAILED"]
    traces = done.groupby("case:concept:name", sort=False)["concept:name"].apply(list)
    violating = {
        saga for saga, trace in traces.items() if any(precedence(trace, *pair) is False for pair in RESERVED_FIRST)
    }
    found = pm4py.discover_declare(done, {"precedence"}, min_support_ratio=0.0, min_confidence_ratio=0.0)
    rules = {pair: found["precedence"][pair] for pair in RESERVED_FIRST}
    violated = sum(counts["support"] - counts["confidence"] for counts in rules.values())
    ids = [row["saga"]["sagaId"] for row in broken(shop, "OUT_OF_ORDER")]
    assert {shown(saga_id) for saga_id in ids} == violating and len(ids) == len(violating) > 10
    assert shop.total(rule="OUT_OF_ORDER") == len(ids)
    told = [row["violations"] for row in broken(shop, "OUT_OF_ORDER")]
    assert sum(violation["rule"] == "OUT_OF_ORDER" for row in told for violation in row) == violated


def broken(shop, rule):
    rows, page = [], 0
    while found := shop.api.json("/api/v1/conformance", rule=rule, size=100, page=page, **EVERYTHING)["content"]:
        rows, page = rows + found, page + 1
    return rows


# --- the flow -----------------------------------------------------------------------


@pytest.mark.parametrize("period", PERIODS)
def test_the_flow_is_the_graph_that_pm4py_finds(shop, pm4py, period, tmp_path):
    log = shop.log(pm4py, tmp_path, **EVERYTHING, **period)
    graph, starts, ends = pm4py.discover_dfg(log)
    flow = shop.flow(**period)
    edges = {(shown(edge["from"]), shown(edge["to"])): edge["count"] for edge in flow["edges"]}
    assert edges == {pair: int(count) for pair, count in graph.items()}
    assert len(edges) == len(flow["edges"]) > 50
    steps = {shown(step["step"]): step for step in flow["steps"]}
    assert {name: step["events"] for name, step in steps.items()} == dict(Counter(log["concept:name"]))
    for end, found in (("first", starts), ("last", ends)):
        assert {name: step[end] for name, step in steps.items() if step[end]} == dict(found)
    assert (flow["sagas"], flow["events"]) == (log["case:concept:name"].nunique(), len(log))
    assert flow["sagas"] == sum(starts.values())


def percentile(times, percent):
    return sorted(times)[max(1, -(-len(times) * percent // 100)) - 1]


@pytest.mark.parametrize("period", PERIODS)
def test_the_flow_is_that_of_the_oracles_timelines(shop, period):
    """Times, services and circles, too; nothing of a saga that began outside of the period."""
    sagas = shop.truth.select(**EVERYTHING, **period)
    times, services, follows = defaultdict(list), defaultdict(Counter), Counter()
    for saga in sagas:
        for event in saga.timeline:
            services[event.step][event.known_text("producerService")] += 1
        for before, after in pairwise(saga.timeline):
            times[before.step, after.step].append(after.recorded_at - before.recorded_at)
            follows[before.known_text("producerService"), after.known_text("producerService")] += 1
    flow = shop.flow(**period)
    assert {(edge["from"], edge["to"]): edge["count"] for edge in flow["edges"]} == {
        pair: len(took) for pair, took in times.items()
    }
    for edge in flow["edges"]:
        took = times[edge["from"], edge["to"]]
        for percent in (50, 95, 99):
            assert edge[f"p{percent}Seconds"] == percentile(took, percent) / 1000, edge
    for step in flow["steps"]:
        expected = services[step["step"]]
        assert step["services"] == {name: count for name, count in expected.items() if name}
        assert (step["withoutService"], step["ofOtherServices"]) == (expected[None], 0)
    circles = networkx.DiGraph((one, other) for one, other in follows if one and other and one != other)
    circles = [part for part in networkx.strongly_connected_components(circles) if len(part) > 1]
    assert circles, "the services of this shop never lead to each other"
    told = {frozenset(cycle["services"]): cycle["edges"] for cycle in flow["cycles"]}
    assert told.keys() == {frozenset(part) for part in circles}
    for part, edges in told.items():
        assert {(edge["from"], edge["to"]): edge["count"] for edge in edges} == {
            (one, other): count for (one, other), count in follows.items() if {one, other} <= part and one != other
        }


@pytest.mark.parametrize("period", PERIODS)
def test_the_catalogue_is_that_of_the_oracles_timelines(shop, period):
    sagas = shop.truth.select(**EVERYTHING, **period)
    kinds = defaultdict(list)
    for saga in sagas:
        for event in saga.timeline:
            kinds[event.step, event.known_text("producerService"), event.status].append(event.recorded_at)
    told = shop.api.json("/api/v1/flow/catalogue", **EVERYTHING, **period)
    entries = {(entry["step"], entry["service"], entry["status"]): entry for entry in told["entries"]}
    assert len(entries) == len(told["entries"])
    assert {
        kind: (entry["events"], checks.millis(entry["firstSeen"]), checks.millis(entry["lastSeen"]))
        for kind, entry in entries.items()
    } == {kind: (len(times), min(times), max(times)) for kind, times in kinds.items()}
    assert (told["sagas"], told["events"]) == (len(sagas), sum(map(len, kinds.values())))
    assert checks.millis(told["lastSeen"]) == max(map(max, kinds.values()))


def unescaped(text):
    return re.sub(r"\\(.)", r"\1", text)


@pytest.mark.parametrize(
    ("form", "node", "edge", "unwritten"),
    [
        ("--dot", r'  n(\d+) \[label="(.*)"\];', r'  n(\d+) -> n(\d+) \[label="(\d+) × .*"\];', unescaped),
        (
            "--mermaid",
            r'  n(\d+)\["(.*)"\]',
            r'  n(\d+) -->\|"(\d+) × .*"\| n(\d+)',
            lambda text: html.unescape(re.sub(r"#(\d+);", r"&#\1;", text)),
        ),
    ],
)
def test_graphs_for_other_tools_have_the_names_and_counts_of_the_flow(shop, form, node, edge, unwritten):
    names, edges = {}, {}
    for line in shop.graph(form).splitlines():
        if found := re.fullmatch(node, line):
            names[found[1]] = unwritten(found[2])
        elif found := re.fullmatch(edge, line):
            here, there, count = found.groups() if form == "--dot" else (found[1], found[3], found[2])
            edges[names[here], names[there]] = int(count)
        else:
            assert line in ("digraph flow {", "  rankdir=LR;", "  node [shape=box];", "}", "flowchart LR"), line
    flow = shop.flow()

    def on_one_line(text):
        return "".join(" " if ord(letter) < 0x20 else letter for letter in text)

    assert sorted(names.values()) == sorted(on_one_line(step["step"]) for step in flow["steps"])
    assert edges == {(on_one_line(e["from"]), on_one_line(e["to"])): e["count"] for e in flow["edges"]}

"""Times between pairs of steps: what definitions name in `edges` is measured over all sagas, and never falls."""

import pytest

from conftest import SEED
from servers import wait_until

pytestmark = pytest.mark.tracker

FAMILY = "saga_tracker_edge_duration_seconds"
TYPES = {"ORDER_CREATION": "ORDER_CONFIRMED", "PAYMENT_COMPLETION": "PAYMENT_COMPLETED"}


def definitions(file, edges):
    """A file in which these pairs of steps are measured, by type."""
    parts = []
    for name, completing in TYPES.items():
        pairs = [list(pair) for pair in edges.get(name, [])]
        parts.append(f'[types.{name}]\ncompleting_steps = ["{completing}"]\nedges = {pairs}\n')
    file.write_text("\n".join(parts))
    return {"SAGA_TRACKER_DEFINITIONS_FILE": str(file)}


def measured(truth, edges):
    """How often, and how long in all, by edge."""
    found = {}
    for saga in truth.sagas.values():
        steps = [event.step for event in saga.timeline]
        for one, other in edges.get(saga.timeline[0].saga_type, []):
            if one in steps and other in steps and steps.index(one) < steps.index(other):
                first, second = (saga.timeline[steps.index(step)] for step in (one, other))
                count, seconds = found.get(f"{one}>{other}", (0, 0))
                took = (second.recorded_at - first.recorded_at) / 1000
                found[f"{one}>{other}"] = (count + 1, seconds + took)
    return {edge: (count, pytest.approx(seconds)) for edge, (count, seconds) in found.items()}


def told(tracker):
    metrics = tracker.api.metrics()
    edges = {sample.labels["edge"] for sample in metrics.named(f"{FAMILY}_count")}
    value = metrics.value
    return {
        edge: (value(f"{FAMILY}_count", edge=edge), value(f"{FAMILY}_sum", edge=edge))
        for edge in edges
        if value(f"{FAMILY}_count", edge=edge)
    }


def test_times_are_those_of_all_timelines_over_restarts_and_changes_of_what_is_measured(make_world, broker, tmp_path):
    world = make_world(broker)
    world.publish(SEED, 400)
    first = {"ORDER_CREATION": [("ORDER_CREATED", "STOCK_RESERVED"), ("STOCK_RESERVED", "PAYMENT_COMPLETED")]}
    second = first | {"PAYMENT_COMPLETION": [("PAYMENT_INITIALIZED", "PAYMENT_COMPLETED")]}
    tracker = world.tracker().start(**definitions(tmp_path / "first.toml", first)).wait_caught_up()
    expected = measured(world.truth(), first)
    assert len(expected) == 2 and told(tracker) == expected
    tracker.kill9()
    tracker.start(**definitions(tmp_path / "first.toml", first)).wait_caught_up()
    assert told(tracker) == expected
    # More is measured, also in what there was; then nothing is, and no counter falls.
    tracker.terminate()
    tracker.start(**definitions(tmp_path / "second.toml", second)).wait_caught_up()
    expected = measured(world.truth(), second)
    assert len(expected) == 3
    wait_until(lambda: told(tracker) == expected, 60, "the rebuild to measure the new pair")
    tracker.terminate()
    tracker.start(**definitions(tmp_path / "none.toml", {})).wait_caught_up()
    wait_until(lambda: not tracker.api.json("/api/v1/definitions")["rebuildDue"], 60, "the rebuild without pairs")
    assert told(tracker) == expected

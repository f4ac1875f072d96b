"""Thousands of sagas in any order, with duplicates and poison: every answer equals the oracle."""

import random
from urllib.parse import quote

import pytest

import checks
import workload
from conftest import SEED
from servers import wait_until

pytestmark = pytest.mark.tracker


class Busy:
    """A tracker that has seen it all, and the oracle of the same topic."""

    def __init__(self, world):
        rng = random.Random(SEED)
        messages = workload.messages(SEED, 3000, awkward=True)
        world.publisher.send(messages[:9000])
        self.kinds = world.publish_poison(rng, large=True)
        world.publisher.send(messages[9000:]).send(workload.nearly_poison(rng)).flush()
        self.world = world
        self.tracker = world.tracker().start().wait_caught_up()
        self.truth = world.truth()
        self.api = self.tracker.api


@pytest.fixture(scope="module")
def busy(module_world):
    return Busy(module_world)


def test_every_saga_and_all_of_its_steps(busy):
    assert len(busy.truth.sagas) > 3000
    checks.every_saga(busy.api, busy.truth)


@pytest.mark.parametrize("sort", checks.SORTS)
def test_the_whole_listing_in_every_order(busy, sort):
    checks.whole_listing(busy.api, busy.truth, sort)


def test_any_filters_any_page(busy, seed):
    checks.searches(busy.api, busy.truth, count=150, seed=seed)


def test_the_default_search(busy):
    checks.same_page(busy.api.search(), busy.truth.search(), 0, 20)


@pytest.mark.parametrize("sort", checks.SORTS)
def test_cursors_walk_the_same_listing(busy, sort):
    checks.by_cursor(busy.api, busy.truth, sort)
    checks.by_cursor(busy.api, busy.truth, sort, size=7, status="FAILED", sagaType="ORDER_CREATION")


def test_statistics(busy, seed):
    checks.statistics(busy.api, busy.truth, count=60, seed=seed)


def test_statistics_say_which_period(busy):
    period = busy.api.statistics(fromDate="2025-01-05T10:00:00Z", toDate="2025-01-09")["period"]
    assert checks.millis(period["from"]) == 1_736_071_200_000
    assert period["to"].startswith("2025-01-09") or period["to"].startswith("2025-01-10T00:00:00")


def test_counters(busy):
    checks.counters(busy.api, busy.truth)


def test_dead_letters_arrive_with_their_origin_and_their_bytes(busy):
    world = busy.world
    reasons = checks.dead_letters(world.broker, world.dlt, world.topic, busy.truth)
    assert sum(map(len, reasons.values())) == len(busy.kinds)
    metrics = busy.api.metrics()
    counted = {s.labels["reason"]: s.value for s in metrics.named("saga_tracker_dead_letters_total") if s.value}
    assert counted == {reason: len(origins) for reason, origins in reasons.items()}
    # One word for everything would satisfy the sums, and help nobody.
    assert len(reasons) >= 8, reasons


def test_a_dead_letter_keeps_its_own_headers(busy):
    world = busy.world
    kinds = {dict(r.headers).get("kind", b"").decode() for r in world.broker.read(world.dlt)}
    assert kinds == busy.kinds


def test_a_letter_too_large_for_the_topic_keeps_nothing_back(make_world, broker, seed):
    world = make_world(broker, partitions=1, dlt_bytes=20_000)
    values = [b"\x07" * size for size in [10, 15_000, 40_000, 15_000, 20]]
    for value in values:
        world.publisher.send_raw(b"key", value)
    world.publisher.flush()
    world.tracker().start().wait_caught_up()
    wait_until(lambda: sum(broker.ends(world.dlt).values()) >= len(values), 60, "all letters")
    letters = broker.read(world.dlt)
    by_origin = {checks.origin_of(letter)[1]: letter for letter in letters}
    assert {n: (letter.value or b"") for n, letter in by_origin.items()} == dict(enumerate(values)) | {2: b""}
    assert dict(by_origin[2].headers)["saga-tracker-omitted-bytes"] == b"40000"
    assert all(letter.key == b"key" for letter in letters)


def test_a_letter_whose_key_and_headers_fill_the_limit_keeps_nothing_back(make_world, broker, seed):
    world = make_world(broker, partitions=1, dlt_bytes=20_000)
    big = b"x" * 19_900
    world.publisher.send_raw(b"key", b"\x07", headers=[("big", big)])
    world.publisher.send_raw(big, b"\x07")
    world.publisher.send_raw(b"key", b"\x07")
    world.publisher.flush()
    world.tracker().start().wait_caught_up()
    wait_until(lambda: sum(broker.ends(world.dlt).values()) >= 3, 60, "all letters")
    letters = broker.read(world.dlt)
    by_origin = {checks.origin_of(letter)[1]: letter for letter in letters}
    omitted = {
        n: {name: value for name, value in letter.headers if name.startswith("saga-tracker-omitted")}
        for n, letter in by_origin.items()
    }
    without = {"saga-tracker-omitted-bytes": b"1", "saga-tracker-omitted-header-bytes": b"19903"}
    assert omitted[0] == without
    assert omitted[1] == without | {
        "saga-tracker-omitted-header-bytes": b"0",
        "saga-tracker-omitted-key-bytes": b"19900",
    }
    assert omitted[2] == {}
    assert [by_origin[n].key for n in range(3)] == [b"key", None, b"key"]


def test_poisoned_sagas_do_not_exist(busy):
    truth = busy.truth
    known = sum(saga_id.startswith("poison-") for saga_id in truth.sagas)
    assert known == len(workload.nearly_poison(random.Random(0)))
    assert busy.api.search(orderId="ORD-poison")["page"]["totalElements"] == len(truth.select(orderId="ORD-poison"))


@pytest.mark.parametrize("saga_id", workload.AWKWARD_IDS)
def test_any_characters_in_a_saga_id(busy, saga_id):
    saga = busy.truth.sagas[saga_id]
    checks.same_saga(busy.api.saga(saga_id), saga)
    checks.same_steps(busy.api.steps(saga_id), saga)


def test_aliases_answer_alike(busy):
    api, saga_id = busy.api, quote(sorted(busy.truth.sagas)[100], safe="")
    for path in (f"/sagas/{saga_id}", f"/sagas/{saga_id}/steps", "/sagas/statistics", "/sagas"):
        assert api.json(path) == api.json(f"/api/v1{path}"), path
    assert api.search(type="PAYMENT_COMPLETION", size=50) == api.search(sagaType="PAYMENT_COMPLETION", size=50)


def test_dates_are_inclusive_to_the_millisecond(busy):
    saga = random.Random(SEED).choice(list(busy.truth.sagas.values()))
    at = checks.iso(saga.started_at)
    for filters in ({"fromDate": at, "toDate": at}, {"fromDate": at}, {"toDate": at}):
        expected = busy.truth.search(**filters)
        checks.same_page(busy.api.search(size=100, **filters), expected, 0, 100)
    # The same instant, written with another offset.
    other = busy.api.search(fromDate=at.replace("Z", "+00:00"), toDate=at)
    assert saga.saga_id in [s["sagaId"] for s in other["content"]]


def test_an_unknown_parameter_is_ignored(busy):
    assert busy.api.search(nonsense="1", size=5) == busy.api.search(size=5)


def test_anomalies_are_visible(busy):
    """On the saga, when the service shows them: which events, as the oracle finds them."""
    odd = [s for s in busy.truth.sagas.values() if s.anomalies]
    assert len(odd) > 100
    for saga in odd[:300]:
        answer = busy.api.saga(saga.saga_id)
        assert "anomalies" in answer, f"no anomalies in {sorted(answer)}"
        shown = sorted((a["eventId"] or "", checks.millis(a["at"])) for a in answer["anomalies"])
        assert shown == sorted((event_id, at) for _, event_id, at in saga.anomalies)


def test_an_operators_event_sets_the_status_outright(world, seed):
    rng = random.Random(seed)
    at = workload.EPOCH

    def step(saga_id, name, status, after, metadata=None):
        fields = workload.event(rng, saga_id, "ORDER_CREATION", name, status, "O", at + after, metadata)
        return workload.Message(fields)

    said = '{"operator": "kim", "reason": "seen it by hand"}'
    world.publisher.send(
        [
            step("held up", "ORDER_CREATED", "STARTED", 0),
            step("held up", "OPERATOR_STATUS_CHANGE", "COMPLETED", 10, said),
            step("undone", "COMPENSATION_ORDER", "COMPENSATED", 0),
            step("undone", "OPERATOR_STATUS_CHANGE", "IN_PROGRESS", 10, said),
            step("late", "OPERATOR_STATUS_CHANGE", "FAILED", 10, said),
            step("late", "STOCK_RESERVED", "IN_PROGRESS", 5),
        ]
    ).flush()
    tracker = world.tracker().start().wait_caught_up()
    truth = world.truth()
    assert {s: truth.sagas[s].status for s in truth.sagas} == {
        "held up": "COMPLETED",
        "undone": "IN_PROGRESS",
        "late": "FAILED",
    }
    checks.everything(tracker.api, truth)

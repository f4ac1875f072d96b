"""Search by what happened inside of sagas: every answer is what the oracle's timelines say, now and at any moment."""

import random

import pytest

import checks
import oracle as meaning
import workload
from checks import iso
from conftest import SEED

pytestmark = pytest.mark.tracker

# Of the traces that a saga's events name so many are kept.
TRACES = 8


class Replayed:
    def __init__(self, world):
        world.publisher.send(workload.messages(SEED + 21, 900, awkward=True)).flush()
        self.tracker = world.tracker().start().wait_caught_up()
        self.truth = world.truth()
        self.api = self.tracker.api
        self.events = [event for saga in self.truth.sagas.values() for event in saga.timeline]

    def at(self, as_of=None, known_at=None):
        """The oracle, of sagas as they were."""
        then = {saga_id: self.truth.at(saga_id, as_of, known_at) for saga_id in self.truth.sagas}
        past = meaning.Oracle([], lambda _: None)
        past.sagas = {saga_id: saga for saga_id, saga in then.items() if saga}
        return past


@pytest.fixture(scope="module")
def replayed(module_world):
    return Replayed(module_world)


def happened(saga, step=(), withoutStep=(), producerService=None, traceId=None):
    steps = {event.step for event in saga.timeline}
    services = {event.known_text("producerService") for event in saga.timeline}
    traces = dict.fromkeys(filter(None, (event.known_text("traceId") for event in saga.timeline)))
    return (
        steps.issuperset(step)
        and steps.isdisjoint(withoutStep)
        and (producerService is None or producerService in services)
        and (traceId is None or traceId in list(traces)[:TRACES])
    )


def inside(rng, replayed):
    """What some event says, and what some other does not."""
    one, other = rng.choice(replayed.events), rng.choice(replayed.events)
    asked = {}
    if rng.random() < 0.6:
        timeline = replayed.truth.sagas[one.saga_id].timeline
        asked["step"] = [rng.choice(timeline).step for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.5:
        asked["withoutStep"] = [step for step in {other.step, "NOBODY"} if step not in asked.get("step", ())]
    for name in ("producerService", "traceId"):
        value = one.known_text(name)
        if value and len(value) <= 255 and rng.random() < 0.3:
            asked[name] = value
    return asked


def agree(replayed, rng, truth, moment):
    for filters in checks.all_filters(rng, replayed.truth, 2):
        asked = inside(rng, replayed)
        sort, size = rng.choice(checks.SORTS), rng.choice([3, 20, 100])
        expected = [saga for saga in truth.search(sort=sort, **filters) if happened(saga, **asked)]
        answer = replayed.api.search(sort=sort, size=size, **asked, **filters, **moment)
        checks.same_page(answer, expected, 0, size)


def test_any_search_by_what_happened_inside(replayed, seed):
    rng = random.Random(seed)
    for _ in range(60):
        agree(replayed, rng, replayed.truth, {})


def test_the_same_at_any_moment(replayed, seed):
    rng = random.Random(seed)
    arrived = sorted(set(replayed.truth.arrived.values()))
    for _ in range(30):
        as_of = rng.choice(replayed.events).recorded_at + rng.choice([-1, 0, 1])
        known_at = rng.choice([None, rng.choice(arrived)])
        moment = {"asOf": iso(as_of)} | ({"knownAt": iso(known_at)} if known_at else {})
        agree(replayed, rng, replayed.at(as_of, known_at), moment)


def test_paid_and_never_confirmed_from_the_command_line(replayed):
    steps = {"step": ["PAYMENT_COMPLETED"], "withoutStep": ["ORDER_CONFIRMED"]}
    wanted = {saga.saga_id for saga in replayed.truth.sagas.values() if happened(saga, **steps)}
    assert wanted
    flags = ["--step", "PAYMENT_COMPLETED", "--without-step", "ORDER_CONFIRMED"]
    for command in (["search", "--all", "--json"], ["export", "ndjson", "--of", "sagas"]):
        ran = replayed.tracker.cli(*command, *flags, "--url", replayed.tracker.url)
        assert ran.returncode == 0, ran.stderr
        assert {meaning.json.loads(line)["sagaId"] for line in ran.stdout.splitlines()} == wanted


def test_statistics_by_step_and_service(replayed):
    details = replayed.api.statistics(include="details")["details"]
    assert details["events"] == len(replayed.events)
    for name, listed, named in [
        ("step", details["byStep"], lambda event: event.step),
        ("producerService", details["byProducerService"], lambda event: event.known_text("producerService")),
    ]:
        for row in listed:
            events = [event for event in replayed.events if named(event) == row[name]]
            assert row["events"] == len(events)
            assert row["sagas"] == len({event.saga_id for event in events})

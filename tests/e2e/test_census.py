"""All sagas as of any instant: every answer is the one of an oracle that folds what had happened by then."""

import itertools
import random

import pytest

import checks
import oracle as meaning
import retention_setup
import workload
from checks import iso
from conftest import SEED

pytestmark = pytest.mark.tracker

HOUR = 3_600_000


class Past:
    """The oracle's sagas as they stood at an instant, by what was known at another one."""

    def __init__(self, truth, at, known_at=None):
        then = {saga_id: truth.at(saga_id, at, known_at) for saga_id in truth.sagas}
        self.at = at
        self.truth = meaning.Oracle([], lambda _: None)
        self.truth.sagas = {saga_id: saga for saga_id, saga in then.items() if saga}

    def __getattr__(self, name):
        return getattr(self.truth, name)

    def by_status(self, **filters):
        counts = dict.fromkeys(meaning.STATUSES, 0)
        for saga in self.truth.select(**filters):
            counts[saga.status] += 1
        return counts


class Replayed:
    def __init__(self, world):
        messages = workload.messages(SEED + 7, 900, awkward=True)
        world.publisher.send(messages).flush()
        self.world = world
        self.tracker = world.tracker().start().wait_caught_up()
        self.truth = world.truth()
        self.api = self.tracker.api

    def instants(self, rng, count):
        """Edges of events, and one millisecond before and behind them."""
        events = [event for saga in self.truth.sagas.values() for event in saga.timeline]
        for event in rng.sample(events, count):
            yield Past(self.truth, event.recorded_at + rng.choice([-1, 0, 0, 1]))


@pytest.fixture(scope="module")
def replayed(module_world):
    return Replayed(module_world)


def test_any_search_as_of_any_instant(replayed, seed):
    rng = random.Random(seed)
    for past in replayed.instants(rng, 60):
        for filters in checks.all_filters(rng, replayed.truth, 2):
            sort, size = rng.choice(checks.SORTS), rng.choice([1, 7, 20, 100])
            expected = past.search(sort=sort, **filters)
            last = max(0, (len(expected) - 1) // size)
            for page in {0, rng.randint(0, last), last + 1}:
                answer = replayed.api.search(sort=sort, page=page, size=size, asOf=iso(past.at), **filters)
                checks.same_page(answer, expected, page, size)
                assert checks.millis(answer["asOf"]) == past.at
                assert len(answer["definitions"]) == 64 and sum(answer["cursor"].values()) > 0


def test_cursors_walk_the_listing_of_an_instant(replayed, seed):
    rng = random.Random(seed)
    for past in replayed.instants(rng, 4):
        at = iso(past.at)
        for sort in checks.SORTS:
            expected = past.search(sort=sort)
            seen, cursor = [], {}
            while True:
                answer = replayed.api.search(sort=sort, size=50, asOf=at, **cursor)
                seen += [saga["sagaId"] for saga in answer["content"]]
                if not answer["nextCursor"]:
                    break
                cursor = {"cursor": answer["nextCursor"]}
            assert seen == [saga.saga_id for saga in expected]


def test_statistics_as_of_any_instant(replayed, seed):
    rng = random.Random(seed)
    for past in replayed.instants(rng, 40):
        for filters in [{}, *checks.all_filters(rng, replayed.truth, 1)]:
            filters = {k: v for k, v in filters.items() if k in ("sagaType", "fromDate", "toDate")}
            answer = replayed.api.statistics(asOf=iso(past.at), **filters)
            expected = past.statistics(**filters)
            for name in ("total", "byStatus"):
                assert answer[name] == expected[name], (filters, past.at)
            assert {k: n for k, n in answer["byType"].items() if n} == expected["byType"]


def test_what_was_known_at_any_instant(replayed, seed):
    """The records arrived within seconds, whatever their times say: half of them are not known halfway."""
    rng = random.Random(seed)
    arrived = sorted(set(replayed.truth.arrived.values()))
    for known_at in rng.sample(arrived, min(12, len(arrived))):
        for past in replayed.instants(rng, 2):
            past = Past(replayed.truth, past.at, known_at)
            for filters in checks.all_filters(rng, replayed.truth, 2):
                expected = past.search(sort="startedAt,asc", **filters)
                moment = {"asOf": iso(past.at), "knownAt": iso(known_at)}
                answer = replayed.api.search(sort="startedAt,asc", size=50, **moment, **filters)
                checks.same_page(answer, expected, 0, 50)
        everything = Past(replayed.truth, None, known_at)
        answer = replayed.api.json("/api/v1/census", knownAt=iso(known_at))
        assert answer["byStatus"] == everything.by_status()
        change = replayed.api.json("/api/v1/census/diff", fromKnownAt=iso(known_at))
        before = {c["sagaType"]: c["before"] for c in change["changes"]}
        after = {c["sagaType"]: c["after"] for c in change["changes"]}
        for kind in before:
            assert before[kind] == everything.by_status(sagaType=kind)
            assert after[kind] == Past(replayed.truth, None).by_status(sagaType=kind)
        assert "lateEvents" not in change
        for past in replayed.instants(rng, 1):
            check_late_events(replayed, min(past.at, known_at), known_at, rng.choice(arrived))


def check_late_events(replayed, happened, known_at, until):
    at = {"from": iso(happened), "to": iso(happened), "fromKnownAt": iso(known_at), "toKnownAt": iso(until)}
    told = replayed.api.json("/api/v1/census/diff", **at).get("lateEvents")
    if until <= known_at:
        assert told is None
        return
    truth = replayed.truth
    late = sorted(
        (truth.arrived[event.position], event.position)
        for event in itertools.chain.from_iterable(truth.deliveries.values())
        if known_at < truth.arrived[event.position] <= until and event.recorded_at <= happened
    )
    assert told["total"] == len(late)
    assert [(e["partition"], e["offset"]) for e in told["events"]] == [position for _, position in late[:100]]


def test_the_census_of_now_and_of_a_day_is_the_statistics(replayed):
    census = replayed.api.json("/api/v1/census")
    assert census["byStatus"] == replayed.api.statistics()["byStatus"]
    assert census["purged"]["total"] == 0
    day = iso(max(saga.started_at for saga in replayed.truth.sagas.values()))[:10]
    past = Past(replayed.truth, meaning.instant(day, end_of_day=True))
    assert replayed.api.json("/api/v1/census", asOf=day)["byStatus"] == past.by_status()


def test_a_comparison_tells_what_changed_between_two_instants(replayed, seed):
    rng = random.Random(seed)
    for past in replayed.instants(rng, 10):
        later = Past(replayed.truth, past.at + rng.choice([1, HOUR, 30 * HOUR]))
        answer = replayed.api.json("/api/v1/census/diff", to=iso(later.at), **{"from": iso(past.at)})
        told = {change["sagaType"]: change for change in answer["changes"]}
        for kind in {saga.saga_type for saga in replayed.truth.sagas.values()}:
            before, after = past.by_status(sagaType=kind), later.by_status(sagaType=kind)
            if kind not in told:
                assert before == after
                continue
            assert (told[kind]["before"], told[kind]["after"]) == (before, after)
            net = {s: told[kind]["entered"][s] - told[kind]["left"][s] for s in meaning.STATUSES}
            assert net == {s: after[s] - before[s] for s in meaning.STATUSES}


def test_a_series_adds_up_to_the_census(replayed, seed):
    rng = random.Random(seed)
    started = [saga.started_at for saga in replayed.truth.sagas.values()]
    for every, length in (("hour", HOUR), ("day", 24 * HOUR)):
        at = rng.choice(started)
        answer = replayed.api.json(
            "/api/v1/census/series", every=every, to=iso(at + 5 * length), **{"from": iso(at)}
        )
        assert len(answer["points"]) == 6
        before = Past(replayed.truth, at // length * length - 1).by_status()
        for point in answer["points"]:
            end = checks.millis(point["until"])
            assert end - checks.millis(point["from"]) == length
            stood = Past(replayed.truth, end - 1).by_status()
            assert point["byStatus"] == stood
            assert {s: before[s] + point["entered"][s] - point["left"][s] for s in meaning.STATUSES} == stood
            before = stood


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/v1/sagas?asOf=soon", "asOf"),
        ("/api/v1/census?asOf=2025-13-01", "asOf"),
        ("/api/v1/census/diff?fromKnownAt=never", "fromKnownAt"),
        ("/api/v1/sagas/statistics?knownAt=x", "knownAt"),
        ("/api/v1/census/series?every=minute", "every"),
        ("/api/v1/census/series?from=2000-01-01&to=2025-01-01", "from"),
    ],
)
def test_what_is_no_instant_is_refused_by_name(replayed, path, parameter):
    answer = replayed.api.get(path)
    assert answer.status_code == 400
    assert [detail["parameter"] for detail in answer.json()["details"]] == [parameter]


def test_all_of_it_is_the_same_after_a_rebuild_and_a_kill(replayed, seed):
    """Instants that were asked before answer alike: nothing of the past depends on how it was folded."""
    instants = [iso(past.at) for past in replayed.instants(random.Random(seed), 8)]
    asked = [("/api/v1/census", {"asOf": at}) for at in instants]
    asked += [("/api/v1/sagas", {"asOf": at, "status": "FAILED", "size": 100}) for at in instants]
    before = [replayed.api.json(path, **params) for path, params in asked]
    replayed.tracker.kill9()
    replayed.tracker.cli("rebuild")
    replayed.tracker.start().wait_caught_up()
    assert [replayed.api.json(path, **params) for path, params in asked] == before


def moves(saga):
    """When it entered which status, and which it left, by what it was after all events of each instant."""
    found, before = [], None
    for at in sorted({event.recorded_at for event in saga.timeline}):
        status = meaning.fold([event for event in saga.timeline if event.recorded_at <= at]).status
        if status != before:
            found.append((at, before, status))
        before = status
    return found


def moved(sagas, until):
    """How often each status was entered and left up to an instant, by the moves of sagas."""
    entered, left = dict.fromkeys(meaning.STATUSES, 0), dict.fromkeys(meaning.STATUSES, 0)
    for at, before, after in itertools.chain.from_iterable(sagas):
        if at <= until:
            entered[after] += 1
            left.update({before: left[before] + 1} if before else {})
    return {"entered": entered, "left": left}


def standing(sagas, until):
    sums = moved(sagas, until)
    return {status: sums["entered"][status] - sums["left"][status] for status in meaning.STATUSES}


def between(sagas, first, last):
    before, after = moved(sagas, first), moved(sagas, last)
    return {
        what: {status: after[what][status] - before[what][status] for status in meaning.STATUSES} for what in after
    }


@pytest.mark.timeout(600)
def test_purged_sagas_stay_in_the_totals_of_every_instant(world, seed):
    rng = random.Random(seed)
    world.publish(seed, 300)
    truth = world.truth()
    gone_ids = retention_setup.due(truth)
    gone = [saga for saga in truth.sagas.values() if saga.saga_id in gone_ids]
    left = [saga for saga in truth.sagas.values() if saga.saga_id not in gone_ids]
    moves_of = {saga_id: moves(saga) for saga_id, saga in truth.sagas.items()}
    assert len(gone) > 100 and len(left) > 20
    tracker = world.tracker(**retention_setup.SETTINGS).start().wait_caught_up()
    retention_setup.wait_gone(tracker, len(gone))
    # What comes now is of nobody.
    for saga in rng.sample(gone, 5):
        late = workload.event(rng, saga.saga_id, saga.saga_type, "ORDER_TIMEOUT", "FAILED", "", saga.started_at + 1)
        world.publisher.send([workload.Message(late)]).flush()
    tracker.wait_caught_up()

    def agree():
        api = tracker.api
        instants = sorted(rng.choice(rng.choice(gone).timeline).recorded_at + rng.choice([-1, 0, 1]) for _ in range(12))
        for at, later in itertools.pairwise([*instants, meaning.LATEST - 1]):
            for saga_type in (None, "ORDER_CREATION", "PAYMENT_COMPLETION"):
                of = {"sagaType": saga_type} if saga_type else {}
                then = [moves_of[saga.saga_id] for saga in gone if saga_type in (None, saga.saga_type)]
                there = [moves_of[saga.saga_id] for saga in left if saga_type in (None, saga.saga_type)]
                census = api.json("/api/v1/census", asOf=iso(at), **of)
                assert census["byStatus"] == standing(there, at)
                assert census["purged"]["byStatus"] == standing(then, at)
                assert census["purged"]["total"] == sum(moves[0][0] <= at for moves in then)
                assert {name: census["purged"][name] for name in ("entered", "left")} == moved(then, at)
                diff = api.json("/api/v1/census/diff", **of, **{"from": iso(at), "to": iso(later)})
                assert diff["purged"] == {
                    "before": standing(then, at),
                    "after": standing(then, later),
                    **between(then, at, later),
                }
        now = api.json("/api/v1/census")["purged"]
        assert now["total"] == len(gone) == sum(now["byStatus"].values())
        assert {status for status, count in now["byStatus"].items() if count} == set(retention_setup.OVER)
        start = min(saga.started_at for saga in gone)
        end = start + 40 * 24 * HOUR
        series = api.json("/api/v1/census/series", every="day", to=iso(end), **{"from": iso(start)})
        for point in series["points"]:
            first, last = checks.millis(point["from"]) - 1, checks.millis(point["until"]) - 1
            then, there = ([moves_of[saga.saga_id] for saga in sagas] for sagas in (gone, left))
            assert point["purged"] == {"byStatus": standing(then, last), **between(then, first, last)}
            assert point["byStatus"] == standing(there, last)
        return series["points"]

    points = agree()
    assert sum(sum(point["purged"]["entered"].values()) for point in points) > len(gone)
    shown = tracker.cli("census", "diff", "--from", iso(meaning.EARLIEST), "--url", tracker.url)
    assert shown.returncode == 0 and "purged since" in shown.stdout, shown
    retention_setup.command(tracker, "rebuild")
    agree()

"""The oracle against cases worked out by hand: it judges the tracker, who judges it?"""

import itertools
import json
import random

import pytest

import oracle
import workload
from conftest import SEED
from oracle import Event, Oracle, fold
from producer import SCHEMA, Publisher
from servers import Record

# The fold of docs/contract.md, copied as it stands there.
TABLE = """
| | STARTED | IN_PROGRESS | COMPLETED | FAILED | COMPENSATED |
| none | STARTED | IN_PROGRESS | COMPLETED | FAILED | COMPENSATED |
| STARTED | STARTED | IN_PROGRESS | COMPLETED | FAILED | COMPENSATED |
| IN_PROGRESS | IN_PROGRESS | IN_PROGRESS | COMPLETED | FAILED | COMPENSATED |
| COMPLETED | COMPLETED * | COMPLETED * | COMPLETED | FAILED * | COMPENSATED |
| FAILED | FAILED * | FAILED | COMPLETED * | FAILED | COMPENSATED |
| COMPENSATED | COMPENSATED * | COMPENSATED | COMPENSATED * | FAILED * | COMPENSATED |
"""


def cells():
    header, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.strip().splitlines()]
    for row in rows:
        for incoming, cell in zip(header[1:], row[1:], strict=True):
            status, _, star = cell.partition(" ")
            yield row[0], incoming, status, star == "*"


def make(status="STARTED", step="ORDER_CONFIRMED", at=1, position=(0, 0), **changes):
    fields = {
        "event_id": f"{position}",
        "saga_id": "s",
        "saga_type": "ORDER_CREATION",
        "step": step,
        "status": status,
        "order_id": "o",
        "metadata": None,
        "recorded_at": at,
        "position": position,
    }
    return Event(**(fields | changes))


@pytest.mark.parametrize("current, incoming, status, odd", list(cells()))
def test_every_cell_of_the_transition_table(current, incoming, status, odd):
    before = None if current == "none" else current
    assert oracle.next_status(before, incoming) == (status, odd)


def test_the_table_has_thirty_cells():
    assert len(list(cells())) == 30


def test_a_completed_step_does_not_complete_the_saga():
    saga = fold([make("STARTED", at=1), make("COMPLETED", "STOCK_RESERVED", at=2, position=(0, 1))])
    assert (saga.status, saga.last_step, saga.anomalies) == ("IN_PROGRESS", "STOCK_RESERVED", [])


def test_the_completing_step_does():
    saga = fold([make("STARTED", at=1), make("COMPLETED", at=2, position=(0, 1))])
    assert saga.status == "COMPLETED"


def test_without_a_definition_every_completed_completes_and_work_reopens():
    refund = [
        make("COMPLETED", "REFUND_PAID", at=1, saga_type="REFUND"),
        make("IN_PROGRESS", "REFUND_CHECK", at=2, position=(0, 1), saga_type="REFUND"),
    ]
    assert fold(refund[:1]).status == "COMPLETED"
    assert fold(refund).status == "IN_PROGRESS"


def test_an_operator_sets_the_status_outright():
    events = [
        make("FAILED", "PAYMENT_FAILED", at=1),
        make("COMPLETED", oracle.OPERATOR_STEP, at=2, position=(0, 1)),
    ]
    saga = fold(events)
    assert (saga.status, saga.anomalies) == ("COMPLETED", [])


def test_stock_released_after_failed_stays_failed():
    saga = fold([make("FAILED", "PAYMENT_FAILED", at=1), make("IN_PROGRESS", "STOCK_RELEASED", at=2, position=(0, 1))])
    assert (saga.status, saga.anomalies) == ("FAILED", [])


def test_the_timeline_is_by_recorded_at_then_by_position():
    saga = fold(
        [
            make(at=5, step="c", position=(2, 0)),
            make(at=5, step="b", position=(1, 9)),
            make(at=5, step="a", position=(1, 8)),
            make(at=4, step="first", position=(2, 7)),
        ]
    )
    assert [e.step for e in saga.timeline] == ["first", "a", "b", "c"]
    assert (saga.started_at, saga.updated_at, saga.last_step) == (4, 5, "c")


def test_of_two_deliveries_the_lower_position_wins():
    first = make("FAILED", at=9, event_id="e", position=(0, 5))
    later = make("COMPLETED", at=1, event_id="e", position=(1, 2))
    for order in ([first, later], [later, first]):
        saga = fold(order)
        assert (saga.status, len(saga.timeline)) == ("FAILED", 1)
        assert saga.anomalies == [("conflict", "e", 9)]


def test_an_event_is_in_conflict_once_however_many_bodies_it_came_with():
    deliveries = [make(at=n, event_id="e", position=(0, 9 - n)) for n in range(4)]
    other = [make(at=7, event_id="f", position=(1, n)) for n in range(3)]
    for order in (deliveries + other, [*reversed(deliveries), *other]):
        assert fold(order).anomalies == [("conflict", "e", 3)]


def test_an_exact_retry_is_no_conflict():
    saga = fold([make(event_id="e", position=(0, 1)), make(event_id="e", position=(0, 2))])
    assert (len(saga.timeline), saga.anomalies) == (1, [])


def test_without_an_event_id_the_body_is_the_key():
    same = [make(event_id="", position=(0, n)) for n in range(3)]
    other = make(event_id="", at=2, position=(0, 9))
    assert len(fold([*same, other]).timeline) == 2


def test_orders_and_types_that_disagree_are_anomalies():
    saga = fold([make(at=1), make(at=2, position=(0, 1), order_id="x", saga_type="PAYMENT_COMPLETION")])
    assert (saga.order_id, saga.saga_type) == ("o", "ORDER_CREATION")
    assert sorted(kind for kind, _, _ in saga.anomalies) == ["order", "type"]


def test_metadata_that_is_no_object_tells_nothing_and_loses_nothing():
    events = [
        make(at=1, metadata='{"traceId": "t1", "producerService": "p"}'),
        make(at=2, position=(0, 1), metadata="no json"),
        make(at=3, position=(0, 2), metadata='["traceId"]'),
        make(at=4, position=(0, 3), metadata='{"traceId": 7}'),
    ]
    saga = fold(events)
    assert (saga.last_trace_id, len(saga.timeline)) == ("t1", 4)


def test_any_permutation_with_repetitions_folds_to_the_same_state():
    rng = random.Random(SEED)
    for _ in range(200):
        fields = workload.saga(rng, "s", "o")[:5]
        fields += workload.retries(rng, fields)
        events = [decoded(f, (rng.randrange(3), n)) for n, f in enumerate(fields)]
        expected = fold(events)
        for order in itertools.islice(itertools.permutations(events), 30):
            again = list(order) + [rng.choice(events)]
            assert fold(dict.fromkeys(again)) == expected


def decoded(fields, position):
    value = Publisher.frame(7, SCHEMA, fields)
    return oracle.decode(value, lambda _: oracle.readable(json.dumps(SCHEMA)), position)


def test_both_spellings_of_logical_type_are_the_same_long():
    nested = json.loads(json.dumps(SCHEMA))
    for one in nested["fields"]:
        if one.get("logicalType"):
            one["type"] = {"type": "long", "logicalType": one.pop("logicalType")}
    fields = workload.valid(random.Random(1))
    value = Publisher.frame(7, SCHEMA, fields)
    schemas = [oracle.readable(json.dumps(s)) for s in (SCHEMA, nested)]
    events = [oracle.decode(value, lambda _, s=s: s) for s in schemas]
    assert events[0] == events[1]
    assert events[0].recorded_at == fields["recordedAt"]


# --- answers ------------------------------------------------------------------------

DAY = 86_400_000
JAN_2 = 1_735_776_000_000  # 2025-01-02T00:00:00Z


@pytest.fixture(scope="module")
def four():
    """COMPLETED in 10 s, FAILED, COMPENSATED after failing for 2 s, STARTED a day later."""
    rng = random.Random(1)

    def steps(saga, order, saga_type, *rows):
        return [workload.event(rng, saga, saga_type, step, status, order, JAN_2 + at) for step, status, at in rows]

    fields = (
        steps("b", "o1", "ORDER_CREATION", ("ORDER_CREATED", "STARTED", 0), ("ORDER_CONFIRMED", "COMPLETED", 10_000))
        + steps("a", "o1", "PAYMENT_COMPLETION", ("PAYMENT_FAILED", "FAILED", 0))
        + steps("c", "o2", "ORDER_CREATION", ("X", "FAILED", 5), ("COMPENSATION_ORDER", "COMPENSATED", 2005))
        + steps("d", "o3", "ORDER_CREATION", ("ORDER_CREATED", "STARTED", DAY))
    )
    records = [Record(0, n, b"", Publisher.frame(1, SCHEMA, f), [], 0) for n, f in enumerate(fields)]
    records.append(Record(0, 99, b"", b"junk", [], 0))
    schema = oracle.readable(json.dumps(SCHEMA))
    return Oracle(records, lambda _: schema)


def found(truth, **search):
    return "".join(s.saga_id for s in truth.search(**search))


def test_search_orders_ties_by_saga_id_and_descending_is_the_exact_reverse(four):
    assert found(four, sort="startedAt,asc") == "abcd"
    assert found(four, sort="startedAt,desc") == found(four) == "dcba"
    assert found(four, sort="updatedAt,asc") == "acbd"


def test_search_filters_combine(four):
    assert found(four, orderId="o1") == "ba"
    assert found(four, sagaType="ORDER_CREATION", status="COMPLETED") == "b"
    assert found(four, orderId="o2", status="FAILED") == ""


def test_dates_bound_the_start_inclusively(four):
    assert found(four, fromDate="2025-01-02", toDate="2025-01-02") == "cba"
    assert found(four, fromDate="2025-01-02T00:00:00.005Z") == "dc"
    assert found(four, toDate="2025-01-02T00:00:00Z") == "ba"
    assert found(four, fromDate="2025-01-03") == "d"


def test_statistics_by_hand(four):
    assert four.statistics() == {
        "total": 4,
        "byStatus": {"STARTED": 1, "IN_PROGRESS": 0, "COMPLETED": 1, "FAILED": 1, "COMPENSATED": 1},
        "byType": {"ORDER_CREATION": 3, "PAYMENT_COMPLETION": 1},
        "failureRate": 0.25,
        "compensationRate": 1.0,
        "avgDurationSeconds": 10.0,
    }
    assert four.statistics(sagaType="NONE")["failureRate"] == 0.0


def test_counters_by_hand(four):
    counters = four.counters()
    assert (counters["failed"], counters["compensated"]) == (2, 1)
    assert (counters["compensation_count"], counters["compensation_sum"]) == (1, 2.0)
    assert counters["last_failed"] == (JAN_2 + 5) / 1000
    assert counters["processed"][("ORDER_CREATED", "STARTED")] == 2


def test_the_last_failure_is_the_latest_that_any_delivery_reported():
    rng = random.Random(1)
    stands = workload.event(rng, "a", "ORDER_CREATION", "X", "STARTED", "o1", JAN_2)
    retry = stands | {"status": "FAILED", "recordedAt": JAN_2 + 9000}
    records = [Record(0, n, b"", Publisher.frame(1, SCHEMA, f), [], 0) for n, f in enumerate([stands, retry])]
    truth = Oracle(records, lambda _: oracle.readable(json.dumps(SCHEMA)))
    assert (truth.sagas["a"].status, truth.counters()["failed"]) == ("STARTED", 0)
    assert truth.counters()["last_failed"] == (JAN_2 + 9000) / 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": "x" * (2**20 + 1)},
        {"metadata": "가" * (2**20 // 3 + 1)},
        {"sagaId": "s" * 256},
        {"eventId": "e" * 256},
        {"orderId": "o" * 256},
        {"step": ""},
        {"eventTimestamp": 0},
    ],
)
def test_what_breaks_a_limit_is_a_dead_letter(changes):
    fields = workload.valid(random.Random(1), **changes)
    with pytest.raises(oracle.Rejected):
        oracle.decode(Publisher.frame(7, SCHEMA, fields), lambda _: oracle.readable(json.dumps(SCHEMA)))


def test_what_just_keeps_the_limits_is_an_event():
    fields = workload.valid(
        random.Random(1), metadata="x" * 2**20, sagaId="가" * 255, eventId="e" * 255, orderId="o" * 255
    )
    oracle.decode(Publisher.frame(7, SCHEMA, fields), lambda _: oracle.readable(json.dumps(SCHEMA)))


def test_junk_is_a_dead_letter_and_not_a_saga(four):
    assert [d.position for d in four.dead_letters] == [(0, 99)]
    assert (four.delivered, four.applied, four.duplicates) == (6, 6, 0)

"""The checks against answers made from the oracle itself: they pass, and any slip fails them."""

import copy
import json
import random
from dataclasses import replace

import pytest

import checks
import workload
from conftest import SEED
from oracle import STATUSES, Oracle, readable
from producer import SCHEMA, Publisher
from servers import Record
from tracker import Metrics


class PerfectApi:
    """What a faultless tracker would answer."""

    def __init__(self, truth):
        self.truth = truth

    def saga(self, saga_id):
        return self._shown(self.truth.sagas[saga_id])

    @staticmethod
    def _shown(s):
        return {
            "sagaId": s.saga_id,
            "sagaType": s.saga_type,
            "orderId": s.order_id,
            "currentStatus": s.status,
            "status": s.status,
            "lastStep": s.last_step,
            "lastTraceId": s.last_trace_id,
            "startedAt": checks.iso(s.started_at),
            "updatedAt": checks.iso(s.updated_at),
            "stepCount": len(s.timeline),
        }

    def steps(self, saga_id):
        rows = []
        for number, e in enumerate(self.truth.sagas[saga_id].timeline, 1):
            known = e.known_metadata
            is_object = e.metadata is not None and (known or e.metadata.strip() == "{}")
            rows.append(
                {
                    "id": number,
                    "eventId": e.event_id,
                    "step": e.step,
                    "status": e.status,
                    "producerService": e.known_text("producerService"),
                    "traceId": e.known_text("traceId"),
                    "metadata": known if is_object else None,
                    "metadataRaw": None if is_object else e.metadata,
                    "recordedAt": checks.iso(e.recorded_at),
                }
            )
        return {"sagaId": saga_id, "steps": rows}

    def search(self, sort="startedAt,desc", page=0, size=20, **filters):
        found = self.truth.search(sort=sort, **filters)
        return {
            "content": [self._shown(s) for s in found[page * size : (page + 1) * size]],
            "page": {
                "number": page,
                "size": size,
                "totalElements": len(found),
                "totalPages": -(-len(found) // size),
            },
        }

    def statistics(self, **filters):
        return self.truth.statistics(**filters)

    def metrics(self):
        c = self.truth.counters()
        lines = [
            f"saga_failed_total {c['failed']}",
            f"saga_compensated_total {c['compensated']}",
            f"saga_last_failed_timestamp {c['last_failed']}",
            f"saga_compensation_duration_seconds_count {c['compensation_count']}",
            f"saga_compensation_duration_seconds_sum {c['compensation_sum']}",
            f'saga_tracker_dead_letters_total{{reason="any"}} {len(self.truth.dead_letters)}',
            *(f'saga_active_total{{status="{s}"}} {c["active"][s]}' for s in STATUSES),
            *(
                f'saga_events_processed_total{{step="{step}",status="{status}"}} {n}'
                for (step, status), n in c["processed"].items()
            ),
        ]
        return Metrics("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def truth():
    records = [
        Record(n % 3, n, b"", Publisher.frame(1, SCHEMA, m.fields), [], 0)
        for n, m in enumerate(workload.messages(SEED, 400, awkward=True))
    ]
    schema = readable(json.dumps(SCHEMA))
    return Oracle(records, lambda _: schema)


def test_perfect_answers_pass(truth):
    checks.everything(PerfectApi(truth), truth)


def changed(saga, **changes):
    other = copy.copy(saga)
    for name, value in changes.items():
        setattr(other, name, value)
    return other


SLIPS = {
    "a lost event": lambda s: changed(s, timeline=s.timeline[:-1]),
    "an event twice": lambda s: changed(s, timeline=s.timeline + s.timeline[-1:]),
    "two events swapped": lambda s: changed(s, timeline=[s.timeline[1], s.timeline[0], *s.timeline[2:]]),
    "a millisecond off": lambda s: changed(s, updated_at=s.updated_at + 1),
    "another status": lambda s: changed(s, status="STARTED" if s.status != "STARTED" else "FAILED"),
    "another order": lambda s: changed(s, order_id=s.order_id + "x"),
    "another type": lambda s: changed(s, saga_type="REFUND"),
    "a forgotten trace": lambda s: changed(s, last_trace_id="0"),
    "another last step": lambda s: changed(s, last_step="X"),
    "metadata lost": lambda s: changed(s, timeline=[replace(s.timeline[0], metadata='{"x": 1}'), *s.timeline[1:]]),
    "text that is no object lost": lambda s: changed(
        s, timeline=[replace(s.timeline[0], metadata="x"), *s.timeline[1:]]
    ),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_in_one_saga_of_many_is_found(truth, name):
    wrong = copy.copy(truth)
    victim = random.Random(SEED).choice([i for i, s in truth.sagas.items() if len(s.timeline) > 2])
    wrong.sagas = truth.sagas | {victim: SLIPS[name](truth.sagas[victim])}
    with pytest.raises(AssertionError):
        checks.everything(PerfectApi(wrong), truth)


def test_a_missing_and_an_invented_saga_are_found(truth):
    ids = list(truth.sagas)
    less, more = copy.copy(truth), copy.copy(truth)
    less.sagas = {i: s for i, s in truth.sagas.items() if i != ids[7]}
    more.sagas = truth.sagas | {"invented": changed(truth.sagas[ids[7]], saga_id="invented")}
    for wrong in (less, more):
        with pytest.raises(AssertionError):
            checks.whole_listing(PerfectApi(wrong), truth)


@pytest.mark.parametrize("name", ["failed", "compensated", "compensation_count", "compensation_sum", "last_failed"])
def test_a_counter_off_by_one_is_found(truth, name):
    class OffByOne(Oracle):
        def __init__(self):
            self.__dict__ = truth.__dict__

        def counters(self):
            real = truth.counters()
            return real | {name: real[name] + 1}

    with pytest.raises(AssertionError):
        checks.counters(PerfectApi(OffByOne()), truth)

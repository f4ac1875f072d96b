"""Does everything the tracker answers equal the oracle?"""

import json
import random
import re
from datetime import UTC, datetime

import oracle as meaning
from servers import wait_until

SORTS = ["startedAt,desc", "startedAt,asc", "updatedAt,desc", "updatedAt,asc"]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def millis(text):
    assert INSTANT.fullmatch(text), f"not an ISO 8601 instant in UTC: {text!r}"
    whole, _, fraction = text[:-1].partition(".")
    seconds = datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()
    nanos = int(fraction.ljust(9, "0")) if fraction else 0
    assert nanos % 1_000_000 == 0, f"finer than milliseconds: {text!r}"
    return round(seconds) * 1000 + nanos // 1_000_000


def iso(ms):
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def same_saga(answer, saga):
    assert answer["status"] == answer["currentStatus"]
    got = {
        "sagaId": answer["sagaId"],
        "sagaType": answer["sagaType"],
        "orderId": answer["orderId"],
        "currentStatus": answer["currentStatus"],
        "lastStep": answer["lastStep"],
        "lastTraceId": answer["lastTraceId"],
        "startedAt": millis(answer["startedAt"]),
        "updatedAt": millis(answer["updatedAt"]),
        "stepCount": answer["stepCount"],
    }
    assert got == {
        "sagaId": saga.saga_id,
        "sagaType": saga.saga_type,
        "orderId": saga.order_id,
        "currentStatus": saga.status,
        "lastStep": saga.last_step,
        "lastTraceId": saga.last_trace_id,
        "startedAt": saga.started_at,
        "updatedAt": saga.updated_at,
        "stepCount": len(saga.timeline),
    }


def same_metadata(step, text):
    """An object as it is; any other text verbatim, in a field of its own."""
    try:
        parsed = json.loads(text) if text is not None else None
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        assert (step["metadata"], step.get("metadataRaw")) == (parsed, None)
    else:
        assert (step["metadata"], step.get("metadataRaw")) == (None, text)


def same_steps(answer, saga):
    assert answer["sagaId"] == saga.saga_id
    got = [
        (
            step["id"],
            step["eventId"] or "",
            step["step"],
            step["status"],
            step["producerService"],
            step["traceId"],
            millis(step["recordedAt"]),
        )
        for step in answer["steps"]
    ]
    assert got == [
        (
            number,
            event.event_id,
            event.step,
            event.status,
            event.known_text("producerService"),
            event.known_text("traceId"),
            event.recorded_at,
        )
        for number, event in enumerate(saga.timeline, 1)
    ]
    for step, event in zip(answer["steps"], saga.timeline, strict=True):
        same_metadata(step, event.metadata)


def same_page(answer, expected, page, size):
    assert answer["page"] == {
        "number": page,
        "size": size,
        "totalElements": len(expected),
        "totalPages": -(-len(expected) // size),
    } | {k: v for k, v in answer["page"].items() if k not in ("number", "size", "totalElements", "totalPages")}
    window = expected[page * size : (page + 1) * size]
    assert [s["sagaId"] for s in answer["content"]] == [s.saga_id for s in window]
    for one, saga in zip(answer["content"], window, strict=True):
        same_saga(one, saga)


def same_statistics(answer, expected):
    assert answer["total"] == expected["total"]
    assert answer["byStatus"] == expected["byStatus"]
    assert {k: n for k, n in answer["byType"].items() if n} == expected["byType"]
    for name, tolerance in (("failureRate", 1e-4), ("compensationRate", 1e-4), ("avgDurationSeconds", 1e-3)):
        assert abs(answer[name] - expected[name]) <= tolerance, (name, answer[name], expected[name])


def all_filters(rng, truth, count):
    """Random combinations of filters, most of which match something."""
    sagas = list(truth.sagas.values())
    for _ in range(count):
        one, other = rng.choice(sagas), rng.choice(sagas)
        early, late = sorted((one.started_at, other.started_at))
        filters = {}
        if rng.random() < 0.25:
            filters["orderId"] = one.order_id
        if rng.random() < 0.5:
            filters["sagaType"] = one.saga_type
        if rng.random() < 0.5:
            filters["status"] = rng.choice(meaning.STATUSES)
        if rng.random() < 0.4:
            # Exactly at a saga's start: bounds are inclusive.
            filters["fromDate"] = rng.choice([iso(early), iso(early)[:10]])
        if rng.random() < 0.4:
            filters["toDate"] = rng.choice([iso(late), iso(late)[:10]])
        yield filters


def every_saga(api, truth, sample=None, seed=0):
    """Saga and steps of all sagas, or of a seeded sample."""
    ids = sorted(truth.sagas)
    if sample is not None and sample < len(ids):
        ids = random.Random(seed).sample(ids, sample)
    for saga_id in ids:
        same_saga(api.saga(saga_id), truth.sagas[saga_id])
        same_steps(api.steps(saga_id), truth.sagas[saga_id])


def whole_listing(api, truth, sort="startedAt,asc", size=100, **filters):
    """Every page of one search, and the empty one after the last."""
    expected = truth.search(sort=sort, **filters)
    for page in range(len(expected) // size + 2):
        same_page(api.search(sort=sort, page=page, size=size, **filters), expected, page, size)


def by_cursor(api, truth, sort="startedAt,desc", size=50, **filters):
    """The same listing, walked by cursor instead of by page."""
    expected = truth.search(sort=sort, **filters)
    seen, cursor = [], None
    while True:
        extra = {} if cursor is None else {"cursor": cursor}
        answer = api.search(sort=sort, size=size, **filters, **extra)
        seen += [s["sagaId"] for s in answer["content"]]
        cursor = answer.get("nextCursor") or answer["page"].get("nextCursor")
        if not cursor:
            break
        assert len(seen) <= len(expected), "the cursor goes round in circles"
    assert seen == [s.saga_id for s in expected]


def searches(api, truth, count=60, seed=0):
    rng = random.Random(seed)
    for filters in all_filters(rng, truth, count):
        sort, size = rng.choice(SORTS), rng.choice([1, 7, 20, 100])
        expected = truth.search(sort=sort, **filters)
        last = max(0, (len(expected) - 1) // size)
        for page in {0, rng.randint(0, last), last, last + 1}:
            same_page(api.search(sort=sort, page=page, size=size, **filters), expected, page, size)


def statistics(api, truth, count=30, seed=0):
    same_statistics(api.statistics(), truth.statistics())
    for filters in all_filters(random.Random(seed), truth, count):
        filters = {k: v for k, v in filters.items() if k in ("sagaType", "fromDate", "toDate")}
        same_statistics(api.statistics(**filters), truth.statistics(**filters))


def counters(api, truth):
    """The metrics that derive from state; they say the same after any number of restarts."""
    got, expected = api.metrics(), truth.counters()
    assert {
        "failed": got.value("saga_failed_total") or 0,
        "compensated": got.value("saga_compensated_total") or 0,
        "compensation_count": got.value("saga_compensation_duration_seconds_count") or 0,
        "active": {s: got.value("saga_active_total", status=s) for s in meaning.STATUSES},
        "processed": {
            (s.labels["step"], s.labels["status"]): s.value for s in got.named("saga_events_processed_total") if s.value
        },
    } == {k: v for k, v in expected.items() if k not in ("last_failed", "compensation_sum")}
    # Whole seconds will do.
    assert abs((got.value("saga_last_failed_timestamp") or 0) - expected["last_failed"]) < 1
    total = got.value("saga_compensation_duration_seconds_sum") or 0
    assert abs(total - expected["compensation_sum"]) < 0.01 + expected["compensation_sum"] * 1e-6
    assert (got.value("saga_tracker_dead_letters_total") or 0) == len(truth.dead_letters)


def everything(api, truth, sample=None, seed=0):
    """Of single sagas a sample, if one is asked for; fewer searches then, too."""
    count = 60 if sample is None else 20
    every_saga(api, truth, sample, seed)
    whole_listing(api, truth)
    searches(api, truth, count, seed)
    statistics(api, truth, count // 2, seed)
    counters(api, truth)


def origin_of(letter):
    headers = dict(letter.headers)
    return (
        int.from_bytes(headers["kafka_dlt-original-partition"], "big"),
        int.from_bytes(headers["kafka_dlt-original-offset"], "big"),
    )


def dead_letters(broker, dlt, topic, truth, exactly_once=True):
    """What lies on the dead-letter topic: the raw bytes, and where they came from.

    Returns reason → origins. A crash may publish a letter twice; the origin tells.
    """
    expected = {letter.position: letter for letter in truth.dead_letters}
    records = []

    def all_there():
        # Publishing follows storing; nothing else says when it is through.
        records[:] = broker.read(dlt)
        return len({origin_of(record) for record in records}) >= len(expected)

    wait_until(all_there, 60, f"{len(expected)} letters on {dlt}", interval=0.5)
    letters = {}
    for record in records:
        headers, origin = dict(record.headers), origin_of(record)
        assert len(headers["kafka_dlt-original-partition"]) == 4
        assert len(headers["kafka_dlt-original-offset"]) == 8
        assert len(headers["kafka_dlt-original-timestamp"]) == 8
        assert headers["kafka_dlt-original-topic"] == topic.encode()
        assert headers["kafka_dlt-exception-message"].decode()
        if exactly_once:
            assert origin not in letters, f"{origin} was published twice"
        letters[origin] = (record, headers)
    assert sorted(letters) == sorted(expected)
    reasons = {}
    for origin, (record, headers) in letters.items():
        assert (record.value or b"") == (expected[origin].value or b"")
        assert (record.key or b"") == (expected[origin].key or b"")
        reason = headers["saga-tracker-reason"].decode()
        reasons.setdefault(reason, []).append(origin)
    return reasons


def statistics_of_nothing(answer):
    same_statistics(answer, meaning.Oracle([], None).statistics())

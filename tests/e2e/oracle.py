"""What the tracker must answer, computed the slow and obvious way.

Written from the contract (docs/contract.md) alone, never from the service's code: the
two can only agree by both being right. Input is what is in the topic; nothing here
does I/O.
"""

import io
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import fastavro

STATUSES = ("STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED")
COMPLETING_STEPS = {
    "ORDER_CREATION": {"ORDER_CONFIRMED", "ORDER_CONFIRMATION"},
    "PAYMENT_COMPLETION": {"PAYMENT_COMPLETED", "PAYMENT_COMPLETION"},
}
OPERATOR_STEP = "OPERATOR_STATUS_CHANGE"
# Characters; the metadata and the whole value in bytes.
LIMITS = {"sagaId": 255, "eventId": 255, "orderId": 255, "sagaType": 100, "step": 100}
METADATA_LIMIT = 1 << 20
SIZE_LIMIT = 2 << 20
EARLIEST = 946_684_800_000  # 2000-01-01
LATEST = 4_102_444_800_000  # 2100-01-01
FIELDS = (
    "eventId",
    "eventTimestamp",
    "sagaId",
    "sagaType",
    "step",
    "status",
    "orderId",
    "metadata",
    "recordedAt",
)


# --- decoding -----------------------------------------------------------------------


class Rejected(Exception):
    """The record is a dead letter; the text says why."""


@dataclass(frozen=True)
class Event:
    """One event, and where in the topic it arrived."""

    event_id: str
    saga_id: str
    saga_type: str
    step: str
    status: str
    order_id: str
    metadata: str | None
    recorded_at: int
    event_timestamp: int = EARLIEST
    position: tuple[int, int] = (0, 0)

    @property
    def key(self):
        """What makes two deliveries the same event."""
        if self.event_id:
            return ("id", self.event_id)
        return ("body", self.saga_id, self.step, self.status, self.recorded_at)

    @property
    def known_metadata(self):
        """The metadata when it is a JSON object, else nothing is known."""
        try:
            parsed = json.loads(self.metadata) if self.metadata is not None else {}
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def known_text(self, name):
        value = self.known_metadata.get(name)
        return value if isinstance(value, str) else None


def without_logical_types(schema):
    """Both spellings of logicalType mean the same long."""
    if isinstance(schema, dict):
        return {k: without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [without_logical_types(s) for s in schema]
    return schema


def readable(schema_text):
    """A writer schema, ready to read with."""
    return fastavro.parse_schema(without_logical_types(json.loads(schema_text)))


def decode(value, schema_of, position=(0, 0)):
    """One record's value as an Event; raises Rejected.

    `schema_of(id)` gives the writer schema as `readable` returns it, or None if unknown.
    """
    if value is None:
        raise Rejected("tombstone")
    if len(value) > SIZE_LIMIT:
        raise Rejected("over-size")
    if len(value) < 5 or value[0] != 0:
        raise Rejected("not the wire format")
    schema = schema_of(int.from_bytes(value[1:5], "big"))
    if schema is None:
        raise Rejected("unknown schema id")
    try:
        record = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema)
    except Exception as error:  # fastavro raises whatever the bytes lead to
        raise Rejected(f"undecodable: {error!r}") from error
    record.setdefault("metadata", None)
    missing = [name for name in FIELDS if name not in record]
    if missing:
        raise Rejected(f"missing {missing}")
    if record["status"] not in STATUSES:
        raise Rejected("unknown status")
    for name in ("sagaId", "sagaType", "step"):
        if not record[name]:
            raise Rejected(f"empty {name}")
    for name, limit in LIMITS.items():
        if len(record[name]) > limit:
            raise Rejected(f"{name} too long")
    if len((record["metadata"] or "").encode()) > METADATA_LIMIT:
        raise Rejected("metadata too long")
    for name in ("recordedAt", "eventTimestamp"):
        if not EARLIEST <= record[name] < LATEST:
            raise Rejected(f"absurd {name}")
    return Event(
        event_id=record["eventId"],
        saga_id=record["sagaId"],
        saga_type=record["sagaType"],
        step=record["step"],
        status=record["status"],
        order_id=record["orderId"],
        metadata=record["metadata"],
        recorded_at=record["recordedAt"],
        event_timestamp=record["eventTimestamp"],
        position=position,
    )


# --- the fold -----------------------------------------------------------------------


def effective_status(event):
    completing = COMPLETING_STEPS.get(event.saga_type)
    if event.status == "COMPLETED" and completing is not None and event.step not in completing:
        return "IN_PROGRESS"
    return event.status


def next_status(current, incoming, defined=True):
    """(status, is this transition an anomaly) for one cell of the contract's fold."""
    if current is None or current == incoming:
        return incoming, False
    if incoming == "COMPENSATED":
        return "COMPENSATED", False
    if incoming == "FAILED":
        return "FAILED", current in ("COMPLETED", "COMPENSATED")
    if incoming == "COMPLETED":
        if current == "COMPENSATED":
            return "COMPENSATED", True
        return "COMPLETED", current == "FAILED"
    # STARTED or IN_PROGRESS: news of work going on.
    if current in ("STARTED", "IN_PROGRESS"):
        return "IN_PROGRESS", False
    if current == "COMPLETED":
        return ("COMPLETED", True) if defined else ("IN_PROGRESS", False)
    return current, incoming == "STARTED"


@dataclass
class Saga:
    saga_id: str
    saga_type: str
    order_id: str
    status: str
    last_step: str
    last_trace_id: str | None
    started_at: int
    updated_at: int
    timeline: list[Event]
    duplicates: int = 0
    conflicts: int = 0
    anomalies: list[tuple[str, str, int]] = field(default_factory=list)
    failed_at: list[int] = field(default_factory=list)
    compensated_at: list[int] = field(default_factory=list)
    compensations: list[int] = field(default_factory=list)


def unique(deliveries):
    """(the events that count, the later deliveries, the events that came with different bodies)."""
    winners, duplicates, bodies = {}, [], {}
    for event in sorted(deliveries, key=lambda e: e.position):
        bodies.setdefault(event.key, set()).add(replace(event, position=(0, 0)))
        if winners.setdefault(event.key, event) is not event:
            duplicates.append(event)
    conflicts = [winner for key, winner in winners.items() if len(bodies[key]) > 1]
    return list(winners.values()), duplicates, conflicts


def fold(deliveries):
    """One saga's deliveries, in any order, to its state."""
    events, _, conflicts = unique(deliveries)
    timeline = sorted(events, key=lambda e: (e.recorded_at, e.position))
    first, last = timeline[0], timeline[-1]
    saga = Saga(
        saga_id=first.saga_id,
        saga_type=first.saga_type,
        order_id=first.order_id,
        status="",
        last_step=last.step,
        last_trace_id=None,
        started_at=first.recorded_at,
        updated_at=last.recorded_at,
        timeline=timeline,
    )
    current = None
    for event in timeline:
        saga.last_trace_id = event.known_text("traceId") or saga.last_trace_id
        if event.order_id != first.order_id:
            saga.anomalies.append(("order", event.event_id, event.recorded_at))
        if event.saga_type != first.saga_type:
            saga.anomalies.append(("type", event.event_id, event.recorded_at))
        if event.step == OPERATOR_STEP:
            status, odd = event.status, False
        else:
            status, odd = next_status(
                current,
                effective_status(replace(event, saga_type=first.saga_type)),
                first.saga_type in COMPLETING_STEPS,
            )
        if odd:
            saga.anomalies.append(("transition", event.event_id, event.recorded_at))
        if status == "FAILED" and current != "FAILED":
            saga.failed_at.append(event.recorded_at)
        if status == "COMPENSATED" and current != "COMPENSATED":
            saga.compensated_at.append(event.recorded_at)
            if current == "FAILED":
                saga.compensations.append(event.recorded_at - saga.failed_at[-1])
        current = status
    saga.anomalies.extend(("conflict", e.event_id, e.recorded_at) for e in conflicts)
    saga.status = current
    return saga


# --- the whole topic ----------------------------------------------------------------


@dataclass(frozen=True)
class DeadLetter:
    position: tuple[int, int]
    key: bytes | None
    value: bytes | None
    reason: str


def arrivals(records):
    """position → when it arrived: Kafka's timestamp, never before that of the record in front of it."""
    arrived, latest = {}, {}
    for record in sorted(records, key=lambda r: r.position):
        partition = record.position[0]
        latest[partition] = max(latest.get(partition, 0), record.timestamp)
        arrived[record.position] = latest[partition]
    return arrived


def instant(text, end_of_day=False):
    """A bound of a search: an instant, or a plain date that means the whole day."""
    if "T" in text:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    day = date.fromisoformat(text)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if end_of_day:
        midnight += timedelta(days=1)
    return round(midnight.timestamp() * 1000) - (1 if end_of_day else 0)


class Oracle:
    """All state that follows from the records of a topic."""

    def __init__(self, records, schema_of):
        deliveries, self.dead_letters = {}, []
        records = list(records)
        self.arrived = arrivals(records)
        for record in records:
            try:
                event = decode(record.value, schema_of, record.position)
            except Rejected as why:
                self.dead_letters.append(DeadLetter(record.position, record.key, record.value, str(why)))
            else:
                deliveries.setdefault(event.saga_id, []).append(event)
        self.deliveries = deliveries
        self.sagas = {saga_id: fold(events) for saga_id, events in deliveries.items()}
        self.delivered = sum(map(len, deliveries.values()))
        # Whatever was delivered counts here, retries and all: the latest time never goes back.
        said_failed = [e.recorded_at for events in deliveries.values() for e in events if e.status == "FAILED"]
        self.last_failed_at = max(said_failed, default=0)

    def at(self, saga_id, as_of=None, known_at=None):
        """The saga as it was; None if it had not begun."""
        known = [e for e in self.deliveries[saga_id] if known_at is None or self.arrived[e.position] <= known_at]
        events, duplicates, conflicts = unique(known)
        timeline = [e for e in events if as_of is None or e.recorded_at <= as_of]
        if not timeline:
            return None
        saga = fold(timeline)
        saga.duplicates = sum(as_of is None or e.recorded_at <= as_of for e in duplicates)
        saga.conflicts = sum(e in timeline for e in conflicts)
        return saga

    @property
    def applied(self):
        return sum(len(saga.timeline) for saga in self.sagas.values())

    @property
    def duplicates(self):
        return self.delivered - self.applied

    def select(self, orderId=None, sagaType=None, status=None, fromDate=None, toDate=None):
        chosen = list(self.sagas.values())
        if orderId is not None:
            chosen = [s for s in chosen if s.order_id == orderId]
        if sagaType is not None:
            chosen = [s for s in chosen if s.saga_type == sagaType]
        if status is not None:
            chosen = [s for s in chosen if s.status == status]
        if fromDate is not None:
            chosen = [s for s in chosen if s.started_at >= instant(fromDate)]
        if toDate is not None:
            chosen = [s for s in chosen if s.started_at <= instant(toDate, end_of_day=True)]
        return chosen

    def search(self, sort="startedAt,desc", **filters):
        """Every match, in order: ties by sagaId's bytes, descending exactly reversed."""
        by, direction = sort.split(",")
        attribute = {"startedAt": "started_at", "updatedAt": "updated_at"}[by]
        return sorted(
            self.select(**filters),
            key=lambda s: (getattr(s, attribute), s.saga_id.encode()),
            reverse=direction == "desc",
        )

    def statistics(self, sagaType=None, fromDate=None, toDate=None):
        chosen = self.select(sagaType=sagaType, fromDate=fromDate, toDate=toDate)
        by_status = {name: 0 for name in STATUSES}
        by_type = {}
        for saga in chosen:
            by_status[saga.status] += 1
            by_type[saga.saga_type] = by_type.get(saga.saga_type, 0) + 1
        failed = by_status["FAILED"]
        durations = [s.updated_at - s.started_at for s in chosen if s.status == "COMPLETED"]
        return {
            "total": len(chosen),
            "byStatus": by_status,
            "byType": by_type,
            "failureRate": failed / len(chosen) if chosen else 0.0,
            "compensationRate": by_status["COMPENSATED"] / failed if failed else 0.0,
            "avgDurationSeconds": sum(durations) / len(durations) / 1000 if durations else 0.0,
        }

    def counters(self):
        """The metrics of the contract that derive from state."""
        sagas = self.sagas.values()
        compensations = [d for s in sagas for d in s.compensations]
        processed = {}
        for saga in sagas:
            for event in saga.timeline:
                labels = (event.step, event.status)
                processed[labels] = processed.get(labels, 0) + 1
        return {
            "failed": sum(len(s.failed_at) for s in sagas),
            "compensated": sum(len(s.compensated_at) for s in sagas),
            "last_failed": self.last_failed_at / 1000,
            "compensation_count": len(compensations),
            "compensation_sum": sum(compensations) / 1000,
            "processed": processed,
            "active": self.statistics()["byStatus"],
        }

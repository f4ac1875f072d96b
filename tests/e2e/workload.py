"""Seeded input: sagas as real producers write them, and the ways they go wrong.

What comes out of here is only ever *sent*; what the tracker should make of it is the
oracle's business.
"""

import json
import random
from dataclasses import dataclass

DAY = 86_400_000
EPOCH = 1_735_689_600_000  # 2025-01-01T00:00:00Z

# (service, step, status, milliseconds after the previous one)
ORDER_OK = [
    ("order", "ORDER_CREATED", "STARTED", 0),
    ("product", "STOCK_RESERVATION", "IN_PROGRESS", 40),
    ("product", "STOCK_RESERVED", "COMPLETED", 60),
    ("order", "STOCK_RESERVED", "IN_PROGRESS", 15),
    ("payment", "PAYMENT_COMPLETED", "IN_PROGRESS", 900),
    ("order", "ORDER_CONFIRMED", "COMPLETED", 30),
]
ORDER_NO_STOCK = [
    ("order", "ORDER_CREATED", "STARTED", 0),
    ("product", "STOCK_RESERVATION", "IN_PROGRESS", 40),
    ("product", "STOCK_RESERVATION_FAILED", "IN_PROGRESS", 50),
    ("order", "STOCK_RESERVATION_FAILED", "FAILED", 20),
    ("order", "ORDER_CANCELLED", "FAILED", 10),
]
ORDER_COMPENSATED = [
    ("order", "ORDER_CREATED", "STARTED", 0),
    ("product", "STOCK_RESERVED", "IN_PROGRESS", 80),
    ("payment", "PAYMENT_FAILED", "FAILED", 1200),
    ("product", "STOCK_RELEASED", "IN_PROGRESS", 90),
    ("order", "COMPENSATION_STOCK", "COMPENSATED", 200),
]
ORDER_STUCK = ORDER_OK[:4]
ORDER_TIMEOUT = ORDER_OK[:2] + [("order", "ORDER_TIMEOUT", "FAILED", 600_000)]
PAYMENT_OK = [
    ("payment", "PAYMENT_INITIALIZATION", "STARTED", 0),
    ("payment", "PAYMENT_INITIALIZED", "IN_PROGRESS", 35),
    ("payment", "PAYMENT_COMPLETED", "COMPLETED", 1500),
]
PAYMENT_REFUNDED = PAYMENT_OK + [("payment", "PAYMENT_REFUNDED", "COMPENSATED", 5000)]
PAYMENT_CANCELLED = PAYMENT_OK[:2] + [
    ("payment", "PAYMENT_FAILED", "FAILED", 800),
    ("payment", "PAYMENT_CANCELLED", "COMPENSATED", 400),
]
ORDER_FLOWS = [ORDER_OK] * 6 + [
    ORDER_NO_STOCK,
    ORDER_COMPENSATED,
    ORDER_COMPENSATED,
    ORDER_STUCK,
    ORDER_TIMEOUT,
]
PAYMENT_FLOWS = [PAYMENT_OK] * 4 + [PAYMENT_REFUNDED, PAYMENT_CANCELLED]
STEPS = sorted({step for flow in ORDER_FLOWS + PAYMENT_FLOWS for _, step, _, _ in flow})
STATUSES = ("STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED")

# Every one of these is a sagaId like any other.
AWKWARD_IDS = [
    "a",
    "a\x00",
    "a\x00b",
    "ab",
    "a/b/steps",
    "a b+c",
    "100%",
    "%2F",
    "누구의 주문?",
    "q?x=1&y=2#z",
    "🧾-1",
    '"quoted"\\',
    "steps",
]


@dataclass(frozen=True)
class Message:
    """An event to send. `partition` None: where the key's hash says."""

    fields: dict
    partition: int | None = None

    @property
    def key(self):
        return self.fields["sagaId"]


def event(rng, saga_id, saga_type, step, status, order_id, recorded_at, metadata=None):
    return {
        "eventId": f"{rng.getrandbits(128):032x}",
        "eventTimestamp": recorded_at + rng.randrange(-50, 50),
        "sagaId": saga_id,
        "sagaType": saga_type,
        "step": step,
        "status": status,
        "orderId": order_id,
        "metadata": metadata,
        "recordedAt": recorded_at,
    }


def metadata(rng, service, recorded_at):
    """Mostly what the SDK writes; sometimes nothing, sometimes not even JSON."""
    dice = rng.random()
    if dice < 0.08:
        return None
    if dice < 0.12:
        return rng.choice(["", "no json", "[1, 2]", '"text"', '{"broken": ', "17", "null", "주문"])
    known = {"producerService": f"{service}-service", "producerTimestamp": recorded_at}
    if rng.random() < 0.7:
        known["traceId"] = f"{rng.getrandbits(128):032x}"
        known["spanId"] = f"{rng.getrandbits(64):016x}"
    if rng.random() < 0.2:
        known["orderAmount"] = rng.choice([1000, 25.5, "19900"])
    if rng.random() < 0.1:
        known |= {"retryCount": rng.randrange(5), "nested": {"항목": [1, None, True]}}
    return json.dumps(known, ensure_ascii=rng.random() < 0.5)


def saga(rng, saga_id, order_id, days=30, epoch=EPOCH):
    """The events of one saga, in the order its services meant them; it begins within so many days from the epoch on."""
    start = epoch + rng.randrange(days * DAY)
    if rng.random() < 0.1:
        start -= start % 3_600_000  # so that startedAt has ties
    dice = rng.random()
    if dice < 0.15:
        saga_type = rng.choice(["ORDER_CREATION", "PAYMENT_COMPLETION"])
        flow = [
            (rng.choice(["order", "product"]), rng.choice(STEPS), rng.choice(STATUSES), rng.choice([0, 0, 1, 700]))
            for _ in range(rng.randrange(1, 9))
        ]
    elif dice < 0.7:
        saga_type, flow = "ORDER_CREATION", rng.choice(ORDER_FLOWS)
    else:
        saga_type, flow = "PAYMENT_COMPLETION", rng.choice(PAYMENT_FLOWS)
    at, events = start, []
    for service, step, status, after in flow:
        at += after
        # The services' clocks disagree.
        skew = rng.choice([0, 0, 0, 0, -2000, 1500]) if len(events) else 0
        recorded_at = at + skew
        events.append(
            event(rng, saga_id, saga_type, step, status, order_id, recorded_at, metadata(rng, service, recorded_at))
        )
    if rng.random() < 0.01:
        events[-1]["orderId"] = order_id + "-other"
    return events


def retries(rng, events):
    """What retrying producers add: the same event again, sometimes not quite the same."""
    extra = []
    for one in events:
        dice = rng.random()
        if dice < 0.05:
            extra.append(dict(one))
        elif dice < 0.06:
            other = dict(one, step=rng.choice(STEPS), status=rng.choice(STATUSES))
            other["recordedAt"] += rng.choice([0, 1, 5000, -5000])
            extra.append(other)
        elif dice < 0.065:
            one["eventId"] = ""
            extra.append(dict(one))
    return extra


def messages(seed, sagas, partitions=3, prefix="saga", awkward=False, days=30):
    """All messages of a run, in the (shuffled) order to send them in."""
    rng = random.Random(seed)
    ids = [f"{prefix}-{seed}-{n}" for n in range(sagas)]
    if awkward:
        ids[: len(AWKWARD_IDS)] = AWKWARD_IDS
    everything = []
    for n, saga_id in enumerate(ids):
        events = saga(rng, saga_id, f"ORD-{seed}-{n // 2}", days)
        everything += events + retries(rng, events)
    rng.shuffle(everything)
    # Now and then another service's partitioner disagrees about where a key goes.
    return [Message(fields, rng.randrange(partitions) if rng.random() < 0.03 else None) for fields in everything]


# --- poison -------------------------------------------------------------------------


def valid(rng, **changes):
    """One ordinary event; unlike the sagas', nothing else belongs to its saga."""
    fields = event(
        rng,
        f"poison-{rng.getrandbits(64):x}",
        "ORDER_CREATION",
        "ORDER_CREATED",
        "STARTED",
        "ORD-poison",
        EPOCH,
        '{"producerService": "order-service"}',
    )
    return fields | changes


def poison(rng, encode, encode_as, registered):
    """(kind, key, value) of records that no tracker can apply.

    `encode(fields)` is the ordinary encoder, `encode_as(schema, fields)` writes with
    another schema, `registered` is the published schema as parsed JSON.
    """
    wide = json.loads(json.dumps(registered))
    status = next(f for f in wide["fields"] if f["name"] == "status")
    status["type"]["symbols"].append("PAUSED")
    narrow = json.loads(json.dumps(registered))
    narrow["fields"] = [f for f in narrow["fields"] if f["name"] != "orderId"]
    good = encode(valid(rng))
    marker = "INVALIDTEXT"
    with_marker = encode(valid(rng, step=marker))
    without_order = {k: v for k, v in valid(rng).items() if k != "orderId"}
    return [
        ("bad magic", b"k1", b"\x07" + good[1:]),
        ("json", b"k2", json.dumps(valid(rng)).encode()),
        ("unknown schema id", b"k3", b"\x00" + (2_000_000_000).to_bytes(4, "big") + good[5:]),
        ("truncated", b"k4", good[:-9]),
        ("header only", b"k5", good[:5]),
        ("half a header", b"k6", good[:3]),
        ("empty", b"k7", b""),
        ("tombstone", b"k8", None),
        ("invalid utf-8", b"k9", with_marker.replace(marker.encode(), b"INVALID\xff\xfe\xc0T")),
        ("endless length", b"k10", good[:5] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("unknown status", b"k11", encode_as(wide, valid(rng, status="PAUSED"))),
        ("missing field", b"k12", encode_as(narrow, without_order)),
        ("empty sagaId", b"", encode(valid(rng, sagaId=""))),
        ("timestamp 0", b"k13", encode(valid(rng, recordedAt=0))),
        ("timestamp in seconds", b"k14", encode(valid(rng, recordedAt=EPOCH // 1000))),
        ("timestamp in nanoseconds", b"k15", encode(valid(rng, recordedAt=EPOCH * 1_000_000))),
        ("negative timestamp", b"k16", encode(valid(rng, recordedAt=-(2**63)))),
        ("long step", b"k17", encode(valid(rng, step="S" * 101))),
        ("long step, many bytes", b"k18", encode(valid(rng, step="단" * 101))),
        ("long saga id", b"k20", encode(valid(rng, sagaId="s" * 256))),
        ("long order id", b"k21", encode(valid(rng, orderId="주" * 256))),
        ("empty step", b"k22", encode(valid(rng, step=""))),
        ("event timestamp 0", b"k23", encode(valid(rng, eventTimestamp=0))),
    ]


def large_poison(rng, encode):
    """Likewise, of megabytes each."""
    return [
        ("long metadata", b"k19", encode(valid(rng, metadata="x" * (2**20 + 1)))),
        ("over-size", b"k24", encode(valid(rng, metadata="x" * 2**21))),
    ]


def nearly_poison(rng):
    """Ordinary events at the edge of what is accepted."""
    return [
        Message(valid(rng, step="S" * 100)),
        Message(valid(rng, step="단" * 100)),
        Message(valid(rng, recordedAt=946_684_800_000)),
        Message(valid(rng, recordedAt=4_102_444_799_999)),
        Message(valid(rng, metadata="x" * 2**20)),
        Message(valid(rng, sagaId="poison-" + "가" * 248, eventId="e" * 255, orderId="o" * 255)),
        Message(valid(rng, metadata=json.dumps({"blob": "y" * 200_000}))),
        Message(valid(rng, orderId="")),
    ]

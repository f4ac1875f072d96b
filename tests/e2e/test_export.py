"""Results and event logs taken away: tables agree with the oracle, DuckDB reads them, process-mining tools the logs.

pm4py (AGPL) is a tool of these tests alone: nothing of it is part of the product.
"""

import csv
import datetime
import io
import json
import random
from collections import Counter
from itertools import pairwise
from urllib.parse import quote

import duckdb
import pytest
import requests

import checks
import oracle as meaning
import workload
from conftest import SEED

pytestmark = pytest.mark.tracker

SHEET_WOULD_RUN = ("=", "+", "-", "@", "'", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


class Shop:
    def __init__(self, world):
        rng = random.Random(SEED)
        world.publisher.send(workload.messages(SEED, 500, awkward=True))
        for number, text in enumerate(['=HYPERLINK("x")', "-1", "'+1", '<event a="1"/>&', "two\nlines\x1b[31m"]):
            for step, status in [("ORDER_CREATED", "STARTED"), (f"STEP {text}", "IN_PROGRESS")]:
                fields = workload.valid(
                    rng, sagaId=f"{text} {number}", orderId=text, sagaType="ORDER_CREATION", step=step, status=status
                )
                world.publisher.send([workload.Message(fields)])
        world.publisher.flush()
        self.world = world
        world.publish_poison(rng)
        self.tracker = world.tracker().start().wait_caught_up()
        self.truth = world.truth()
        self.api = self.tracker.api

    def take(self, what, **params):
        answer = self.api.get(f"/api/v1/export/{what}", **params)
        assert answer.status_code == 200, f"{what} {params}: {answer.status_code} {answer.text}"
        return answer

    def rows(self, what, **params):
        answer = self.take(what, format="ndjson", **params)
        return [json.loads(line) for line in answer.content.decode().split("\n")[:-1]]

    def lines(self, what, **params):
        """The same from CSV, as a spreadsheet reads it, without the apostrophes."""
        text = self.take(what, format="csv", **params).content.decode()
        assert text.endswith("\r\n")
        found = list(csv.DictReader(io.StringIO(text, newline="")))
        for line in found:
            for name, value in line.items():
                if value.startswith("'"):
                    line[name] = value[1:]
                elif not (name in ("id", "number") or value.lstrip("-").isdigit()):
                    assert not value.startswith(SHEET_WOULD_RUN), (name, value)
        return found


@pytest.fixture(scope="module")
def shop(module_world):
    return Shop(module_world)


def test_sagas_are_exported_whole_and_in_order(shop):
    for filters in [{}, {"sagaType": "ORDER_CREATION"}, {"status": "FAILED", "sort": "updatedAt,asc"}]:
        expected = shop.truth.search(**filters)
        rows = shop.rows("sagas", **filters)
        assert [row["sagaId"] for row in rows] == [saga.saga_id for saga in expected]
        for row, saga in zip(rows, expected, strict=True):
            checks.same_saga(row, saga)
        lines = shop.lines("sagas", **filters)
        assert [line["sagaId"] for line in lines] == [saga.saga_id for saga in expected]
        assert [line["orderId"] for line in lines] == [saga.order_id for saga in expected]
        assert [int(line["stepCount"]) for line in lines] == [len(saga.timeline) for saga in expected]
        for line, row in zip(lines, rows, strict=True):
            assert json.loads(line["traceIds"]) == row["traceIds"]
            assert line["startedAt"] == row["startedAt"]


def test_an_export_is_taken_up_again_behind_its_last_cursor(shop):
    for what, key, filters in [
        ("sagas", "sagaId", {"sagaType": "ORDER_CREATION"}),
        ("events", "eventId", {}),
        ("dead-letters", "id", {}),
    ]:
        whole = [row[key] for row in shop.rows(what, **filters)]
        found, cursor = [], {}
        while True:
            rows = shop.rows(what, limit=37 if what != "dead-letters" else 3, **filters, **cursor)
            found += [row[key] for row in rows]
            if not rows or "nextCursor" not in rows[-1]:
                break
            cursor = {"cursor": rows[-1]["nextCursor"]}
        assert found == whole and len(whole) > 10, what
    # In the middle of one that goes on, as somebody who was cut off would.
    rows = shop.rows("sagas")
    marked = [n for n, row in enumerate(rows) if "nextCursor" in row]
    assert marked, "no row of a long export can be taken up again"
    rest = shop.rows("sagas", cursor=rows[marked[0]]["nextCursor"])
    assert [r["sagaId"] for r in rest] == [r["sagaId"] for r in rows[marked[0] + 1 :]]


def test_an_export_of_the_past_is_that_of_the_search(shop):
    events = [event for saga in shop.truth.sagas.values() for event in saga.timeline]
    at = checks.iso(random.Random(SEED).choice(events).recorded_at)
    found = shop.rows("sagas", asOf=at)
    listed, cursor = [], {}
    while cursor is not None:
        page = shop.api.search(asOf=at, size=100, **cursor)
        listed += page["content"]
        cursor = {"cursor": page["nextCursor"]} if page["nextCursor"] else None
    assert [{k: v for k, v in row.items() if k != "nextCursor"} for row in found] == listed
    census = shop.lines("census", asOf=at)
    standing = Counter({s: 0 for s in meaning.STATUSES})
    for line in census:
        if line["of"] == "TYPE":
            standing[line["status"]] += int(line["standing"])
    assert standing == shop.api.json("/api/v1/census", asOf=at)["byStatus"]


def test_events_and_steps_are_the_timelines(shop):
    by_saga = {}
    for row in shop.rows("events"):
        by_saga.setdefault(row["sagaId"], []).append(row)
    assert by_saga.keys() == shop.truth.sagas.keys()
    for saga_id, rows in by_saga.items():
        saga = shop.truth.sagas[saga_id]
        checks.same_steps({"sagaId": saga_id, "steps": rows}, saga)
        assert [(row["partition"], row["offset"]) for row in rows] == [e.position for e in saga.timeline]
        assert {row["orderId"] for row in rows} == {saga.order_id}
        assert rows[-1]["sagaStatus"] == saga.status
        assert [row["effectiveStatus"] for row in rows] == [meaning.effective_status(e) for e in saga.timeline]
    for saga_id in random.Random(SEED).sample(sorted(by_saga), 20):
        rows = shop.rows(f"sagas/{quote(saga_id, safe='')}/steps")
        assert [{k: v for k, v in row.items() if k != "nextCursor"} for row in rows] == [
            {k: v for k, v in row.items() if k != "nextCursor"} for row in by_saga[saga_id]
        ]
        rest = shop.rows(f"sagas/{quote(saga_id, safe='')}/steps", cursor=rows[0]["nextCursor"])
        assert [row["id"] for row in rest] == [row["id"] for row in rows[1:]]


def test_dead_letters_and_the_audit_log_are_exported(shop):
    rows = shop.rows("dead-letters")
    assert {(row["partition"], row["offset"]) for row in rows} == {d.position for d in shop.truth.dead_letters}
    assert [line["id"] for line in shop.lines("dead-letters")] == [row["id"] for row in rows]
    shop.api.request("PATCH", "/internal/v1/sagas/nobody/status", json={"status": "FAILED", "reason": "=1+1"})
    entries = shop.api.json("/api/v1/audit", size=100)["content"]
    assert entries and shop.rows("audit") == entries
    assert [line["hash"] for line in shop.lines("audit")] == [entry["hash"] for entry in entries]


TABLES = {
    "sagas": {"sort": "updatedAt,desc"},
    "events": {},
    "census": {},
    "audit": {},
    "dead-letters": {},
    "ledger": {},
    "ledger offsets": {"offsets": "true"},
}


def parquet(shop, tmp_path, what, **params):
    """The types and rows of a table as another reader finds them; instants in milliseconds."""
    file = tmp_path / "table.parquet"
    file.write_bytes(shop.take(what, format="parquet", **params).content)
    with duckdb.connect() as db:
        table = db.sql(f"select * from read_parquet('{file}')")
        types = dict(zip(table.columns, map(str, table.types), strict=True))
        columns = [f'epoch_ms("{name}")' if is_time(kind) else f'"{name}"' for name, kind in types.items()]
        found = table.select(*map(duckdb.SQLExpression, columns)).fetchall()
        return types, [dict(zip(types, row, strict=True)) for row in found]


def is_time(kind):
    return kind.startswith("TIMESTAMP")


def told(row, name, kind):
    """A value of NDJSON as another reader has it: lists and objects are text."""
    value = row.get(name)
    if value is None:
        return None
    if is_time(kind):
        return checks.millis(value)
    if kind == "DATE":
        return datetime.date.fromisoformat(value)
    return plain(json.dumps(value) if isinstance(value, list | dict) else value)


def plain(value):
    """JSON inside of a text without its spaces."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.dumps(json.loads(value))
        except ValueError:
            return value
    return value


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_reads_the_rows_of_ndjson_from_parquet(shop, tmp_path, table):
    what = table.split()[0]
    if table == "audit":
        shop.api.request("PATCH", "/internal/v1/sagas/nobody/status", json={"status": "FAILED", "reason": "=1+1"})
    rows = shop.rows(what, **TABLES[table])
    types, found = parquet(shop, tmp_path, what, **TABLES[table])
    assert len(found) == len(rows) > 0
    for row, other in zip(rows, found, strict=True):
        assert {name: plain(value) for name, value in other.items()} == {
            name: told(row, name, kind) for name, kind in types.items()
        }
    times = {name for name, kind in types.items() if is_time(kind)}
    numbers = {name for name, kind in types.items() if kind == "BIGINT"}
    expected = {
        "sagas": ({"startedAt", "updatedAt", "statusSince"}, {"stepCount", "duplicates"}),
        "events": ({"recordedAt", "arrivedAt"}, {"id", "partition", "offset"}),
        "census": ({"asOf", "knownAt"}, {"standing", "entered", "left"}),
        "audit": ({"at"}, {"number"}),
        "dead-letters": ({"arrivedAt"}, {"partition", "offset", "bytes"}),
        "ledger": (set(), {"partition", "offsets", "applied", "unexplained"}),
        "ledger offsets": ({"arrivedAt", "recordedAt"}, {"partition", "offset", "offsets", "decision"}),
    }[table]
    assert expected[0] <= times and expected[1] <= numbers, types


def test_parquet_is_taken_in_files_behind_each_others_cursor(shop, tmp_path):
    whole = [row["sagaId"] for row in shop.rows("sagas")]
    found, cursor = [], {}
    while cursor is not None:
        _, rows = parquet(shop, tmp_path, "sagas", limit=123, **cursor)
        found += [row["sagaId"] for row in rows]
        last = rows[-1]["nextCursor"] if rows else None
        cursor = {"cursor": last} if last else None
    assert found == whole


def test_the_ledger_is_exported_by_day_and_by_offset(shop):
    total = shop.api.json("/api/v1/ledger")["total"]
    days = shop.rows("ledger")
    assert sum(day["offsets"] for day in days) == total["offsets"] and all(day["day"] for day in days)
    offsets = shop.rows("ledger", offsets="true")
    counts = Counter()
    for row in offsets:
        counts[row["class"]] += row["offsets"]
    names = {"dead_letter": "deadLetter"}
    assert {names.get(c, c): n for c, n in counts.items()} == {
        name: total[name] for name in ("applied", "duplicate", "operator", "deadLetter") if total[name]
    }
    timelines = {event.position for saga in shop.truth.sagas.values() for event in saga.timeline}
    assert {(row["partition"], row["offset"]) for row in offsets if row["class"] == "applied"} == timelines
    letters = {(row["partition"], row["offset"]) for row in offsets if row["class"] == "dead_letter"}
    assert letters == {letter.position for letter in shop.truth.dead_letters}
    lines = shop.lines("ledger", offsets="true", partition=0)
    assert [int(line["offset"]) for line in lines] == [r["offset"] for r in offsets if r["partition"] == 0]


def cut_off(shop, what, after, **params):
    """What a client has whose connection broke after so many bytes."""
    found = b""
    address = f"{shop.tracker.url}/api/v1/export/{what}"
    with requests.get(address, params={"format": "ndjson", **params}, stream=True, timeout=30) as answer:
        for part in answer.iter_content(1_000):
            found += part
            if len(found) >= after:
                break
    complete = found[: found.rfind(b"\n") + 1].decode().split("\n")[:-1]
    return [json.loads(line) for line in complete]


@pytest.mark.parametrize("what", ["sagas", "events", "ledger"])
def test_who_was_cut_off_goes_on_behind_the_last_cursor(shop, what):
    params = {"offsets": "true"} if what == "ledger" else {}
    without = [{k: v for k, v in row.items() if k != "nextCursor"} for row in shop.rows(what, **params)]
    size = sum(len(json.dumps(row)) for row in without)
    for share in (0.1, 0.5, 0.9):
        rows = cut_off(shop, what, size * share, **params)
        marked = [n for n, row in enumerate(rows) if row.get("nextCursor")]
        kept = rows[: marked[-1] + 1] if marked else []
        more = {"cursor": kept[-1]["nextCursor"]} if kept else {}
        kept += shop.rows(what, **params, **more)
        assert [{k: v for k, v in row.items() if k != "nextCursor"} for row in kept] == without


def directly_follows(sagas):
    return Counter((a.step, b.step) for saga in sagas for a, b in pairwise(saga.timeline))


def graph(dfg):
    """Counts as pm4py gives them; control characters as XES shows them."""
    return {edge: int(count) for edge, count in dfg.items()}


def shown(text):
    return "".join(chr(0x2400 + ord(c)) if ord(c) < 0x20 and c not in "\t\n\r" else c for c in text)


PERIODS = [
    {},
    {"sagaType": "ORDER_CREATION", "fromDate": "2025-01-05", "toDate": "2025-01-20"},
]


@pytest.mark.parametrize("filters", PERIODS)
def test_pm4py_reads_the_xes_log(shop, pm4py, filters, tmp_path):
    sagas = shop.truth.select(**filters)
    file = tmp_path / "log.xes"
    arguments = [f"--{name}={value}" for name, value in flags(filters)]
    done = shop.tracker.cli("export", "xes", *arguments, "--url", shop.tracker.url)
    assert done.returncode == 0, done.stderr
    file.write_text(done.stdout, newline="")
    log = pm4py.read_xes(str(file))
    assert len(log) == sum(len(saga.timeline) for saga in sagas)
    assert set(log["case:concept:name"]) == {shown(saga.saga_id) for saga in sagas}
    dfg, starts, _ = pm4py.discover_dfg(log)
    assert graph(dfg) == {(shown(a), shown(b)): n for (a, b), n in directly_follows(sagas).items()}
    assert sum(starts.values()) == len(sagas)
    resources = Counter(log["org:resource"].dropna())
    services = [e.known_text("producerService") for saga in sagas for e in saga.timeline]
    assert resources == Counter(filter(None, services))


@pytest.mark.parametrize("filters", PERIODS)
def test_pm4py_reads_the_ocel_log(shop, pm4py, filters, tmp_path):
    sagas = shop.truth.select(**filters)
    file = tmp_path / "log.jsonocel"
    file.write_bytes(shop.take("events", format="ocel", **filters).content)
    log = pm4py.read_ocel2_json(str(file))
    assert len(log.events) == sum(len(saga.timeline) for saga in sagas)
    objects = Counter(log.objects["ocel:type"])
    orders = {saga.order_id for saga in sagas if saga.order_id}
    assert objects == {"saga": len(sagas), "order": len(orders)}
    assert log.objects["ocel:oid"].is_unique and log.events["ocel:eid"].is_unique
    assert set(log.objects["ocel:oid"]) == {f"saga:{s.saga_id}" for s in sagas} | {f"order:{o}" for o in orders}
    flat = pm4py.ocel_flattening(log, "saga")
    dfg, _, _ = pm4py.discover_dfg(flat)
    assert graph(dfg) == directly_follows(sagas)
    assert len(log.o2o) == sum(bool(saga.order_id) for saga in sagas)
    document = json.loads(file.read_text())
    names = {kind["name"] for kind in document["eventTypes"]}
    assert names == {event.step for saga in sagas for event in saga.timeline}
    for thing in document["objects"]:
        if thing["type"] == "saga":
            saga = shop.truth.sagas[thing["id"].removeprefix("saga:")]
            assert statuses(thing) == at_each_instant(saga)


def statuses(thing):
    told = [a for a in thing["attributes"] if a["name"] == "status"]
    return [(checks.millis(a["time"]), a["value"]) for a in told]


def at_each_instant(saga):
    """The status after all events of an instant, where it is another one than before."""
    found = []
    instants = sorted({event.recorded_at for event in saga.timeline})
    for at in instants:
        status = meaning.fold([event for event in saga.timeline if event.recorded_at <= at]).status
        if not found or found[-1][1] != status:
            found.append((at, status))
    return found


def flags(filters):
    names = {"sagaType": "type", "fromDate": "from", "toDate": "to"}
    return [(names[name], value) for name, value in filters.items()]


def test_accept_chooses_and_what_makes_no_sense_is_refused(shop):
    path = "/api/v1/export/sagas"
    answer = shop.api.request("GET", path, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="sagas.csv"'
    for params in [{"format": "xes"}, {"limit": 0}, {"cursor": "no"}]:
        assert shop.api.get(path, **params).status_code == 400, params
    cursor = next(row["nextCursor"] for row in shop.rows("events") if "nextCursor" in row)
    assert shop.api.get("/api/v1/export/events", format="ocel", cursor=cursor).status_code == 400
    assert shop.api.get("/api/v1/export/sagas/nobody/steps").status_code == 404


def test_a_client_that_goes_away_leaves_room_for_others(shop):
    for _ in range(12):
        with requests.get(shop.tracker.url + "/api/v1/export/events", stream=True, timeout=30) as answer:
            assert next(answer.iter_content(100))
    assert len(shop.rows("sagas")) == len(shop.truth.sagas)

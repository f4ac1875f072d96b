"""What the built-in definitions say of sagas as the shop's services report them."""

import uuid
from datetime import timedelta

import pytest

import checks

pytestmark = pytest.mark.tracker

START = 1_735_689_600_000
DEADLINE = timedelta(minutes=30) // timedelta(milliseconds=1)
COMPENSATION = timedelta(minutes=5) // timedelta(milliseconds=1)


def report(world, saga, *steps):
    """One second apart."""
    for number, (step, status) in enumerate(steps):
        at = START + 1000 * number
        event = {
            "eventId": str(uuid.uuid4()),
            "eventTimestamp": at,
            "sagaId": saga,
            "sagaType": "ORDER_CREATION",
            "step": step,
            "status": status,
            "orderId": f"order of {saga}",
            "metadata": None,
            "recordedAt": at,
        }
        world.publisher.send_raw(saga.encode(), world.publisher.encode(event))


CREATED = ("ORDER_CREATED", "STARTED")
RESERVED = ("STOCK_RESERVED", "COMPLETED")
TIMEOUT = ("ORDER_TIMEOUT", "FAILED")
SAGAS = {
    "confirmed": [CREATED, RESERVED, ("PAYMENT_COMPLETED", "IN_PROGRESS"), ("ORDER_CONFIRMED", "COMPLETED")],
    "old-name": [CREATED, RESERVED, ("ORDER_CONFIRMATION", "COMPLETED")],
    "out-of-stock": [CREATED, ("STOCK_RESERVATION_FAILED", "FAILED"), ("ORDER_CANCELLED", "FAILED")],
    "owing": [CREATED, RESERVED, TIMEOUT],
    "released": [CREATED, RESERVED, TIMEOUT, ("STOCK_RELEASED", "IN_PROGRESS"), ("ORDER_CANCELLED", "FAILED")],
    "release-failed": [CREATED, RESERVED, TIMEOUT, ("STOCK_RELEASED", "FAILED")],
    "waiting": [CREATED, RESERVED],
    "strange": [CREATED, ("GIFT_WRAPPED", "IN_PROGRESS"), ("ORDER_CONFIRMED", "COMPLETED")],
}


@pytest.fixture(scope="module")
def shop(module_world):
    for saga, steps in SAGAS.items():
        report(module_world, saga, *steps)
    module_world.publisher.flush()
    return module_world.tracker().start().wait_caught_up()


def ask(shop, saga):
    answer = shop.api.request("GET", f"/api/v1/sagas/{saga}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("saga", "status", "compensation", "owed", "rules"),
    [
        ("confirmed", "COMPLETED", "NOT_NEEDED", [], []),
        ("old-name", "COMPLETED", "NOT_NEEDED", [], []),
        ("out-of-stock", "FAILED", "NOTHING_TO_COMPENSATE", [], []),
        ("owing", "FAILED", "OWED", ["STOCK_RESERVED"], ["NEVER_COMPENSATED"]),
        ("released", "FAILED", "COMPENSATED", [], []),
        ("release-failed", "FAILED", "COMPENSATED", [], ["COMPENSATION_FAILED"]),
        ("waiting", "IN_PROGRESS", "NOT_NEEDED", [], []),
        ("strange", "COMPLETED", "NOT_NEEDED", [], ["UNKNOWN_STEP"]),
    ],
)
def test_what_is_owed_and_which_rules_are_not_kept(shop, saga, status, compensation, owed, rules):
    body = ask(shop, saga)
    assert body["currentStatus"] == status
    assert body["compensation"]["state"] == compensation
    assert [step["step"] for step in body["compensation"]["owed"]] == owed
    assert [violation["rule"] for violation in body["conformance"]] == rules


def test_a_saga_is_stuck_since_its_time_was_over(shop):
    stuck = {saga: ask(shop, saga)["stuck"] for saga in SAGAS}
    assert {saga for saga, why in stuck.items() if why} == {"owing", "waiting"}
    assert stuck["waiting"]["rule"] == "PAST_DEADLINE"
    assert checks.millis(stuck["waiting"]["since"]) == START + DEADLINE
    assert stuck["waiting"]["awaited"] == ["ORDER_CONFIRMED"]
    assert stuck["owing"]["rule"] == "COMPENSATION_OVERDUE"
    assert checks.millis(stuck["owing"]["since"]) == START + 2000 + COMPENSATION
    assert stuck["owing"]["awaited"] == ["COMPENSATION_STOCK", "STOCK_RELEASED"]


def broken(shop, **params):
    answer = shop.api.request("GET", "/api/v1/conformance", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_sagas_that_break_rules_are_counted_and_listed_by_when_they_did(shop):
    body = broken(shop)
    counts = {(count["sagaType"], count["rule"]): count["sagas"] for count in body["counts"]}
    rules = ["NEVER_COMPENSATED", "COMPENSATION_FAILED", "UNKNOWN_STEP"]
    assert counts == {("ORDER_CREATION", rule): 1 for rule in rules}
    rows = [(row["rule"], row["saga"]["sagaId"], checks.millis(row["at"])) for row in body["content"]]
    assert rows == [
        ("COMPENSATION_FAILED", "release-failed", START + 3000),
        ("NEVER_COMPENSATED", "owing", START + 2000),
        ("UNKNOWN_STEP", "strange", START + 1000),
    ]
    for row in body["content"]:
        assert row["violations"] == ask(shop, row["saga"]["sagaId"])["conformance"]
    failed = broken(shop, rule="COMPENSATION_FAILED", **{"from": "2025-01-01T00:00:03Z"})
    assert [row["saga"]["sagaId"] for row in failed["content"]] == ["release-failed"]
    assert broken(shop, **{"from": "2025-01-01T00:00:03.001Z"})["content"] == []
    found = shop.api.request("GET", "/api/v1/sagas", params={"rule": "NEVER_COMPENSATED"}).json()
    assert [saga["sagaId"] for saga in found["content"]] == ["owing"]


def test_what_breaks_rules_and_is_late_is_a_metric_and_survives_a_rebuild_and_verify(shop):
    def scraped():
        lines = shop.api.request("GET", "/actuator/prometheus").text.splitlines()
        names = ("conformance_violations", "compensations_failed", "uncompensated_overdue", "past_deadline",
                 "nothing_to_compensate")
        families = tuple(f"saga_tracker_{name}" for name in names)
        samples = [line.rsplit(" ", 1) for line in lines if line.startswith(families)]
        return {sample: float(value) for sample, value in samples}

    before = scraped()
    of_type = 'saga_type="ORDER_CREATION"'
    for sample, value in [
        (f'conformance_violations{{{of_type},rule="NEVER_COMPENSATED"}}', 1),
        (f'conformance_violations{{{of_type},rule="COMPENSATED_TWICE"}}', 0),
        (f"compensations_failed_total{{{of_type}}}", 1),
        (f"uncompensated_overdue{{{of_type}}}", 1),
        (f"past_deadline{{{of_type}}}", 1),
        (f"nothing_to_compensate{{{of_type}}}", 1),
    ]:
        assert before[f"saga_tracker_{sample}"] == value, before
    shop.terminate()
    shop.verify()
    assert shop.cli("rebuild", "--data-dir", shop.data).returncode == 0
    shop.start().wait_caught_up()
    assert scraped() == before
    stuck = shop.api.request("GET", "/api/v1/sagas/stuck").json()
    assert [saga["sagaId"] for saga in stuck["content"]] == ["waiting", "owing"]


def test_a_step_that_no_definition_names_is_named(shop):
    body = shop.api.request("GET", "/api/v1/definitions").json()
    assert [(step["step"], step["events"]) for step in body["unknownSteps"]] == [("GIFT_WRAPPED", 1)]
    assert set(body["types"]) == {"ORDER_CREATION", "PAYMENT_COMPLETION"}
    assert len(body["hash"]) == 64 and body["rebuildDue"] is False

"""Definitions are decisions: every replica folds by the version that was applied last, from its rebuild on."""

import json

import pytest

import checks
import oracle
from servers import wait_until
from tracker import has_fail_points

pytestmark = pytest.mark.tracker

# An order is done when its payment is; of payments nothing is known.
EARLY = '# as we had it in spring\n[types.ORDER_CREATION]\ncompleting_steps = ["PAYMENT_COMPLETED"]\n'
# Both are done by what completes them in the shop.
LATE = """[types.ORDER_CREATION]
completing_steps = ["ORDER_CONFIRMED"]
[types.PAYMENT_COMPLETION]
completing_steps = ["PAYMENT_COMPLETED"]
"""
COMPLETING = {
    EARLY: {"ORDER_CREATION": {"PAYMENT_COMPLETED"}},
    LATE: {"ORDER_CREATION": {"ORDER_CONFIRMED"}, "PAYMENT_COMPLETION": {"PAYMENT_COMPLETED"}},
}


def command(tracker, *arguments):
    return tracker.cli("definitions", *arguments, "--url", tracker.url)


def apply(tracker, text, reason, *more):
    path = tracker.directory / "new.toml"
    path.write_text(text)
    return command(tracker, "apply", path, "--reason", reason, *more)


def wait_in_force(tracker, version):
    """The version is there, and the projections are made under it."""

    def there():
        body = tracker.api.json("/api/v1/definitions")
        return body["version"] == version and not body["rebuildDue"]

    wait_until(there, 120, f"version {version} to be in force and folded under")


def check(trackers, truth_of, text, monkeypatch):
    monkeypatch.setattr(oracle, "COMPLETING_STEPS", COMPLETING[text])
    truth = truth_of()
    for tracker in trackers:
        tracker.wait_caught_up()
        checks.every_saga(tracker.api, truth, 200, 0)
        checks.whole_listing(tracker.api, truth)
        checks.statistics(tracker.api, truth, 10, 0)


@pytest.mark.timeout(900)
def test_replicas_follow_a_decision_through_a_kill_and_back(world, seed, monkeypatch):
    world.publish(seed, 400)
    steady = world.tracker("steady").start().wait_caught_up()
    shaken = world.tracker("shaken")
    # It ends when its new projections are made, and before they serve.
    points = {"FAILPOINTS": "rebuild.before_switch=1*return"} if has_fail_points() else {}
    shaken.start(**points).wait_caught_up()

    done = apply(steady, EARLY, "spring", "--expected", 0)
    assert done.returncode == 0, done.stderr
    assert "version 1 is in force" in done.stdout
    if points:
        shaken.wait_exit(120)
    else:
        shaken.kill9()
    world.publish(seed + 1, 100)
    shaken.start()
    for tracker in (steady, shaken):
        wait_in_force(tracker, 1)
    check((steady, shaken), world.truth, EARLY, monkeypatch)

    # Whoever looked before that is refused, and told what is there now.
    stale = apply(shaken, LATE, "too late", "--expected", 0)
    assert stale.returncode == 2 and "version 1" in stale.stderr, stale
    refused = steady.api.request("POST", "/api/v1/definitions", json={"definitions": "types = 7", "reason": "r"})
    assert refused.status_code == 400 and refused.json()["details"][0]["parameter"] == "definitions"

    # What is tried is what comes.
    path = steady.directory / "late.toml"
    path.write_text(LATE)
    tried = command(steady, "try", path, "--json")
    assert tried.returncode == 0, tried.stderr
    tried = json.loads(tried.stdout)
    assert tried["changing"] > 0 and tried["sagas"] >= tried["changing"]
    assert all(change["reason"] for change in tried["changes"])
    assert apply(shaken, LATE, "summer").returncode == 0
    for tracker in (steady, shaken):
        wait_in_force(tracker, 2)
    check((steady, shaken), world.truth, LATE, monkeypatch)
    assert set(tried["types"]) == set(tried["after"]) == {"ORDER_CREATION", "PAYMENT_COMPLETION"}
    for saga_type, after in tried["after"].items():
        statuses = steady.api.statistics(sagaType=saga_type)["byStatus"]
        assert {status: sagas for status, sagas in statuses.items() if sagas} == after
    for change in tried["changes"]:
        assert steady.api.saga(change["sagaId"])["currentStatus"] == change["after"]["status"]

    # Back, with the file as it was; two decisions in quick succession before that.
    assert apply(steady, EARLY, "one").returncode == 0
    assert apply(shaken, LATE, "two").returncode == 0
    old = command(shaken, "show", "--file", 1)
    assert old.stdout == EARLY
    assert apply(shaken, old.stdout, "back to spring").returncode == 0
    for tracker in (steady, shaken):
        wait_in_force(tracker, 5)
    check((steady, shaken), world.truth, EARLY, monkeypatch)

    # One that comes late reads all of it, whatever file it is started with.
    file = world.directory / "configured.toml"
    file.write_text(LATE)
    late = world.tracker("late", SAGA_TRACKER_DEFINITIONS_FILE=str(file)).start().wait_caught_up()
    late.wait_decisions_read()
    wait_in_force(late, 5)
    shown = late.api.json("/api/v1/definitions")
    assert shown["configured"]["differs"] and shown["decided"]["reason"] == "back to spring"
    check((late,), world.truth, EARLY, monkeypatch)
    versions = late.api.json("/api/v1/definitions/versions")["content"]
    assert [version["reason"] for version in versions] == ["back to spring", "two", "one", "summer", "spring"]

    digests = []
    for tracker in (steady, shaken, late):
        assert tracker.terminate() == 0
        tracker.verify()
        digests.append(tracker.digest())
    assert digests[0] == digests[1] == digests[2]
    # So it is for work on a store that nobody serves.
    assert late.cli("rebuild", "--data-dir", late.data).returncode == 0
    assert late.digest() == digests[0]
    advice = late.cli("doctor", "--data-dir", late.data)
    assert "version 5 is in force" in advice.stdout, advice.stdout


PAYMENT = json.dumps(
    {
        "type": "object",
        "required": ["amount"],
        "properties": {"amount": {"$ref": "#/$defs/money"}},
        "$defs": {"money": {"type": "number", "minimum": 0}},
    }
)
WITH_SCHEMA = f"""[types.ORDER_CREATION]
completing_steps = ["ORDER_CONFIRMED"]
[types.ORDER_CREATION.metadata_schemas]
"PAYMENT_*" = '''{PAYMENT}'''
"""


def test_metadata_that_does_not_fit_its_schema_is_told_and_nothing_is_lost(world):
    start = 1_735_689_600_000

    def send(saga, number, step, metadata):
        at = start + 1000 * number
        event = {
            "eventId": f"{saga}-{number}",
            "eventTimestamp": at,
            "sagaId": saga,
            "sagaType": "ORDER_CREATION",
            "step": step,
            "status": "IN_PROGRESS",
            "orderId": f"order of {saga}",
            "metadata": metadata,
            "recordedAt": at,
        }
        world.publisher.send_raw(saga.encode(), world.publisher.encode(event))
        world.publisher.flush()

    send("fits", 0, "PAYMENT_COMPLETED", '{"amount": 9.5}')
    send("other", 0, "ORDER_CREATED", "free text")
    send("unfit", 0, "PAYMENT_INITIALIZED", '{"amount": "4111 1111"}')
    send("none", 0, "PAYMENT_COMPLETED", None)
    tracker = world.tracker().start().wait_caught_up()
    assert tracker.api.json("/api/v1/conformance", rule="INVALID_METADATA")["content"] == []

    wrong = WITH_SCHEMA.replace("#/$defs/money", "http://127.0.0.1/money.json")
    refused = apply(tracker, wrong, "with a schema from elsewhere")
    assert refused.returncode != 0 and "types.ORDER_CREATION.metadata_schemas" in refused.stderr, refused
    assert apply(tracker, WITH_SCHEMA, "amounts are numbers").returncode == 0
    wait_in_force(tracker, 1)
    # What there was is judged as what comes, late events too.
    send("unfit", 2, "PAYMENT_COMPLETED", '{"sum": 1}')
    send("unfit", 1, "PAYMENT_CANCELLED", '{"amount": -1}')
    tracker.wait_caught_up()

    listed = tracker.api.json("/api/v1/conformance", rule="INVALID_METADATA")["content"]
    told = {row["saga"]["sagaId"]: row["violations"] for row in listed}
    assert set(told) == {"unfit", "none"}
    message = (
        "the metadata of 3 events does not fit the schemas of their steps, the last: "
        'PAYMENT_COMPLETED: /required: "amount" is missing'
    )
    assert [(violation["message"], checks.millis(violation["at"])) for violation in told["unfit"]] == [
        (message, start + 2000)
    ]
    assert "4111" not in json.dumps(listed)
    saga = tracker.api.json("/api/v1/sagas/unfit")
    assert saga["stepCount"] == 3
    assert [(odd["kind"], odd["eventId"]) for odd in saga["anomalies"]] == [
        ("INVALID_METADATA", f"unfit-{number}") for number in range(3)
    ]
    found = tracker.api.json("/api/v1/sagas", rule="INVALID_METADATA")["content"]
    assert {row["sagaId"] for row in found} == {"unfit", "none"}
    metrics = tracker.api.request("GET", "/actuator/prometheus").text
    sample = 'saga_tracker_conformance_violations{saga_type="ORDER_CREATION",rule="INVALID_METADATA"}'
    assert f"{sample} 2" in metrics, metrics
    steps = tracker.api.json("/api/v1/sagas/unfit/steps")
    assert [step["metadata"] for step in steps["steps"]][0] == {"amount": "4111 1111"}, steps
    assert tracker.terminate() == 0
    tracker.verify()

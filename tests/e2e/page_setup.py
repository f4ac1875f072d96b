"""What tests of the page share: a shop whose tracker shows something on every view, a browser, and looking at views."""

import json
import os
import random
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest

import trees
import workload
from browser import Browser
from producer import SCHEMA
from servers import wait_until

HOSTILE = "ORD-<img src=x onerror=alert(1)>\"'&\u202egnp\u0007/%2F 한"
HOSTILE_REASON = '=HYPERLINK("http://x") <script>alert(1)</script> \u202etxet'
HOSTILE_AT = workload.EPOCH + 20 * workload.DAY
LANGUAGES = ("en", "ko")
THEMES = ("light", "dark")
WIDTHS = (360, 1280, 3840)
# The page as it lies on disk, for those who mend it.
FROM_DISK = os.environ.get("SAGA_TRACKER_TEST_PAGE_FILES")
PAGE_FILES = {"SAGA_TRACKER_PAGE__FILES": FROM_DISK} if FROM_DISK else {}
OF_THE_LAST_MINUTES = ("overview", "wall")
LETTERS = "/api/v1/dead-letters"
LIVE = "[data-live-state][data-state=live]"
# What a view may load at a first visit, gzipped.
ASSETS_BYTES = 75_000


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def shop(module_world):
    """A tracker that consumed a shop's day: sagas of every outcome, dead letters, alerts, and hostile text wherever
    others write."""
    world = module_world
    rng = random.Random(4711)
    world.publish(4711, 120)
    hostile = json.dumps({"producerService": "<b>shop</b>", "failureReason": HOSTILE_REASON})
    steps = (("ORDER_<i>CREATED</i>", "STARTED", 0), ("PAYMENT_FAILED", "FAILED", 900), ("", "COMPENSATED", 1_500))
    for step, status, after in steps:
        event = workload.event(
            rng, HOSTILE, "ORDER_CREATION", step, status, "order-<b>1</b>", HOSTILE_AT + after, hostile
        )
        world.publisher.send_raw(HOSTILE.encode(), world.publisher.encode(event))
    # More than fit on a page of dead letters.
    for n in range(30):
        world.publisher.send_raw(f"removed-{n}".encode(), None)
    for kind, key, value in workload.poison(rng, world.publisher.encode, world.publisher.encode_as, SCHEMA):
        # One after the other, or which of them is the newest would be left to chance.
        world.publisher.flush()
        world.publisher.send_raw(key, value, headers=[("kind", kind.encode())])
    world.publisher.flush()
    tracker = world.tracker(**PAGE_FILES)
    tracker.start()
    tracker.wait_caught_up()
    tell_alerts(tracker)
    return tracker


def tell_alerts(tracker):
    """One that goes on, and one of the hostile saga that is over."""

    def at(moment):
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    now, of_saga = datetime.now(UTC), datetime.fromtimestamp(HOSTILE_AT / 1000, UTC)
    hostile = {
        "summary": HOSTILE_REASON,
        "description": f"<b>many</b> fail: {HOSTILE}",
        "runbook_url": "javascript:alert(1)",
    }
    alerts = [
        {
            "status": "firing",
            "fingerprint": "1a",
            "startsAt": at(now - timedelta(hours=2)),
            "labels": {"alertname": "Sagas<i>Stuck</i>", "severity": "warning", "saga_type": "ORDER_CREATION"},
            "annotations": hostile,
            "generatorURL": "javascript:alert(1)",
        },
        {
            "status": "resolved",
            "fingerprint": "2b",
            "startsAt": at(of_saga),
            "endsAt": at(now - timedelta(hours=1)),
            "labels": {"alertname": f"{HOSTILE} fails", "severity": "<b>critical</b>", "saga_id": HOSTILE},
            "annotations": hostile,
            "generatorURL": "https://prometheus.example/graph?q=<b>",
        },
    ]
    body = {"version": "4", "receiver": "<b>tracker</b>", "alerts": alerts}
    answer = tracker.api.request("POST", "/api/v1/alerts", json=body)
    assert answer.json()["new"] == len(alerts), answer.text


def redrive(tracker, **body):
    """Asks for a redrive or a rehearsal and waits until it is over and all that was published is back; its number."""
    headers = {"X-Operator": "kim-<b>1</b>"}
    answer = tracker.api.request("POST", f"{LETTERS}/redrive", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    number = answer.json()["number"]

    def over():
        found = tracker.api.json(f"{LETTERS}/redrives/{number}")
        return not found["running"] and (found["dryRun"] or found["outcomes"]["open"] == 0)

    wait_until(over, 60, f"redrive {number} to be over")
    return number


def nameless_letter(shop, is_of_hostile):
    """The id of a dead letter whose step has no name: of the hostile saga, or the one among the poison."""
    letters = shop.api.json(LETTERS, reason="empty_field", state="open")["content"]
    return next(letter["id"] for letter in letters if (letter["sagaId"] == HOSTILE) == is_of_hostile)


@pytest.fixture(scope="module")
def rehearsal(shop):
    """The number of a rehearsal that says what would become of the hostile saga."""
    ids = [nameless_letter(shop, True)]
    change = {"event": {"step": "ORDER_<b>CANCELLED</b>"}}
    return redrive(shop, ids=ids, change=change, dryRun=True, reason=HOSTILE_REASON)


@pytest.fixture(scope="module")
def published(shop, rehearsal):
    """The number of a redrive of one letter, which was mended and came back."""
    ids = [nameless_letter(shop, False)]
    number = redrive(shop, ids=ids, change={"event": {"step": "ORDER_CREATED"}}, reason=HOSTILE_REASON)
    shop.wait_caught_up()
    return number


def saga_path(saga_id, **params):
    return "/ui/saga?" + urlencode({"id": saga_id} | params, quote_via=quote, safe="")


@pytest.fixture(scope="module")
def views(shop, rehearsal, published):
    """The views and one address of each."""
    saga = shop.api.json("/api/v1/sagas", size=1, status="COMPENSATED")["content"][0]["sagaId"]
    letters = shop.api.json(LETTERS, size=50)["content"]
    letter = next(letter for letter in letters if letter["reason"] == "unknown_status")
    steps = shop.api.steps(saga)["steps"]
    # In the middle of it, by what is known today.
    moment = {"asOf": steps[len(steps) // 2]["recordedAt"], "knownAt": max(step["arrivedAt"] for step in steps)}
    return {
        "overview": "/",
        "wall": "/?wall=1",
        "search": "/ui/search?size=100",
        "stuck": "/ui/search?stuck=true",
        "nothing found": "/ui/search?orderId=nothing",
        "saga": saga_path(saga),
        "saga at a moment": saga_path(saga, **moment),
        "hostile saga": saga_path(HOSTILE),
        "compare": f"/ui/compare?a={quote(saga, safe='')}&b=typical",
        "dead letters": "/ui/dead-letters",
        "dead letter": f"/ui/dead-letters/{letter['id']}",
        "redrives": "/ui/dead-letters/redrives",
        "rehearsal": f"/ui/dead-letters/redrives/{rehearsal}",
        "redrive": f"/ui/dead-letters/redrives/{published}",
        "flow": "/ui/flow/ORDER_CREATION",
        "ledger": "/ui/ops/ledger",
        "jobs": "/ui/ops/jobs",
        "retention": "/ui/ops/retention",
        "snapshots": "/ui/ops/snapshots",
        "archive": "/ui/ops/archive",
        "audit": "/ui/ops/audit?verify=1",
        "configuration": "/ui/ops/config",
        "health": "/ui/ops/health",
        "incidents": "/ui/incidents",
    }


def wrong_in(browser, url, views, width, language, theme):
    """What is wrong with each view; its picture is kept, and its tree looked at once per language."""
    wrong = {}
    with browser.window(url, width, language, theme) as window:
        for name, path in views.items():
            window.wrong.clear()
            answer = window.open(path)
            assert answer.status == 200, (name, answer.text()[:500])
            assert window.page.get_attribute("html", "lang") == language, name
            found = window.problems()
            # What keeps people out does not depend on the language; each width and each theme is looked at once.
            if language == ("en" if theme == "light" else "ko") and width in (360, 1280):
                found += window.inaccessible()
            # Neither does the tree depend on width and colours; what the overview draws depends on the last minutes.
            if width == 1280 and theme == "light" and name not in OF_THE_LAST_MINUTES:
                found += trees.problems(name, language, window.tree())
            window.keep_picture(f"{name}.{language}.{theme}.{width}")
            if found:
                wrong[name] = found
    return wrong


def say_who_and_why(window, dialog, why):
    """The end of every act, by keys."""
    window.tab_to(f"{dialog} [data-operator]")
    window.press("Control+a")
    window.page.keyboard.type("kim")
    window.tab_to(f"{dialog} textarea[name=reason]")
    window.page.keyboard.type(why)
    window.tab_to(f"{dialog} [data-submit]")
    window.press("Enter")

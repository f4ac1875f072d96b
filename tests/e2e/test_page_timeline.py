"""The plot of a saga's view: its two clocks, its lanes, and sagas that are too long to be told at once."""

import json
import random
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

import workload

pytestmark = pytest.mark.tracker


def test_handles_dim_and_the_address_opens_exactly_this(shop, browser, views):
    with browser.window(shop.url) as window:
        page = window.page
        window.open(views["saga"])
        steps = page.locator("#steps tbody tr").count()
        page.focus("#handle-as-of")
        window.press("ArrowLeft")
        page.wait_for_function("() => new URL(location.href).searchParams.has('asOf')")
        page.wait_for_function("() => document.querySelector('[data-part=diff]').textContent.trim() !== ''")
        address = page.url[len(shop.url) :]
        window.open(address)
        assert page.get_attribute("#plot", "data-as-of")
        assert 0 < page.locator("#steps tbody tr").count() < steps
        assert not window.problems()


def test_lanes_and_silences_are_drawn_as_the_address_says(shop, browser, views):
    with browser.window(shop.url) as window:
        page = window.page
        window.open(views["saga"])
        page.click("[data-lanes=step]")
        page.click("[data-gaps=scale]")
        page.wait_for_function("() => new URL(location.href).searchParams.get('gaps') === 'scale'")
        lanes = page.locator(".lane-names li").all_inner_texts()
        window.open(page.url[len(shop.url) :])
        page.wait_for_selector(".lane-names li")
        assert page.locator(".lane-names li").all_inner_texts() == lanes
        for button in ("[data-lanes=step]", "[data-gaps=scale]"):
            assert page.get_attribute(button, "aria-pressed") == "true", button
        assert not window.problems()


@pytest.fixture(scope="module")
def long_saga(shop, module_world):
    """The id of a saga of more events than are told one by one at once."""
    saga, rng = "ORD-LONG", random.Random(4711)
    service = json.dumps({"producerService": "poll-service"})
    for at in range(20_100):
        when = workload.EPOCH + at * 1_000
        event = workload.event(rng, saga, "PAYMENT_COMPLETION", "POLLED", "IN_PROGRESS", "order-long", when, service)
        module_world.publisher.send_raw(saga.encode(), module_world.publisher.encode(event))
    module_world.publisher.flush()
    shop.wait_caught_up()
    return saga


def test_a_long_saga_is_told_event_by_event_where_one_comes_near(shop, browser, long_saga):
    with browser.window(shop.url) as window:
        page = window.page

        def count(text):
            page.wait_for_function(
                "(text) => document.querySelector('[data-part=count]').textContent.includes(text)", arg=text
            )

        window.open(f"/ui/saga?id={long_saga}")
        count("as density")
        with page.expect_response(lambda answer: "/timeline?" in answer.url and "from=" in answer.url) as asked:
            page.click("[data-tool=in]")
        near = asked.value.json()
        assert near["exact"] and near["total"] < near["whole"] == 20_100
        count(f"events: {near['total']:,} of 20,100")
        # What was only counted before is an event now, and the address opens it.
        page.focus("[data-part=overlay]")
        window.press("ArrowRight", "ArrowRight")
        says = page.get_attribute("#plot-at", "aria-label")
        assert f"2 of {near['total']:,}" in says and "POLLED" in says
        page.wait_for_function("() => new URL(location.href).searchParams.has('event')")
        window.open(page.url[len(shop.url) :])
        count(f"events: {near['total']:,} of 20,100")
        assert page.get_attribute("#plot-at", "aria-label") == says
        page.click("[data-tool=all]")
        count("as density")
        assert not window.problems()


def test_what_a_long_saga_only_counts_is_what_was_known(shop, browser, long_saga):
    path = f"/api/v1/sagas/{long_saga}/timeline"
    whole = shop.api.json(path)
    middle = datetime.fromtimestamp((workload.EPOCH + 10_000_000) / 1_000, UTC).isoformat()
    event = shop.api.json(path, **{"from": middle, "to": middle})
    arrived = event["base"] + event["columns"]["recordedAt"][0] + event["columns"]["delay"][0]
    known_at = datetime.fromtimestamp(arrived / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    known = shop.api.json(path, knownAt=known_at)["whole"]
    assert 10_000 < known < whole["whole"] == 20_100
    with browser.window(shop.url) as window:
        window.open(f"/ui/saga?id={long_saga}&knownAt={known_at}")
        window.page.wait_for_selector(f"[data-part=count]:has-text('events: {known:,}')")
        assert not window.problems()


def test_the_handle_of_what_was_known_reaches_beyond_the_last_event(shop, browser, views):
    with browser.window(shop.url) as window:
        page = window.page
        window.open(views["saga"])
        page.wait_for_selector(".lane-names li")
        page.eval_on_selector("#handle-known-at", "(it) => { it.value = 999; it.dispatchEvent(new Event('input')); }")
        page.wait_for_function("() => new URL(location.href).searchParams.has('knownAt')")
        saga = dict(parse_qsl(urlsplit(views["saga"]).query))["id"]
        last = shop.api.json(f"/api/v1/sagas/{quote(saga, safe='')}/timeline")["last"]
        known_at = dict(parse_qsl(urlsplit(page.url).query))["knownAt"]
        assert datetime.fromisoformat(known_at) > datetime.fromisoformat(last)
        assert not window.problems()


def test_an_event_under_the_pointer_is_explained_in_utc_local_and_relative_time(shop, browser, views):
    with browser.window(shop.url) as window:
        page = window.page
        window.open(views["saga"])
        page.wait_for_selector(".lane-names li")
        page.focus("[data-part=overlay]")
        window.press("Home")
        page.wait_for_function("() => document.querySelector('#plot-at').style.left !== ''")
        left, top = page.eval_on_selector("#plot-at", "(it) => [parseFloat(it.style.left), parseFloat(it.style.top)]")
        canvas = page.locator("[data-part=lanes]").bounding_box()
        page.mouse.move(canvas["x"] + left, canvas["y"] + top)
        page.wait_for_selector("[data-part=tip]:not([hidden])")
        tip = page.inner_text("[data-part=tip]")
        assert all(part in tip for part in ("+00:00", "+09:00 Asia/Seoul", " ago")), tip
        assert not window.problems()


def test_a_plot_that_cannot_be_drawn_says_so_where_tests_hear_it(shop, browser, views):
    with browser.window(shop.url) as window:
        window.page.route("**/timeline?*", lambda route: route.fulfill(json={}))
        window.open(views["saga"])
        window.page.wait_for_selector(".plot:has-text('cannot be drawn')")
        assert any("TypeError" in wrong for wrong in window.wrong), window.wrong


def test_without_javascript_a_long_saga_says_what_its_view_leaves_out(shop, browser, long_saga):
    with browser.window(shop.url, javascript=False) as window:
        window.open(f"/ui/saga?id={long_saga}")
        assert "more than 2,000 deliveries" in window.page.inner_text("main")

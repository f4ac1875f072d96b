"""What the page says in states that do not last: live that stops, a redrive in stages, nothing yet, what is gone; and
the page under a path of an ingress."""

import json
import random

import pytest

import retention_setup
import workload
from conftest import World
from page_setup import ASSETS_BYTES, LANGUAGES, LETTERS, LIVE, PAGE_FILES, THEMES, WIDTHS, saga_path, wrong_in

pytestmark = pytest.mark.tracker

UNKNOWN_SCHEMA = 2_000_000_000
BASE = "/tracker"
SAGA = "begun"
STALE = "[data-live-state][data-state=stale]"


@pytest.fixture(scope="module")
def small(module_world):
    """A tracker with one saga."""
    publish(module_world, SAGA)
    return module_world.tracker(**PAGE_FILES).start().wait_caught_up()


def publish(world, saga_id, is_known=True):
    """The first event of a saga; one whose schema id nobody knows is a dead letter that can be mended."""
    fields = workload.event(
        random.Random(saga_id), saga_id, "ORDER_CREATION", "ORDER_CREATED", "STARTED", f"ORD-{saga_id}", workload.EPOCH
    )
    value = world.publisher.encode(fields)
    known = value[:5]
    world.publisher.send_raw(
        saga_id.encode(), value if is_known else b"\x00" + UNKNOWN_SCHEMA.to_bytes(4, "big") + value[5:]
    )
    world.publisher.flush()
    return int.from_bytes(known[1:], "big")


# --- nothing yet, and what is gone


def other_world(broker, registry, tmp_path_factory, name):
    return World(broker, registry, tmp_path_factory.mktemp(name), name)


@pytest.fixture(scope="module")
def idle(broker, registry, tmp_path_factory):
    """A tracker to which nothing has come."""
    world = other_world(broker, registry, tmp_path_factory, "idle")
    yield world.tracker(**PAGE_FILES).start()
    world.close()


@pytest.fixture(scope="module")
def swept(broker, registry, tmp_path_factory):
    """A tracker whose only saga was archived and purged."""
    world = other_world(broker, registry, tmp_path_factory, "swept")
    rng = random.Random(4713)
    for step, status, after in (("ORDER_CREATED", "STARTED", 0), ("ORDER_CONFIRMED", "COMPLETED", 900)):
        fields = workload.event(rng, SAGA, "ORDER_CREATION", step, status, "ORD-begun", workload.EPOCH + after)
        world.publisher.send([workload.Message(fields)])
    world.publisher.flush()
    settings = retention_setup.SETTINGS | retention_setup.archive(world.directory / "archive") | PAGE_FILES
    tracker = world.tracker(**settings).start()
    retention_setup.wait_gone(tracker, 1)
    yield tracker
    world.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_not_there_is_told_whole_too(idle, swept, browser, language, theme, width):
    looked = (width, language, theme)
    none = {
        "nothing yet": "/",
        "no incidents": "/ui/incidents",
        "no dead letters": "/ui/dead-letters",
        "no rehearsals": "/ui/dead-letters/redrives",
    }
    wrong = wrong_in(browser, idle.url, none, *looked)
    wrong |= wrong_in(browser, swept.url, {"archived saga": saga_path(SAGA, archive="true")}, *looked)
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)


def test_a_purged_saga_is_told_of_with_its_record_and_the_way_back(swept, browser):
    with browser.window(swept.url) as window:
        assert window.open(saga_path(SAGA)).status == 404
        page = window.page
        assert page.inner_text("h1").strip() == SAGA
        said = page.inner_text("main")
        assert "Removed by retention" in said and retention_setup.purged(swept, SAGA)["hash"] in said
        assert page.locator("main a[href*='archive=true']").count() == 1
        page.click("[data-open=act-restore]")
        assert page.locator("#act-restore[open]").count() == 1
        assert not window.inaccessible()


def test_the_first_view_says_how_a_producer_comes_here(idle, browser):
    with browser.window(idle.url) as window:
        window.open("/")
        said = window.page.inner_text("main")
        assert "No saga yet" in said and idle.topic in said and idle.broker.address in said
        assert "saga-tracker doctor" in said and "saga-tracker demo" in said


# --- live, and not any more


def test_numbers_that_only_look_alive_are_told_from_live_ones(small, browser):
    """The tracker is killed under an open overview, and comes back on the same port."""
    with browser.window(small.url) as window:
        page = window.page
        window.open("/")
        page.wait_for_selector(LIVE)
        assert page.locator("#stale").is_hidden() and page.locator("body.stale").count() == 0
        small.kill9()
        page.wait_for_selector(STALE, timeout=30_000)
        assert page.locator("body.stale").count() == 1
        assert page.inner_text("#stale").startswith("The live stream stopped. What you see is as it was then")
        assert page.inner_text("[data-live-state]").startswith("live stopped ")
        assert page.get_attribute("#stale", "role") == "status"
        small.start()
        page.wait_for_selector(LIVE, timeout=60_000)
        page.wait_for_selector("#stale", state="hidden")
        assert page.locator("body.stale").count() == 0
        # That nobody answered for a while is what the browser tells of itself.
        wrong = [problem for problem in window.problems() if "ERR_CONNECTION_REFUSED" not in problem]
        assert not [problem for problem in wrong if "ERR_INCOMPLETE_CHUNKED_ENCODING" not in problem]


# --- a redrive in stages


def figures(page):
    """The numbers of a redrive by their field."""
    fields = page.locator("[data-field]").all()
    return {field.get_attribute("data-field"): int(field.inner_text()) for field in fields}


def publish_from(page, expected, limit=None):
    """Fills the dialog that publishes, and sends it."""
    page.click("[data-open=act-publish]")
    if limit is not None:
        page.fill("#publish-limit", str(limit))
    page.fill("#publish-confirm", str(expected))
    page.fill("#act-publish [data-operator]", "kim")
    page.fill("#act-publish textarea[name=reason]", "the id of another registry")
    page.click("#act-publish [data-submit]")


def wait_back(page, count):
    """Until the view of a redrive says that so many came back, and that there is nothing to wait for."""
    page.wait_for_selector("#how-far:has-text('came back')", timeout=60_000)
    assert page.locator("[data-follow]").count() == 0
    assert figures(page)["cameBack"] == count


def test_dead_letters_are_published_a_few_first_and_then_the_rest(module_world, small, browser):
    world, sagas = module_world, [f"staged-{n}" for n in range(5)]
    for saga in sagas:
        schema = publish(world, saga, is_known=False)
    small.wait_caught_up()
    with browser.window(small.url) as window:
        page = window.page
        window.open("/ui/dead-letters")
        page.click("[data-open=act-rehearse][data-set-reason=unknown_schema]")
        assert "5" in page.inner_text("#act-rehearse [data-fill=count]")
        page.fill("#rehearse-schema", str(schema))
        page.fill("#act-rehearse [data-operator]", "kim")
        page.click("#act-rehearse [data-submit]")
        page.wait_for_url("**/ui/dead-letters/redrives/*")
        page.wait_for_selector("[data-follow]", state="detached", timeout=30_000)
        summary = page.locator("section[aria-labelledby=summary-title] table").first
        assert summary.locator("tr").count() == 1 and summary.locator("td").inner_text() == "5"
        assert page.locator("section[aria-labelledby=samples-title] figure").count() == 5
        assert small.api.json(f"{LETTERS}/count")["open"] == 5

        rehearsed = page.url
        publish_from(page, expected=5, limit=2)
        page.wait_for_url(lambda url: "/redrives/" in url and url != rehearsed)
        wait_back(page, 2)
        counted = figures(page)
        assert (counted["letters"], counted["published"], counted["open"]) == (2, 2, 0), counted
        assert page.inner_text(".verdict strong") == "2"
        assert page.inner_text("[data-open=act-publish]") == "Publish the rest (3)"
        count = small.api.json(f"{LETTERS}/count")
        assert (count["open"], count["redriven"]) == (3, 2)

        # Another one comes in the meantime: more would be published than was looked at.
        first = page.url
        publish(world, "staged-late", is_known=False)
        small.wait_caught_up()
        publish_from(page, expected=3)
        page.wait_for_selector("#act-publish [data-outcome]:visible strong")
        said = page.inner_text("#act-publish [data-outcome]")
        assert said.startswith("409 "), said
        assert "found 4 dead letters that match, accepted: 3" in said and "nothing was stored" in said
        assert "curl" in said and page.url == first
        assert small.api.json(f"{LETTERS}/count")["open"] == 4

        window.open(first[len(small.url) :])
        assert page.inner_text("[data-open=act-publish]") == "Publish the rest (4)"
        publish_from(page, expected=4)
        page.wait_for_url(lambda url: "/redrives/" in url and url != first)
        wait_back(page, 4)
        assert page.locator("[data-open=act-publish]").count() == 0
        assert page.locator("table td:has-text('Applied')").count() == 4
        wrong = [problem for problem in window.problems() if "409" not in problem]
        assert not wrong and not window.inaccessible()
    count = small.api.json(f"{LETTERS}/count")
    assert (count["open"], count["redriven"]) == (0, 6)
    for saga in (*sagas, "staged-late"):
        assert small.api.saga(saga)["currentStatus"] == "STARTED"


# --- under the path of an ingress


def test_under_a_path_of_an_ingress_everything_is_asked_for_below_it(module_world, small, browser):
    tracker = module_world.tracker("under-a-path", SAGA_TRACKER_PAGE__BASE_PATH=BASE, **PAGE_FILES)
    tracker.start().wait_caught_up()
    # What the window asks for outside of the path is told among its problems.
    with browser.window(tracker.url + BASE) as window:
        page = window.page
        window.open("/")
        page.wait_for_selector(LIVE)
        window.press("Control+k")
        page.keyboard.type(SAGA)
        page.wait_for_selector(f"#palette [role=option]:has-text('{SAGA}'):has-text('saga')")
        window.press("Enter")
        page.wait_for_url(f"**{BASE}/ui/saga?id={SAGA}")
        window.settle()
        assert page.inner_text("#plot [data-part=count]") == "events: 1"
        page.click("header.shell details.menu summary")
        with page.expect_response(f"**{BASE}/ui/settings?**"):
            page.select_option("#set-theme", "dark")
        window.press("Escape")
        window.press("g", "l")
        page.wait_for_url(f"**{BASE}/ui/dead-letters")
        assert page.get_attribute("html", "data-theme") == "dark"
        assert not window.problems()


def test_a_first_visit_to_a_saga_is_small(small, browser):
    """Gzipped: all that its view loads, with its plot, in a window that has seen nothing yet."""
    sizes = {}
    with browser.window(small.url) as window:
        window.page.on("requestfinished", lambda asked: sizes.update({asked.url: asked.sizes()["responseBodySize"]}))
        window.open(saga_path(SAGA))
        assert window.page.inner_text("#plot [data-part=count]") == "events: 1"
    assets = {url: size for url, size in sizes.items() if "/ui/assets/" in url}
    assert any("/timeline/plot.js" in url for url in assets), sorted(assets)
    assert sum(assets.values()) <= ASSETS_BYTES, assets

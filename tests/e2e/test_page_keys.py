"""The keyboard of a saga's view: its plot is walked, zoomed and played by keys, and single keys can be switched off."""

import json
import random
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest

import workload
from page_setup import PAGE_FILES, saga_path

pytestmark = pytest.mark.tracker

SAGA = "walked"
# (service, step, status, milliseconds after the first). Three lanes; what failed and what was compensated is notable.
EVENTS = (
    ("order", "ORDER_CREATED", "STARTED", 0),
    ("product", "STOCK_RESERVED", "IN_PROGRESS", 80),
    ("payment", "PAYMENT_FAILED", "FAILED", 1_280),
    ("product", "STOCK_RELEASED", "IN_PROGRESS", 1_370),
    ("order", "COMPENSATION_STOCK", "COMPENSATED", 1_570),
)
LABEL = "document.querySelector('#plot-at').getAttribute('aria-label')"
SAYS = "document.querySelector('#plot [data-part=says]').textContent"
MARKED = "document.querySelector('#steps tr[aria-current] .step-name')?.textContent ?? null"
# Whatever a single key does anywhere in the view of a saga.
SINGLE_KEYS = ("[", "]", "+", "=", "-", "0", "t", " ", "y", "/", "?", "j", "k", "x", "g", "o")


@pytest.fixture(scope="module")
def tracker(module_world):
    rng = random.Random(4712)
    for service, step, status, after in EVENTS:
        metadata = json.dumps({"producerService": service})
        fields = workload.event(
            rng, SAGA, "ORDER_CREATION", step, status, "ORD-walked", workload.EPOCH + after, metadata
        )
        module_world.publisher.send([workload.Message(fields)])
    module_world.publisher.flush()
    return module_world.tracker(**PAGE_FILES).start().wait_caught_up()


@pytest.fixture
def window(tracker, browser):
    """A window that shows the saga, whose clipboard it may use."""
    clipboard = ("clipboard-read", "clipboard-write")
    with browser.window(tracker.url, permissions=clipboard) as opened:
        opened.open(saga_path(SAGA))
        yield opened
        # A test may end with a way to another view.
        opened.settle()
        assert not opened.problems()


def asked(window):
    """The parameters of the address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(window.page.url).query).items()}


def wait_asked(window, *names):
    """The parameters of the address, once it has these; it follows what is shown a moment later."""
    has = "(names) => names.every((name) => new URL(location.href).searchParams.has(name))"
    window.page.wait_for_function(has, arg=list(names), timeout=10_000)
    return asked(window)


def told(window):
    """The step that is picked, as the overlay, the live region and the table tell it; they must not differ."""
    label, says, marked = (window.page.evaluate(text) for text in (LABEL, SAYS, MARKED))
    assert label.endswith(says) and says.startswith(f"{marked}, "), (label, says, marked)
    place = [step for _, step, _, _ in EVENTS].index(marked) + 1
    assert label.startswith(f"Event {place} of {len(EVENTS)}: "), label
    return marked


def at(parameters, name):
    """An instant of the address, in milliseconds after the saga began."""
    return round(datetime.fromisoformat(parameters[name]).timestamp() * 1000) - workload.EPOCH


def span(parameters):
    """How many milliseconds an address shows."""
    return at(parameters, "to") - at(parameters, "from")


def has_asked(window, condition):
    """Waits until the address says that much."""
    window.page.wait_for_function(f"() => {{ const asked = new URL(location.href).searchParams; return {condition}; }}")
    return asked(window)


def test_arrows_walk_in_lanes_and_between_them(window):
    page = window.page
    # What is expected and has not come has a lane below these, which nobody can walk in.
    assert page.locator(".lane-names .name").all_inner_texts()[:3] == ["order", "product", "payment"]
    window.tab_to("#plot [data-part=overlay]")
    assert page.evaluate(LABEL) == "No event is picked"
    walk = (
        ("Home", "ORDER_CREATED"),
        ("ArrowRight", "COMPENSATION_STOCK"),
        ("ArrowRight", "COMPENSATION_STOCK"),
        # The nearest in time of the lane below.
        ("ArrowDown", "STOCK_RELEASED"),
        ("ArrowLeft", "STOCK_RESERVED"),
        ("ArrowUp", "ORDER_CREATED"),
        ("ArrowUp", "ORDER_CREATED"),
        ("ArrowDown", "STOCK_RESERVED"),
        ("ArrowDown", "PAYMENT_FAILED"),
        ("ArrowDown", "PAYMENT_FAILED"),
        ("End", "COMPENSATION_STOCK"),
    )
    for key, step in walk:
        window.press(key)
        assert told(window) == step, (key, step)
    assert "Compensated, order, 2025-01-01 09:00:01.570 +09:00" in page.evaluate(SAYS)
    # The address opens exactly this event.
    position = page.get_attribute("#steps tr[aria-current]", "data-position")
    has_asked(window, f"asked.get('event') === '{position}'")
    window.open(page.url[len(window.url) :])
    assert told(window) == "COMPENSATION_STOCK"


def test_brackets_go_from_one_notable_event_to_the_next(window):
    walk = (
        ("]", "PAYMENT_FAILED"),
        ("]", "COMPENSATION_STOCK"),
        ("[", "PAYMENT_FAILED"),
    )
    for key, step in walk:
        window.press(key)
        assert told(window) == step, (key, step)
    window.press("[")
    assert window.page.evaluate(SAYS) == "No more notable events this way"


def test_plus_minus_and_zero_zoom_and_the_table_follows(window):
    page, filtered = window.page, "[data-part=filtered]"
    window.press("+")
    once = wait_asked(window, "from", "to")
    window.press("=")
    twice = has_asked(window, f"asked.get('from') > '{once['from']}' && asked.get('to') < '{once['to']}'")
    assert span(twice) < span(once) < EVENTS[-1][-1]
    # In the middle of it nothing happened.
    assert page.locator("#steps tbody tr:visible").count() == 0
    assert page.inner_text(filtered) == f"rows outside the selected range: {len(EVENTS)}"
    window.press("-")
    again = has_asked(window, f"asked.get('from') < '{twice['from']}' && asked.get('to') > '{twice['to']}'")
    assert abs(span(again) - span(once)) <= 2
    window.press("0")
    has_asked(window, "!asked.has('from') && !asked.has('to')")
    assert page.locator("#steps tbody tr:visible").count() == len(EVENTS)
    assert page.inner_text(filtered) == ""


def test_space_plays_and_stops(tracker, browser):
    with browser.window(tracker.url) as window:
        page, play, handle = window.page, "[data-tool=play]", "#handle-as-of"
        # Its time goes on as this test says.
        page.clock.install()
        window.open(saga_path(SAGA))
        page.clock.pause_at(page.evaluate("Date.now()") + 1_000)
        window.press("Space")
        assert page.get_attribute(play, "aria-pressed") == "true"
        places = []
        for _ in range(3):
            page.clock.run_for(500)
            places.append(int(page.input_value(handle)))
        assert 0 < places[0] < places[1] < places[2] < 1_000
        assert page.locator("#steps tr.not-yet").count() > 0
        window.press("Space")
        assert page.get_attribute(play, "aria-pressed") == "false"
        page.clock.run_for(500)
        assert int(page.input_value(handle)) == places[2]
        assert 0 < at(asked(window), "asOf") < EVENTS[-1][-1]
        # By itself it ends where it began: now.
        window.press("Space")
        page.clock.fast_forward(10_000)
        page.clock.run_for(500)
        assert page.get_attribute(play, "aria-pressed") == "false"
        assert int(page.input_value(handle)) == 1_000 and "asOf" not in asked(window)
        assert not window.problems()


def test_t_shows_the_saga_as_of_the_picked_event(window):
    page = window.page
    window.press("]", "t")
    assert at(wait_asked(window, "asOf"), "asOf") == 1_280
    assert page.locator("#steps tr.not-yet .step-name").all_inner_texts() == ["STOCK_RELEASED", "COMPENSATION_STOCK"]
    page.wait_for_selector("#plot [data-part=turn] [data-status=FAILED]")
    window.open(page.url[len(window.url) :])
    assert page.locator("#steps tbody tr").count() == 3
    assert page.get_attribute("h1 [data-status]", "data-status") == "FAILED"


def test_y_copies_the_address_that_opens_exactly_this(window):
    page = window.page
    # What was picked a moment ago is in it, though the address follows later.
    window.press("]", "+", "y")
    page.wait_for_selector("#toasts:has-text('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url and {"event", "from", "to"} <= set(asked(window))
    window.open(copied[len(window.url) :])
    assert told(window) == "PAYMENT_FAILED"


def test_help_and_finding_are_one_key_away(window):
    page = window.page
    window.press("?")
    assert page.locator("#help[open]").count() == 1
    # What a dialog lies over is not played with.
    window.press("]")
    assert page.evaluate(SAYS) == ""
    window.press("Escape", "/")
    assert page.locator("#help[open]").count() == 0
    assert page.evaluate("document.activeElement.id") == "find"
    typed = "".join(SINGLE_KEYS)
    page.keyboard.type(typed)
    assert page.input_value("#find") == typed
    window.press("Control+k")
    assert page.evaluate("document.activeElement.closest('dialog')?.id") == "palette"
    page.keyboard.type("walk")
    page.wait_for_selector(f"#palette [role=option]:has-text('{SAGA}')")
    # It leads to the saga that the window shows already.
    with page.expect_navigation(url="**/ui/saga?id=walked"):
        window.press("ArrowDown", "ArrowUp", "Enter")


def test_single_keys_that_are_switched_off_do_nothing(window):
    page = window.page
    page.click("header.shell details.menu summary")
    with page.expect_response("**/ui/settings?**"):
        page.select_option("#set-keys", "off")
    assert page.get_attribute("html", "data-keys") == "off"
    window.open(saga_path(SAGA))
    before = page.evaluate(LABEL)
    for key in SINGLE_KEYS:
        window.press("Space" if key == " " else key)
        seen = (page.evaluate(LABEL), page.evaluate(SAYS), page.locator("dialog[open]").count())
        assert seen == (before, "", 0), key
        assert page.evaluate("document.activeElement.tagName") == "BODY", key
    assert page.get_attribute("[data-tool=play]", "aria-pressed") == "false"
    # Keys with Ctrl act all the same, and so do those of a part that has the focus.
    window.press("Control+k")
    assert page.locator("#palette[open]").count() == 1
    window.press("Escape")
    window.tab_to("#plot [data-part=overlay]")
    window.press("Home")
    assert told(window) == "ORDER_CREATED"
    # With the event everything else is written that changed since.
    assert set(wait_asked(window, "event")) == {"id", "event"}
    assert page.inner_text("#toasts") == ""

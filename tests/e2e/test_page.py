"""The page, in a real browser: every view in every language, theme and width; by keyboard; without JavaScript."""

import json
import os
import re
import subprocess
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest

from page_setup import ASSETS_BYTES, LANGUAGES, LETTERS, LIVE, THEMES, WIDTHS, redrive, say_who_and_why, wrong_in
from servers import wait_until
from tracker import BINARY

pytestmark = pytest.mark.tracker

TABS = 8


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_view_is_whole_in_every_language_theme_and_width(shop, browser, views, language, theme, width):
    wrong = wrong_in(browser, shop.url, views, width, language, theme)
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)


def test_errors_are_drawn_too(shop, browser):
    with browser.window(shop.url) as window:
        for path, status, said in (
            ("/ui/search?size=0", 400, "size"),
            ("/ui/nowhere", 404, "no such view"),
            ("/ui/saga?id=ORD-404", 404, "ORD-404"),
        ):
            assert window.open(path).status == status
            assert said in window.page.inner_text("main")
            assert window.page.inner_text("main code").strip()
            assert not window.inaccessible(), path


def test_every_read_works_without_javascript(shop, browser, views):
    with browser.window(shop.url, javascript=False) as window:
        for name, path in views.items():
            assert window.open(path).status == 200, name
            assert window.page.locator("h1").count() == 1, name
            assert window.page.inner_text("main").strip(), name
        window.open("/ui/search?status=FAILED")
        total = shop.api.json("/api/v1/sagas", status="FAILED")["page"]["totalElements"]
        assert f"{total:,}" in window.page.inner_text("#found")
        window.page.locator("#sagas tbody tr a").first.click()
        assert "/ui/saga?id=" in window.page.url
        steps = window.page.locator("#steps tbody tr").count()
        assert steps > 1
        # The moment is asked for by a form; settings are kept by one.
        window.page.locator(".without-script input[name=asOf]").fill("2030-01-01T00:00:00Z")
        window.page.locator("form.without-script button").click()
        assert "asOf=2030" in window.page.url and window.page.locator("#steps tbody tr").count() == steps
        window.page.locator("header.shell details.menu summary").click()
        window.page.locator("#set-theme").select_option("dark")
        window.page.locator("#settings button.primary").click()
        assert window.page.get_attribute("html", "data-theme") == "dark"


def turned_over(page, links):
    """What all pages of a list link to, from the one that is open on."""
    found = []
    while True:
        found += [link.get_attribute("href") for link in page.locator(links).all()]
        following = page.locator("main a[rel=next]")
        if following.count() == 0:
            return found
        with page.expect_navigation():
            following.click()


def test_lists_are_turned_over_without_javascript(shop, browser):
    failed = [saga["sagaId"] for saga in shop.api.json("/api/v1/sagas", status="FAILED", size=100)["content"]]
    letters = [letter["id"] for letter in shop.api.json(LETTERS, size=500)["content"]]
    # Several pages of each.
    assert len(failed) > 10 and len(letters) > 50
    with browser.window(shop.url, javascript=False) as window:
        window.open("/ui/search?status=FAILED&size=5")
        found = turned_over(window.page, "#sagas tbody th a")
        assert found == [f"/ui/saga?id={quote(saga, safe='')}" for saga in failed]
        window.open("/ui/dead-letters")
        found = turned_over(window.page, "section[aria-labelledby=letters-title] tbody th a")
        assert found == [f"/ui/dead-letters/{letter}" for letter in letters]


def test_a_rehearsal_is_read_without_javascript(shop, browser):
    """One of all dead letters: each has a row, and the figures are those of the call."""
    known = shop.api.json(LETTERS, reason="field_too_long")["content"][0]["id"]
    schema = shop.api.json(f"{LETTERS}/{known}")["decoded"]["schemaId"]
    number = redrive(shop, filter={}, change={"schemaId": schema}, dryRun=True)
    rehearsed = shop.api.json(f"{LETTERS}/redrives/{number}")
    forecasts = {one["outcome"]: one["count"] for one in rehearsed["outcomes"]["forecasts"]}
    assert len(forecasts) > 1 and forecasts["APPLIED"] > 0 and sum(forecasts.values()) == rehearsed["letters"]
    with browser.window(shop.url, javascript=False) as window:
        page = window.page
        window.open("/ui/dead-letters/redrives")
        page.click(f"table a:text-is('{number}')")
        page.wait_for_url(f"**/redrives/{number}")
        tables = page.locator("section[aria-labelledby=summary-title] table")
        counts, turns = ([int(cell) for cell in table.locator("td").all_inner_texts()] for table in tables.all())
        assert counts == [one["count"] for one in rehearsed["outcomes"]["forecasts"]]
        assert sum(turns) == forecasts["APPLIED"]
        rows = page.locator("section[aria-labelledby=rehearsal-letters] tbody tr").all_inner_texts()
        assert len(rows) == rehearsed["letters"]
        assert sum("applied" in row for row in rows) == forecasts["APPLIED"]
        assert "Nothing was published" in page.inner_text("main .seal")


def test_hostile_text_is_seen_and_does_nothing(shop, browser, views):
    with browser.window(shop.url) as window:
        for path in (views["hostile saga"], "/ui/search?orderId=order-%3Cb%3E1%3C%2Fb%3E", "/"):
            window.open(path)
            text = window.page.inner_text("main")
            assert "⟨U+202E⟩" in text and "\u202e" not in text, path
            assert window.page.locator("main img").count() == 0
        window.open(views["hostile saga"])
        assert "⟨U+0007⟩" in window.page.inner_text("h1")
        assert not window.problems()


# What a view shows of what its calls answer; null where it shows no such thing.
SHOWN = r"""() => {
  const text = (selector) => document.querySelector(selector)?.textContent;
  const number = (selector) => text(selector) ? Number(text(selector).match(/[\d,]+/)[0].replaceAll(",", "")) : null;
  return {
    total: number("#found"),
    status: document.querySelector("h1 [data-status]")?.dataset.status ?? null,
    steps: document.querySelectorAll("#steps tbody tr").length || null,
    open: number("h1 + .figures .value"),
  };
}"""


def open_in_groups(answer):
    return sum(group["open"] for group in (*answer["groups"], answer["others"]))


# Which line tells it too, and how.
TOLD = (
    (r"curl .*/api/v1/sagas\?", "total", lambda told: json.loads(told)["page"]["totalElements"]),
    (r"curl .*/api/v1/sagas/[^/]+$", "status", lambda told: json.loads(told)["currentStatus"]),
    (r"curl .*/api/v1/sagas/[^/]+/steps", "steps", lambda told: len(json.loads(told)["steps"])),
    (r"curl .*/api/v1/dead-letters/groups", "open", lambda told: open_in_groups(json.loads(told))),
    (r"saga-tracker search ", "total", lambda told: int(re.search(r"^(\d+) in all", told, re.M)[1])),
    (r"saga-tracker get ", "status", lambda told: re.search(r"^currentStatus +(\w+)$", told, re.M)[1]),
    (r"saga-tracker steps ", "steps", lambda told: len(told.splitlines()) - 1),
    (r"saga-tracker dead-letters count ", "open", lambda told: sum(map(int, re.findall(OPEN_OF_GROUP, told, re.M)))),
)
# A name, how many there are, and how many of them are open.
OPEN_OF_GROUP = r"^\w+ +\d+ +(\d+) "


def test_what_the_page_shows_as_a_call_is_that_call(shop, browser, views):
    """Every curl line is run and answers; every command line is run and ends well; both say what the view showed."""
    environment = os.environ | {
        "SAGA_TRACKER_URL": shop.url,
        "PATH": f"{BINARY.parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
    }
    lines = {}
    with browser.window(shop.url) as window:
        for name, path in views.items():
            window.open(path)
            shown = window.page.evaluate(SHOWN)
            for text in window.page.locator("main > details.call code").all_text_contents():
                lines.setdefault(text, []).append((name, shown))
    assert sum(line.startswith("curl") for line in lines) > 15
    assert sum(line.startswith("saga-tracker") for line in lines) > 10

    compared = set()
    for line, places in lines.items():
        done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=60)
        # `ledger` says by its exit code that an offset is unexplained.
        assert done.returncode == 0 and done.stdout, (line, done.stderr)
        if line.startswith("curl"):
            assert "message" not in json.loads(done.stdout), (line, done.stdout)
        for pattern, fact, of in TOLD:
            for name, shown in places:
                if re.match(pattern, line) and shown[fact] is not None:
                    assert of(done.stdout) == shown[fact], (name, line, fact)
                    compared.add(pattern)
    assert compared == {pattern for pattern, _, _ in TOLD}


def test_a_saga_is_found_and_changed_by_keyboard_alone(shop, browser):
    stuck = shop.api.json("/api/v1/sagas", status="IN_PROGRESS", size=1)["content"][0]["sagaId"]
    with browser.window(shop.url) as window:
        page = window.page
        window.open("/")
        window.press("Control+k")
        page.keyboard.type(stuck)
        page.wait_for_function("() => document.querySelectorAll('#palette [role=option]').length > 0")
        window.press("Enter")
        page.wait_for_url("**/ui/saga?id=*")
        window.settle()
        assert stuck in page.inner_text("h1")
        window.tab_to("details.menu.needs-script summary")
        window.press("Enter")
        window.tab_to("[data-open=act-status]")
        window.press("Enter")
        page.wait_for_selector("#act-status[open]")
        window.tab_to("#act-status-to")
        page.keyboard.type("Failed")
        window.tab_to("#act-status [data-operator]")
        page.keyboard.type("kim")
        window.tab_to("#act-status textarea")
        page.keyboard.type("by hand, it's ticket <4711>")
        preview = page.text_content("#act-status [data-preview-curl]")
        assert "X-Operator: kim" in preview and "expectedStatus" in preview
        window.tab_to("#act-status [data-submit]")
        window.press("Enter")
        page.wait_for_selector("#act-status[open]", state="detached", timeout=30_000)
        wait_until(lambda: shop.api.saga(stuck)["currentStatus"] == "FAILED", 30, "the change")
        page.wait_for_load_state()
        assert "ticket <4711>" in page.inner_text("#steps")
        assert not window.problems()


def test_dead_letters_are_rehearsed_by_keyboard_and_nothing_is_published(shop, browser):
    before = shop.api.json("/api/v1/dead-letters/count")["open"]
    with browser.window(shop.url) as window:
        page = window.page
        window.open("/")
        window.press("g", "l")
        page.wait_for_url("**/ui/dead-letters")
        window.settle()
        window.tab_to("[data-open=act-rehearse]")
        window.press("Enter")
        page.wait_for_selector("#act-rehearse[open]")
        window.tab_to("#act-rehearse [data-operator]")
        page.keyboard.type("kim")
        window.tab_to("#act-rehearse [data-submit]")
        window.press("Enter")
        page.wait_for_url("**/ui/dead-letters/redrives/*")
        page.wait_for_selector("[data-follow]", state="detached", timeout=30_000)
        assert page.locator("table a.id").count() > 0
        assert not window.problems() and not window.inaccessible()
    assert shop.api.json("/api/v1/dead-letters/count")["open"] == before


def test_stuck_sagas_are_found_kept_and_changed_by_keyboard_alone(shop, browser):

    def go_to_stuck():
        window.press("g", "s")
        page.wait_for_url("**/ui/search")
        window.settle()
        window.tab_to(".presets a[href*='stuck=']")
        window.press("Enter")
        page.wait_for_url("**/ui/search?*stuck=*")
        window.settle()

    with browser.window(shop.url) as window:
        page = window.page
        window.open("/")
        go_to_stuck()
        window.press("j", "j", "k")
        stuck = page.evaluate("document.activeElement.closest('tr').querySelector('[data-pick]').dataset.pick")
        window.press("Enter")
        page.wait_for_url("**/ui/saga?id=*")
        window.settle()
        assert shop.api.saga(unquote(stuck))["stuck"]

        window.tab_to("details.menu.needs-script summary")
        window.press("Enter")
        window.tab_to("[data-open=act-hold]")
        window.press("Enter")
        page.wait_for_selector("#act-hold[open]")
        say_who_and_why(window, "#act-hold", "the auditor wants it")
        page.wait_for_selector("#act-hold[open]", state="detached", timeout=30_000)
        page.wait_for_load_state()
        assert "the auditor wants it" in page.inner_text("h1 + p")
        assert unquote(stuck) in json.dumps(shop.api.json("/api/v1/holds")["content"])

        go_to_stuck()
        window.press("j", "x", "j", "x")
        picked = [unquote(box.get_attribute("data-pick")) for box in page.locator("[data-pick]:checked").all()]
        assert len(picked) == 2
        window.tab_to("[data-open=act-status-many]", back=True)
        window.press("Enter")
        page.wait_for_selector("#act-status-many[open]")
        window.tab_to("#act-many-to")
        page.keyboard.type("Compensated")
        say_who_and_why(window, "#act-status-many", "given back by hand")
        page.wait_for_selector("#act-status-many [data-outcome] li:nth-child(3)")
        results = page.inner_text("#act-status-many [data-outcome]")
        assert results.count("Done") == 2, results
        for saga in picked:
            assert shop.api.saga(saga)["currentStatus"] == "COMPENSATED"
        assert not window.problems() and not window.inaccessible()


def test_a_dead_letter_is_mended_and_verified_by_keyboard_alone(shop, browser):
    """One whose schema id nobody knows: another id is rehearsed, published, and what it became is looked at."""
    letter = shop.api.json("/api/v1/dead-letters", reason="unknown_schema", state="open")["content"][0]
    known = shop.api.json("/api/v1/dead-letters", reason="field_too_long")["content"][0]["id"]
    schema = shop.api.json(f"/api/v1/dead-letters/{known}")["decoded"]["schemaId"]
    with browser.window(shop.url) as window:
        page = window.page
        window.open("/ui/dead-letters")
        window.tab_to("[data-open=act-rehearse][data-set-reason=unknown_schema]")
        window.press("Enter")
        page.wait_for_selector("#act-rehearse[open]")
        window.tab_to("#rehearse-schema")
        page.keyboard.type(str(schema))
        assert f'"schemaId":{schema}' in page.text_content("#act-rehearse [data-preview-curl]").replace(" ", "")
        say_who_and_why(window, "#act-rehearse", "the id of another registry")
        page.wait_for_url("**/ui/dead-letters/redrives/*")
        page.wait_for_selector("[data-follow]", state="detached", timeout=30_000)
        assert shop.api.json(f"/api/v1/dead-letters/{letter['id']}")["state"] == "open"

        window.tab_to("[data-open=act-publish]")
        window.press("Enter")
        page.wait_for_selector("#act-publish[open]")
        window.tab_to("#publish-confirm")
        page.keyboard.type("1")
        rehearsed = page.url
        say_who_and_why(window, "#act-publish", "the rehearsal was right")
        page.wait_for_url(lambda url: "/redrives/" in url and url != rehearsed)
        # It tells by itself when the letter is back.
        page.wait_for_selector("#how-far:has-text('came back')", timeout=60_000)
        assert page.locator("[data-follow]").count() == 0
        assert not window.problems() and not window.inaccessible()

        window.tab_to("table a[href*='/ui/saga?id=']")
        window.press("Enter")
        page.wait_for_url("**/ui/saga?id=*")
        window.settle()
        mended = shop.api.json(f"/api/v1/dead-letters/{letter['id']}")
        assert mended["state"] == "redriven"
        became = mended["history"][-1]["became"]
        assert became["outcome"] == "APPLIED" and became["sagaId"] in page.inner_text("h1")
        assert page.locator("#steps tbody tr").count() == 1


def test_eight_tabs_share_the_six_connections_of_one_host(shop, browser):
    """Only the tab that is seen holds a live stream; each is live again when one comes back to it."""
    open_streams = set()

    def follow(tab):
        tab.page.on("request", lambda asked: "/api/v1/live" in asked.url and open_streams.add(asked))
        for over in ("requestfinished", "requestfailed"):
            tab.page.on(over, lambda asked: open_streams.discard(asked))
        return tab

    def is_live(tab):
        tab.page.wait_for_selector(LIVE, timeout=10_000)

    with browser.window(shop.url) as first:
        tabs = [follow(first)] + [follow(first.beside()) for _ in range(TABS - 1)]
        for tab in tabs:
            tab.open("/")
            is_live(tab)
            assert len(open_streams) == 1
            tab.cover()
            # Asking the page anything lets what it did in the meantime be told.
            wait_until(lambda: tab.page.title() and not open_streams, 5, "the stream of a covered tab to end")
        for tab in reversed(tabs):
            tab.cover(False)
            is_live(tab)
            assert tab.page.locator("#stale").is_hidden()
            tab.cover()
        assert not [problem for tab in tabs for problem in tab.problems()]


def test_settings_change_at_once_and_are_kept(shop, browser):
    with browser.window(shop.url) as window:
        page = window.page
        window.open("/ui/search")
        page.click("header.shell details.menu summary")
        page.fill("#set-zone", "America/New_York")
        page.press("#set-zone", "Tab")
        page.wait_for_function("() => document.documentElement.dataset.zone === 'America/New_York'")
        assert any(offset in page.inner_text("#sagas") for offset in ("-05:00", "-04:00"))
        with page.expect_navigation():
            page.select_option("#set-lang", "ko")
        assert page.get_attribute("html", "lang") == "ko"
        assert page.get_attribute("html", "data-zone") == "America/New_York"


def test_a_first_visit_is_small(shop, browser, views):
    """Gzipped: what every view loads, and the HTML of a hundred rows."""
    sizes = {}
    with browser.window(shop.url) as window:
        window.page.on("requestfinished", lambda request: sizes.update({request.url: request.sizes()["responseBodySize"]}))
        window.open("/")
        assets = sum(size for url, size in sizes.items() if "/ui/assets/" in url)
        window.open(views["search"])
        html = sizes[shop.url + views["search"]]
    assert assets <= ASSETS_BYTES, assets
    assert html <= 40_000, html


def fail(tracker, saga):
    """An operator says that it failed."""
    answer = tracker.api.request(
        "PATCH",
        f"/internal/v1/sagas/{quote(saga, safe='')}/status",
        json={"status": "FAILED", "reason": "a test"},
        headers={"X-Operator": "kim"},
    )
    assert answer.status_code == 200, answer.text


def test_seal_and_lists_of_the_overview_live_as_its_figures_do(shop, browser):
    """What no frame carries is asked for again by itself, and not put under the hands of somebody who is at it."""
    completed = shop.api.json("/api/v1/sagas", status="COMPLETED", size=2)["content"]
    first, second = (f".failed-panel a[title='{saga['sagaId']}']" for saga in completed)
    with browser.window(shop.url) as window:
        page = window.page
        window.open("/")
        page.wait_for_selector(LIVE)
        page.evaluate("window.isTheSame = true; document.querySelector('.seal').dataset.whole = 'unknown'")
        page.wait_for_selector(".seal:is([data-whole=true], [data-whole=false])", timeout=10_000)
        fail(shop, completed[0]["sagaId"])
        page.wait_for_selector(first, timeout=30_000)
        page.focus(first)
        # A hand is at it: what only has the focus since last week is made anew all the same.
        window.press("Shift")
        with page.expect_response(lambda answer: answer.url == f"{shop.url}/", timeout=30_000) as asked:
            fail(shop, completed[1]["sagaId"])
        asked.value.finished()
        assert page.evaluate("(selector) => document.activeElement.matches(selector)", first)
        assert page.locator(second).count() == 0
        page.evaluate("document.activeElement.blur()")
        page.wait_for_selector(second, timeout=30_000)
        assert page.evaluate("window.isTheSame") and not window.problems()


def test_how_long_the_stream_stands_is_told_where_the_bar_does_not(shop, browser):
    with browser.window(shop.url, width=360) as window:
        page = window.page
        page.route("**/api/v1/live*", lambda route: route.abort())
        window.open("/?wall=1")
        page.wait_for_selector("#stale:has-text('s ago')", timeout=20_000)
        assert page.get_attribute("#stale [data-part=silent]", "aria-hidden") == "true"
        assert "s ago" not in page.locator("#stale").aria_snapshot()


def test_a_click_on_a_cell_of_a_search_narrows_it_and_keeps_what_is_set(shop, browser):
    with browser.window(shop.url) as window:
        page = window.page
        window.open("/ui/search?size=7&sort=updatedAt%2Cdesc&page=1&columns=status,type,lastStep,saga")
        for column, name in ((2, "status"), (3, "sagaType"), (4, "step")):
            page.locator(f"#sagas tbody tr:first-child td:nth-child({column}) a").click()
            page.wait_for_url(f"**/ui/search?*{name}=*")
        address = dict(parse_qsl(urlsplit(page.url).query))
        assert address.keys() == {"size", "sort", "columns", "status", "sagaType", "step"}
        asked = {name: address[name] for name in ("status", "sagaType", "step")}
        total = shop.api.json("/api/v1/sagas", **asked)["page"]["totalElements"]
        assert 0 < total and f"{total:,}" in page.inner_text("#found")
        # What is set already is no link; a row still opens its saga.
        assert page.locator("#sagas tbody td:is(:nth-child(2), :nth-child(3)) a").count() == 0
        window.press("j")
        opened = unquote(page.locator("#sagas [data-pick]").first.get_attribute("data-pick"))
        assert page.evaluate("document.activeElement.title") == opened
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("#sagas [data-copy]").first.click()
        page.wait_for_function("(id) => navigator.clipboard.readText().then((text) => text === id)", arg=opened)
        window.press("j", "k", "Enter")
        page.wait_for_url("**/ui/saga?id=*")
        assert not window.problems()
        window.open("/ui/search?preset=violations")
        hrefs = page.eval_on_selector_all("#sagas tbody td a", "(links) => links.map((link) => link.search)")
        assert all("sagaType=" in href and "preset=violations" in href for href in hrefs)


def test_those_that_failed_and_are_not_compensated_are_one_click_away(shop, browser):
    with browser.window(shop.url) as window:
        window.open("/ui/search")
        window.page.click(".presets a[href*='compensation=OWED']")
        window.page.wait_for_url("**/ui/search?*compensation=OWED*")
        total = shop.api.json("/api/v1/sagas", status="FAILED", compensation="OWED")["page"]["totalElements"]
        assert f"{total:,}" in window.page.inner_text("#found") and not window.problems()

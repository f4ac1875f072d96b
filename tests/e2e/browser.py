"""A browser that tells what went wrong in it, and axe, which tells what some people cannot use."""

import os
from pathlib import Path

from playwright.sync_api import sync_playwright

from servers import ROOT

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CACHE = Path(os.environ.get("SAGA_TRACKER_CACHE", Path.home() / ".cache" / "saga-tracker"))
AXE = CACHE / "axe" / "node_modules" / "axe-core" / "axe.min.js"
# Screenshots are kept here, for people to look through.
PICTURES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "reports" / "page"
# What was refused by the policy of the page, told by the browser itself.
LISTEN = """
  window.refused = [];
  document.addEventListener("securitypolicyviolation", (event) => window.refused.push(
    `${event.violatedDirective} ${event.blockedURI}`));
"""
# What a browser does to a tab that another one covers; without a screen it covers none.
COVER = """(covered) => {
  const put = (name, get) => Object.defineProperty(document, name, {configurable: true, get});
  put("hidden", () => covered);
  put("visibilityState", () => (covered ? "hidden" : "visible"));
  document.dispatchEvent(new Event("visibilitychange"));
}"""
# Where there is anything that lives.
IS_LIVE = """() => !document.querySelector("[data-live]")
  || document.querySelector("[data-live-state][data-state=live]")"""
# The plot of a saga loads by itself; it says how many events it drew, or why it drew none.
HAS_LOADED = """() => !document.querySelector(".loading") && (!document.querySelector("#plot")
  || document.querySelector("#plot .plot.state")
  || document.querySelector("#plot [data-part=count]").textContent !== "")"""
SERIOUS = ("serious", "critical")


class Browser:
    """Chromium, headless, for as long as the tests of a module run."""

    def __enter__(self):
        assert Path(CHROMIUM).exists(), f"{CHROMIUM} is not there; scripts/install.sh page installs it"
        assert AXE.exists(), f"{AXE} is not there; scripts/install.sh page downloads it"
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--force-prefers-reduced-motion"]
        )
        return self

    def __exit__(self, *_):
        self._chromium.close()
        self._playwright.stop()

    def window(self, url, width=1280, language="en", theme="light", javascript=True, permissions=()):
        """A window of a person of their own: no cookies but those that they get, one language, one theme."""
        context = self._chromium.new_context(
            viewport={"width": width, "height": 1200 if width > 2000 else 800},
            locale=language,
            color_scheme=theme,
            timezone_id="Asia/Seoul",
            java_script_enabled=javascript,
            permissions=list(permissions),
        )
        if javascript:
            context.add_init_script(LISTEN)
        return Window(context, url, javascript)


class Window:
    """One tab, and what went wrong in it."""

    def __init__(self, context, url, javascript):
        self.url = url
        self._context = context
        self._javascript = javascript
        self.page = context.new_page()
        self.wrong = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"an error of the page: {error}"))
        self.page.on("request", self._asked)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._context.close()

    def _said(self, message):
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, request):
        if not request.url.startswith((self.url + "/", "data:", "blob:")):
            self.wrong.append(f"asks elsewhere: {request.url}")

    def open(self, path):
        answer = self.page.goto(self.url + path, wait_until="load")
        self.settle()
        return answer

    def settle(self):
        """Until what loads by itself has loaded; the live stream stays open and is not waited for."""
        if self._javascript:
            self.page.wait_for_function(HAS_LOADED, timeout=10_000)

    def problems(self):
        """What went wrong so far, and what sticks out of the window."""
        found = list(self.wrong)
        if self._javascript:
            found += [f"refused by the policy: {refused}" for refused in self.page.evaluate("window.refused")]
            wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            if (over := self.page.evaluate(wider)) > 0:
                found.append(f"{over} pixels wider than the window")
            if (elements := self.page.evaluate("document.querySelectorAll('*').length")) > 3_000:
                found.append(f"{elements} elements")
            found += self.page.locator("#plot .plot.state").all_inner_texts()
        return found

    def inaccessible(self):
        """What axe finds that keeps people from using the page."""
        self.page.evaluate(AXE.read_text())
        answer = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{rule['id']}: {rule['nodes'][0]['html'][:150]}"
            for rule in answer["violations"]
            if rule["impact"] in SERIOUS
        ]

    def tree(self, of="main"):
        """What assistive technology is told of a part, as text."""
        if self._javascript:
            # Before the first frame the bar tells another time than after it.
            self.page.wait_for_function(IS_LIVE, timeout=10_000)
        return self.page.locator(of).aria_snapshot()

    def keep_picture(self, name):
        """Keeps what is seen."""
        place = PICTURES / f"{name}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=place, type="jpeg", quality=70)

    # --- tabs, of which one is seen

    def beside(self):
        """Another tab of the same person."""
        return Window(self._context, self.url, self._javascript)

    def cover(self, covered=True):
        """Does what the browser does when another tab comes to the front, or when this one does again."""
        self.page.evaluate(COVER, covered)

    # --- by keyboard

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, selector, back=False, most=200):
        """Moves the focus there by the Tab key alone."""
        for _ in range(most):
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
            if self.page.evaluate("(selector) => document.activeElement?.matches(selector) ?? false", selector):
                return
        raise AssertionError(f"{selector} is not reached by Tab")

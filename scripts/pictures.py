"""Takes the pictures of the README: what the demo's first thirty seconds lead to, in light and in dark.

Run by scripts/pictures.sh, which names the binary.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from browser import Browser  # noqa: E402
from servers import free_port, wait_until  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
STOP = re.compile(r"^  \d  .+\n     (http\S+)$", re.MULTILINE)
WIDTH = 1200
LARGEST = 150_000


def main(binary):
    with tempfile.TemporaryDirectory() as directory, Browser() as browser:
        told = Path(directory) / "told.txt"
        with told.open("wb") as out:
            environment = os.environ | {"SERVER_PORT": str(free_port()), "TMPDIR": directory}
            demo = subprocess.Popen([binary, "demo"], env=environment, stdout=out, stderr=out)
        try:
            stops = wait_until(lambda: len(found := STOP.findall(told.read_text())) == 5 and found, 60, "the script")
            take_all(browser, stops)
        finally:
            demo.terminate()
            demo.wait(60)


def take_all(browser, stops):
    _, saga, _, letters, _ = (at.removeprefix(origin(at)) for at in stops)
    url = origin(stops[0])
    with browser.window(url, WIDTH) as window:
        window.open(saga)
        # It is reported while one looks.
        wait_until(lambda: window.open(saga) and is_compensated(window), 60, "the compensation", interval=1)
        rehearsal = rehearse(window, letters)
    for theme in ("light", "dark"):
        with browser.window(url, WIDTH, theme=theme) as window:
            for name, path in (("saga", saga), ("rehearsal", rehearsal)):
                window.open(path)
                take(window, PICTURES / f"{name}-{theme}.png")


def origin(address):
    return "{0.scheme}://{0.netloc}".format(urlsplit(address))


def is_compensated(window):
    return window.page.locator("h1 [data-status=COMPENSATED]").count() == 1


def rehearse(window, letters):
    """The address of a rehearsal that was asked for as an operator asks for it."""
    page = window.page
    window.open(letters)
    reason = parse_qs(urlsplit(letters).query)["reason"][0]
    page.click(f"[data-open=act-rehearse][data-set-reason={reason}]")
    page.fill("#rehearse-schema", "1")
    page.fill("#act-rehearse [data-operator]", "kim")
    page.fill("#act-rehearse textarea", "the serializer was missing")
    page.click("#act-rehearse [data-submit]")
    page.wait_for_url("**/ui/dead-letters/redrives/*")
    page.wait_for_selector("[data-follow]", state="detached")
    return page.url.removeprefix(window.url)


def take(window, place):
    place.parent.mkdir(exist_ok=True)
    window.page.screenshot(path=place)
    size = place.stat().st_size
    print(f"pictures: {place.relative_to(ROOT)}, {size // 1000} kB")
    if size > LARGEST:
        sys.exit(f"pictures: {place.relative_to(ROOT)} is larger than {LARGEST // 1000} kB")


if __name__ == "__main__":
    main(sys.argv[1])

"""What tests of the admin in a browser share: where the browser is, a receiver, and taking pictures."""

import os
import shutil
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "var" / "screenshots"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
READY_SECONDS = 60
# Until charts are drawn, which nothing but the eye can tell.
SETTLES_MS = 700
MARKS = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: install chromium"),
    pytest.mark.skipif("BROWSER_TESTS" not in os.environ, reason="run `make browser`"),
]


class Receiver(BaseHTTPRequestHandler):
    """Answers 200 at /good and at what is mended, 500 elsewhere, and remembers ids."""

    got: ClassVar[list[str]] = []
    mended: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(self.headers["webhook-id"])
        self.send_response(200 if self.path == "/good" or self.path in self.mended else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def shoot(page: Any, name: str) -> None:
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        # The theme is chosen when a page loads.
        page.reload()
        page.wait_for_timeout(SETTLES_MS)
        page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
            f"{name} is wider than {width}"
        )
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})

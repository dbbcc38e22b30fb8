"""The admin in a real browser against a running stack: `make browser`. Leaves screenshots in var/screenshots/."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "var" / "screenshots"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make browser`")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: install chromium"),
    pytest.mark.skipif("BROWSER_TESTS" not in os.environ, reason="run `make browser`"),
]
READY_SECONDS = 60
# Until charts are drawn, which nothing but the eye can tell.
SETTLES_MS = 700


class Receiver(BaseHTTPRequestHandler):
    """Answers 200 below /good and 500 elsewhere, and remembers ids."""

    got: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(self.headers["webhook-id"])
        self.send_response(200 if self.path == "/good" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    directory = tmp_path_factory.mktemp("stack")
    given = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_", "WEBHOOKS_"))
    }
    environment = given | {
        "PORT": "0",
        "WEBHOOKS_ROLLUP_INTERVAL": "1",
        "DJANGO_SETTINGS_MODULE": "webhooks_project.settings",
    }
    command = [sys.executable, "-m", "webhooks_project.stack", "up", "--directory", str(directory)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = iter(process.stdout.readline, "")  # type: ignore[union-attr]
            assert any("is up" in line for line in said), "the stack did not start"
            yield json.loads((directory / "credentials.json").read_text())
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(READY_SECONDS)


@pytest.fixture(scope="module")
def page(stack: dict[str, str]) -> Iterator[Any]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=stack["base_url"]).new_page()
        page.set_default_timeout(20_000)
        page.elsewhere, page.troubles = [], []
        page.on(
            "request",
            lambda sent: None if sent.url.startswith((stack["base_url"], "data:")) else page.elsewhere.append(sent.url),
        )
        page.on("console", lambda said: page.troubles.append(said.text) if said.type == "error" else None)
        page.goto("/admin/")
        page.fill("[name=username]", stack["admin_username"])
        page.fill("[name=password]", stack["admin_password"])
        page.click("#login-form button")
        page.wait_for_selector("#dashboard[data-shows]")
        yield page
        browser.close()


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


def add_endpoint(page: Any, stack: dict[str, str], url: str, description: str) -> None:
    """Add an endpoint by the API: the form has a test of its own."""
    context = page.context.request
    headers = {"Authorization": f"Bearer {stack['api_key']}"}
    context.post("/api/v1/subscribers/", headers=headers, data={"name": "Acme", "uid": "acme"})
    body = {"subscriber": "acme", "url": url, "event_types": ["*"], "description": description}
    assert context.post("/api/v1/endpoints/", headers=headers, data=body).status == 201


def publish(page: Any) -> None:
    page.goto("/admin/dispatch/event/add/")
    page.fill("[name=type]", "invoice.paid")
    page.fill("[name=data]", '{"id": "in_1"}')
    page.wait_for_selector("#wd-said:has-text('It can be published')")
    page.click("[name=_preview]")
    page.wait_for_selector("text=Nothing is published yet")
    page.click("[name=_publish]")
    page.wait_for_selector("#wd-arrivals")


def choose_subscriber(page: Any, name: str) -> None:
    page.click(".select2-selection")
    page.keyboard.type(name)
    page.click(f".select2-results__option:has-text('{name}')")


def test_from_a_new_subscriber_to_an_event_that_arrives(page: Any, stack: dict[str, str], receiver: str) -> None:
    page.goto("/admin/subscriptions/subscriber/add/")
    page.fill("[name=name]", "Globex")
    page.click("[name=_save]")
    page.wait_for_url("**/admin/subscriptions/subscriber/")

    page.goto("/admin/subscriptions/endpoint/add/")
    choose_subscriber(page, "Globex")
    page.fill("[name=url]", f"{receiver}/good")
    page.fill("[name=description]", "Made in the form")
    page.fill("[name=event_types]", "order.*")
    page.click("[name=_save]")
    page.wait_for_selector("text=it is not shown again")

    # The secret, for which the password is asked once more.
    page.click("#result_list tbody a >> nth=0")
    page.click("text=Reveal")
    shoot(page, "reveal")
    page.fill("[name=password]", "not the password")
    page.click("button:has-text('Reveal')")
    page.wait_for_selector("text=That is not your password.")
    page.fill("[name=password]", stack["admin_password"])
    page.click("button:has-text('Reveal')")
    page.wait_for_selector("code:has-text('whsec_')")

    # The example of the type is filled in, what does not fit is said while one types, and the preview is signed.
    headers = {"Authorization": f"Bearer {stack['api_key']}"}
    schema = {"type": "object", "required": ["id"]}
    body = {"name": "order.made", "schema": schema, "enforce_schema": True, "example": {"id": "or_1"}}
    assert page.context.request.post("/api/v1/event-types/", headers=headers, data=body).status == 201
    page.goto("/admin/dispatch/event/add/")
    page.fill("[name=type]", "order.made")
    page.wait_for_function("document.querySelector('[name=data]').value.includes('or_1')")
    page.fill("[name=data]", "{}")
    page.wait_for_selector("#wd-said:has-text('required property')")
    page.click("[data-fill=example]")
    choose_subscriber(page, "Globex")
    page.click("[name=_preview]")
    assert "webhook-signature: v1," in page.inner_text(".wd-attempt >> nth=0")
    page.screenshot(path=SCREENSHOTS / "preview-light-1280.png", full_page=True)
    page.dblclick("[name=_publish]")
    page.wait_for_selector("#wd-arrivals >> text=1 delivered")
    page.wait_for_selector("#wd-arrivals >> text=Success · 200")
    shoot(page, "event")
    page.click("#wd-arrivals >> text=Why?")
    page.wait_for_selector(".wd-answer:has-text('It was delivered on')")
    shoot(page, "why")
    page.goto("/admin/dispatch/event/?event_type=order.made")
    assert page.locator("#result_list tbody tr").count() == 1


def test_from_publishing_to_retrying(page: Any, stack: dict[str, str], receiver: str) -> None:
    Receiver.got.clear()
    add_endpoint(page, stack, f"{receiver}/good", "Good receiver")
    add_endpoint(page, stack, f"{receiver}/bad", "Bad receiver")
    publish(page)
    deadline = time.monotonic() + READY_SECONDS
    while len(Receiver.got) < 2 and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert len(set(Receiver.got)) == 1

    # What fails is found from the dashboard: the endpoint, its last attempt, retry.
    page.goto("/admin/")
    page.click("#wd-failing >> text=Bad receiver")
    shoot(page, "endpoint")
    page.click("section:has-text('Last attempts') tbody a >> nth=0")
    assert "500" in page.inner_text(".wd-attempt >> nth=0")
    shoot(page, "delivery")
    page.click("text=Retry now")
    page.wait_for_selector("text=It goes out as soon as")
    page.goto("/admin/")
    page.wait_for_selector("#dashboard[data-shows='1h']")
    shoot(page, "dashboard")


def test_a_bulk_job_is_followed_to_its_end(page: Any) -> None:
    page.goto("/admin/dispatch/delivery/?status__exact=pending")
    shoot(page, "deliveries")
    page.click("text=Cancel all of these")
    page.click("form:has(.wd-buttons) button[type=submit]")
    page.wait_for_selector("[data-job=text]:has-text('100 %')")
    shoot(page, "bulk-job")


def test_nothing_was_asked_for_elsewhere_and_no_script_failed(page: Any) -> None:
    assert page.elsewhere == []
    assert page.troubles == []

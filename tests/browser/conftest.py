"""A running stack, a receiver and a browser, which all tests of the admin in a browser share."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from tests.browser.running import CHROMIUM, READY_SECONDS, ROOT, SCREENSHOTS, Receiver


@pytest.fixture(scope="session")
def receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    directory = tmp_path_factory.mktemp("stack")
    given = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_", "WEBHOOKS_"))
    }
    environment = given | {
        "PORT": "0",
        "WEBHOOKS_ROLLUP_INTERVAL": "1",
        # A thousand deliveries are to fail at once.
        "WEBHOOKS_BREAKER_MINIMUM": "100000",
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


@pytest.fixture(scope="session")
def page(stack: dict[str, str]) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make browser`")
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

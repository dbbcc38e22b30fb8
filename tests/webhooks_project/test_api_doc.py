"""docs/api.md: its tour runs as it stands there, and its table of routes is that of the URL map."""

import json
import os
import shutil
import signal
from collections import defaultdict
from pathlib import Path

import pytest
from rest_framework.schemas.generators import EndpointEnumerator

from subscriptions.api.base import View
from subscriptions.models import Scope
from tests.waiting import wait_for
from tests.webhooks_project.test_readme import ROOT, is_ready, newcomer_with


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour uses curl, which is not installed")
def test_the_tour_runs_as_it_stands_there(tmp_path: Path) -> None:
    newcomer = newcomer_with("docs/api.md", tmp_path / "project")
    stack = newcomer.open_terminal("make up", tmp_path / "up.log")
    try:
        wait_for(lambda: is_ready(f"http://localhost:{newcomer.port}") or stack.poll() is not None, 60)
        assert stack.poll() is None, (tmp_path / "up.log").read_text()

        # Between two answers there is no line's end.
        told = newcomer.run("\n".join(newcomer.blocks)).replace("}{", "}\n{").splitlines()
    finally:
        os.killpg(stack.pid, signal.SIGINT)
        stack.wait(60)
    answers = [json.loads(each) for each in told]

    [event] = [each for each in answers if "all_deliveries" in each]
    [tested] = [each for each in answers if each.get("trigger") == "test"]
    listed, *_ = [each for each in answers if "results" in each]
    assert [delivery["status"] for delivery in event["deliveries"]] == ["delivered"]
    assert listed["results"][0]["attempts"][0]["status_code"] == 200
    assert tested["status"] == "delivered"
    first, again = [each for each in answers if each.get("type") == "tour.went-on"]
    assert first == again
    assert [each["detail"].partition(":")[0] for each in answers if each.get("status") == 400] == ["colour"]
    assert len([each for each in answers if each.get("status") == 412]) == 1
    assert [each["state"] for each in answers if "state" in each][-2:] == ["paused", "active"]
    assert [event["type"] for event in answers[-2]["results"]] == ["tour.went-on"]


def test_the_table_of_routes_is_that_of_the_url_map() -> None:
    lines = (ROOT / "docs/api.md").read_text().splitlines()
    head = lines.index("| route | `admin` | `publish` | `read` | `subscriber` |")
    table = lines[head + 2 :]
    assert table[: table.index("")] == rows()


def rows() -> list[str]:
    allowed: dict[str, dict[Scope, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path, method, callback in EndpointEnumerator().get_api_endpoints():
        # The others need no key.
        if issubclass(callback.cls, View):
            for scope in callback.cls.allowed_scopes(method):
                allowed[path.removeprefix("/api/v1/")][scope].append(method)
    columns = [Scope.ADMIN, Scope.PUBLISH, Scope.READ, Scope.SUBSCRIBER]
    return [
        f"| `{route}` | {' | '.join(' '.join(by_scope[scope]) for scope in columns)} |"
        for route, by_scope in sorted(allowed.items())
    ]

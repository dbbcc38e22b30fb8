"""The product's web server: granian with one worker process, and calls to its API."""

import contextlib
import http.client
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import BenchError
from bench.lab import Installation
from subscriptions.models import ApiKey
from webhooks_project.stack import environment
from webhooks_project.stack.processes import Child, Processes, Turn, tail
from webhooks_project.stack.services import ROOT, web_server

EVENTS = "/api/v1/events/"
BATCH = "/api/v1/events/batch/"
# As many as it answers at a time.
_CONNECTIONS = "8"
_READY_SECONDS = 60

# A request of the API: its path and its body.
Call = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of calling the API for a while."""

    seconds: float
    statuses: Mapping[str, int]
    milliseconds: Sequence[float]

    @property
    def accepted(self) -> int:
        """How many answers said that it is done."""
        return sum(number for status, number in self.statuses.items() if status.startswith("2"))


@dataclass(frozen=True, slots=True)
class Web:
    """A web server that answers."""

    installation: Installation
    processes: Processes
    server: Child
    port: int
    headers: Mapping[str, str]

    @property
    def pid(self) -> int:
        return self.server.process.pid

    def try_call(self, path: str, body: Any) -> int:
        """Call the API once and return the status of the answer."""
        with contextlib.closing(http.client.HTTPConnection(environment.HOST, self.port, timeout=30)) as connection:
            headers = {**self.headers, "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            return connection.getresponse().status

    def call(self, calls: Sequence[Call], *, seconds: float) -> Answers:
        """Send `calls` in turn on a few connections for some seconds, from a process of its own."""
        file = self.installation.lab.directory / "requests.json"
        file.write_text(json.dumps([[path, dict(self.headers), json.dumps(body)] for path, body in calls]))
        command = [
            *(sys.executable, "-m", "bench.http_load", environment.HOST, str(self.port), "--requests", str(file)),
            *("--seconds", str(seconds), "--connections", _CONNECTIONS),
        ]
        load = self.processes.start("load", command, Turn.SOURCE, cwd=ROOT)
        if load.process.wait(seconds + _READY_SECONDS) != 0:
            raise BenchError(f"The calls of the API failed. They said:\n{tail(load.log)}")
        said = json.loads(load.log.read_text().splitlines()[-1])
        return Answers(said["seconds"], said["statuses"], said["milliseconds"])


@contextlib.contextmanager
def serving(installation: Installation) -> Iterator[Web]:
    """Run the web server for a block."""
    _, key = ApiKey.objects.generate("The bench")
    with Processes(installation.lab.directory / "log") as processes, environment.reserved_port(0) as port:
        server = processes.start("web", web_server(environment.HOST, port, workers=1), Turn.SOURCE, cwd=ROOT)
        web = Web(installation, processes, server, port, {"Authorization": f"Bearer {key}"})
        _await_ready(web)
        yield web


def _await_ready(web: Web) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        web.processes.check()
        with contextlib.suppress(OSError, http.client.HTTPException):
            # Nobody may ask for this without a body: any answer shows that the product is there.
            if web.try_call(EVENTS, None) < http.client.INTERNAL_SERVER_ERROR:
                return
        if time.monotonic() > deadline:
            raise BenchError(f"The web server did not answer. It said:\n{tail(web.server.log)}")
        time.sleep(0.1)

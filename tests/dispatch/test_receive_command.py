"""The demo receiver as a process of its own, over real HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command

from dispatch.signing import Signer, signature_headers
from tests.dispatch.signers import signer_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECONDS = 60
# The command uses no database: with one that cannot be there it works all the same.
ENVIRONMENT = {
    **os.environ,
    "DJANGO_SETTINGS_MODULE": "webhooks_project.settings",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
    "RECEIVER_SECRET": SECRET,
}


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    url: str
    log_file: Path

    def post(self, signer: Signer, message_id: str, timeout: float = SECONDS) -> dict[str, Any]:
        body = b'{"type": "invoice.paid"}'
        headers = dict(signature_headers(signer, message_id=message_id, timestamp=int(time.time()), body=body))
        answer: dict[str, Any] = requests.post(f"{self.url}hook", body, headers=headers, timeout=timeout).json()
        return answer

    def next_line(self) -> str:
        """Wait for the next line that it prints."""
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C. Return the exit code and what was said of errors."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, errors


@contextmanager
def receiving(log_file: Path, *options: str) -> Iterator[Running]:
    command = [sys.executable, "manage.py", "receive", "--port", "0", "--log", str(log_file), *options]
    with subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            first_line = process.stdout.readline()
            assert first_line.startswith("Listening on http://127.0.0.1:")
            assert first_line.endswith("/\n")
            yield Running(process, first_line.removeprefix("Listening on ").rstrip("\n"), log_file)
        finally:
            process.kill()


def test_it_receives_tells_and_logs_until_ctrl_c(tmp_path: Path) -> None:
    signer = signer_of(SECRET)
    with receiving(tmp_path / "log.jsonl") as receiver:
        answers = [receiver.post(signer, "evt_1"), receiver.post(signer, "evt_1")]
        lines = [receiver.next_line().split()[1:] for _ in answers]
        log = [json.loads(line) for line in receiver.log_file.read_text().splitlines()]
        ended = receiver.interrupt()

    assert answers == [{"status": "success"}, {"status": "duplicate"}]
    assert lines == [["evt_1", "invoice.paid", "200", "success"], ["evt_1", "invoice.paid", "200", "duplicate"]]
    expected = {"id": "evt_1", "path": "/hook", "status": 200, "verified": True}
    assert [{name: value for name, value in line.items() if name != "time"} for line in log] == [
        {**expected, "reason": "success", "duplicate": False},
        {**expected, "reason": "duplicate", "duplicate": True},
    ]
    assert log[0]["time"] < log[1]["time"]
    assert ended == (0, "")


def test_the_plain_scheme_with_a_secret_on_the_command_line_and_a_failure_at_first(tmp_path: Path) -> None:
    secret = "a secret of an older receiver"
    signer = signer_of(secret, schemes=["x-signature"])
    with receiving(tmp_path / "log", "--scheme", "x-signature", "--secret", secret, "--fail-first", "1") as receiver:
        answers = [receiver.post(signer, "evt_1")["status"], receiver.post(signer, "evt_1")["status"]]

    assert answers == ["error", "success"]


def test_ctrl_c_ends_it_without_a_traceback_while_a_request_hangs(tmp_path: Path) -> None:
    with receiving(tmp_path / "log.jsonl", "--hang") as receiver:
        with pytest.raises(requests.ReadTimeout):
            receiver.post(signer_of(SECRET), "evt_1", timeout=0.2)
        with socket.create_connection(("127.0.0.1", int(receiver.url.rsplit(":")[-1].strip("/")))) as hanging:
            hanging.sendall(b"POST / HTTP/1.1\r\n\r\n")
            lines = [receiver.next_line().split()[1:4], receiver.next_line().split()[1:4]]
            ended = receiver.interrupt()

    assert lines == [["evt_1", "-", "-"], ["-", "-", "-"]]
    assert ended == (0, "")


def test_a_stranger_cannot_rewrite_the_terminal_and_nobody_needs_to_read_it(tmp_path: Path) -> None:
    signer = signer_of(SECRET)
    with receiving(tmp_path / "log.jsonl") as receiver:
        receiver.post(signer, "evt\x1b[2J")
        line = receiver.next_line()
        assert receiver.process.stdout
        receiver.process.stdout.close()
        answers = [receiver.post(signer, "evt_2"), receiver.post(signer, "evt_3")]

    assert r"evt\x1b[2J" in line
    assert answers == [{"status": "success"}] * 2


def test_a_taken_port_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = subprocess.run(
            [sys.executable, "manage.py", "receive", "--port", str(port)],
            env=ENVIRONMENT,
            text=True,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"CommandError: Port {port} cannot be used: Address already in use. "
        "Choose another with --port, or any free one with --port 0.\n"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "Give the endpoint's signing secret in RECEIVER_SECRET or with --secret."),
        (
            ["--secret", "hunter2"],
            "The signing secret does not fit the scheme standard: a secret of the standard scheme starts with whsec_.",
        ),
        (
            ["--secret", SECRET, "--log", "/nonexistent/log"],
            "The log file /nonexistent/log cannot be written: No such file or directory.",
        ),
        (["--port", "65536"], "Error: argument --port: '65536' is not a number from 0 to 65535"),
        (["--status", "99"], "Error: argument --status: '99' is not a number from 200 to 599"),
        (["--delay", "nan"], "Error: argument --delay: 'nan' is not a number from 0.0 to 3600.0"),
        (["--fail-first", "-1"], "Error: argument --fail-first: '-1' is not a number from 0 to 1000000"),
    ],
)
def test_what_is_missing_or_wrong_is_told_in_a_sentence(
    options: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECEIVER_SECRET", raising=False)

    with pytest.raises(CommandError) as refused:
        call_command("receive", *options)

    assert str(refused.value) == expected

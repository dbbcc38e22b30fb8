"""Children that are watched and stopped in order."""

import os
import re
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.webhooks_project.process_tree import descendants, running
from webhooks_project.stack.processes import ProcessEnded, Processes, Turn

SLEEP = ["sleep", "60"]


def _is_ready(log: Path) -> bool:
    return "ready" in log.read_text()


def test_a_process_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path / "log") as processes:
        processes.start("steady", SLEEP, Turn.SOURCE, cwd=tmp_path)
        processes.start(
            "frail", ["sh", "-c", "echo first; echo 'no such table' >&2; exit 3"], Turn.WORKER, cwd=tmp_path
        )
        with pytest.raises(ProcessEnded, match=re.compile(r"'frail' ended with exit code 3.*no such table", re.DOTALL)):
            wait_for(processes.check)


def test_a_process_that_is_killed_is_named_with_the_signal(tmp_path: Path) -> None:
    with Processes(tmp_path / "log") as processes:
        child = processes.start("web", SLEEP, Turn.SOURCE, cwd=tmp_path)
        os.kill(child.process.pid, signal.SIGKILL)
        with pytest.raises(ProcessEnded, match="'web' was killed by SIGKILL"):
            wait_for(processes.check)


def test_what_brings_work_stops_before_the_workers_and_receivers_last(tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = f"trap 'echo $0 >> {order}; exit' TERM; echo ready; while :; do sleep 0.02; done"
    with Processes(tmp_path / "log") as processes:
        for turn in (Turn.RECEIVER, Turn.SOURCE, Turn.WORKER):
            log = processes.start(turn.name, ["sh", "-c", script, turn.name], turn, cwd=tmp_path).log
            wait_for(partial(_is_ready, log))
    assert order.read_text().split() == ["SOURCE", "WORKER", "RECEIVER"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_does_not_stop_in_time_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turn, "patience", 0.2)
    script = "trap '' TERM; sleep 60 & echo ready; while :; do wait; done"
    with Processes(tmp_path / "log") as processes:
        child = processes.start("stubborn", ["sh", "-c", script], Turn.WORKER, cwd=tmp_path)
        wait_for(partial(_is_ready, child.log))
        pids = [child.process.pid, *descendants(child.process.pid)]
        assert len(pids) == 2
    assert wait_for(lambda: not running(pids))

"""Processes that end with their parent, or do not start without it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.webhooks_project.process_tree import is_running
from webhooks_project import tether

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")

PARENT = """
import subprocess, sys, time
from webhooks_project.tether import tethered
print(subprocess.Popen(tethered(["sleep", "60"])).pid, flush=True)
time.sleep(60)
"""


def test_a_tethered_process_ends_with_its_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
    wait_for(lambda: not is_running(child))


def test_a_process_whose_parent_is_gone_already_does_not_start(tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = tether.tethered(["touch", str(started)])
    command[command.index(str(os.getpid()))] = "1"
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    assert not started.exists()


def test_the_exit_code_and_the_output_are_the_programs_own() -> None:
    command = tether.tethered(["sh", "-c", "echo said; exit 7"], signal.SIGTERM)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "said\n", "")

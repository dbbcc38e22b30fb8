"""CPU time and memory of processes, from the kernel's own accounting in /proc."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """CPU seconds used so far: by each group of processes, and by whatever else runs here. `at` is Unix time."""

    at: float
    groups: Mapping[str, float]
    others: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used between two snapshots: CPU seconds by group, and by what has nothing to do with the run."""

    seconds: float
    groups: Mapping[str, float]
    others: float

    def per(self, group: str, count: int) -> float | None:
        """Return microseconds of CPU of `group` for each of `count`, or None where it could not be watched."""
        return self.groups[group] * 1e6 / count if group in self.groups and count else None

    @property
    def others_share(self) -> float:
        """The part of the whole machine that was busy with what is no part of the run, from 0 to 1."""
        return self.others / self.seconds / (os.cpu_count() or 1)


class Accounting:
    """Watches groups of process trees. A group without processes is left out, not counted as nothing."""

    def __init__(self, groups: Mapping[str, Iterable[int]]) -> None:
        self._groups = {name: list(roots) for name, roots in groups.items()}

    def snapshot(self) -> Snapshot:
        """Read the clock and what has been used."""
        processes = {process.pid: process for process in _processes()}
        groups = {
            name: sum(processes[pid].cpu for pid in _trees(roots, processes))
            for name, roots in self._groups.items()
            if roots
        }
        # The parent of a scenario's process has started whatever the groups don't name, such as who publishes.
        run = set(_trees([os.getppid(), *chain(*self._groups.values())], processes))
        return Snapshot(time.time(), groups, _machine_seconds() - sum(processes[pid].cpu for pid in run))


def between(first: Snapshot, last: Snapshot) -> Usage:
    """Say what was used from `first` to `last`."""
    groups = {name: seconds - first.groups[name] for name, seconds in last.groups.items()}
    return Usage(last.at - first.at, groups, max(0.0, last.others - first.others))


def tree(root: int) -> Sequence[int]:
    """List `root` and all processes below it."""
    return _trees([root], {process.pid: process for process in _processes()})


def on_cpu_seconds(pid: int) -> float:
    """Return for how long the first thread of `pid` has been on a CPU, to the nanosecond."""
    return int((_PROC / str(pid) / "schedstat").read_text().split()[0]) / 1e9


def resident_mb(pid: int) -> float:
    """Return what `pid` has in memory now, in MB; 0 if it has ended."""
    return _status_mb(pid, "VmRSS")


def peak_resident_mb(pid: int) -> float:
    """Return the most that `pid` ever had in memory, in MB; 0 if it has ended."""
    return _status_mb(pid, "VmHWM")


def parent_named(pid: int, *names: str) -> int | None:
    """Return the parent of `pid` if it is a process on this machine with one of these names."""
    parents = {process.pid: process.parent for process in _processes()}
    return named(parents[pid], *names) if pid in parents else None


def named(pid: int, *names: str) -> int | None:
    """Return `pid` if it is a process on this machine with one of these names."""
    try:
        return pid if (_PROC / str(pid) / "comm").read_text().strip() in names else None
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    # With that of children that have ended and were waited for.
    cpu: float


def _processes() -> Iterator[_Process]:
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            # The name in brackets may contain anything.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield _Process(int(entry.name), int(fields[1]), sum(map(int, fields[11:15])) / _TICKS_PER_SECOND)


def _trees(roots: Iterable[int], processes: Mapping[int, _Process]) -> list[int]:
    children = defaultdict(list)
    for process in processes.values():
        children[process.parent].append(process.pid)
    found = [root for root in roots if root in processes]
    for pid in found:
        found += children[pid]
    return found


def _machine_seconds() -> float:
    user, nice, system, _, _, irq, softirq = map(int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS_PER_SECOND


def _status_mb(pid: int, field: str) -> float:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), 0.0)

"""Tests at full size, for `make chaos`: several workers with several processes each, and a real receiver."""

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dispatch.limited import age_redis
from tests.dispatch.workers import Worker, working

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.chaos)


@pytest.fixture(autouse=True)
def _redis_is_not_new() -> None:
    age_redis()


@pytest.fixture
def chance() -> random.Random:
    """Give the same chances each time."""
    return random.Random(6)  # noqa: S311 - no secret


@contextlib.contextmanager
def four_processes(environment: dict[str, str], **settings: str) -> Iterator[list[Worker]]:
    """Run two workers with two processes each for a block."""
    with (
        working(environment, "-c", "2", **settings) as one,
        working(environment, "-c", "2", **settings) as other,
    ):
        yield [one, other]

"""The process that publishes events while a scenario runs, at a steady pace or as fast as it can.

    python -m bench.publisher --count N --groups FIRST LAST+1 [--per-second N] [--in-transactions-of N]

The last line that it prints is JSON: see `bench.publishing.Published`.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import django


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publish", default="dispatch.publish:publish_event", help="module:function that publishes")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="Stop after so many seconds.")
    parser.add_argument("--per-second", type=float, default=float("inf"))
    parser.add_argument("--jitter", type=float, default=0.0, help="Part of the time between two events that is random.")
    parser.add_argument("--groups", type=int, nargs=2, required=True)
    parser.add_argument("--in-transactions-of", type=int, default=1)
    arguments = parser.parse_args()
    django.setup()
    module, _, function = arguments.publish.partition(":")
    publish = getattr(import_module(module), function)
    print(json.dumps(_publish_all(publish, arguments)))


def _publish_all(publish: Callable[[str, Any], object], arguments: argparse.Namespace) -> dict[str, Any]:
    from django.db import transaction

    from bench import seeding

    groups = range(*arguments.groups)
    at_once = arguments.in_transactions_of
    interval = at_once / arguments.per_second
    # The first event opens connections: it is not one of those that count.
    publish(seeding.event_type(groups[0]), seeding.payload())
    first_at = time.time()
    cpu_before = time.process_time()
    published = 0
    while published < arguments.count and time.time() - first_at < arguments.seconds:
        # Whoever is late catches up: the pace does not depend on how fast publishing is.
        target = first_at + (published / at_once + arguments.jitter * random.random()) * interval  # noqa: S311
        time.sleep(max(0.0, target - time.time()))
        with transaction.atomic():
            for number in range(published, published + at_once):
                publish(seeding.event_type(groups[number % len(groups)]), seeding.payload(number))
        published += at_once
    return {
        "events": published,
        "first_at": first_at,
        "last_at": time.time(),
        "cpu": time.process_time() - cpu_before,
    }


if __name__ == "__main__":
    main()

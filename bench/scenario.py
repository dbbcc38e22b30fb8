"""The process that one scenario runs in, on servers that run already.

    python -m bench.scenario NAME --directory DIRECTORY [--size SIZE]

Writes each row as soon as it is known to the file `NAME.jsonl` in the directory.
"""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

import django
from rich.console import Console

from bench import BenchError, interruption, scenarios
from bench.size import Size
from webhooks_project.stack import StackError

_INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=scenarios.NAMES)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--size", type=Size, default=Size.NORMAL)
    arguments = parser.parse_args()
    interruption.prepare()
    django.setup()
    from bench.lab import Lab

    lab = Lab(arguments.directory, arguments.size, Console())
    try:
        with (arguments.directory / f"{arguments.name}.jsonl").open("w") as output:
            for row in import_module(f"bench.scenarios.{arguments.name}").run(lab):
                print(json.dumps(row), file=output, flush=True)
    except (BenchError, StackError) as error:
        Console(stderr=True, soft_wrap=True).print(f"{error}", style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())

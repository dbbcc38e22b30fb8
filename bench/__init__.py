"""The bench: what the dispatcher can do on this machine, measured from outside. See README.md beside this file."""


class BenchError(Exception):
    """The bench cannot run, or a scenario came to nothing. The message says why and what to do."""

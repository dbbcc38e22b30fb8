"""A request as a command line of curl that can be pasted into a shell. Pure."""

import shlex
from collections.abc import Iterable

# Linux takes no argument that is longer than 128 KiB, except of what the shell does itself.
_LONG = 100_000
_ITS_OWN = frozenset({"host", "content-length"})


def command(url: str, headers: Iterable[tuple[str, str]], body: str) -> str:
    """Write the command that sends `body` to `url` with `headers`, but for those that curl writes itself."""
    options = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers if name.lower() not in _ITS_OWN]
    data = shlex.quote(body)
    start, given = (f"printf %s {data} | ", "@-") if len(body.encode()) > _LONG else ("", data)
    # A body that begins with @ would be the name of a file.
    return f"{start}curl -X POST {' '.join(options)} --data-{'binary' if start else 'raw'} {given} {shlex.quote(url)}"

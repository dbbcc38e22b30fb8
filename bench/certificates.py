"""A certificate authority for one run, and a certificate of it for the sink."""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import BenchError

_DAYS = "2"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """`authority` is what those who connect are to trust, `server` a certificate with its key. PEM files both."""

    authority: Path
    server: Path


def make(directory: Path, hosts: Iterable[str]) -> Certificates:
    """Make an authority and a certificate for the addresses `hosts`. Raises `BenchError` where openssl is missing."""
    if shutil.which("openssl") is None:
        raise BenchError("The scenario tls needs the program openssl. Install the package openssl.")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, key, server, request = (directory / name for name in ("ca.pem", "ca.key", "server.pem", "server.csr"))
    _openssl(
        *("req", "-x509", "-days", _DAYS, *_KEY, "-subj", "/CN=bench authority"),
        *("-addext", "basicConstraints=critical,CA:TRUE", "-keyout", str(key), "-out", str(authority)),
    )
    _openssl("req", *_KEY, "-subj", "/CN=bench sink", "-keyout", str(server), "-out", str(request))
    extensions = directory / "extensions"
    extensions.write_text("subjectAltName=" + ",".join(f"IP:{host}" for host in hosts) + "\n")
    signed = _openssl(
        *("x509", "-req", "-days", _DAYS, "-in", str(request), "-CA", str(authority), "-CAkey", str(key)),
        *("-CAcreateserial", "-extfile", str(extensions)),
    )
    server.write_text(signed + server.read_text())
    return Certificates(authority, server)


def _openssl(*arguments: str) -> str:
    command: Sequence[str] = ("openssl", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout

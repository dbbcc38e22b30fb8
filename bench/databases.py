"""The databases of a run. Each measurement begins with a new, empty one, as an installation does."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

from bench import BenchError, variables
from webhooks_project.stack.services import ROOT


def on_server(server_url: str) -> str:
    """Name a database on a PostgreSQL server that nobody else uses."""
    return urlsplit(server_url)._replace(path=f"/webhooks_bench_{os.getpid()}").geturl()


def in_file(directory: Path) -> str:
    """Name an SQLite database in `directory`."""
    return f"sqlite:///{quote(str(directory / 'bench.sqlite3'))}"


def prepare(environment: Mapping[str, str]) -> None:
    """Make the template that `renew` copies: a database with the product's tables. Raises `BenchError`."""
    url, server_url = _urls(environment)
    if not _is_file(url):
        _administer(server_url, "CREATE DATABASE {}", _name(_template(url)))
    migrated = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env={**environment, "DATABASE_URL": _template(url)},
        capture_output=True,
        text=True,
        check=False,
    )
    if migrated.returncode != 0:
        raise BenchError(f"The database could not be migrated:\n{migrated.stderr[-2000:]}")


def renew(environment: Mapping[str, str]) -> None:
    """Put a new copy of the template in the place of the database. Whoever is connected to it is thrown out."""
    url, server_url = _urls(environment)
    if _is_file(url):
        for suffix in ("", "-wal", "-shm"):
            Path(_name(url) + suffix).unlink(missing_ok=True)
        shutil.copyfile(_name(_template(url)), _name(url))
        return
    _administer(server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", _name(url))
    _administer(server_url, "CREATE DATABASE {} TEMPLATE {}", _name(url), _name(_template(url)))


@contextlib.contextmanager
def copied(environment: Mapping[str, str]) -> Iterator[str]:
    """Give the block the name of a copy of the database, on the same server. Nobody may be connected to it."""
    url, server_url = _urls(environment)
    name = f"{_name(url)}_copy"
    _administer(server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    _administer(server_url, "CREATE DATABASE {} TEMPLATE {}", name, _name(url))
    try:
        yield name
    finally:
        _administer(server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def drop(environment: Mapping[str, str]) -> None:
    """Remove the database and its template from the server. A file goes with its directory."""
    url, server_url = _urls(environment)
    if not _is_file(url):
        for each in (url, _template(url)):
            _administer(server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", _name(each))


def _urls(environment: Mapping[str, str]) -> tuple[str, str]:
    return environment["DATABASE_URL"], environment[variables.DATABASE_SERVER]


def _is_file(url: str) -> bool:
    return url.startswith("sqlite:")


def _template(url: str) -> str:
    address, mark, options = url.partition("?")
    return f"{address}_template{mark}{options}"


def _name(url: str) -> str:
    return unquote(urlsplit(url).path).removeprefix("/")


def _administer(server_url: str, statement: str, *names: str) -> None:
    try:
        with psycopg.connect(server_url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
    except psycopg.Error as error:
        raise BenchError(
            f"The database server refused the bench, whose user must be able to create databases: {error}"
        ) from None

"""Real PostgreSQL servers for tests: our embedded one, and Debian's PostgreSQL as the oldest that must do.

Each pytest worker has servers of its own, started when a test first asks and gone with the worker. `postgres_server`
runs a test on both; `embedded_server` and `debian_server` on one. Tests never share a database: `fresh_database` makes
an empty one, or a copy of another that holds the schema already.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from components import require
from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres
from tintype.adapters.postgres_processes import Account, spawn

Command: TypeAlias = Sequence[str | Path]

DEBIAN_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # it holds nothing worth a disk's time
    "max_connections": "200",
    "timezone": "Europe/Berlin",  # as on a server that nobody set up for us
    "lc_messages": "C",
}
READY_SECONDS: Final = 30.0

MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- directories are made there by mkdtemp
ROOMY_BYTES: Final = 4 << 30
"""A running product has 60 MB; a dozen are left when a run is killed. A container's default of 64 MB is not for us."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `superuser_url` leads to a database that tests leave alone."""

    flavour: str
    superuser_url: str


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[Server]:
    """Give the embedded PostgreSQL in a directory of its own."""
    with passable_directory() as directory:
        server = EmbeddedPostgres(EmbeddedConfig(directory / "data", system_directory=directory / "system"))
        server.start()
        try:
            yield Server("embedded", server.superuser_url)
        finally:
            server.stop()


@pytest.fixture(scope="session")
def debian_server() -> Iterator[Server]:
    """Give Debian's PostgreSQL, where it is installed."""
    programs = require("debian_postgresql")
    with passable_directory() as directory, _debian(directory, programs) as url:
        yield Server("debian", url)


@pytest.fixture(
    scope="session",
    params=["embedded_server", pytest.param("debian_server", marks=pytest.mark.debian_postgresql)],
    ids=["embedded", "debian"],
)
def postgres_server(request: pytest.FixtureRequest) -> Server:
    """Give each PostgreSQL in turn."""
    server: Server = request.getfixturevalue(request.param)
    return server


def fresh_database(server: Server, template: str = "template0") -> str:
    """Make a database with a unique name and return its URL as the superuser.

    It is empty, or a copy of the database named `template`, to which nobody may be connected.
    """
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    return urlunsplit(urlsplit(server.superuser_url)._replace(path=f"/{name}"))


def drop_database(server: Server, url: str) -> None:
    """Remove a database and end whatever is connected to it."""
    name = urlsplit(url).path.removeprefix("/")
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def roomy_memory() -> Path | None:
    """Return the file system in memory, if there is one with room for the databases of a whole run.

    Making and removing hundreds of databases is a third of the suite's time on a disk. What is about disks brings its
    own (`disks.py`), or uses pytest's `tmp_path`.
    """
    try:
        free = shutil.disk_usage(MEMORY).free
    except OSError:
        return None
    return MEMORY if free >= ROOMY_BYTES and os.access(MEMORY, os.W_OK) else None


@contextmanager
def passable_directory() -> Iterator[Path]:
    """Give a temporary directory that every user can pass through: as root, servers run as somebody else."""
    directory = Path(tempfile.mkdtemp(prefix="tintype-test-", dir=roomy_memory()))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def passable_tmp_path() -> Iterator[Path]:
    """Give `passable_directory` to a test: pytest's own tmp_path is closed to everybody else."""
    with passable_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def _stopped() -> Iterator[Path]:
    with passable_directory() as directory:
        server = EmbeddedPostgres(EmbeddedConfig(directory / "data", system_directory=directory / "system"))
        server.start()
        server.stop()
        yield directory


@pytest.fixture
def directory_with_database(passable_tmp_path: Path, _stopped: Path) -> Path:
    """Give a passable directory whose `data` holds an embedded database, stopped: a copy is quicker than initdb."""
    subprocess.run(["cp", "-a", f"{_stopped}/.", passable_tmp_path], check=True)
    return passable_tmp_path


def unprivileged_account() -> Account | None:
    """Return a user that PostgreSQL agrees to run as when we are root, or None when we are not."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


@contextmanager
def _debian(directory: Path, programs: Path) -> Iterator[str]:
    account = unprivileged_account()
    if account:
        os.chown(directory, account.uid, account.gid)
    cluster, port = directory / "cluster", _free_port()
    initdb: Command = [programs / "initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    with _running([*initdb, "--locale=C.UTF-8"], account, directory / "initdb.log") as process:
        assert process.wait(READY_SECONDS) == 0, (directory / "initdb.log").read_text()
    arguments = [word for name, value in DEBIAN_SETTINGS.items() for word in ("-c", f"{name}={value}")]
    log = directory / "log"
    with _running([programs / "postgres", "-D", cluster, "-p", str(port), *arguments], account, log) as process:
        try:
            _await_ready(cluster, process, log)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(READY_SECONDS)


@contextmanager
def _running(command: Command, account: Account | None, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, spawn(command, account, death_signal=signal.SIGINT, output=output) as process:
        yield process


def _await_ready(cluster: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with suppress(OSError, IndexError):
            if (cluster / "postmaster.pid").read_text().splitlines()[7].strip() == "ready":
                return
        time.sleep(0.01)
    pytest.fail(f"Debian's PostgreSQL is not ready after {READY_SECONDS} s: {log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""The embedded PostgreSQL of a test: supervised by the test itself, or by a process that a test can kill.

Everything of a test lies in one directory: the product's `data`, and `system` in the place of /var/lib/tintype. The
process may run as somebody else than the test. Run as a program, this file locks the data directory, starts the server,
prints one line of JSON (`pid`, `url`, `notes`) and waits until its input ends; what goes wrong it prints as
`{"refused": sentence}`. `supervising` runs it so.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tintype.adapters.data_lock import DataDirectoryLock, DataDirectoryUnusable
from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres, PostgresUnavailable
from tintype.adapters.postgres_processes import Account

WAIT_SECONDS = 60.0


class Refused(Exception):
    """The supervisor did not start; the message is its sentence."""


def config_in(directory: Path) -> EmbeddedConfig:
    """Return the configuration for a test's directory."""
    return EmbeddedConfig(directory / "data", system_directory=directory / "system")


@contextmanager
def running(directory: Path) -> Iterator[EmbeddedPostgres]:
    """Give a server that the test itself supervises."""
    server = EmbeddedPostgres(config_in(directory))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def commit_row(url: str, value: int) -> None:
    """Commit a number."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def rows(url: str) -> list[int]:
    """Return the numbers that were committed."""
    with psycopg.connect(url) as connection:
        return [value for (value,) in connection.execute("SELECT value FROM kept ORDER BY value")]


@dataclass(frozen=True)
class Supervisor:
    """The process, and what it said of its server."""

    process: subprocess.Popen[str]
    postgres_pid: int
    url: str
    notes: tuple[str, ...]

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is cleaned up."""
        self.process.kill()
        self.process.wait(WAIT_SECONDS)


@contextmanager
def supervising(
    data: Path, system: Path, *, account: Account | None = None, start_timeout_seconds: float = 60.0
) -> Iterator[Supervisor]:
    """Give a running supervisor and end it afterwards; `Refused` when it would not start."""
    process = launch(data, system, account=account, start_timeout_seconds=start_timeout_seconds)
    with process:
        try:
            yield _introduced(process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(WAIT_SECONDS)


def launch(
    data: Path, system: Path, *, account: Account | None = None, start_timeout_seconds: float = 60.0
) -> subprocess.Popen[str]:
    """Start the process, as `account` or as ourselves, and return at once."""
    return subprocess.Popen(
        [_python_for(account), "-B", __file__, str(data), str(system), str(start_timeout_seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_paths())},
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def can_run_python(account: Account) -> bool:
    """Return whether a user can run some Python 3.11 with our packages: a clone in a private directory hides them."""
    try:
        return (
            "True"
            in subprocess.run(
                [_python_for(account), "-B", "-c", "import tintype, psycopg; print(True)"],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_paths())},
                cwd="/",
                user=account.uid,
                group=account.gid,
                extra_groups=[],
                capture_output=True,
                text=True,
                check=False,
            ).stdout
        )
    except OSError:
        return False


def _python_for(account: Account | None) -> str:
    """The interpreter of the virtual environment may lie in somebody's home; the system's can use its packages."""
    return sys.executable if account is None else f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"


def _import_paths() -> list[str]:
    """Where tintype and psycopg are imported from."""
    origins = (importlib.util.find_spec(name) for name in ("tintype", "psycopg"))
    return [str(Path(spec.origin).parents[1]) for spec in origins if spec and spec.origin]


def _introduced(process: subprocess.Popen[str]) -> Supervisor:
    assert process.stdout
    said = json.loads(process.stdout.readline())
    if "refused" in said:
        raise Refused(said["refused"])
    return Supervisor(process, said["pid"], said["url"], tuple(said["notes"]))


def _supervise(data: Path, system: Path, start_timeout_seconds: float) -> None:
    try:
        with DataDirectoryLock(data):
            server = EmbeddedPostgres(EmbeddedConfig(data, start_timeout_seconds, system_directory=system))
            server.start()
            sys.stdout.write(json.dumps({"pid": server.pid, "url": server.superuser_url, "notes": server.notes}) + "\n")
            sys.stdout.flush()
            sys.stdin.read()
            server.stop()
    except (PostgresUnavailable, DataDirectoryUnusable) as error:
        sys.stdout.write(json.dumps({"refused": str(error)}) + "\n")


if __name__ == "__main__":
    _supervise(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))

"""The database of a machine that has none: PostgreSQL from the wheel's programs, under our own supervision.

`start` finds the place and the user (`postgres_placement`), waits for a dying predecessor (`postgres_processes`), makes
the cluster when it is new (`postgres_cluster`), starts the server on a free port of 127.0.0.1 and asks it whether it
keeps what it promises (`postgres_durability`). The server dies with us even when we are killed; when it is killed,
`restart` brings it back on the same port and PostgreSQL recovers from its WAL. Everything is synchronous and belongs
to the main thread of the supervising process, which holds the `DataDirectoryLock`.
"""

import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from tintype.adapters.data_lock import DIRECTORY_MODE, DataDirectoryLock, DataDirectoryUnusable
from tintype.adapters.durable_files import make_directories
from tintype.adapters.parent_death import PARENT_DEATH_SIGNAL
from tintype.adapters.postgres_cluster import SUPERUSER, password, prepare_cluster, settings
from tintype.adapters.postgres_durability import durability_violations
from tintype.adapters.postgres_placement import SYSTEM_DIRECTORY, Placement, find_cluster, place
from tintype.adapters.postgres_processes import (
    PID_FILE,
    POLL_SECONDS,
    PostgresUnavailable,
    clear_predecessor,
    processes_on,
    spawn,
)

__all__ = ["EmbeddedConfig", "EmbeddedPostgres", "PostgresUnavailable", "running_superuser_url"]

DATABASE: Final = "tintype"
HOST: Final = "127.0.0.1"
LOG_FILE: Final = "postgres.log"
MAX_LOG_BYTES: Final = 8 * 2**20
"""A day of errors; one older file of that size is kept beside it."""

_PORTS: Final = range(20_000, 32_000)
"""Below Linux's ephemeral ports (32768-60999): a client that keeps trying to reach a stopped server there could be
given the server's own port, connect to itself and keep the server from coming back."""
_PORT_ATTEMPTS: Final = 5
_PORT_RELEASE_SECONDS: Final = 5.0
"""How long `restart` waits for its old port; the connections of a killed server close within milliseconds."""
_QUIT_SECONDS: Final = 5.0
"""How long an immediate shutdown (SIGQUIT) may take before SIGKILL."""
_CONNECT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class EmbeddedConfig:
    """`data` is the product's data directory. Times in seconds."""

    data: Path
    start_timeout_seconds: float = 60.0
    """For a predecessor to end, and again for crash recovery, which MAX_WAL_SIZE bounds."""
    stop_timeout_seconds: float = 30.0
    """A fast shutdown writes what is dirty in SHARED_BUFFERS; a slow disk may take seconds."""
    system_directory: Path = SYSTEM_DIRECTORY
    """Where a database lives that cannot live in `data` (root only)."""


class EmbeddedPostgres:
    """A PostgreSQL server of our own, from `start` to `stop`."""

    def __init__(self, config: EmbeddedConfig) -> None:
        self._config = config
        self._data = config.data.absolute()
        self._log = self._data / LOG_FILE
        self._placement: Placement | None = None
        self._home_lock: DataDirectoryLock | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._status: int | None = None
        self._port = 0
        self._password = ""
        self.notes: tuple[str, ...] = ()
        """Sentences for start-up's output: what is not as one would expect."""

    def start(self) -> None:
        """Return when the server accepts connections and the database `tintype` is there.

        Raises `PostgresUnavailable` with a sentence that says what to do; nothing runs then. Main thread only.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the server would be shut down when this thread ends")
        if self._process is not None:
            raise RuntimeError("the server was started already")
        try:
            make_directories(self._data, mode=DIRECTORY_MODE)
            placement = self._placement = place(self._data, self._config.system_directory)
            self._lock_home(placement)
            clear_predecessor(placement.cluster, deadline=self._deadline())
            prepare_cluster(self._data, placement)
            self._password = password(self._data)
            self._start_on_free_port(placement)
            self._admit()
        except OSError as error:
            self.stop()
            raise PostgresUnavailable(f"PostgreSQL cannot be started for {self._data}: {error}.") from error
        except BaseException:
            self.stop()
            raise
        self.notes = (*placement.notes, *_platform_notes())

    def restart(self) -> None:
        """Start again on the same port after the server died; it recovers everything that it had committed.

        Raises `PostgresUnavailable`; nothing runs then, the place is still ours, and it may be tried again. Main thread
        only.
        """
        if self._placement is None:
            raise RuntimeError("start comes first")
        self._end_process()
        try:
            clear_predecessor(self._placement.cluster, deadline=self._deadline())
            self._await_port()
            self._launch(self._placement)
            self._admit()
        except OSError as error:
            self._end_process()
            raise PostgresUnavailable(f"PostgreSQL cannot be started for {self._data}: {error}.") from error
        except BaseException:
            self._end_process()
            raise

    def stop(self) -> None:
        """Shut down fast: transactions are rolled back, everything committed is flushed. Bounded; may be repeated."""
        self._end_process()
        if self._home_lock is not None:
            self._home_lock.release()
            self._home_lock = None

    def poll(self) -> int | None:
        """Return the exit status when the server has died, else None. Called every few seconds, it bounds the log.

        The status stays what it was while a `restart` fails.
        """
        self._bound_log()
        if self._process is not None:
            self._status = self._process.poll()
        return self._status

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self._running().pid

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1, the same after a `restart`."""
        return self._port

    @property
    def superuser_url(self) -> str:
        """The database `tintype` as the superuser, for migrations."""
        return self.url_for(SUPERUSER, self._password)

    def url_for(self, user: str, password: str) -> str:
        """Return the URL of the database `tintype` for a user."""
        return _url(user, password, self._port)

    # Starting

    def _deadline(self) -> float:
        return time.monotonic() + self._config.start_timeout_seconds

    def _lock_home(self, placement: Placement) -> None:
        """A copied data directory carries the id of a database that the first one still uses."""
        if placement.cluster.parent == self._data:
            return
        self._home_lock = DataDirectoryLock(placement.cluster.parent)
        try:
            self._home_lock.acquire()
        except DataDirectoryUnusable as error:
            raise PostgresUnavailable(str(error)) from error

    def _start_on_free_port(self, placement: Placement) -> None:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._port = _free_port()
            try:
                self._launch(placement)
            except PostgresUnavailable:
                if attempt == _PORT_ATTEMPTS or _is_free(self._port):
                    raise
            else:
                return

    def _await_port(self) -> None:
        deadline = time.monotonic() + _PORT_RELEASE_SECONDS
        while not _is_free(self._port):
            if time.monotonic() > deadline:
                raise PostgresUnavailable(f"PostgreSQL's port {self._port} was taken by another program. Start again.")
            time.sleep(POLL_SECONDS)

    def _launch(self, placement: Placement) -> None:
        deadline = self._deadline()
        command: list[str | Path] = [placement.programs / "postgres", "-D", placement.cluster, *settings(self._port)]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        with os.fdopen(os.open(self._log, flags, 0o600), "ab") as log:
            said_before = os.fstat(log.fileno()).st_size
            self._process = spawn(command, placement.account, death_signal=signal.SIGINT, output=log)
        while not _is_ready(placement.cluster, self._process.pid):
            if self._process.poll() is not None:
                raise PostgresUnavailable(f"PostgreSQL did not start: {self._complaint(said_before)}")
            if time.monotonic() > deadline:
                raise PostgresUnavailable(
                    f"PostgreSQL is not ready after {self._config.start_timeout_seconds:.0f} s; see {self._log}."
                )
            time.sleep(POLL_SECONDS)

    def _admit(self) -> None:
        """Enter the database, making it at the first time, and refuse one that could lose what it acknowledges."""
        try:
            with self._enter() as connection:
                violations = durability_violations(connection)
        except psycopg.Error as error:
            raise PostgresUnavailable(f"PostgreSQL does not let us in: {error}") from error
        if violations:
            raise PostgresUnavailable(f"PostgreSQL would not keep what it acknowledges: {' '.join(violations)}")

    def _enter(self) -> psycopg.Connection:
        try:
            return self._connect(DATABASE)
        except psycopg.OperationalError as error:
            if f'database "{DATABASE}" does not exist' not in str(error):
                raise
        with self._connect("postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        return self._connect(DATABASE)

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(self.superuser_url, dbname=database, connect_timeout=_CONNECT_SECONDS, autocommit=True)

    # Running and stopping

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for signum, seconds in (
            (signal.SIGINT, self._config.stop_timeout_seconds),
            (signal.SIGQUIT, _QUIT_SECONDS),
            (signal.SIGKILL, None),
        ):
            process.send_signal(signum)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return

    def _bound_log(self) -> None:
        """Keep the newest bytes in one older file and empty the log; PostgreSQL goes on appending to it.

        A line that is written between the two is lost: the price of a log that PostgreSQL never waits for.
        """
        with suppress(OSError):
            if self._log.stat().st_size > MAX_LOG_BYTES:
                older = self._log.with_suffix(".log.1")
                older.touch(mode=0o600)
                shutil.copyfile(self._log, older)
                os.truncate(self._log, 0)

    def _complaint(self, offset: int) -> str:
        with self._log.open(errors="replace") as log:
            log.seek(offset)
            said = [line.strip() for line in log]
        fatal = [line for line in said if "FATAL:" in line or "PANIC:" in line]
        return " ".join(fatal or said[-1:]) or f"it ended without a word; see {self._log}."


def running_superuser_url(config: EmbeddedConfig) -> str | None:
    """Return the superuser's URL of a server that another process runs for this data directory, or None.

    For commands that work beside a running `tintype serve`. Raises `PostgresUnavailable`.
    """
    data = config.data.absolute()
    cluster = find_cluster(data, config.system_directory)
    if cluster is None:
        return None
    with suppress(OSError, ValueError, IndexError):
        lines = (cluster / PID_FILE).read_text().splitlines()
        if int(lines[0]) in processes_on(cluster) and _is_ready(cluster, int(lines[0])):
            return _url(SUPERUSER, password(data), int(lines[3]))
    return None


def _url(user: str, password: str, port: int) -> str:
    """TLS is not built in, and not asked for either: that spares a round trip and is deaf to PGSSLMODE."""
    return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{HOST}:{port}/{DATABASE}?sslmode=disable"


def _is_ready(cluster: Path, pid: int) -> bool:
    """`postmaster.pid` holds the process id in line 1 and its status in line 8 (PostgreSQL's utils/pidfile.h)."""
    try:
        lines = (cluster / PID_FILE).read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _free_port() -> int:
    for _ in range(len(_PORTS)):
        if _is_free(port := random.choice(_PORTS)):
            return port
    raise PostgresUnavailable(f"No TCP port from {_PORTS.start} to {_PORTS.stop} is free.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does: TIME_WAIT is no hindrance
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _platform_notes() -> tuple[str, ...]:
    if PARENT_DEATH_SIGNAL:
        return ()
    return ("On this platform PostgreSQL goes on when Tintype is killed with SIGKILL; the next start stops it first.",)

"""The embedded PostgreSQL when it, or whoever supervises it, is killed, frozen or in somebody's way."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from components import require
from postgres import unprivileged_account
from supervised_postgres import Refused, can_run_python, commit_row, rows, running, supervising
from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres
from tintype.adapters.postgres_processes import Account, processes_on

GONE_SECONDS = 5.0


@pytest.fixture
def directory(directory_with_database: Path) -> Path:
    return directory_with_database


@pytest.fixture(params=["root", "ordinary user"])
def account(request: pytest.FixtureRequest, directory: Path) -> Account | None:
    """Whom the supervisor runs as: None for ourselves."""
    if request.param == "root":
        require("root")
        return None
    user = unprivileged_account()
    if user is not None:
        if not can_run_python(user):
            pytest.skip(f"the user {user.name} cannot reach the packages that this test runs with")
        subprocess.run(["chown", "-R", f"{user.uid}:{user.gid}", directory], check=True)
    return user


def wait_until_gone(pid: int) -> float:
    """Return the seconds until a process that is not our child has ended."""
    began = time.monotonic()
    while time.monotonic() < began + 10 * GONE_SECONDS:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return time.monotonic() - began
        time.sleep(0.01)
    pytest.fail(f"process {pid} is still there")


@contextmanager
def frozen_while(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_a_killed_supervisor_takes_its_server_along_and_the_next_one_has_every_row(
    directory: Path, account: Account | None
) -> None:
    with supervising(directory / "data", directory / "system", account=account) as supervisor:
        commit_row(supervisor.url, 1)
        supervisor.kill()
        assert wait_until_gone(supervisor.postgres_pid) < GONE_SECONDS
    with supervising(directory / "data", directory / "system", account=account) as supervisor:
        assert rows(supervisor.url) == [1]


def test_a_supervisor_that_starts_at_once_waits_for_the_server_of_the_killed_one(directory: Path) -> None:
    with supervising(directory / "data", directory / "system") as supervisor:
        commit_row(supervisor.url, 1)
        frozen = supervisor.postgres_pid
        with frozen_while(frozen):
            supervisor.kill()
            with (
                pytest.raises(Refused, match=rf"process {frozen}\) is still running .*`kill -INT {frozen}"),
                supervising(directory / "data", directory / "system", start_timeout_seconds=0.5),
            ):
                pass
            threading.Timer(0.5, os.kill, [frozen, signal.SIGCONT]).start()
            with supervising(directory / "data", directory / "system") as successor:
                assert rows(successor.url) == [1]


def test_a_killed_server_comes_back_on_its_port_with_every_committed_row_and_no_other(directory: Path) -> None:
    with running(directory) as server:
        url = server.superuser_url
        commit_row(url, 1)
        with suppress(psycopg.OperationalError), psycopg.connect(url) as uncommitted:
            uncommitted.execute("INSERT INTO kept VALUES (2)")
            os.kill(server.pid, signal.SIGKILL)
            while server.poll() is None:
                time.sleep(0.01)
            server.restart()
            assert server.superuser_url == url
            assert rows(url) == [1]
        assert rows(url) == [1]


def test_a_backend_that_outlives_its_killed_server_does_not_keep_the_next_one_out(directory: Path) -> None:
    with running(directory) as server:
        cluster = directory / "data/postgres"
        before = processes_on(cluster)
        with suppress(psycopg.OperationalError), psycopg.connect(server.superuser_url) as busy:
            thread = threading.Thread(target=_compute_for_minutes, args=[busy])
            thread.start()
            time.sleep(0.3)
            os.kill(server.pid, signal.SIGKILL)
            time.sleep(0.3)
            orphans = processes_on(cluster) - before
            assert orphans  # it does not notice by itself
            server.restart()
            assert not orphans & processes_on(cluster)
            thread.join()


def _compute_for_minutes(connection: psycopg.Connection) -> None:
    with suppress(psycopg.OperationalError):
        connection.execute("SELECT count(*) FROM generate_series(1, 100000000000) WHERE generate_series < 0")


def test_a_second_server_on_the_same_data_is_refused_at_once_by_the_first_ones_process_id(directory: Path) -> None:
    with supervising(directory / "data", directory / "system") as first:
        began = time.monotonic()
        with (
            pytest.raises(Refused, match=rf"in use by a running Tintype server \(process {first.process.pid}\)"),
            supervising(directory / "data", directory / "system"),
        ):
            pass
        assert time.monotonic() - began < 2
        commit_row(first.url, 1)


def test_a_process_id_that_was_reused_after_a_reboot_is_not_taken_for_a_server(directory: Path) -> None:
    cluster = directory / "data/postgres"
    owner = cluster.stat()
    with subprocess.Popen(["/bin/sleep", "60"], user=owner.st_uid, group=owner.st_gid) as innocent:
        pid_file = cluster / "postmaster.pid"
        pid_file.write_text(f"{innocent.pid}\n{cluster}\n0\n20000\n\n127.0.0.1\n0 0\nready\n")
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        with running(directory):
            assert innocent.poll() is None
        innocent.kill()


def test_a_server_stops_in_bounded_time_whatever_its_clients_do(directory: Path) -> None:
    with running(directory) as server:
        with psycopg.connect(server.superuser_url) as idle:
            idle.execute("CREATE TABLE open_transaction ()")
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < GONE_SECONDS
            idle.close()
        assert not processes_on(directory / "data/postgres")


def test_a_server_that_does_not_answer_a_shutdown_is_killed(directory: Path) -> None:
    server = EmbeddedPostgres(
        EmbeddedConfig(directory / "data", stop_timeout_seconds=0.2, system_directory=directory / "system")
    )
    server.start()
    commit_row(server.superuser_url, 1)
    os.kill(server.pid, signal.SIGSTOP)
    server.stop()
    with running(directory) as successor:
        assert rows(successor.superuser_url) == [1]

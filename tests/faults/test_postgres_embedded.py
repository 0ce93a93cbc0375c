"""The embedded PostgreSQL from its first start on: what it promises, and what it does not take for a database."""

import stat
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest

from postgres import Server
from supervised_postgres import commit_row, config_in, launch, rows, running
from tintype.adapters.postgres_durability import durability_violations
from tintype.adapters.postgres_embedded import (
    LOG_FILE,
    MAX_LOG_BYTES,
    EmbeddedPostgres,
    PostgresUnavailable,
    running_superuser_url,
)
from tintype.adapters.postgres_processes import processes_on

NEXT_START_SECONDS = 0.5


@pytest.fixture
def directory(directory_with_database: Path) -> Path:
    return directory_with_database


def test_a_new_directory_gets_a_database_that_is_there_at_the_next_start(passable_tmp_path: Path) -> None:
    with running(passable_tmp_path) as server:
        commit_row(server.superuser_url, 1)
    with running(passable_tmp_path) as server:
        assert rows(server.superuser_url) == [1]


def test_the_next_start_takes_at_most_half_a_second(directory: Path) -> None:
    seconds = []
    for _ in range(5):
        began = time.monotonic()
        with running(directory):
            seconds.append(time.monotonic() - began)
    assert min(seconds) <= NEXT_START_SECONDS, seconds  # the rest is what else the machine does


def test_the_server_keeps_what_it_acknowledges(embedded_server: Server) -> None:
    with psycopg.connect(embedded_server.superuser_url) as connection:
        assert durability_violations(connection) == []


@pytest.mark.debian_postgresql
def test_a_server_that_would_lose_data_is_found_out(debian_server: Server) -> None:
    with psycopg.connect(debian_server.superuser_url) as connection:
        connection.execute("SET synchronous_commit = off")
        names = [sentence.split()[0] for sentence in durability_violations(connection)]
    assert sorted(names) == ["data_checksums", "fsync", "synchronous_commit"]


def test_an_edited_configuration_cannot_weaken_durability(directory: Path) -> None:
    with (directory / "data/postgres/postgresql.conf").open("a") as settings:
        settings.write("fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n")
    with running(directory) as server, psycopg.connect(server.superuser_url) as connection:
        assert durability_violations(connection) == []


def test_a_database_that_would_lose_data_is_not_served(directory: Path) -> None:
    with running(directory) as server, psycopg.connect(server.superuser_url) as connection:
        connection.execute("ALTER DATABASE tintype SET synchronous_commit = off")
    with pytest.raises(PostgresUnavailable, match="synchronous_commit is off"):
        EmbeddedPostgres(config_in(directory)).start()
    assert not processes_on(directory / "data/postgres")


def test_text_is_utf8_and_folds_letters_of_every_script(embedded_server: Server) -> None:
    with psycopg.connect(embedded_server.superuser_url) as connection:
        row = connection.execute("SELECT current_setting('server_encoding'), lower('ÄΣЖ'), upper('ß')").fetchone()
    assert row == ("UTF8", "äσж", "SS")


def test_only_this_machine_gets_in_and_only_with_the_password(embedded_server: Server) -> None:
    with psycopg.connect(embedded_server.superuser_url) as connection:
        methods = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        listens = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
        ).fetchone()
    assert methods == [("scram-sha-256",)]
    assert listens == ("127.0.0.1", "")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(embedded_server.superuser_url, password="guessed")  # noqa: S106 - that is the point


def test_the_password_is_readable_by_its_owner_alone(directory: Path) -> None:
    with running(directory):
        mode = (directory / "data/postgres.password").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_command_beside_a_running_server_finds_it(directory: Path) -> None:
    assert running_superuser_url(config_in(directory)) is None
    with running(directory) as server:
        assert running_superuser_url(config_in(directory)) == server.superuser_url
    assert running_superuser_url(config_in(directory)) is None


def test_a_server_is_not_started_from_a_thread_whose_end_would_stop_it(directory: Path) -> None:
    refusals: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedPostgres(config_in(directory)).start()
        except RuntimeError as error:
            refusals.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(refusals) == 1


# Bad clusters


def test_an_initdb_that_was_killed_half_way_is_not_trusted(passable_tmp_path: Path) -> None:
    data = passable_tmp_path / "data"
    process = launch(data, passable_tmp_path / "system")
    while not any((staged / "cluster/PG_VERSION").exists() for staged in data.glob(".postgres-new-*")):
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert not (data / "postgres").exists()
    with running(passable_tmp_path) as server:
        commit_row(server.superuser_url, 1)
    assert not list(data.glob(".postgres-*"))


def test_a_directory_that_is_no_whole_database_is_neither_used_nor_overwritten(passable_tmp_path: Path) -> None:
    half = passable_tmp_path / "data/postgres"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with pytest.raises(PostgresUnavailable, match="holds no whole PostgreSQL database"):
        EmbeddedPostgres(config_in(passable_tmp_path)).start()
    assert (half / "PG_VERSION").read_text() == "18\n"


def test_a_database_of_another_major_version_is_refused(directory: Path) -> None:
    (directory / "data/postgres/PG_VERSION").write_text("17\n")
    with pytest.raises(PostgresUnavailable, match=r"made by PostgreSQL 17, and this Tintype brings PostgreSQL 18"):
        EmbeddedPostgres(config_in(directory)).start()


def test_the_log_does_not_grow_without_bound(directory: Path) -> None:
    with running(directory) as server:
        log = directory / "data" / LOG_FILE
        with log.open("ab") as file:
            file.write(b"x" * MAX_LOG_BYTES)
        assert server.poll() is None
        assert log.stat().st_size == 0
        older = log.with_suffix(".log.1").stat()
        assert older.st_size > MAX_LOG_BYTES
        assert stat.S_IMODE(older.st_mode) == stat.S_IMODE(log.stat().st_mode) == 0o600
        with pytest.raises(psycopg.errors.UndefinedTable), psycopg.connect(server.superuser_url) as connection:
            connection.execute("SELECT 1 FROM no_such_table")
        assert 0 < log.stat().st_size < MAX_LOG_BYTES


@pytest.mark.root
def test_a_full_disk_leaves_no_half_database_and_room_makes_a_whole_one(passable_tmp_path: Path) -> None:
    data = passable_tmp_path / "data"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "tmpfs", str(data)], check=False)
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(PostgresUnavailable, match="No space left on device"):
            EmbeddedPostgres(config_in(passable_tmp_path)).start()
        assert {path.name for path in data.iterdir()} <= {"postgres.password"}
        subprocess.run(["mount", "-o", "remount,size=200m", str(data)], check=True)
        with running(passable_tmp_path) as server:
            commit_row(server.superuser_url, 1)
    finally:
        subprocess.run(["umount", str(data)], check=True)

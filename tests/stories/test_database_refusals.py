"""A database that does not let us do what we must: a sentence without the URL, exit status 1, and no traceback."""

import secrets
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from command_line import tintype
from postgres import Server, fresh_database
from product import free_port
from tintype.db.migrate import migrate

COMMANDS: Final = (("serve", "--role", "worker"), ("migrate",), ("key", "create"))
each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])


def refusal(command: tuple[str, ...], url: str, data: Path) -> str:
    """Return the sentence with which the command ends."""
    refused = tintype(*command, "--data", str(data), environment={"TINTYPE_DATABASE_URL": url})
    assert (refused.returncode, refused.stdout) == (1, ""), refused.stderr
    assert "hunter2" not in refused.stderr
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith("tintype: ")
    return line


def as_login_without_rights(server: Server) -> str:
    """Return the URL of a new database as a login that may only connect."""
    url = fresh_database(server)
    name = f"stranger_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'hunter2'").format(sql.Identifier(name)))
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:hunter2@{parts.hostname}:{parts.port}"))


@each_command
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://me:a/hunter2@db/x", "The database cannot be reached"),
        ("postgresql://me:hunter2@[db/x", "is not a URL"),
        ("postgresql://me:a@hunter2@db.invalid/x", "The database cannot be reached"),
        ("postgresql://me:x@db.invalid/x?hunter2=1", "The database's URL cannot be understood"),
        ("postgresql://me:%zzhunter2@db.invalid/x", "The database's URL cannot be understood"),
    ],
)
def test_a_url_that_is_written_wrong_is_not_shown(
    command: tuple[str, ...], url: str, reason: str, tmp_path: Path
) -> None:
    if reason == "is not a URL":
        refused = tintype(*command, "--data", str(tmp_path), environment={"TINTYPE_DATABASE_URL": url})
        assert (refused.returncode, "hunter2" in refused.stderr) == (2, False)
        assert reason in refused.stderr
    else:
        assert reason in refusal(command, url, tmp_path)


@each_command
def test_a_database_where_nothing_listens_is_named_as_such(command: tuple[str, ...], tmp_path: Path) -> None:
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x"
    assert "nothing listens at that address" in refusal(command, url, tmp_path)


@pytest.mark.parametrize("command", COMMANDS[:2], ids=lambda words: words[0])
def test_a_login_that_may_not_migrate_is_told_what_it_lacks(
    command: tuple[str, ...], embedded_server: Server, tmp_path: Path
) -> None:
    said = refusal(command, as_login_without_rights(embedded_server), tmp_path)
    assert "permission denied" in said
    assert "TINTYPE_DATABASE_OWNER_URL" in said


def test_a_key_for_a_database_without_the_schema_leads_to_migrate(embedded_server: Server, tmp_path: Path) -> None:
    assert "tintype migrate" in refusal(("key", "create"), fresh_database(embedded_server), tmp_path)


@pytest.mark.parametrize("command", COMMANDS[:2], ids=lambda words: words[0])
def test_a_database_that_is_newer_is_left_alone(
    command: tuple[str, ...], embedded_server: Server, tmp_path: Path
) -> None:
    url = fresh_database(embedded_server)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO public.tintype_migrations (name, checksum) VALUES ('9999_future', '')")
    assert "9999_future, which is newer than this Tintype" in refusal(command, url, tmp_path)


def test_the_doctor_shows_no_piece_of_a_password_either(tmp_path: Path) -> None:
    url = "postgresql://me:%zzhunter2@db.invalid/x"
    looked = tintype("doctor", "--data", str(tmp_path), environment={"TINTYPE_DATABASE_URL": url})
    assert looked.returncode == 1
    assert "BAD  database: The database's URL cannot be understood" in looked.stdout
    assert "hunter2" not in looked.stdout + looked.stderr

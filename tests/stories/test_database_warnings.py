"""I14 with a database of somebody else's: it is used as it is, and what it might lose is said at every start."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from postgres import Server, fresh_database
from tintype.settings import load_settings
from tintype.supervisor import Supervisor


def said_at_start(url: str, data: Path) -> tuple[list[str], list[str]]:
    """Return the warnings that were printed and those that were logged, before any process is started."""
    settings = load_settings(
        file=None, environment={"TINTYPE_DATABASE_URL": url}, flags={"data": str(data), "role": "worker"}
    )
    printed: list[str] = []
    with capture_logs() as logged:
        Supervisor(settings, {}, printed.append)._prepare()
    return printed, [line["violation"] for line in logged if line["log_level"] == "warning"]


@pytest.mark.debian_postgresql
def test_each_setting_that_could_lose_data_is_a_warning(debian_server: Server, tmp_path: Path) -> None:
    printed, logged = said_at_start(fresh_database(debian_server), tmp_path)
    assert [line.split()[0] for line in logged] == ["fsync", "data_checksums"]
    assert printed == [f"Warning: the database may lose what it acknowledged: {sentence}" for sentence in logged]


def test_a_database_that_keeps_what_it_acknowledges_is_no_matter(embedded_server: Server, tmp_path: Path) -> None:
    assert said_at_start(fresh_database(embedded_server), tmp_path) == ([], [])

import tempfile
from pathlib import Path

import pytest

from tintype.telemetry import metrics_directory
from tintype.telemetry.metrics_directory import MetricsDirectory


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of the test's own for what lies in memory, where nothing is too young to be removed."""
    monkeypatch.setattr(metrics_directory, "_MEMORY", tmp_path)
    monkeypatch.setattr(metrics_directory, "_YOUNG_SECONDS", -1)
    return tmp_path


def test_a_start_removes_what_a_killed_server_left_and_nothing_that_is_used(memory: Path) -> None:
    used = MetricsDirectory(memory / "run")
    left = Path(tempfile.mkdtemp(prefix="tintype-metrics-", dir=memory))
    (left / "counter_1.db").touch()
    ours = MetricsDirectory(memory / "run")
    assert set(memory.iterdir()) == {used.path, ours.path}
    used.remove()
    ours.remove()
    assert not list(memory.iterdir())


def test_a_directory_that_was_made_a_moment_ago_stays(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_directory, "_YOUNG_SECONDS", 60)
    made = Path(tempfile.mkdtemp(prefix="tintype-metrics-", dir=memory))
    MetricsDirectory(memory / "run").remove()
    assert made.exists()


def test_without_files_in_memory_it_is_an_empty_directory_of_the_run(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_directory, "_MEMORY", memory / "not there")
    run = memory / "run"
    (run / "metrics").mkdir(parents=True)
    (run / "metrics" / "counter_1.db").touch()
    made = MetricsDirectory(run)
    assert made.path == run / "metrics"
    assert not list(made.path.iterdir())
    made.remove()

"""The benchmarks run and judge; what they measure is no test's business: `make bench`."""

import importlib
import io
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from sanitising import stored

BENCH = Path(__file__).parents[2] / "bench"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the modules of the benchmarks importable."""
    monkeypatch.syspath_prepend(BENCH)


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_a_quick_run_prints_one_table_of_the_sections_that_were_named() -> None:
    done = run("--quick", "uploads", "delivery")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(line.startswith("| ") for line in lines)
    assert sum(line.startswith("| upload, 2 MB JPEG, 8 clients: p50") for line in lines) == 1
    assert sum(line.startswith("| thumbnail, ") for line in lines) >= 1


def test_a_quick_run_takes_uploads_until_they_are_ready_and_asks_for_one_url_with_many_connections() -> None:
    done = run("--quick", "ready", "hot")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("| upload until ready, ") for line in lines) == 3
    assert sum(line.startswith("| one hot ") for line in lines) == 1


def test_a_section_that_there_is_not_is_refused() -> None:
    done = run("nonsense")

    assert done.returncode == 2
    assert "there is no section nonsense" in done.stderr


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(
    ("value", "passed"),
    [(24.9, False), (25.0, True)],
)
def test_a_rate_is_held_against_its_peer(value: float, passed: bool) -> None:  # noqa: FBT001 -- a parameter of pytest's
    figure = module("figures").compared("rate", value, 100, "/s", peer_name="peer", least=0.25)

    assert (figure.passed, "FAIL" in figure.cells) == (passed, not passed)


@pytest.mark.usefixtures("bench")
def test_a_size_over_its_limit_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = module("figures").limited
    for value, status in ((150.0, 0), (150.1, 1)):
        section = ModuleType("memory")
        section.__dict__["measure"] = lambda *, quick, value=value: [limited("size", value, 150, "MB")]  # noqa: ARG005
        monkeypatch.setitem(sys.modules, "memory", section)

        assert module("run").main(["memory"]) == status


@pytest.mark.usefixtures("bench")
def test_the_uploads_of_a_benchmark_are_all_different_pictures() -> None:
    photograph = module("photograph")
    data = photograph.jpeg_of(photograph.photograph(640, 480), 60_000)
    files = photograph.distinct_jpegs(data, 1)

    kept = {stored(next(files)) for _ in range(20)}

    assert len(kept) == 20
    assert {len(file) for file in kept} == {len(data)}
    assert len({Image.open(io.BytesIO(file)).tobytes() for file in kept}) == 20

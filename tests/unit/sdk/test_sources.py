"""What may be uploaded is read at any place by anybody, and a file that changes meanwhile is noticed."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tintype_client.core.effects import Source
from tintype_client.core.retries import RetryPolicy
from tintype_client.errors import SourceChanged
from tintype_client.models import Progress
from tintype_client.progress_bar import ProgressBar, readable
from tintype_client.settings import api_of
from tintype_client.sources import opened
from tintype_client.state_files import StateFiles

DATA = bytes(range(256)) * 100


def all_of(source: Source) -> bytes:
    parts = range(0, source.size, 1000)
    with ThreadPoolExecutor(4) as pool:
        return b"".join(pool.map(lambda offset: source.read(offset, 1000), parts))


def test_several_threads_read_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(DATA)
    with opened(path) as source:
        assert (all_of(source), source.name, source.content_type) == (DATA, "a.png", "image/png")
    with path.open("rb") as file, opened(file) as source:
        assert (all_of(source), source.name) == (DATA, "a.png")
    with opened(bytearray(DATA)) as source:
        assert (all_of(source), source.name, source.content_type) == (DATA, None, "application/octet-stream")


def test_an_open_file_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"head" + DATA)
    file.seek(4)
    with opened(file, name="b.gif") as source:
        assert (all_of(source), source.name, source.content_type) == (DATA, "b.gif", "image/gif")


def test_a_pipe_is_read_once_and_sent_as_often_as_needed() -> None:
    reading, writing = os.pipe()
    os.write(writing, DATA[:20_000])
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, opened(pipe) as source:
        assert all_of(source) == all_of(source) == DATA[:20_000]
        assert source.identity is None, "what comes from a pipe cannot be found again"


@pytest.mark.parametrize("change", [b"", DATA + b"more", DATA[::-1]])
def test_a_file_that_changes_while_it_is_sent_is_noticed(tmp_path: Path, change: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(DATA)
    os.utime(path, (1, 1))
    with opened(path) as source:
        source.read(0, 10)
        path.write_bytes(change)
        with pytest.raises(SourceChanged, match=r"a\.jpg changed while it was sent"):
            source.read(10, 10)


@pytest.mark.parametrize(
    ("beginning", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
    ],
)
def test_a_look_at_the_beginning_tells_the_type_whatever_the_name_says(beginning: bytes, media_type: str) -> None:
    with opened(beginning + b"rest of it", name="file.txt") as source:
        assert source.content_type == media_type
    with opened(beginning, content_type="image/x-other") as source:
        assert source.content_type == "image/x-other"


def test_what_is_kept_is_for_its_owner_alone_and_can_be_forgotten(tmp_path: Path) -> None:
    files = StateFiles(tmp_path / "deep" / "state")
    assert files.recall("a") is None
    files.keep("a", "first")
    files.keep("a", "second")
    kept = tmp_path / "deep" / "state" / "a.json"
    assert (files.recall("a"), kept.stat().st_mode & 0o777) == ("second", 0o600)
    files.keep("a", None)
    files.keep("a", None)
    assert list(kept.parent.iterdir()) == []


@pytest.mark.parametrize("url", ["", "images.example.org", "ftp://images.example.org", "https://"])
def test_a_server_that_is_none_is_said_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINTYPE_URL", raising=False)
    with pytest.raises(ValueError, match="TINTYPE_URL"):
        api_of(url, None, RetryPolicy())


def test_the_environment_says_where_and_who_and_an_empty_key_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINTYPE_URL", "https://images.example.org/")
    monkeypatch.setenv("TINTYPE_API_KEY", "ttk_environment")
    assert (api_of(None, None, RetryPolicy()).url, api_of(None, None, RetryPolicy()).api_key) == (
        "https://images.example.org",
        "ttk_environment",
    )
    assert api_of(None, "", RetryPolicy()).api_key is None


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_the_bar_is_drawn_on_terminals_alone_and_not_too_often() -> None:
    seconds = iter([0.0, 0.0, 0.05, 2.0, 2.01])
    terminal, nowhere = Terminal(), io.StringIO()
    with ProgressBar(terminal, "evil\x1b[2J.jpg", clock=lambda: next(seconds)) as bar:
        for sent in (0, 10, 500_000):
            bar(Progress(sent, 1_000_000, "sending"))
        bar(Progress(1_000_000, 1_000_000, "processing"))
    drawn = terminal.getvalue().split("\r\x1b[K")
    assert [line.split("  ")[-1] for line in drawn if line] == [
        " 0% of 1.0 MB",
        "250 kB/s",
        "processing …",
    ]
    assert "\x1b[2J" not in terminal.getvalue()
    with ProgressBar(nowhere, "a.jpg") as bar:
        bar(Progress(1, 2, "sending"))
    assert nowhere.getvalue() == ""


def test_sizes_are_told_in_units_that_people_read() -> None:
    assert [readable(size) for size in (0, 999, 1000, 12_345, 999_600, 8.4e9, 3e15)] == [
        *("0 B", "999 B", "1.0 kB", "12 kB", "1.0 MB", "8.4 GB", "3000.0 TB"),
    ]

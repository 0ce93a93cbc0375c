"""The product itself for tests: a real `tintype serve` in a directory of its own, used over HTTP.

`product` is shared by all tests that can share it; `own_product` and `start_product` are for those that count what is
there, or break what they started.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, LiteralString

import httpx
import psycopg
import pytest

from postgres import passable_directory
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url

READY_SECONDS: Final = 60.0
PROCESSED_SECONDS: Final = 30.0


@dataclass
class Product:
    """A running server; `client` has the API key, `stranger` has no credential."""

    base_url: str
    api_key: str
    data: Path
    process: subprocess.Popen[str]
    log: Path
    said: str = ""
    """What it printed when it started."""
    client: httpx.Client = field(init=False)
    stranger: httpx.Client = field(init=False)
    kept: list[httpx.Client] = field(init=False, default_factory=list)
    """Clients of people, which end with the product."""
    _superuser: psycopg.Connection | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.stranger = httpx.Client(base_url=self.base_url, timeout=30)
        self.client = httpx.Client(
            base_url=self.base_url, timeout=30, headers={"authorization": f"Bearer {self.api_key}"}
        )

    def upload(self, data: bytes, *, anonymous: bool = False, **fields: str) -> dict[str, Any]:
        """Return the JSON of an acknowledged upload."""
        client = self.stranger if anonymous else self.client
        answer = client.post("/api/v1/images", files={"file": ("photo", data)}, data=fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def settled(self, image: Mapping[str, Any]) -> dict[str, Any]:
        """Return the image's JSON once it is processed."""
        deadline = time.monotonic() + PROCESSED_SECONDS
        while True:
            shown = dict(self.client.get(f"/api/v1/images/{image['id']}").json())
            assert "state" in shown, shown
            if shown["state"] != "processing":
                return shown
            assert time.monotonic() < deadline, f"still processing: {shown}"
            time.sleep(0.05)

    def query(self, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement on the embedded database, as its superuser: no row is hidden."""
        if self._superuser is None or self._superuser.broken:
            url = running_superuser_url(EmbeddedConfig(data=self.data))
            assert url is not None
            self._superuser = psycopg.connect(url, options="-c search_path=tintype", autocommit=True)
        cursor = self._superuser.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def files(self, *folders: str) -> set[str]:
        """Return every file below these folders of the data directory."""
        found = (path for folder in folders for path in (self.data / folder).rglob("*"))
        return {str(path.relative_to(self.data)) for path in found if path.is_file()}

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the metric's samples that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = self.stranger.get("/metrics").text.splitlines()
        named = [line for line in lines if re.match(rf"{name}[ {{]", line) and all(pair in line for pair in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in named)

    def log_lines(self) -> list[dict[str, Any]]:
        """Return what was logged, a value for each line; a line that is not JSON fails the test."""
        return [dict(json.loads(line)) for line in self.log.read_text().splitlines()]

    def children(self) -> dict[int, str]:
        """Return every process of the tree: pid → command line."""
        return dict(_descendants(self.process.pid))

    def stop(self, *, number: int = signal.SIGTERM) -> int:
        """End the server and return its exit status."""
        self.hang_up()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(40)

    def hang_up(self) -> None:
        """Close every connection of the test's own: one that is left would be held against the next test."""
        if self._superuser is not None:
            self._superuser.close()
        for client in (self.client, self.stranger, *self.kept):
            client.close()


@contextmanager
def start_product(
    data: Path, *arguments: str, environment: Mapping[str, str] | None = None, port: int | None = None, key: str = ""
) -> Iterator[Product]:
    """Run `tintype serve` on `data` and give it once it is ready; `key` is the API key of an earlier run."""
    number = port or free_port()
    log = data.parent / f"{data.name}.log"
    command = [sys.executable, "-m", "tintype", "serve", "--port", str(number), "--data", str(data), *arguments]
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TINTYPE_")},
        "TINTYPE_RATE_LIMITS": "off",
        **(environment or {}),
    }
    with log.open("a") as errors:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        said = _read_until_ready(process, log)
        found = re.search(r"ttk_\w+", said)
        product = Product(f"http://127.0.0.1:{number}", found[0] if found else key, data, process, log, said)
        try:
            yield product
        finally:
            product.hang_up()
        product.stop()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _read_until_ready(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Try it:"):
            return said
    raise AssertionError(f"tintype serve ended with {process.wait()}: {said}\n{log.read_text()[-4000:]}")


def eventually(holds: Callable[[], bool], *, within: float = 5.0) -> bool:
    """Return whether it holds before so many seconds are over."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _descendants(parent: int) -> Iterator[tuple[int, str]]:
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return
    for pid in map(int, children.split()):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield pid, Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
        yield from _descendants(pid)


@contextmanager
def own_product(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Product]:
    """Give a running product with the embedded database, in a directory that goes with it."""
    with (
        passable_directory() as directory,
        start_product(directory / "data", *arguments, environment=environment) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """Give the product that all files share which can: starting one costs four seconds of a processor.

    What a test does there is for others to see. A file that counts what there is, changes what is everybody's, or stops
    what it uses has a fixture of this name that gives its own.
    """
    with own_product() as running:
        yield running

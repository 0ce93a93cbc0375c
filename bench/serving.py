"""The product for a measurement: `tintype serve` in a directory of its own, started as a user starts it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STOP_SECONDS: Final = 60.0
"""For a server that is told to end while its workers still have a backlog."""


@dataclass(frozen=True)
class Served:
    """A running server: where it listens, its API key, its data, and how many seconds it took to be ready."""

    host: str
    port: int
    key: str
    data: Path
    pid: int
    start_seconds: float

    @property
    def base_url(self) -> str:
        """The address without a path."""
        return f"http://{self.host}:{self.port}"

    def processes(self, word: str) -> list[int]:
        """Return the ids of those processes of the tree whose command line has `word` in it."""
        return [pid for pid in _descendants(self.pid) if word in _command_line(pid)]

    def api_process(self) -> int:
        """Return the process that answers requests: Granian's child, not the one that only forks it."""
        return max(self.processes("run-api"), key=resident_bytes)


@contextmanager
def passable_directory() -> Iterator[Path]:
    """Give a temporary directory that every user can pass through: as root, PostgreSQL runs as somebody else."""
    directory = Path(tempfile.mkdtemp(prefix="tintype-bench-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def serving(
    data: Path, *arguments: str, environment: Mapping[str, str] | None = None, key: str = ""
) -> Iterator[Served]:
    """Run `tintype serve` on `data`, its log lines in the file `<data>.log`; `key` is the API key of an earlier run."""
    port, started = free_port(), time.monotonic()
    command = [sys.executable, "-m", "tintype", "serve", "--port", str(port), "--data", str(data), *arguments]
    with data.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            command, env=_environment(environment or {}), stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        said = _read_until_ready(process, data.with_suffix(".log"))
        found = re.search(r"ttk_\w+", said)
        seconds = time.monotonic() - started
        yield Served("127.0.0.1", port, found[0] if found else key, data, process.pid, seconds)
    finally:
        _stop(process)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TINTYPE_")}
    return {**kept, "TINTYPE_RATE_LIMITS": "off", **more}


def _read_until_ready(process: subprocess.Popen[str], log: Path) -> str:
    said = ""
    for line in process.stdout or ():
        said += line
        if line.startswith("Try it:"):
            return said
    raise SystemExit(f"tintype serve ended with {process.wait()}: {said}\n{log.read_text()[-4000:]}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _descendants(parent: int) -> Iterator[int]:
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, _read(children).split()):
            yield child
            yield from _descendants(child)


def _command_line(pid: int) -> str:
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return ""


def status_bytes(pid: int, field: str) -> int:
    """Return a line of /proc/<pid>/status in bytes (VmRSS: resident now; VmHWM: its peak; RssAnon: of its own)."""
    found = re.search(rf"{field}:\s+(\d+) kB", _read(Path(f"/proc/{pid}/status")))
    return int(found[1]) * 1024 if found else 0


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has now; 0 when it is gone."""
    return status_bytes(pid, "VmRSS")


def processor_seconds(pids: list[int]) -> float:
    """Return how long these processes have run on a core, in all their threads (proc(5): utime and stime)."""
    ticks = 0
    for pid in pids:
        fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")

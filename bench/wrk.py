"""wrk, the load generator: one thread, 32 connections kept alive."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from serving import processor_seconds

CONNECTIONS: Final = 32


@dataclass(frozen=True)
class Load:
    """What a load run saw: requests per second, and microseconds of processor time that the server took for each."""

    per_second: float
    microseconds: float


def load(url: str, server: int, *, seconds: int, headers: Mapping[str, str] | None = None) -> Load:
    """Load `url` and watch the process `server`. Raises `RuntimeError` when an answer is an error."""
    options = [option for name, value in (headers or {}).items() for option in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *options, url]
    before = processor_seconds([server])
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = processor_seconds([server]) - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    (requests,) = re.findall(r"(\d+) requests in", said)
    (per_second,) = re.findall(r"Requests/sec:\s+([\d.]+)", said)
    return Load(float(per_second), spent / max(1, int(requests)) * 1e6)

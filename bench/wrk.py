"""wrk, the load generator: one thread, connections kept alive."""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serving import processor_seconds

CONNECTIONS: Final = 32

_IN_TURN: Final = """
local paths, at = {%s}, 0
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at])
end
"""
"""Asks for one path after the other (wrk's scripts are Lua)."""


@dataclass(frozen=True)
class Load:
    """What a load run saw: requests per second, and microseconds of processor time that the server took for each."""

    per_second: float
    microseconds: float


def load(
    url: str,
    server: int,
    *,
    seconds: int,
    headers: Mapping[str, str] | None = None,
    connections: int = CONNECTIONS,
    paths: Sequence[str] = (),
    refusals: bool = False,
) -> Load:
    """Load `url`, or `paths` there in turn, and watch the process `server`.

    Raises `RuntimeError` when an answer is an error, unless `refusals` are what is measured.
    """
    options = [option for name, value in (headers or {}).items() for option in ("-H", f"{name}: {value}")]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if paths:
            script.write(_IN_TURN % ", ".join(map(json.dumps, paths)))
            script.flush()
            options += ["-s", str(Path(script.name))]
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *options, url]
        before = processor_seconds([server])
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        spent = processor_seconds([server]) - before
    if "Socket errors" in said or ("Non-2xx" in said) != refusals:
        raise RuntimeError(said)
    (requests,) = re.findall(r"(\d+) requests in", said)
    (per_second,) = re.findall(r"Requests/sec:\s+([\d.]+)", said)
    return Load(float(per_second), spent / max(1, int(requests)) * 1e6)

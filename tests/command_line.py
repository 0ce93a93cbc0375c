"""`tintype` as a command that runs and ends."""

import os
import subprocess
import sys
from collections.abc import Mapping


def tintype(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Return what the command printed and its exit status, which must come within a minute."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TINTYPE_")}
    command = [sys.executable, "-m", "tintype", *arguments]
    variables = {**inherited, **(environment or {})}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)

"""A product that is broken on purpose: code of the test's own runs in its processes before theirs.

Python imports `sitecustomize` from the first place that has one, and PYTHONPATH comes first. The product has no switch
for this, and needs none. Render processes are isolated (`-I`) and stay as they are.
"""

import os
import textwrap
from pathlib import Path
from typing import Final

_ONLY_IN: Final = """
import sys
if {commands!r} & set(sys.orig_argv):
"""


API: Final = "run-api"
WORKER: Final = "run-worker"


HASTY: Final = """
    import tintype.worker

    tintype.worker.HEARTBEAT_SECONDS = 0.5
    tintype.worker.STALLED_SECONDS = 3.0
    tintype.worker.SWEEP_SECONDS = 0.5
"""
"""Workers that take a dead one's jobs over after three seconds instead of ten, and look for lost ones all the time."""


def sabotaged(directory: Path, code: str, *commands: str) -> dict[str, str]:
    """Return the environment of a product whose processes run `code` first: those of these commands, or of both.

    The directory is made, and must be there as long as the product runs.
    """
    directory.mkdir()
    body = _ONLY_IN.format(commands=set(commands or (API, WORKER))) + textwrap.indent(textwrap.dedent(code), "    ")
    (directory / "sitecustomize.py").write_text(body)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")]))}

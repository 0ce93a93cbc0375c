"""What runs ends with the supervisor, at whatever moment that is killed, and gives its port to the next one."""

import os
import signal
from pathlib import Path
from typing import Final

from killing import pids, restartable
from product import eventually

GONE_SECONDS: Final = 5.0


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_an_api_process_that_is_still_starting_ends_with_its_supervisor(passable_tmp_path: Path) -> None:
    with restartable(passable_tmp_path / "data", "--workers", "1", "--renderers", "1") as target:
        product = target.product
        former = set(pids(product, "api process"))
        os.kill(pids(product, "server")[0], signal.SIGKILL)
        assert eventually(lambda: bool(set(pids(product, "api process")) - former), within=20)
        tree = product.children()
        os.kill(product.process.pid, signal.SIGKILL)
        assert eventually(lambda: all(is_gone(pid) for pid in tree), within=GONE_SECONDS)
        target.kill_supervisor()  # that is dead already; and start it again on the same port
        assert target.product.stranger.get("/readyz").status_code == 200

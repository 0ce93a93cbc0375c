"""The processes of a running product, told apart by what they do, and killed without warning."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from product import Product, eventually, start_product
from quick_respawn import NURSERY

SUPERVISOR: Final = "supervisor"
API_PROCESS: Final = "api process"
WORKER: Final = "worker"
ROLES: Final = (SUPERVISOR, API_PROCESS, "server", "postgres", "renderer", WORKER)
"""Every sort of process, in the order of their deaths. The worker comes last: what it had not told the others by then,
no restart of theirs makes up for."""

STARTED_SECONDS: Final = 20.0
"""How long a process that is part of a whole product may take to be there, on a busy machine."""

VICTIM_SECONDS: Final = 20.0
"""How long a victim is waited for: what was killed last may not be back yet."""


class Restartable:
    """A product that is started again on its data and port when its supervisor was killed."""

    def __init__(self, stack: ExitStack, data: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        """`stack` ends the product."""
        self._data = data
        self._arguments = arguments
        self._environment = environment
        self._stack = stack.enter_context(ExitStack())
        self.product = self._start(None, "")
        self.port = int(self.product.base_url.rpartition(":")[2])

    def kill_supervisor(self) -> None:
        """Kill the supervisor and start the product again at once."""
        os.kill(self.product.process.pid, signal.SIGKILL)
        self.product.process.wait()
        self._stack.close()
        self.product = self._start(self.port, self.product.api_key)

    def _start(self, port: int | None, key: str) -> Product:
        return self._stack.enter_context(
            start_product(self._data, *self._arguments, environment=self._environment, port=port, key=key)
        )


@contextmanager
def restartable(data: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Restartable]:
    """Give a running product that survives the death of its supervisor."""
    with ExitStack() as stack:
        yield Restartable(stack, data, arguments, dict(environment or {}))


def pids(product: Product, role: str) -> list[int]:
    """Return the processes of the product that have this role."""
    top = product.process.pid
    if role == SUPERVISOR:
        return [top]
    return [pid for pid, command in product.children().items() if _role(pid, command, top) == role]


def started(product: Product, role: str, *, count: int = 1) -> list[int]:
    """Return the processes of this role once there are so many: ready is who answers, before decoders are up."""
    assert eventually(lambda: len(pids(product, role)) >= count, within=STARTED_SECONDS), f"there is no {role}"
    return pids(product, role)


def _role(pid: int, command: str, supervisor: int) -> str | None:
    at_the_top = _parent(pid) == supervisor
    if "run-api" in command:
        return "server" if at_the_top else API_PROCESS
    if "run-worker" in command:
        return WORKER if _name(pid) != NURSERY else None
    if "render_process" in command:
        return "renderer"
    return "postgres" if at_the_top and "/bin/postgres" in command else None


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def is_running(pid: int) -> bool:
    """Return whether this process has not ended; one whose parent has not noticed yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_in_turn(
    target: Restartable, *, roles: Sequence[str], kills: int, pause: tuple[float, float], dice: random.Random
) -> Counter[str]:
    """Kill processes of these roles in turn, at random moments, and return how many of each; pauses are seconds."""
    done: Counter[str] = Counter()
    for number in range(kills):
        time.sleep(dice.uniform(*pause))
        role = roles[number % len(roles)]
        if role == SUPERVISOR:
            target.kill_supervisor()
            done[role] += 1
        else:
            done[role] += _kill_one(target.product, role, dice)
    return done


def _kill_one(product: Product, role: str, dice: random.Random) -> bool:
    deadline = time.monotonic() + VICTIM_SECONDS
    while time.monotonic() < deadline:
        found = pids(product, role)
        try:
            if found:
                os.kill(dice.choice(found), signal.SIGKILL)
                return True
        except ProcessLookupError:  # it ended in this moment by itself
            continue
        time.sleep(0.02)
    return False


@contextmanager
def frozen(*stopped: int) -> Iterator[None]:
    """Have these processes do nothing during the block; one that ends meanwhile is no error."""
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

"""argon2id with the parameters that OWASP names, in threads of its own.

Each hash takes 19 MiB and a tenth of a second of a core, so few are made at once and few may wait: whoever sends a
thousand gets 503, and everybody else's pictures are served meanwhile. The threads step back behind the event loop
(their niceness is their own on Linux), and argon2 lets go of the interpreter's lock while it works.
"""

import asyncio
import base64
import functools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from tintype.domain.errors import Code, Problem
from tintype.ports.password_hasher import Checked

T = TypeVar("T")

NICENESS: Final = 10
"""Of the hashing threads: somebody who signs in can wait a moment longer than a picture."""

RETRY_AFTER_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class HashingLimits:
    """How many hashes one process makes at once, and how many more may wait for that."""

    threads: int = 2
    waiting: int = 40
    """At a tenth of a second each, the last of them waits two seconds."""


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


class Argon2Hasher:
    """Makes and checks hashes."""

    def __init__(self, limits: HashingLimits, parameters: Argon2Parameters | None = None) -> None:
        """`parameters` other than OWASP's are for tests, which would otherwise do little else."""
        chosen = parameters or Argon2Parameters()
        self._hasher = argon2.PasswordHasher(
            time_cost=chosen.passes, memory_cost=chosen.memory_kib, parallelism=chosen.lanes
        )
        self._decoy = _decoy(chosen)
        self._most = limits.threads + limits.waiting
        self._under_way = 0
        self._threads = ThreadPoolExecutor(limits.threads, "argon2", initializer=_step_back)

    async def hash(self, password: str) -> str:
        """Return a hash of the password."""
        return await self._run(functools.partial(self._hasher.hash, password))

    async def check(self, password: str, stored: str | None) -> Checked:
        """Return whether the password is the one that was hashed; without one, a decoy takes the same time."""
        checked = await self._run(functools.partial(self._check, password, stored or self._decoy))
        return checked if stored is not None else Checked(matches=False, outdated=False)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._most:
            raise Problem(
                Code.UNAVAILABLE,
                "Too many people sign in at this moment. Try again in a few seconds.",
                retry_after=RETRY_AFTER_SECONDS,
            )
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._ended)  # not when the request ends: a thread cannot be called back
        return await asyncio.shield(future)

    def _ended(self, _future: object) -> None:
        self._under_way -= 1

    def _check(self, password: str, stored: str) -> Checked:
        try:
            self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return Checked(matches=False, outdated=False)
        return Checked(matches=True, outdated=self._hasher.check_needs_rehash(stored))


def _decoy(parameters: Argon2Parameters) -> str:
    """Return a hash that no password has, and that takes as long to check as any."""
    salt, digest = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    cost = f"m={parameters.memory_kib},t={parameters.passes},p={parameters.lanes}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


def _step_back() -> None:
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

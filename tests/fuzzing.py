"""A small fuzzer: mutate what is known, keep what behaves in a new way, write down what breaks a promise.

A target checks one input and returns how it behaved, in a word; a word that was not heard before makes the input worth
mutating further. What raises anything is a finding: it is made smaller and written to `tests/fuzz/seeds/<target>/`,
which every later run begins with. One seed of the dice gives one run.
"""

import hashlib
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

SEEDS: Final = Path(__file__).parent / "fuzz" / "seeds"
"""Kept inputs: each broke something once."""

MOST_KEPT: Final = 2_000
"""Inputs of a run that are mutated further; beyond it a new one takes the place of any other."""

_ALIKE: Final = 40
"""Characters of an error that tell findings apart."""

SHRINK_TRIES: Final = 200
MOST_FINDINGS: Final = 20
"""A target that fails this often is broken; its other findings would say the same."""


class Target(Protocol):
    """Something that reads bytes of strangers."""

    name: str

    def examples(self) -> Sequence[bytes]:
        """Return inputs to begin with: sound ones, of every sort."""

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Return another input."""

    def check(self, data: bytes) -> str:
        """Return how the input was taken, in a word that few inputs share; raise when a promise is broken."""


@dataclass(frozen=True)
class Finding:
    """An input that broke a promise, and what was raised."""

    data: bytes
    error: str


@dataclass
class Run:
    """What a run came to."""

    executions: int = 0
    behaviours: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def kept_seeds(name: str) -> list[Path]:
    """Return the files of the seeds that are kept for a target."""
    return sorted(path for path in (SEEDS / name).glob("*") if path.is_file())


def fuzz(target: Target, *, seed: int, iterations: int | None = None, seconds: float | None = None) -> Run:
    """Check every example and kept seed, then mutants of them until the count or the time is over."""
    run, dice = Run(), random.Random(seed)
    corpus = [*target.examples(), *(path.read_bytes() for path in kept_seeds(target.name))]
    for data in corpus:
        _try(target, data, run)
    end = time.monotonic() + (seconds if seconds is not None else float("inf"))
    left = iterations if iterations is not None else (0 if seconds is None else 10**12)
    while left > 0 and time.monotonic() < end and len(run.findings) < MOST_FINDINGS:
        left -= 1
        data = target.mutate(dice.choice(corpus), dice)
        if _try(target, data, run):
            _keep(corpus, data, dice)
    return run


def _try(target: Target, data: bytes, run: Run) -> bool:
    """Check one input; return whether it behaved as none before."""
    run.executions += 1
    behaviour, finding = checked(target, data)
    if finding is not None:
        behaviour = f"broken: {finding.error[:_ALIKE]}"
        if behaviour not in run.behaviours:
            run.findings.append(shrunk(target, finding))
    new = behaviour not in run.behaviours
    run.behaviours.add(behaviour)
    return new


def checked(target: Target, data: bytes) -> tuple[str, Finding | None]:
    """Return how an input was taken, and the finding when it broke a promise."""
    try:
        return target.check(data), None
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is a finding
        return "", Finding(data, f"{type(error).__name__}: {error}")


def _keep(corpus: list[bytes], data: bytes, dice: random.Random) -> None:
    if len(corpus) < MOST_KEPT:
        corpus.append(data)
    else:
        corpus[dice.randrange(len(corpus))] = data


def shrunk(target: Target, finding: Finding) -> Finding:
    """Return a finding of the same error with fewer bytes, by leaving out ever smaller stretches."""
    step, tries = len(finding.data) // 2, 0
    while step >= 1 and tries < SHRINK_TRIES:
        shorter = None
        for smaller in _without_stretches(finding.data, step):
            tries += 1
            _, found = checked(target, smaller)
            if found is not None and found.error[:_ALIKE] == finding.error[:_ALIKE]:
                shorter = found
                break
            if tries >= SHRINK_TRIES:
                break
        finding, step = (shorter, step) if shorter else (finding, step // 2)
    return finding


def _without_stretches(data: bytes, step: int) -> Iterable[bytes]:
    return (data[:start] + data[start + step :] for start in range(0, len(data), step) if len(data) > step)


def write_down(target: Target, finding: Finding) -> Path:
    """Keep the finding as a seed; return its file."""
    folder = SEEDS / target.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(finding.data).hexdigest()[:16]
    path.write_bytes(finding.data)
    return path

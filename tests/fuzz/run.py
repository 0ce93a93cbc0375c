"""`make fuzz`: mutate files and headers for a while, and keep what breaks a promise as a seed for every later run.

    python tests/fuzz/run.py [--seconds 60] [--iterations N] [--seed N] [TARGET …]

The time is shared out evenly; `--iterations` counts instead, for each target. The exit status is 1 when something was
found: its files are named, and `make test` fails on them until they are dealt with.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from decoders import Decoders
from fuzz_parsers import HEADERS, Multipart
from fuzz_sanitiser import Sanitiser
from fuzzing import Target, fuzz, write_down


@contextmanager
def targets() -> Iterator[dict[str, Target]]:
    """Give every target by its name."""
    with Decoders() as decoders, asyncio.Runner() as runner:
        every: list[Target] = [Sanitiser(decoders), Multipart(runner), *HEADERS]
        yield {target.name: target for target in every}


def main(arguments: Sequence[str]) -> int:
    """Fuzz what is named, or everything; return the exit status."""
    parser = argparse.ArgumentParser(description="Fuzz the sanitiser and the parsers of HTTP.")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--iterations", type=int, help="for each target, instead of a time")
    parser.add_argument("--seed", type=int, help="of the dice; another one in every run by default")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    with targets() as every:
        if unknown := set(options.targets) - set(every):
            parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(every)}")
        chosen = [every[name] for name in options.targets] or list(every.values())
        seconds = None if options.iterations else options.seconds / len(chosen)
        found = [_report(target, seed, options.iterations, seconds) for target in chosen]
    return 1 if any(found) else 0


def _report(target: Target, seed: int, iterations: int | None, seconds: float | None) -> bool:
    run = fuzz(target, seed=seed, iterations=iterations, seconds=seconds)
    print(f"{target.name}: {run.executions} inputs, {len(run.behaviours)} behaviours, seed {seed}", flush=True)
    for finding in run.findings:
        print(f"  {write_down(target, finding)}: {finding.error[:300]}")
    return bool(run.findings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

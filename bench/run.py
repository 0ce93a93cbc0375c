"""Measures, and prints the table that docs/performance.md quotes: `python bench/run.py [SECTION …]`.

Every rate is held against a peer that is measured in the same run on the same machine, every size against its limit.
The exit status is 1 when a figure misses what is required. `--quick` runs each section for a moment, to show that it
works; its figures say nothing, and its exit status is 0.
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from figures import Figure, table

SECTIONS: Final = (
    "uploads",
    "ready",
    "render",
    "delivery",
    "signed",
    "listing",
    "hot",
    "memory",
    "hostile",
    "quota",
    "encrypted",
    "sign_in",
    "tus",
    "presigned",
)


def main(arguments: Sequence[str]) -> int:
    """Run the sections that are named, print their figures and return the exit status."""
    parser = argparse.ArgumentParser(description="Measure Tintype.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    options = parser.parse_args(arguments)
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before", file=sys.stderr)
    figures: list[Figure] = []
    for section in options.sections or SECTIONS:
        figures += _measured(section, quick=options.quick)
    print(table(figures))
    missed = [figure.name for figure in figures if figure.passed is False]
    return 1 if missed and not options.quick else 0


def _measured(section: str, *, quick: bool) -> list[Figure]:
    print(f"{section} …", file=sys.stderr, end=" ", flush=True)
    started = time.monotonic()
    figures: list[Figure] = importlib.import_module(section).measure(quick=quick)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    return figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
